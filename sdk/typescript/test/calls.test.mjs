// One call: what is tried again and what is not, keys for repetitions, timeouts, errors, and what is refused before it is sent.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { inspect } from 'node:util';
import test from 'node:test';

import * as sdk from '@keystore/sdk';

import { json, KEY, problem, serve, TOKEN } from './support.mjs';

const { Keystore } = sdk;

// The pauses between attempts are at their shortest.
Math.random = () => 0;

/** At once, where the server says so: the tests need not wait. */
const SOON = { headers: { 'retry-after': '0' } };
const unavailable = problem(503, 'store_unavailable', SOON);
const cut = (_, response) => response.destroy();
const NEW = { name: 'bot' };

test('an error says what the server said', async (t) => {
  const errors = [{ pointer: '/rpmLimit', detail: 'must be at most 1000000' }];
  const { ks } = await serve(t, problem(422, 'invalid_request', { body: { errors, remedy: 'ask for less' } }));
  const error = await ks().agents.create(NEW).catch((error) => error);
  assert.ok(error instanceof sdk.ValidationError && error instanceof sdk.ApiError && error instanceof sdk.KeystoreError && error instanceof Error);
  const { name, code, status, remedy, requestId, message } = error;
  assert.deepEqual(
    { name, code, status, remedy, requestId, message, errors: error.errors },
    { name: 'ValidationError', code: 'invalid_request', status: 422, remedy: 'ask for less', requestId: 'req_1', message: 'about invalid_request (ask for less)', errors },
  );
});

test('in a page of the control plane the session cookie says who calls, and no key is sent', async (t) => {
  const { ks, requests } = await serve(t, json({ data: [] }));
  process.env.KS_API_KEY = KEY;
  t.after(() => delete process.env.KS_API_KEY);
  await ks({ session: true }).agents.list();
  assert.equal(requests[0].headers.authorization, undefined);
  await ks().agents.list();
  assert.equal(requests[1].headers.authorization, `Bearer ${KEY}`);
});

test('each status has its class', async (t) => {
  const classes = {
    400: 'BadRequestError', 401: 'AuthenticationError', 403: 'PermissionError', 404: 'NotFoundError', 405: 'ApiError', 409: 'ConflictError',
    413: 'BadRequestError', 415: 'BadRequestError', 422: 'ValidationError', 429: 'RateLimitError', 500: 'ServerError', 503: 'ServerError',
  };
  for (const [status, name] of Object.entries(classes)) {
    const { ks } = await serve(t, problem(Number(status), 'a_code_of_tomorrow', { headers: { 'retry-after': '7' } }));
    const error = await ks({ maxRetries: 0 }).org.get().catch((error) => error);
    assert.equal(error.constructor, sdk[name]);
    assert.deepEqual([error.name, error.code, error.retryAfter, error.errors], [name, 'a_code_of_tomorrow', 7, []]);
  }
});

test('an answer of something else is an error without its words', async (t) => {
  const { ks } = await serve(t, { status: 404, headers: { 'content-type': 'text/html', 'x-request-id': 'req_2' }, body: '<h1>secret</h1>' });
  const error = await ks().org.get().catch((error) => error);
  assert.deepEqual([error.code, error.status, error.requestId], ['unexpected_answer', 404, 'req_2']);
  assert.ok(!error.message.includes('secret'));
});

test('a redirect is an error, and the key does not follow it', async (t) => {
  const other = await serve(t, json({}));
  const { ks } = await serve(t, { status: 307, headers: { location: other.url } });
  await assert.rejects(ks().org.get(), { status: 307, code: 'unexpected_answer' });
  assert.equal(other.requests.length, 0);
});

test('what reads is tried again after everything that may pass', async (t) => {
  for (const failure of [unavailable, problem(500, 'internal', SOON), { status: 502, headers: { 'retry-after': '0' } }, problem(429, 'too_many_attempts', SOON)]) {
    const { ks, requests } = await serve(t, failure, failure, json({ id: 'org_1' }));
    assert.deepEqual(await ks().org.get(), { id: 'org_1' });
    assert.equal(requests.length, 3);
  }
  const { ks, requests } = await serve(t, cut, json({ id: 'org_1' }));
  assert.deepEqual(await ks().org.get(), { id: 'org_1' });
  assert.equal(requests.length, 2);
});

