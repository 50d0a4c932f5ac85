// The links of mails: an invitation taken up, a password chosen anew, an address confirmed, each by its page.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test, { after, before } from 'node:test';
import { axe, launch, open, overflow, send, settled, show, world } from './world.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** The code of the newest mail to somebody, and that its link leads to the page. Mails are sent behind the answer. */
const mailed = async (to, page, before = '') => {
  for (let tries = 0; tries < 100; tries += 1) {
    const mail = readFileSync(world.mails, 'utf8').split(`\nMail to ${to}: `).at(-1);
    const code = new RegExp(`ks account ${page} .*--code (ksc_\\w+)`).exec(mail)?.[1];
    if (code && code !== before) {
      assert.ok(mail.includes(`${new URL(world.apiUrl).origin}/#/${page}?code=${code}\n`), 'the mail has the link');
      return code;
    }
    await new Promise((then) => setTimeout(then, 50));
  }
  throw new Error(`no mail to ${to}`);
};

/** Opens a mail's link as a mail program would: in a page that was empty. */
const opened = async (page, hash) => {
  await page.goto('about:blank');
  await page.goto(`${world.apiUrl}/#/${hash}`);
  await settled(page);
};

test('somebody joins, forgets the password, and confirms the address', async () => {
  const email = 'grace@example.com';
  await send('invitations', { email, role: 'viewer' });
  const { page, nothingWrong } = await open(browser, { width: 390 });
  await opened(page, `accept?code=${await mailed(email, 'accept')}`);
  await page.getByRole('heading', { name: 'Join an organization' }).waitFor();
  assert.ok(!page.url().includes('code='), 'the code leaves the address');
  assert.deepEqual(await axe(page), []);
  assert.ok((await overflow(page)) <= 0);
  await page.getByLabel('Your name').fill('Grace');
  await page.getByLabel('Choose a password').fill('short');
  assert.ok(await page.getByRole('button', { name: 'Join' }).isDisabled());
  await page.getByLabel('Choose a password').fill('a password that is long');
  await page.getByRole('button', { name: 'Join' }).click();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();

  await show(page, 'forgot-password');
  assert.deepEqual(await axe(page), []);
  await page.getByLabel('E-mail').fill(email);
  await page.getByRole('button', { name: 'Send the link' }).click();
  await page.getByText('a mail is on its way').waitFor();
  const code = await mailed(email, 'reset-password');
  await opened(page, `reset-password?code=${code}`);
  await page.getByLabel('New password').fill('another one that is long');
  assert.deepEqual(await axe(page), []);
  await page.getByRole('button', { name: 'Set the password' }).click();
  await page.getByText('The new password holds').waitFor();
  // A code is good once, and a refused one says what helps.
  await opened(page, `reset-password?code=${code}`);
  await page.getByLabel('New password').fill('a third one that is long');
  await page.getByRole('button', { name: 'Set the password' }).click();
  await page.getByRole('alert').waitFor();
  await show(page, 'reset-password');
  await page.getByText('The link is not whole').waitFor();

  const answer = await page.request.post(`${world.apiUrl}/v1/auth/login`, { headers: { 'sec-fetch-site': 'same-origin' }, data: { email, password: 'another one that is long' } });
  assert.equal(answer.status(), 200, 'the new password signs in');
  const asked = await page.request.post(`${world.apiUrl}/v1/auth/send-verification`, { headers: { 'sec-fetch-site': 'same-origin' } });
  assert.equal(asked.status(), 202, await asked.text());
  await opened(page, `verify-email?code=${await mailed(email, 'verify-email')}`);
  await page.getByText('Your address is confirmed').waitFor();
  assert.deepEqual(await axe(page), []);
  nothingWrong();
});
