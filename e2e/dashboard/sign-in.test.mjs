// How a person signs in: an app for one-time codes, recovery codes, passkeys of the browser's own virtual authenticator, and sessions. At
// `localhost`, because browsers have no passkeys for a bare IP address.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import test from 'node:test';
import { axe, launch, open, show, world } from './world.mjs';

/** What an app shows for this key (RFC 6238). */
const totp = (key, at = Date.now()) => {
  const bits = [...key].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const bytes = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigInt64BE(BigInt(Math.floor(at / 30_000)));
  const mac = createHmac('sha1', bytes).update(step).digest();
  const word = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
  return String(word % 1_000_000).padStart(6, '0');
};

const firstStep = async (page) => {
  await page.getByLabel('E-mail').fill(world.email);
  await page.getByLabel('Password').fill(world.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
};

const inside = (page) => page.getByRole('heading', { name: 'Overview' }).waitFor();

const signOut = async (page) => {
  await page.context().clearCookies();
  await show(page, '');
};

/** Keeps the codes that are shown this once, and goes on. */
const keepCodes = async (page) => {
  const codes = (await page.locator('[data-codes]').innerText()).split('\n');
  assert.equal(codes.length, 10);
  await page.getByRole('button', { name: 'I have kept them' }).click();
  await page.locator('[data-codes]').waitFor({ state: 'detached' });
  return codes;
};

/** The browser's own authenticator; `verifies` is whether it knows who is there. */
const authenticator = async (page, verifies = true) => {
  const debug = await page.context().newCDPSession(page);
  await debug.send('WebAuthn.enable');
  const options = { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: verifies, automaticPresenceSimulation: true };
  const { authenticatorId } = await debug.send('WebAuthn.addVirtualAuthenticator', { options });
  return { verifies: (isUserVerified) => debug.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified }) };
};

test('an app, recovery codes, a passkey, and sessions', async (context) => {
  const browser = await launch();
  context.after(() => browser.close());
  const { page, nothingWrong } = await open(browser);
  const another = await open(browser);

  for (const window of [page, another.page]) {
    await show(window, '');
    await firstStep(window);
    await inside(window);
  }

  // An app is set up with the password and its first code; the session elsewhere ends.
  await show(page, 'settings');
  await page.getByRole('button', { name: 'Set up an app' }).click();
  await page.getByLabel('Your password').fill(world.password);
  await page.getByRole('button', { name: 'Go on' }).click();
  const key = await page.locator('[data-totp]').innerText();
  assert.deepEqual(await axe(page), []);
  const shown = totp(key);
  await page.getByLabel('The code that it shows').fill(shown);
  await page.getByRole('button', { name: 'Turn it on' }).click();
  await page.locator('[data-codes]').waitFor();
  assert.deepEqual(await axe(page), []);
  const codes = await keepCodes(page);
  await show(another.page, '');
  await another.page.getByRole('heading', { name: 'Sign in to Keystore' }).waitFor();

  // In two steps: a used code is refused, a recovery code is good once.
  await signOut(page);
  await firstStep(page);
  const field = page.getByLabel('Code of your app, or a recovery code');
  await field.fill(shown);
  assert.deepEqual(await axe(page), []);
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByText('was used before').waitFor();
  await field.fill(codes[0]);
  await page.getByRole('button', { name: 'Go on' }).click();
  await inside(page);

  // A passkey, behind the password and alone. What looks at the page with the debugger takes the authenticator away: it does so later.
  const device = await authenticator(page);
  await show(page, 'settings');
  await page.getByText('9 left').waitFor();
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await page.getByLabel('What you call it').fill('Laptop');
  await page.getByLabel('Your password').fill(world.password);
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByText('not used yet').waitFor();
  assert.equal(await page.locator('[data-codes]').count(), 0, 'the codes before hold on');
  await signOut(page);
  await firstStep(page);
  await page.getByRole('button', { name: 'Use a passkey' }).click();
  await inside(page);
  await signOut(page);
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await inside(page);
  await signOut(page);
  await device.verifies(false);
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await page.getByRole('alert').waitFor();
  await device.verifies(true);
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await inside(page);

  // The sessions that all this began, and the end of the others.
  await show(page, 'settings');
  const rows = page.getByRole('table', { name: 'Your sessions' }).getByRole('row');
  assert.ok((await rows.count()) > 3);
  await page.getByRole('cell', { name: /Chrome/ }).first().waitFor();
  assert.deepEqual(await axe(page), []);
  await page.getByRole('button', { name: 'End all others' }).click();
  await page.getByRole('button', { name: 'End them' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.waitForFunction(() => document.querySelectorAll('table[aria-label="Your sessions"] tbody tr').length === 1);

  // Both are removed; the password is enough again.
  await page.getByRole('button', { name: 'Remove the passkey Laptop' }).click();
  await page.getByLabel('Your password').fill(world.password);
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Remove the app' }).click();
  await page.getByLabel('Your password').fill(world.password);
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await page.getByText('come with the first factor').waitFor();
  await signOut(page);
  await firstStep(page);
  await inside(page);
  nothingWrong();
  another.nothingWrong();
});