test('an answer that breaks off is tried again', async (t) => {
  const half = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
    response.write('{"id":');
    setTimeout(() => response.destroy(), 20);
  };
  const { ks } = await serve(t, half, json({ id: 'org_1' }));
  assert.deepEqual(await ks().org.get(), { id: 'org_1' });
});

test('a POST is repeated under one key, and each call has another', async (t) => {
  const { ks, requests } = await serve(t, unavailable, cut, json({ id: 'agt_1' }, 201));
  const client = ks();
  await client.agents.create(NEW);
  await client.agents.create(NEW);
  await client.agents.create(NEW, { idempotencyKey: 'mine' });
  const keys = requests.map((request) => request.headers['idempotency-key']);
  assert.equal(keys.length, 5);
  assert.match(keys[0], /^sdk-[0-9a-f-]{36}$/);
  assert.deepEqual([keys[1], keys[2]], [keys[0], keys[0]]);
  assert.notEqual(keys[3], keys[0]);
  assert.equal(keys[4], 'mine');
});

test('a fault of the server ends a POST at once: nobody knows how far it came', async (t) => {
  const { ks, requests } = await serve(t, problem(500, 'internal', SOON));
  await assert.rejects(ks().agents.create(NEW), { status: 500, code: 'internal' });
  assert.equal(requests.length, 1);
});

test('a first request that still runs is waited for under the same key', async (t) => {
  const { ks, requests } = await serve(t, problem(409, 'idempotency_running', SOON), json({ id: 'agt_1' }, 201));
  await ks().agents.create(NEW);
  assert.equal(requests[0].headers['idempotency-key'], requests[1].headers['idempotency-key']);
});

test('what has no key is repeated only where nothing was done', async (t) => {
  const calls = [
    (ks) => ks.agents.update('bot', { rpmLimit: 1 }),
    (ks) => ks.agents.delete('bot'),
    (ks) => ks.auth.logIn({ email: 'ada@example.com', password: 'correct horse battery' }),
  ];
  const doubtful = [cut, problem(500, 'internal', SOON), { status: 503, headers: { 'retry-after': '0' } }, problem(504, 'upstream_timeout', SOON)];
  for (const call of calls) {
    for (const failure of doubtful) {
      const { ks, requests } = await serve(t, failure, json({}));
      await assert.rejects(call(ks()), sdk.KeystoreError);
      assert.equal(requests.length, 1);
    }
    for (const failure of [unavailable, problem(429, 'too_many_attempts', SOON)]) {
      const { ks, requests } = await serve(t, failure, json({}));
      await call(ks());
      assert.equal(requests.length, 2);
    }
  }
});

