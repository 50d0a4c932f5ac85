// The control API of a real server, through the package as it is installed.
import assert from 'node:assert/strict';
import test from 'node:test';

import { ConflictError, Keystore, NotFoundError, ValidationError } from '@keystore/sdk';

import { apiKey, apiUrl, collect, operatorKey, vendors } from './given.mjs';

process.env.KS_API_URL = apiUrl;
process.env.KS_API_KEY = apiKey;

const ks = new Keystore();
const operator = new Keystore({ apiKey: operatorKey });

test('the first call of all', async () => {
  const ks = new Keystore({ apiKey: process.env.KS_API_KEY });
  const token = await ks.tokens.create({
    name: "production-agent",
    providers: [
      { name: "openai", source: "byok" },
      { name: "tavily", source: "marketplace" },
    ],
  });
  assert.match(token.token, /^ks_[0-9a-f]{64}$/);
  assert.deepEqual(token.agent.providers.map(({ name, source }) => [name, source]), [['openai', 'byok'], ['tavily', 'marketplace']]);
});

test('keys of the operator\'s and of one\'s own', async () => {
  const { baseUrl, key } = { baseUrl: vendors.openai.url, key: vendors.openai.key };
  const pooled = await operator.operator.pool.create({ provider: 'openai', name: 'second', secret: key, baseUrl }, { verify: true });
  assert.deepEqual((await operator.operator.pool.list({ provider: 'openai' })).data.map((one) => one.id), [pooled.id]);
  await ks.marketplace.enable('openai');
  assert.equal((await ks.marketplace.get('openai')).enabled, true);
  const credential = await ks.credentials.create({ provider: 'openai', name: 'second', secret: { key }, baseUrl }, { verify: true });
  assert.equal((await ks.credentials.test(credential.id)).verdict, 'valid');
  await ks.credentials.delete(credential.id);
  await operator.operator.pool.delete(pooled.id);
});

test('agents', async () => {
  const made = await ks.agents.create({ name: 'bot', providers: [{ name: 'openai', source: 'byok' }], rpmLimit: 10, labels: [] });
  assert.equal((await ks.agents.get('bot')).id, made.id);
  assert.equal((await ks.agents.update('bot', { rpmLimit: 20, budgetCentsMonthly: 500 })).rpmLimit, 20);
  assert.equal((await ks.agents.update(made.id, { budgetCentsMonthly: null })).budgetCentsMonthly, null);
  assert.equal((await ks.agents.pause('bot')).status, 'paused');
  assert.equal((await ks.agents.resume('bot')).status, 'active');
  const names = (await collect(ks.agents.list({ limit: 1 }))).map((agent) => agent.name);
  assert.ok(names.length > 2 && names.includes('bot') && new Set(names).size === names.length);
  await assert.rejects(ks.agents.create({ name: 'bot' }), (error) => error instanceof ConflictError && error.code === 'already_exists');
  await assert.rejects(ks.agents.update('bot', { rpmLimit: 10_000_000 }), (error) => {
    assert.ok(error instanceof ValidationError && error.code === 'invalid_request');
    assert.deepEqual(error.errors.map((one) => one.pointer), ['/rpmLimit']);
    assert.match(error.requestId, /^req_/);
    return true;
  });
  assert.equal(await ks.agents.delete('bot'), undefined);
  await assert.rejects(ks.agents.get('bot'), NotFoundError);
});

test('the same key has one effect', async () => {
  const options = { idempotencyKey: 'once' };
  const first = await ks.tokens.create({ name: 'idempotent', providers: [] }, options);
  const again = await ks.tokens.create({ name: 'idempotent', providers: [] }, options);
  assert.ok(first.token && !again.token && again.secretShown && again.remedy);
  assert.equal(again.id, first.id);
});

test('tokens', async () => {
  const { id, agent } = await ks.tokens.create({ name: 'rotating', providers: [{ name: 'openai', source: 'byok' }] });
  const next = await ks.tokens.rotate(id, { overlapSeconds: 60 });
  assert.equal(next.agent.id, agent.id);
  assert.equal((await ks.tokens.get(id)).agentId, agent.id);
  assert.equal((await ks.tokens.revoke(next.id)).status, 'revoked');
  assert.equal((await ks.tokens.list({ agent: agent.id })).data.length, 2);
});

test('budgets', async () => {
  const budget = await ks.budgets.create({ limit: '5.00', window: 'day' });
  assert.equal((await ks.budgets.update(budget.id, { limit: '6.00' })).limit, '6.00');
  assert.ok((await collect(ks.budgets.list())).some((one) => one.id === budget.id));
  assert.deepEqual((await ks.budgets.getHolds(budget.id)).data, []);
  await ks.budgets.delete(budget.id);
});

