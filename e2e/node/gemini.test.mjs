// Google's Node client through the proxy.
import assert from 'node:assert/strict';
import test from 'node:test';

import { ApiError, GoogleGenAI } from '@google/genai';

import { collect, keys, model, proxyUrl, received, receivedFor, tokens, words } from './world.mjs';

const client = (state = 'good', fake) =>
  new GoogleGenAI({
    apiKey: tokens[state],
    httpOptions: { baseUrl: `${proxyUrl}/v1/gemini`, headers: fake ? { 'x-fake': fake } : {} },
  });

const gemini = (state) => model('gemini-2.0-flash-0', state);
const contents = 'Say something about otters, please.';
const slot = [{ slot: 'header:x-goog-api-key', value: keys.gemini }];

test('content', async () => {
  const name = gemini('free');
  const answer = await client('free').models.generateContent({ model: name, contents });
  assert.deepEqual([answer.text, answer.usageMetadata.candidatesTokenCount], [words, 12]);
  const [line, ...others] = receivedFor('gemini', name);
  assert.deepEqual(line.credentials, slot);
  assert.equal(others.length, 0);
});

test('content, streamed', async () => {
  const name = gemini('free');
  const chunks = await collect(await client('free').models.generateContentStream({ model: name, contents }));
  assert.equal(chunks.map((chunk) => chunk.text).join(''), words);
  assert.equal(chunks.at(-1).usageMetadata.candidatesTokenCount, 12);
  assert.match(receivedFor('gemini', name)[0].target, /:streamGenerateContent\?alt=sse$/);
});

test('a tool call', async () => {
  const config = { tools: [{ functionDeclarations: [{ name: 'weather', parametersJsonSchema: { type: 'object' } }] }] };
  const answer = await client('free').models.generateContent({ model: gemini('free'), contents, config });
  assert.deepEqual([answer.functionCalls[0].name, answer.functionCalls[0].args], ['weather', { city: 'Paris' }]);
});

test('a model is read', async () => {
  await client().models.get({ model: 'gemini-2.5-flash' });
  const lines = received('gemini').filter((line) => line.target.endsWith('/models/gemini-2.5-flash'));
  assert.deepEqual(lines.at(-1).credentials, slot);
});

test('an error of the vendor is an error of the vendor', async () => {
  for (const [status, sentence] of [
    [400, /refused by the fake/],
    [429, /quota of requests/],
    [503, /internal error of the fake/],
  ]) {
    const call = client('free', `status=${status}`).models.generateContent({ model: gemini('free'), contents });
    await assert.rejects(call, (error) => error instanceof ApiError && error.status === status && sentence.test(error.message));
  }
});

const refused = async (state, status, sentence) => {
  const name = gemini(state);
  await assert.rejects(client(state).models.generateContent({ model: name, contents }), (error) => {
    assert.ok(error instanceof ApiError, `${error}`);
    assert.equal(error.status, status);
    assert.match(error.message, sentence);
    return true;
  });
  assert.equal(receivedFor('gemini', name).length, 0);
};

test('a revoked token', () => refused('revoked', 401, /not valid/));

test('a provider that is not granted', () => refused('ungranted', 403, /ks agent update/));