test('what was not sent at all is repeated', async (t) => {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.on('listening', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  let attempts = 0;
  const counting = (...given) => {
    attempts += 1;
    return fetch(...given);
  };
  const ks = new Keystore({ apiKey: KEY, apiUrl: `http://127.0.0.1:${port}`, fetch: counting, maxRetries: 1 });
  await assert.rejects(ks.agents.delete('bot'), (error) => {
    assert.ok(error instanceof sdk.ConnectionError && !(error instanceof sdk.TimeoutError));
    assert.equal(error.code, 'connection_failed');
    assert.match(error.message, /ECONNREFUSED/);
    return true;
  });
  assert.equal(attempts, 2);
});

test('what cannot help is not tried again', async (t) => {
  for (const [status, code] of [[401, 'unauthenticated'], [403, 'forbidden'], [404, 'not_found'], [409, 'idempotency_unknown'], [422, 'invalid_request']]) {
    const { ks, requests } = await serve(t, problem(status, code, SOON));
    await assert.rejects(ks().agents.create(NEW), { code });
    assert.equal(requests.length, 1);
  }
});

test('a long wait is the caller\'s to decide', async (t) => {
  const { ks, requests } = await serve(t, problem(429, 'too_many_attempts', { headers: { 'retry-after': '3600' } }));
  await assert.rejects(ks().org.get(), { retryAfter: 3600 });
  assert.equal(requests.length, 1);
});

test('Retry-After may be a date', async (t) => {
  const { ks } = await serve(t, problem(429, 'too_many_attempts', { headers: { 'retry-after': new Date(Date.now() - 5_000).toUTCString() } }), json({}));
  await ks().org.get();
});

test('retries can be turned off', async (t) => {
  const { ks, requests } = await serve(t, unavailable);
  await assert.rejects(ks({ maxRetries: 0 }).org.get(), sdk.ServerError);
  assert.equal(requests.length, 1);
});

const never = () => {};

test('a call has a time limit', async (t) => {
  const { ks, requests } = await serve(t, never);
  await assert.rejects(ks({ timeout: 500, maxRetries: 0 }).org.get(), (error) => error instanceof sdk.TimeoutError && error.code === 'timeout');
  await assert.rejects(ks().agents.delete('bot', { timeout: 500 }), sdk.TimeoutError);
  assert.equal(requests.length, 2);
});

test('a call can be given up, while it is sent and while it waits', async (t) => {
  const plain = new AbortController();
  const { ks, requests } = await serve(t, never, () => plain.abort());
  await assert.rejects(ks().org.get({ signal: AbortSignal.timeout(500) }), { name: 'TimeoutError', constructor: DOMException });
  const reason = new Error('enough');
  const controller = new AbortController();
  const busy = problem(429, 'too_many_attempts', { headers: { 'retry-after': '30' } });
  const waiting = await serve(t, (_, response) => {
    response.writeHead(busy.status, busy.headers).end(busy.body);
    setTimeout(() => controller.abort(reason), 200);
  });
  await assert.rejects(waiting.ks().org.get({ signal: controller.signal }), reason);
  await assert.rejects(ks().org.get({ signal: AbortSignal.abort(reason) }), reason);
  await assert.rejects(ks({ maxRetries: 0 }).org.get({ signal: plain.signal }), { name: 'AbortError', constructor: DOMException });
  assert.deepEqual([requests.length, waiting.requests.length], [2, 1]);
});

test('what cannot work is refused before anything is sent', async (t) => {
  const { ks, requests, url } = await serve(t, json({}));
  for (const name of ['', '.', '..', undefined, 7]) await assert.rejects(async () => ks().agents.get(name), sdk.ConfigurationError);
  const configured = [
    { apiKey: TOKEN },
    { apiKey: 'ksm_1\nx: y' },
    { agentToken: 'ks_short' },
    { apiUrl: 'localhost:8401' },
    { apiUrl: 'http://user:pass@127.0.0.1' },
    { apiUrl: 'ftp://127.0.0.1' },
    { proxyUrl: 'http://127.0.0.1:8400?x' },
    { timeout: 0 },
    { maxRetries: Number.NaN },
  ];
  for (const options of configured) {
    assert.throws(() => ks(options), (error) => error instanceof sdk.ConfigurationError && !Object.values(options).includes(error.message));
  }
  await assert.rejects(new Keystore({ apiUrl: url }).org.get(), /management key/);
  assert.throws(() => new Keystore({ apiUrl: url }).wrap({}), /agent's token/);
  assert.equal(requests.length, 0);
});

test('the environment says what options do not', async (t) => {
  const { url, requests } = await serve(t, json({}));
  Object.assign(process.env, { KS_API_KEY: KEY, KS_API_URL: `${url}/`, KS_TOKEN: TOKEN, KS_PROXY_URL: 'http://127.0.0.1:9/' });
  t.after(() => ['KS_API_KEY', 'KS_API_URL', 'KS_TOKEN', 'KS_PROXY_URL'].forEach((name) => delete process.env[name]));
  const ks = new Keystore();
  assert.deepEqual([ks.apiUrl, ks.proxyUrl], [url, 'http://127.0.0.1:9']);
  await ks.org.get();
  assert.equal(requests[0].headers.authorization, `Bearer ${KEY}`);
  assert.match(requests[0].headers['user-agent'], /^keystore-sdk-typescript\/\d/);
  await new Keystore({ apiKey: undefined }).org.get();
});

test('neither key nor token can be seen in a client', () => {
  const ks = new Keystore({ apiKey: KEY, agentToken: TOKEN });
  const seen = inspect(ks, { depth: 10, showHidden: true }) + JSON.stringify(ks) + Object.values({ ...ks }).join();
  assert.ok(!seen.includes(KEY) && !seen.includes(TOKEN));
});