test('projects, keys, credentials, providers', async () => {
  const project = await ks.projects.create({ name: 'Side project' });
  assert.equal((await ks.projects.update(project.slug, { name: 'Another' })).name, 'Another');
  const key = await ks.apiKeys.create({ name: 'ci', role: 'viewer', project: project.slug });
  const viewer = new Keystore({ apiKey: key.key });
  await assert.rejects(viewer.agents.create({ name: 'no' }), { code: 'forbidden', status: 403 });
  await ks.apiKeys.delete(key.apiKey.id);
  await assert.rejects(viewer.agents.list().page(), { code: 'unauthenticated', status: 401 });
  const credential = await ks.credentials.create({ provider: 'groq', secret: `gsk_${'a'.repeat(52)}`, project: project.slug });
  assert.equal((await ks.credentials.rotate(credential.id, { secret: `gsk_${'b'.repeat(52)}` }, { verify: false })).id, credential.id);
  assert.equal((await ks.credentials.list({ provider: 'groq' })).data.length, 1);
  await ks.providers.create({ slug: 'acme', definition: { name: 'Acme', category: 'llm', base_url: 'https://api.acme.example' } });
  assert.equal((await ks.providers.get('acme')).slug, 'acme');
  await ks.providers.delete('acme', { force: true });
  await assert.rejects(ks.projects.delete(project.slug), ConflictError);
  await ks.projects.delete(project.slug, { force: true });
});

test('traffic as it happens, and its sums', async () => {
  const { token, agent } = await ks.tokens.create({ name: 'talker', providers: [{ name: 'openai', source: 'byok' }] });
  const me = await ks.auth.whoAmI();
  const stream = ks.requests.stream({ agent: agent.id })[Symbol.asyncIterator]();
  const next = stream.next();
  // The stream begins when it is connected, which nobody is told: calls until one is seen.
  let seen;
  void next.then((one) => (seen = one.value));
  let calls = 0;
  while (!seen && calls < 50) {
    await fetch(`${me.proxyUrl}/v1/openai/v1/models`, { headers: { authorization: `Bearer ${token}` } }).then((answer) => answer.text());
    calls += 1;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await stream.return();
  assert.deepEqual([seen.agentId, seen.provider, seen.path, seen.status], [agent.id, 'openai', '/v1/models', 200]);
  assert.equal((await ks.requests.get(seen.id)).id, seen.id);
  assert.ok((await collect(ks.requests.list({ agent: agent.id }))).length >= 1);
  assert.ok((await ks.usage.get({ by: 'provider', agent: agent.id })).data.length > 0);
  await collect(ks.usage.listEvents());
});

test('the audit log', async () => {
  const entries = await collect(ks.audit.list({ action: 'create_token' }));
  assert.ok(entries.length > 2 && entries.every((entry) => entry.action === 'create_token'));
  const download = await ks.audit.export({ format: 'ndjson' });
  assert.match(download.contentType, /^application\/x-ndjson/);
  const lines = await collect(download.lines());
  assert.ok(lines.length > entries.length && lines.every((line) => JSON.parse(line)));
  assert.match((await ks.audit.export({ format: 'csv' })).contentType, /^text\/csv/);
  assert.ok(await ks.audit.verify());
  assert.ok(await ks.audit.getKey());
});

test('the kill switch', async () => {
  const project = await ks.projects.create({ name: 'Doomed' });
  const stopped = await ks.revocations.create({ scope: 'project', id: project.slug, reason: 'a test' }, { wait: 1 });
  assert.equal(stopped.propagated, true);
  assert.ok((await collect(ks.revocations.list())).some((one) => one.id === stopped.id));
  await ks.revocations.delete(stopped.id);
});

test('money, people, prices', async () => {
  assert.ok(await ks.billing.getBalance());
  await collect(ks.billing.listLedger());
  await collect(ks.billing.listInvoices());
  assert.ok((await collect(ks.members.list())).length > 0);
  await collect(ks.events.list());
  assert.equal((await ks.prices.getInForce({ provider: 'openai', model: 'gpt-5-nano' })).provider, 'openai');
  const { org } = await ks.auth.whoAmI();
  assert.ok((await operator.operator.getExposure()).data.every((one) => one.orgId.startsWith('org_')));
  assert.equal((await operator.operator.getTerms({ customer: org.id })).orgId, org.id);
  assert.equal((await ks.org.get()).slug, org.slug);
  assert.ok(await ks.kek.getStatus());
  assert.ok((await operator.operator.getPriceBook()) && (await operator.operator.rotations.list()).data);
});
