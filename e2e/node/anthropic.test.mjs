// Anthropic's Node client through the proxy.
import assert from 'node:assert/strict';
import test from 'node:test';

import Anthropic from '@anthropic-ai/sdk';

import { agents, collect, hello, keys, model, proxyUrl, receivedFor, tokens, words } from './world.mjs';

const client = (state = 'good', { fake, ...options } = {}) =>
  new Anthropic({
    baseURL: `${proxyUrl}/v1/anthropic`,
    apiKey: tokens[state],
    defaultHeaders: fake ? { 'x-fake': fake } : {},
    ...options,
  });

const tools = [{ name: 'weather', input_schema: { type: 'object', properties: {} } }];

const claude = (state) => model('claude-haiku-4-5', state);

const body = (name, more = {}) => ({ model: name, max_tokens: 100, messages: hello, ...more });

test('messages', async () => {
  const name = claude();
  const message = await client().messages.create(body(name));
  assert.equal(message.content[0].text, words);
  const [line, ...others] = receivedFor('anthropic', name);
  assert.deepEqual(line.credentials, [{ slot: 'header:x-api-key', value: keys.anthropic }]);
  assert.equal(others.length, 0);
});

test('messages, streamed with the helper', async () => {
  const pieces = [];
  const stream = client().messages.stream(body(claude())).on('text', (text) => pieces.push(text));
  const message = await stream.finalMessage();
  assert.equal(pieces.join(''), words);
  assert.equal(message.usage.output_tokens, 12);
});

test('messages, streamed as events', async () => {
  const events = await collect(await client().messages.create(body(claude(), { stream: true })));
  assert.deepEqual([events[0].type, events.at(-1).type], ['message_start', 'message_stop']);
});

test('tool use', async () => {
  const message = await client().messages.create(body(claude(), { tools }));
  assert.deepEqual([message.stop_reason, message.content[0].input], ['tool_use', { city: 'Paris' }]);
});

test('tool use, streamed', async () => {
  const message = await client().messages.stream(body(claude(), { tools })).finalMessage();
  assert.deepEqual(message.content[0].input, { city: 'Paris' });
});

test('an error of the vendor is an error of the vendor', async () => {
  for (const [status, kind, words] of [
    [400, Anthropic.BadRequestError, /refused by the fake/],
    [429, Anthropic.RateLimitError, /organization's rate limit/],
    [529, Anthropic.InternalServerError, /Overloaded/],
  ]) {
    const name = claude();
    const call = client('good', { fake: `status=${status}`, maxRetries: 0 }).messages.create(body(name));
    await assert.rejects(call, (error) => error instanceof kind && words.test(error.message));
    assert.equal(receivedFor('anthropic', name).length, 1);
  }
});

test('a key that the vendor refuses is not retried', async () => {
  const name = claude('dead');
  await assert.rejects(client('dead').messages.create(body(name)), (error) => {
    assert.ok(error instanceof Anthropic.InternalServerError);
    assert.equal(error.status, 502);
    assert.match(error.message, /ks provider rotate anthropic/);
    return true;
  });
  assert.equal(receivedFor('anthropic', name).length, 1);
});

const refused = async (state, kind, code, message) => {
  const name = claude(state);
  await assert.rejects(client(state).messages.create(body(name)), (error) => {
    assert.ok(error instanceof kind, `${error}`);
    assert.equal(error.error.error.type, code);
    assert.match(error.message, message);
    assert.equal(error.headers.get('x-should-retry'), 'false');
    return true;
  });
  assert.equal(receivedFor('anthropic', name).length, 0);
};

test('a revoked token', () => refused('revoked', Anthropic.AuthenticationError, 'invalid_token', /not valid/));

test('a paused agent', () =>
  refused('paused', Anthropic.PermissionDeniedError, 'agent_paused', new RegExp(`ks agent resume ${agents.paused}`)));

test('a provider that is not granted', () =>
  refused('ungranted', Anthropic.PermissionDeniedError, 'provider_not_granted', /ks agent update/));

test('a budget that does not suffice', () =>
  refused('broke', Anthropic.APIError, 'budget_exceeded', /^402 .*ks budget raise/));
