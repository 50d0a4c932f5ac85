// Every page, light and wide, dark and narrow: nothing for axe to find, nothing beside the screen, nothing that the policy forbids. Colours
// and layouts are of a few parts, so that the other two pairs show nothing else.
import assert from 'node:assert/strict';
import test, { after, before, describe } from 'node:test';
import { api, axe, follow, launch, looked, open, overflow, settled, shifted, show, signedIn, world } from './world.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const pages = async () => {
  const lists = ['agents', 'credentials', 'requests', 'access-requests', 'projects', 'budgets'];
  const [agents, credentials, requests, asked, projects, budgets] = (await Promise.all(lists.map(api))).map(({ data }) => data);
  const sent = requests.find(({ attemptId }) => attemptId);
  const refused = requests.find(({ attemptId }) => !attemptId);
  return [
    ...world.pages,
    'agents/new',
    `agents/${agents[0].id}`,
    `credentials/${credentials[0].id}`,
    'credentials?add=openai',
    `requests/${sent.id}`,
    `requests/${refused.id}`,
    'requests?code=rate_limited',
    `access/${asked[0].id}`,
    `projects/${projects[0].id}`,
    `budgets/${budgets[0].id}`,
    'providers/openai',
    'no-such-page',
  ];
};

// Two at a time: while one waits for the server, the other uses the processor.
describe('the dashboard', { concurrency: 2 }, () => {
  test('at 1280 pixels, light, each loaded by its address', async () => {
    const { page, nothingWrong } = await open(browser);
    await show(page, '');
    assert.equal(await page.locator('h1').innerText(), 'Sign in to Keystore');
    assert.deepEqual(await axe(page), [], 'the sign-in page');
    await signedIn(page);
    for (const hash of await pages()) {
      await show(page, hash);
      assert.ok((await shifted(page)) < 0.1, `${hash} moves while it is loaded`);
      assert.deepEqual(await axe(page), [], hash);
      assert.ok((await overflow(page)) <= 0, `${hash} is wider than the screen`);
    }
    nothingWrong();
  });

  test('at 390 pixels, dark, each gone to', async () => {
    const { page, nothingWrong } = await open(browser, { width: 390, theme: 'dark' });
    await show(page, '');
    assert.deepEqual(await axe(page), [], 'the sign-in page');
    await signedIn(page);
    await show(page, '');
    for (const hash of await pages()) {
      await follow(page, hash);
      // The same elements as before: what is otherwise is colours and sizes.
      assert.deepEqual(await axe(page, ['color-contrast', 'target-size']), [], hash);
      assert.ok((await overflow(page)) <= 0, `${hash} is wider than the screen`);
    }
    nothingWrong();
  });

  test('a webhook is made, its secret shown once, and a test of it listed with the answer', async () => {
    const { page, nothingWrong } = await open(browser);
    await signedIn(page);
    await show(page, 'webhooks');
    await page.getByRole('button', { name: 'Add a webhook' }).first().click();
    await page.getByLabel('Address').fill(`${world.vendor}/hooks`);
    await page.getByRole('button', { name: 'Add it' }).click();
    assert.match(await page.getByRole('dialog').locator('code').innerText(), /^whsec_/);
    // Nothing but the button closes it.
    for (let tries = 0; tries < 3; tries += 1) await page.keyboard.press('Escape');
    assert.match(await page.getByRole('dialog').locator('code').innerText(), /^whsec_/);
    assert.deepEqual(await axe(page), []);
    await page.getByRole('button', { name: 'I have copied it' }).click();
    await page.getByRole('button', { name: 'Send a test' }).click();
    const row = page.getByRole('row').filter({ hasText: 'webhook.test' });
    await row.filter({ hasText: '401' }).waitFor();
    await settled(page);
    await looked(page, 'a webhook');
    assert.ok(!(await page.content()).includes('whsec_'));
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('button', { name: 'Delete it' }).click();
    await page.getByText('No webhook').waitFor();
    nothingWrong();
  });

  test('what was shown page by page stays when it is read anew, and what is rare is looked for as far as somebody says', async () => {
    const { page, nothingWrong } = await open(browser);
    await signedIn(page);
    let asked = 0;
    await page.route(/\/v1\/access-requests\?/, (route) => {
      asked += 1;
      return route.fulfill({ json: { data: [], next: 'behind' } });
    });
    await show(page, 'access');
    await page.getByText('Nothing in the latest ones').waitFor();
    assert.equal(asked, 10, 'so many pages by itself');
    assert.deepEqual(await axe(page), []);
    await page.getByRole('button', { name: 'Look further' }).click();
    await page.waitForFunction(() => document.querySelector('.empty button:not(:disabled)'));
    assert.ok(asked >= 30, `the same ten, and ten more: ${asked}`);

    // One a page, read anew when the stream is connected.
    await page.route(/\/v1\/requests\/stream/, (route) => route.fulfill({ contentType: 'text/event-stream', body: ': connected\n\n' }));
    await page.route(/\/v1\/requests\?/, (route) => {
      const url = new URL(route.request().url());
      url.searchParams.set('limit', '1');
      return route.continue({ url: String(url) });
    });
    await show(page, 'requests');
    const rows = page.getByRole('table', { name: 'Requests' }).getByRole('row');
    assert.equal(await rows.count(), 2, 'one, below the titles');
    await page.getByRole('button', { name: 'Show more' }).click();
    await rows.nth(2).waitFor();
    await page.getByRole('button', { name: 'Hold' }).click();
    await page.getByText('Held', { exact: true }).waitFor();
    const anew = page.waitForResponse((answer) => /\/v1\/requests\?.*after=/.test(answer.url()));
    await page.getByRole('button', { name: 'Go on' }).click();
    await anew;
    assert.equal(await rows.count(), 3);
    nothingWrong();
  });

  test('each attempt is a row, and a stream that is given up says so and begins again', async () => {
    const { page, nothingWrong } = await open(browser);
    await signedIn(page);
    const one = (await api('requests')).data.find(({ attemptId }) => attemptId);
    const event = `data: ${JSON.stringify({ ...one, attemptId: `${one.attemptId.slice(0, -1)}_` })}\n\n`;
    const stream = /\/v1\/requests\/stream/;
    let streams = 0;
    await page.route(stream, (route) => {
      streams += 1;
      return streams === 1 ? route.fulfill({ contentType: 'text/event-stream', body: event }) : route.abort('connectionreset');
    });
    await page.route(/\/v1\/requests\?/, (route) => route.fulfill({ json: { data: [one] } }));
    await show(page, 'requests');
    const rows = page.getByRole('table', { name: 'Requests' }).getByRole('row');
    await rows.nth(2).waitFor();
    assert.equal(await rows.count(), 3, 'two attempts of one request');
    await page.getByText('Not live').waitFor();
    assert.equal(await page.locator('.live.on').count(), 0);
    assert.deepEqual(await axe(page), []);
    await page.unroute(stream);
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.locator('.live.on').waitFor();
    assert.equal(await page.getByRole('alert').count(), 0);
    nothingWrong();
  });

  test('with the keyboard alone', async () => {
    const { page, nothingWrong } = await open(browser);
    await signedIn(page);
    await show(page, '');
    await page.keyboard.press('g');
    await page.keyboard.press('a');
    await page.getByRole('heading', { name: 'Agents' }).waitFor();
    await settled(page);
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.getByText(/^agt_/).first().waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: /Search/ }).fill('budg');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Budgets' }).waitFor();
    await page.getByRole('button', { name: 'Set a budget' }).first().focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.closest('dialog') !== null), true);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    nothingWrong();
  });

  test('a session that has ended leads to the sign-in page, a wrong password is told, and the page that was asked for follows', async () => {
    const { page, context, nothingWrong } = await open(browser);
    await signedIn(page);
    await show(page, 'budgets');
    await context.clearCookies();
    await page.getByRole('link', { name: 'Agents' }).click();
    await page.getByRole('heading', { name: 'Sign in to Keystore' }).waitFor();
    await page.getByLabel('E-mail').fill(world.email);
    await page.getByLabel('Password').fill('not the password');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Password').fill(world.password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('heading', { name: 'Agents' }).waitFor();
    nothingWrong();
  });
});
