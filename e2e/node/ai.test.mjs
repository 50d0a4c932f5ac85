// The AI SDK with its provider for OpenAI, through the proxy.
import assert from 'node:assert/strict';
import test from 'node:test';

import { createOpenAI } from '@ai-sdk/openai';
import { APICallError, embedMany, generateText, jsonSchema, RetryError, streamText, tool } from 'ai';

import { agents, collect, keys, model, proxyUrl, receivedFor, tokens, words } from './world.mjs';

const openai = (state = 'good', fake) =>
  createOpenAI({
    baseURL: `${proxyUrl}/v1/openai/v1`,
    apiKey: tokens[state],
    headers: fake ? { 'x-fake': fake } : {},
  });

const gpt = (state) => model('gpt-5-nano', state);
const prompt = 'Say something about otters, please.';
const credentials = [{ slot: 'bearer', value: keys.openai }];

test('a text, by way of responses', async () => {
  const name = gpt();
  const { text, usage } = await generateText({ model: openai()(name), prompt });
  assert.deepEqual([text, usage.outputTokens], [words, 12]);
  const [line, ...others] = receivedFor('openai', name);
  assert.deepEqual([line.target, line.credentials, others.length], ['/v1/responses', credentials, 0]);
});

test('a text, by way of chat completions', async () => {
  const name = gpt();
  const { text, usage } = await generateText({ model: openai().chat(name), prompt });
  assert.deepEqual([text, usage.outputTokens], [words, 12]);
  assert.equal(receivedFor('openai', name)[0].target, '/v1/chat/completions');
});

const streamed = async (way) => {
  const name = gpt();
  const result = streamText({ model: openai()[way](name), prompt });
  const pieces = await collect(result.textStream);
  assert.ok(pieces.length >= 12);
  assert.equal(pieces.join(''), words);
  assert.equal((await result.usage).outputTokens, 12);
  assert.deepEqual(receivedFor('openai', name)[0].credentials, credentials);
};

test('a stream, by way of responses', () => streamed('responses'));

test('a stream, by way of chat completions', () => streamed('chat'));

test('a tool is called', async () => {
  const weather = tool({ inputSchema: jsonSchema({ type: 'object', properties: { city: { type: 'string' } } }) });
  const { toolCalls } = await generateText({ model: openai()(gpt()), prompt, tools: { weather } });
  assert.deepEqual([toolCalls[0].toolName, toolCalls[0].input], ['weather', { city: 'Paris' }]);
});

test('embeddings', async () => {
  const { embeddings } = await embedMany({
    model: openai('free').textEmbeddingModel('text-embedding-3-small'),
    values: ['one', 'two'],
  });
  assert.deepEqual(embeddings, [[0.125, -0.25, 0.5, 0], [0.125, -0.25, 0.5, 0]]);
});

test('an error of the vendor is an error of the vendor', async () => {
  for (const [status, sentence] of [
    [400, /refused by the fake/],
    [429, /Rate limit reached for gpt-fake/],
  ]) {
    const name = gpt();
    const call = generateText({ model: openai('good', `status=${status}`)(name), prompt, maxRetries: 0 });
    await assert.rejects(call, (error) => {
      assert.ok(APICallError.isInstance(error), `${error}`);
      assert.equal(error.statusCode, status);
      return sentence.test(error.message);
    });
    assert.equal(receivedFor('openai', name).length, 1);
  }
});

const refused = async (state, status, sentence) => {
  const name = gpt(state);
  await assert.rejects(generateText({ model: openai(state)(name), prompt }), (error) => {
    assert.ok(APICallError.isInstance(error) && !RetryError.isInstance(error), `${error}`);
    assert.equal(error.statusCode, status);
    assert.match(error.message, sentence);
    return true;
  });
  assert.equal(receivedFor('openai', name).length, 0);
};

test('a revoked token', () => refused('revoked', 401, /not valid/));

test('a paused agent', () => refused('paused', 403, new RegExp(`ks agent resume ${agents.paused}`)));

test('a provider that is not granted', () => refused('ungranted', 403, /ks agent update/));

test('a budget that does not suffice', () => refused('broke', 402, /which the budget of .*ks budget raise/));

test('a stream that is refused', async () => {
  const errors = [];
  const result = streamText({ model: openai('broke')(gpt('broke')), prompt, onError: ({ error }) => errors.push(error) });
  assert.deepEqual(await collect(result.textStream), []);
  assert.match(errors[0].message, /which the budget of/);
});
