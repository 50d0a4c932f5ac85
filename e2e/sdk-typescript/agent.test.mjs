// An agent's side: the vendors' official clients and plain `fetch`, through the real proxy, with a token and no key.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test from 'node:test';

import { ConfigurationError, Keystore } from '@keystore/sdk';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI, { AzureOpenAI } from 'openai';
import { Resend } from 'resend';
import Stripe from 'stripe';
import { tavily } from '@tavily/core';

import { agents, cameClean, collect, hello, proxyUrl, received, words } from './given.mjs';

const { token } = agents.good;
const ks = new Keystore({ agentToken: token, proxyUrl });
const model = (base) => `${base}-sdk-${randomUUID().slice(0, 8)}`;

/** Every plain value in a client, by the way to it. */
const valuesIn = (value, path = '', seen = new Set(), found = {}) => {
  if (value === null || typeof value !== 'object') {
    if (typeof value !== 'function' && value !== undefined) found[path] = value;
  } else if (!seen.has(value)) {
    seen.add(value);
    const members = value instanceof Headers ? [...value] : Object.entries(value);
    for (const [name, member] of members) valuesIn(member, path ? `${path}.${name}` : name, seen, found);
  }
  return found;
};

/** Wraps a client, and says which of its values changed. */
const changedBy = (client) => {
  const before = valuesIn(client);
  assert.equal(ks.wrap(client), client);
  const after = valuesIn(client);
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((path) => before[path] !== after[path]).sort();
};

test('openai', async () => {
  const client = new OpenAI({ apiKey: 'sk-of-my-own', maxRetries: 0, timeout: 5000, defaultHeaders: { 'x-mine': '1' } });
  const changed = ['_options.apiKey', '_options.baseURL', 'apiKey', 'baseURL'];
  assert.deepEqual(changedBy(client), changed);
  assert.deepEqual(changedBy(client), []);
  assert.equal(client.baseURL, `${proxyUrl}/v1/openai/v1`);
  assert.deepEqual([client.maxRetries, client.timeout], [0, 5000]);
  for (const one of [client, client.withOptions({ maxRetries: 1 })]) {
    const answer = await one.chat.completions.create({ model: model('gpt-5-nano'), messages: hello });
    assert.equal(answer.choices[0].message.content, words);
    assert.ok(cameClean(assert, 'openai').headers.some(([name, value]) => name === 'x-mine' && value === '1'));
  }
  const chunks = await collect(await client.chat.completions.create({ model: model('gpt-5-nano'), messages: hello, stream: true }));
  assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join(''), words);
  assert.equal(ks.wrap(new OpenAI({ apiKey: async () => 'sk-later' })).apiKey, token);
});

test('openai, with a key that is asked for, an administrator\'s key, or another vendor', async () => {
  const client = ks.wrap(new OpenAI({ apiKey: async () => 'sk-later', adminAPIKey: 'sk-admin' }));
  await client.chat.completions.create({ model: model('gpt-5-nano'), messages: hello });
  cameClean(assert, 'openai');
  assert.equal(ks.wrap(new OpenAI({ apiKey: 'x', baseURL: 'https://api.groq.com/openai/v1' })).baseURL, `${proxyUrl}/v1/groq/openai/v1`);
  assert.equal(ks.wrap(new OpenAI({ apiKey: 'x', baseURL: 'http://llm.internal/v1/' }), { provider: 'my-own' }).baseURL, `${proxyUrl}/v1/my-own/v1`);
  assert.throws(() => ks.wrap(new OpenAI({ apiKey: 'x', baseURL: 'http://llm.internal/v1' })), /llm\.internal.*provider/);
  const azure = new AzureOpenAI({ apiKey: 'x', endpoint: 'https://acme.openai.azure.com', apiVersion: '2025-01-01' });
  assert.equal(ks.wrap(azure).baseURL, `${proxyUrl}/v1/azure-openai/openai`);
});

test('anthropic', async () => {
  const client = new Anthropic({ authToken: 'of-my-own', maxRetries: 0 });
  assert.deepEqual(changedBy(client), ['_baseURLIsExplicit', '_options.apiKey', '_options.authToken', '_options.baseURL', 'apiKey', 'authToken', 'baseURL']);
  for (const one of [client, client.withOptions({ timeout: 5000 }), ks.wrap(new Anthropic()), ks.wrap(new Anthropic({ apiKey: async () => 'later' }))]) {
    const message = await one.messages.create({ model: model('claude-haiku-4-5'), max_tokens: 100, messages: hello });
    assert.equal(message.content[0].text, words);
    cameClean(assert, 'anthropic');
  }
  const stream = client.messages.stream({ model: model('claude-haiku-4-5'), max_tokens: 100, messages: hello });
  assert.equal(await stream.finalText(), words);
});

