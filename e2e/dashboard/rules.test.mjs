// What people decide and set: access that an agent asked for, projects, providers of their own, budgets, and the rules over all of it.
import assert from 'node:assert/strict';
import test, { after, before, describe } from 'node:test';
import { api, axe, launch, open, show, signedIn, world } from './world.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const within = async (hash) => {
  const { page, nothingWrong } = await open(browser);
  await signedIn(page);
  await show(page, hash);
  return { page, nothingWrong };
};

/** As an agent files it, with a token that is made for it. */
const asked = async (agent, wanted) => {
  const post = async (url, token, body) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
    const text = await answer.text();
    assert.ok(answer.ok, `${url}: ${answer.status} ${text}`);
    return text;
  };
  const { token } = JSON.parse(await post(`${world.apiUrl}/v1/tokens`, world.apiKey, agent));
  const filed = await post(`${world.apiUrl}/mcp`, token, { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'request_access', arguments: wanted } });
  assert.match(filed, /acr_/);
};

const gone = (page) => page.getByRole('dialog').waitFor({ state: 'detached' });

describe('rules', { concurrency: 2 }, () => {
  test('access is granted in part, and the agent’s words are text', async () => {
    const { page, nothingWrong } = await within('access');
    await page.getByRole('row').filter({ hasText: '<b>because</b>' }).getByRole('link').click();
    await page.getByText('<b>because</b>').waitFor();
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByLabel('Whose key serves tavily').selectOption('byok');
    await page.getByLabel('provider:tavily:write').uncheck();
    assert.deepEqual(await axe(page), []);
    await page.getByRole('button', { name: 'Grant it' }).click();
    await gone(page);
    await page.getByText('approved').first().waitFor();
    const [filed] = (await api('access-requests')).data;
    assert.deepEqual(filed.granted.scopes, ['provider:tavily:read']);
    const agent = await api(`agents/${filed.agentId}`);
    assert.deepEqual(agent.providers.find(({ name }) => name === 'tavily').scopes, ['provider:tavily:read']);
    await page.getByRole('button', { name: 'Approve' }).waitFor({ state: 'detached' });

    // What it has stays with its key, whatever it asked for.
    await asked({ name: 'asker', providers: [{ name: 'tavily', source: 'byok', scopes: ['provider:tavily:read'] }] }, { provider: 'tavily', source: 'marketplace', scopes: ['provider:tavily:write'], reason: 'to write, too' });
    await show(page, 'access');
    await page.getByRole('row').filter({ hasText: 'to write, too' }).getByRole('link').click();
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByText('approving does not move it').waitFor();
    await page.getByText('It asked for the marketplace').waitFor();
    assert.equal(await page.getByLabel('Whose key serves tavily').count(), 0);
    assert.deepEqual(await axe(page), []);
    await page.getByRole('button', { name: 'Grant it' }).click();
    await gone(page);
    await page.getByText('approved').first().waitFor();
    const asker = (await api('agents')).data.find(({ name }) => name === 'asker');
    assert.deepEqual(asker.providers.map(({ name, source, scopes }) => [name, source, [...scopes].sort()]), [['tavily', 'byok', ['provider:tavily:read', 'provider:tavily:write']]]);
    nothingWrong();
  });

  test('a project with a budget of its own, an agent in it, and its end', async () => {
    const { page, nothingWrong } = await within('projects');
    await page.getByRole('button', { name: 'Create a project' }).first().click();
    await page.getByLabel('Name').fill('Research');
    await page.getByRole('button', { name: 'Create it' }).click();
    await page.getByRole('heading', { name: 'Research' }).waitFor();
    await page.getByRole('button', { name: 'Set a budget' }).first().click();
    await page.getByLabel('Dollars', { exact: true }).fill('7');
    await page.getByText('Narrower, or counted otherwise').click();
    await page.getByLabel('Of which model').fill('gpt-5*');
    await page.getByLabel('For which end user').fill('*');
    await page.getByRole('button', { name: 'Set it' }).click();
    await gone(page);
    await page.getByRole('row').filter({ hasText: 'gpt-5* · each end user' }).getByRole('link').click();
    await page.getByLabel('Of which end user').fill('customer-1');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Where customer-1 stands' }).waitFor();
    assert.deepEqual(await axe(page), []);
    const project = (await api('projects')).data.find(({ slug }) => slug === 'research');
    const budget = (await api('budgets')).data.find(({ projectId }) => projectId === project.id);
    assert.deepEqual([budget.limit, budget.model, budget.endUser], ['7.00', 'gpt-5*', '*']);
    await show(page, `agents/new?project=${project.id}`);
    await page.getByLabel('Name').fill('reader');
    await page.getByRole('button', { name: '+ sandbox' }).click();
    await page.getByRole('button', { name: 'Create the agent' }).click();
    await page.locator('[data-token]').waitFor();
    await show(page, `projects/${project.id}`);
    await page.getByRole('row').filter({ hasText: 'reader' }).waitFor();
    await page.getByRole('button', { name: 'Delete', exact: true }).first().click();
    await page.getByRole('dialog').getByRole('textbox').fill('research');
    await page.getByRole('button', { name: 'Delete it' }).click();
    await page.getByRole('dialog').getByRole('alert').waitFor();
    await page.getByLabel('Delete all that is in it, too').check();
    await page.getByRole('button', { name: 'Delete it' }).click();
    await page.getByRole('heading', { name: 'Projects' }).waitFor();
    assert.ok(!(await api('projects')).data.some(({ slug }) => slug === 'research'));
    nothingWrong();
  });

  test('a provider of one’s own is defined, changed by what differs, and deleted', async () => {
    const { page, nothingWrong } = await within('providers');
    await page.getByRole('button', { name: 'Define a provider' }).first().click();
    await page.getByLabel('Name in paths').fill('acme');
    await page.getByLabel('Base URL').fill('https://api.acme.example');
    await page.getByLabel('Where it takes its key').selectOption('header');
    await page.getByLabel('Name of the header').fill('x-acme-key');
    await page.getByText('The whole definition, and prices').click();
    assert.match(await page.getByLabel('Definition').inputValue(), /"header": "x-acme-key"/);
    assert.deepEqual(await axe(page), []);
    await page.getByRole('button', { name: 'Define it' }).click();
    await page.getByRole('heading', { name: 'acme' }).waitFor();
    await page.getByRole('button', { name: 'Set a price' }).first().click();
    await page.getByLabel('Model').fill('acme-1');
    await page.getByLabel('Dollars for a million units').fill('input_uncached 1\noutput_text 2.5');
    await page.getByRole('button', { name: 'Set it' }).click();
    await gone(page);
    await page.getByRole('row').filter({ hasText: 'output text $2.50' }).getByRole('button', { name: 'Take away' }).click();
    await page.getByRole('button', { name: 'Take it away' }).click();
    await gone(page);
    await page.getByText('The vendor’s list counts').waitFor();
    await page.getByRole('button', { name: 'Change' }).click();
    const text = page.getByLabel('Definition');
    await text.fill('{');
    assert.ok(await page.getByRole('button', { name: 'Save' }).isDisabled(), 'what is no JSON is not sent');
    await text.fill(JSON.stringify({ name: 'Acme', base_url: 'https://api.acme.example', category: 'search', inject: [{ header: 'x-acme-key' }] }));
    await page.getByRole('button', { name: 'Save' }).click();
    await gone(page);
    assert.deepEqual((await api('providers/acme')).definition, { name: 'Acme', base_url: 'https://api.acme.example', category: 'search', inject: [{ header: 'x-acme-key' }] });
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog').getByRole('textbox').fill('acme');
    await page.getByRole('button', { name: 'Delete it' }).click();
    await page.getByRole('heading', { name: 'Providers' }).waitFor();
    nothingWrong();
  });

  test('agents move between own keys and the marketplace, with the figures first, and back', async () => {
    const { page, nothingWrong } = await within('credentials');
    const [{ name }] = (await api('agents')).data;
    await page.getByRole('button', { name: 'Move agents', exact: true }).click();
    await page.getByLabel('Of which provider').selectOption('sandbox');
    await page.getByRole('button', { name: 'What would it do?' }).click();
    await page.getByRole('dialog').getByText(/calls of the last 30 days cost/).waitFor();
    assert.deepEqual(await axe(page), []);
    await page.getByRole('dialog').getByLabel(name).waitFor();
    await page.getByRole('button', { name: 'Move to the marketplace' }).click();
    await page.getByText('The tokens stay, and calls that ran').waitFor();
    await page.getByRole('button', { name: 'Done' }).click();
    const row = page.getByRole('row').filter({ hasText: 'sandbox to the marketplace' });
    await row.getByRole('button', { name: 'Move back' }).click();
    await row.getByText('moved back').waitFor();
    nothingWrong();
  });

  test('rules of labels and against abuse, and credit that is topped up by itself', async () => {
    const { page, nothingWrong } = await within('settings');
    await page.getByRole('button', { name: 'Set a rule' }).click();
    await page.getByLabel('Label', { exact: true }).fill('eu');
    await page.getByLabel('Hosts').fill('*.eu.example');
    assert.deepEqual(await axe(page), []);
    await page.getByRole('button', { name: 'Set it' }).click();
    await gone(page);
    const row = page.getByRole('row').filter({ hasText: '*.eu.example' });
    await row.getByRole('button', { name: 'Take away' }).click();
    await page.getByRole('button', { name: 'Take it away' }).click();
    await row.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Change the rule: Spending' }).click();
    await page.getByLabel('When there are too many').selectOption('pause');
    await page.getByLabel('Too many dollars').fill('20');
    assert.deepEqual(await axe(page), []);
    await page.getByRole('button', { name: 'Save' }).click();
    await gone(page);
    await page.getByText('tells, and pauses the agent').waitFor();
    const [agent] = (await api('agents')).data;
    assert.equal((await api(`agents/${agent.id}/abuse-rules`)).spendRate.setBy, 'org');
    await show(page, 'billing');
    await page.getByRole('button', { name: 'Set it' }).click();
    await page.getByLabel('When less is left than').fill('20');
    await page.getByLabel('Top up by').fill('50');
    await page.getByLabel('At most in a month').fill('200');
    assert.deepEqual(await axe(page), []);
    await page.getByRole('button', { name: 'Set it' }).last().click();
    await gone(page);
    await page.getByText('When less is left than').waitFor();
    await page.getByRole('button', { name: 'End it' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'End it' }).click();
    await gone(page);
    await page.getByText('Credit is not topped up by itself.').waitFor();
    nothingWrong();
  });
});
