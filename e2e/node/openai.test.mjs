// OpenAI's Node client through the proxy.
import assert from 'node:assert/strict';
import test from 'node:test';

import OpenAI from 'openai';

import { agents, collect, hello, keys, model, proxyUrl, receivedFor, tokens, words } from './world.mjs';

const client = (state = 'good', { fake, ...options } = {}) =>
  new OpenAI({
    baseURL: `${proxyUrl}/v1/openai/v1`,
    apiKey: tokens[state],
    defaultHeaders: fake ? { 'x-fake': fake } : {},
    ...options,
  });

const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: {} } } }];

const gpt = (state) => model('gpt-5-nano', state);

const chat = (openai, name, more = {}) => openai.chat.completions.create({ model: name, messages: hello, ...more });

test('chat', async () => {
  const name = gpt();
  const answer = await chat(client(), name);
  assert.equal(answer.choices[0].message.content, words);
  const [line, ...others] = receivedFor('openai', name);
  assert.deepEqual(line.credentials, [{ slot: 'bearer', value: keys.openai }]);
  assert.equal(others.length, 0);
});

test('chat, streamed, without the usage that was not asked for', async () => {
  const name = gpt();
  const chunks = await collect(await chat(client(), name, { stream: true }));
  assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join(''), words);
  assert.ok(chunks.every((chunk) => !chunk.usage));
  assert.equal(receivedFor('openai', name)[0].outputTokens, 12);
});

test('chat, streamed, with the usage that was asked for', async () => {
  const chunks = await collect(await chat(client(), gpt(), { stream: true, stream_options: { include_usage: true } }));
  assert.equal(chunks.at(-1).usage.completion_tokens, 12);
  assert.deepEqual(chunks.at(-1).choices, []);
});

test('pieces arrive when they are sent', async () => {
  const openai = client('good', { fake: 'chunk-delay-ms=150' });
  const began = performance.now();
  const times = [];
  for await (const _ of await chat(openai, gpt(), { stream: true })) times.push(performance.now() - began);
  assert.ok(times.at(-1) - times[0] > 1500, `${times}`);
  const gaps = times.slice(1).filter((time, at) => time - times[at] > 75);
  assert.ok(gaps.length >= 8, `${times}`);
});

test('a tool call', async () => {
  const answer = await chat(client(), gpt(), { tools });
  const [call] = answer.choices[0].message.tool_calls;
  assert.deepEqual([call.function.name, JSON.parse(call.function.arguments)], ['weather', { city: 'Paris' }]);
});

test('a tool call, streamed', async () => {
  const stream = client().chat.completions.stream({ model: gpt(), messages: hello, tools });
  const { message } = (await stream.finalChatCompletion()).choices[0];
  assert.deepEqual(JSON.parse(message.tool_calls[0].function.arguments), { city: 'Paris' });
});

test('responses', async () => {
  const answer = await client().responses.create({ model: gpt(), input: 'Hello' });
  assert.equal(answer.output_text, words);
});

test('responses, streamed', async () => {
  const events = await collect(await client().responses.create({ model: gpt(), input: 'Hello', stream: true }));
  const text = events.filter((event) => event.type === 'response.output_text.delta').map((event) => event.delta);
  assert.equal(text.join(''), words);
  assert.equal(events.at(-1).response.usage.output_tokens, 12);
});

test('embeddings', async () => {
  const answer = await client('slow').embeddings.create({
    model: 'text-embedding-3-small',
    input: ['one', 'two'],
    encoding_format: 'float',
  });
  assert.deepEqual(answer.data.map((row) => row.embedding), [[0.125, -0.25, 0.5, 0], [0.125, -0.25, 0.5, 0]]);
});

test('models', async () => {
  const models = await collect(client().models.list());
  assert.deepEqual(models.map((one) => one.id), ['gpt-fake', 'gpt-fake-mini']);
});

test('an error of the vendor is an error of the vendor', async () => {
  for (const [status, kind, words] of [
    [400, OpenAI.BadRequestError, /refused by the fake/],
    [429, OpenAI.RateLimitError, /Rate limit reached for gpt-fake/],
    [500, OpenAI.InternalServerError, /The server had an error/],
  ]) {
    const name = gpt();
    const call = chat(client('good', { fake: `status=${status}`, maxRetries: 0 }), name);
    await assert.rejects(call, (error) => error instanceof kind && words.test(error.message));
    assert.equal(receivedFor('openai', name).length, 1);
  }
});

test('a server error is retried', async () => {
  const name = gpt();
  await assert.rejects(chat(client('good', { fake: 'status=500', maxRetries: 1 }), name), OpenAI.InternalServerError);
  assert.equal(receivedFor('openai', name).length, 2);
});

test('a key that the vendor refuses is not retried and not shown', async () => {
  const name = gpt('dead');
  await assert.rejects(chat(client('dead'), name), (error) => {
    assert.ok(error instanceof OpenAI.InternalServerError);
    assert.deepEqual([error.status, error.code], [502, 'credential_invalid']);
    assert.match(error.message, /ks provider rotate openai/);
    return true;
  });
  assert.equal(receivedFor('openai', name).length, 1);
});

const refused = async (state, kind, code, message) => {
  const name = gpt(state);
  await assert.rejects(chat(client(state), name), (error) => {
    assert.ok(error instanceof kind, `${error}`);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.equal(error.headers.get('x-keystore-error'), code);
    assert.equal(error.headers.get('x-should-retry'), 'false');
    return true;
  });
  assert.equal(receivedFor('openai', name).length, 0);
};

test('a revoked token', () => refused('revoked', OpenAI.AuthenticationError, 'invalid_token', /not valid/));

test('a paused agent', () =>
  refused('paused', OpenAI.PermissionDeniedError, 'agent_paused', new RegExp(`ks agent resume ${agents.paused}`)));

test('a provider that is not granted', () =>
  refused('ungranted', OpenAI.PermissionDeniedError, 'provider_not_granted', /ks agent update/));

test('a budget that does not suffice', () =>
  refused('broke', OpenAI.APIError, 'budget_exceeded', /^402 .*ks budget raise/));

test('too many requests in a minute', async () => {
  // The embeddings above were the one.
  const name = gpt('slow');
  await assert.rejects(chat(client('slow', { maxRetries: 0 }), name), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.deepEqual([error.code, error.error.limitType], ['rate_limited', 'rpm']);
    assert.match(error.message, /has reached its limit of 1 requests a minute/);
    return true;
  });
  assert.equal(receivedFor('openai', name).length, 0);
});