test('google', async () => {
  const client = new GoogleGenAI({ apiKey: 'AIza-of-my-own' });
  const options = 'apiClient.clientOptions';
  assert.deepEqual(changedBy(client), [`${options}.apiKey`, `${options}.auth.apiKey`, `${options}.httpOptions.baseUrl`, 'apiKey']);
  const name = model('gemini-2.0-flash-0');
  const answer = await client.models.generateContent({ model: name, contents: 'Hello' });
  assert.equal(answer.text, words);
  assert.ok(cameClean(assert, 'gemini').target.includes(`/v1beta/models/${name}:generateContent`));
  const chunks = await collect(await client.chats.create({ model: model('gemini-2.0-flash-0') }).sendMessageStream({ message: 'Hello' }));
  assert.equal(chunks.map((chunk) => chunk.text).join(''), words);
  assert.throws(() => ks.wrap(new GoogleGenAI({ vertexai: true, project: 'p', location: 'l' })), /Vertex/);
});

test('stripe', async () => {
  for (const options of [{}, { httpClient: Stripe.createFetchHttpClient() }]) {
    const client = new Stripe('sk_test_of_my_own', { maxNetworkRetries: 0, ...options });
    const { httpClient } = client._api;
    assert.ok(changedBy(client).every((path) => path.startsWith('_api.httpClient')));
    assert.notEqual(ks.wrap(client)._api.httpClient, httpClient);
    assert.equal((await client.customers.create({ email: 'otter@example.com' })).object, 'customer');
    assert.equal((await client.customers.list({ limit: 1 }, { apiKey: 'sk_test_another' })).data[0].object, 'customer');
    assert.ok(cameClean(assert, 'stripe').target.endsWith('/v1/customers?limit=1'));
  }
  assert.throws(() => ks.wrap(new Stripe('sk_test_x', { host: 'stripe.internal' })), /stripe\.internal/);
});

test('resend', async () => {
  const client = new Resend('re_of_my_own');
  assert.deepEqual(changedBy(client), ['baseUrl', 'headers.authorization', 'key']);
  const { data, error } = await client.emails.send({ from: 'a@example.com', to: 'b@example.com', subject: 'Otters', html: '<p>hold hands</p>' });
  assert.equal(error, null);
  assert.ok(data.id);
  cameClean(assert, 'resend');
});

test('a refusal is the client\'s own error, with what to do', async () => {
  const paused = new Keystore({ agentToken: agents.paused.token, proxyUrl });
  const client = paused.wrap(new OpenAI({ apiKey: 'x' }));
  await assert.rejects(client.chat.completions.create({ model: 'gpt-5-nano', messages: hello }), (error) => {
    assert.ok(error instanceof OpenAI.PermissionDeniedError);
    return /ks agent resume/.test(error.message);
  });
});

test('a client that is not known is an error', () => {
  for (const client of [{}, new Map(), tavily({ apiKey: 'x' }), null, 'text']) {
    assert.throws(() => ks.wrap(client), (error) => error instanceof ConfigurationError && error.message.includes('interceptAll'));
  }
});

test('fetch, intercepted, streams through the proxy; other hosts see nothing of it', async (t) => {
  const original = globalThis.fetch;
  const undo = ks.interceptAll();
  t.after(undo);
  const name = model('gpt-5-nano');
  const body = JSON.stringify({ model: name, messages: hello, stream: true });
  const response = await fetch('https://api.openai.com/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer sk-real', 'x-fake': 'chunk-delay-ms=20' },
    body,
  });
  assert.deepEqual([response.status, response.url], [200, 'https://api.openai.com/v1/chat/completions']);
  assert.match(response.headers.get('x-keystore-request-id'), /^req_/);
  const decoder = new TextDecoder();
  const pieces = (await collect(response.body)).map((piece) => decoder.decode(piece, { stream: true }));
  assert.ok(pieces.length > 5 && pieces.join('').includes('" w12"'), pieces.join(''));
  assert.ok(cameClean(assert, 'openai').body.includes(name));
  // A client that is made now takes the patched fetch by itself.
  const message = await new Anthropic({ apiKey: 'sk-ant-real' }).messages.create({ model: model('claude-haiku-4-5'), max_tokens: 100, messages: hello });
  assert.equal(message.content[0].text, words);
  cameClean(assert, 'anthropic');
  const mails = received('resend').length;
  assert.ok((await fetch(new Request('https://api.resend.com/emails', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"from":"a@example.com","to":"b@example.com","subject":"x","html":"x"}' }))).ok);
  assert.equal(received('resend').length, mails + 1);
  undo();
  assert.equal(globalThis.fetch, original);
});

test('clients that are made after setupEnv need no setting at all', async (t) => {
  t.after(ks.setupEnv({ providers: ['openai', 'anthropic', 'gemini', 'resend'] }));
  assert.ok((await new OpenAI().chat.completions.create({ model: model('gpt-5-nano'), messages: hello })).choices.length);
  assert.ok((await new Anthropic().messages.create({ model: model('claude-haiku-4-5'), max_tokens: 100, messages: hello })).content.length);
  assert.equal((await new GoogleGenAI({}).models.generateContent({ model: model('gemini-2.0-flash-0'), contents: 'Hello' })).text, words);
  for (const vendor of ['openai', 'anthropic', 'gemini']) cameClean(assert, vendor);
});
