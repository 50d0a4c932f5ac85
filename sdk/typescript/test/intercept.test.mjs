// `interceptAll`: what goes through the proxy, what does not, and that nothing is left behind.
import assert from 'node:assert/strict';
import dns from 'node:dns';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import test from 'node:test';

import { ConfigurationError, Keystore } from '@keystore/sdk';

import { PROXY, TOKEN } from './support.mjs';

const OTHER_TOKEN = `ks_${'3'.repeat(64)}`;
const ks = new Keystore({ agentToken: TOKEN, proxyUrl: PROXY });

const REAL = globalThis.fetch;

/** Puts a `fetch` in place that sends nothing: it keeps what it was given and answers from `answers`, the last again and again. */
const recording = (t, ...answers) => {
  const calls = [];
  function recorder(...given) {
    const [input, init] = given;
    calls.push({ self: this, given, request: new Request(input instanceof Request ? input.clone() : input, init), init });
    const answer = answers[Math.min(calls.length, answers.length) - 1] ?? (() => new Response('ok'));
    return Promise.resolve(answer());
  }
  globalThis.fetch = recorder;
  t.after(() => {
    globalThis.fetch = REAL;
  });
  return { calls, recorder };
};

const intercept = (t, options) => {
  const undo = ks.interceptAll(options);
  t.after(undo);
  return undo;
};

/** Where the token stands in a request, if anywhere. */
const holdsToken = ({ request }) => [request.url, ...[...request.headers].flat()].some((text) => text.includes('ks_'));

const redirect = (status, location) => () => new Response(null, { status, headers: location ? { location } : {} });

test('what is meant for a vendor goes through the proxy, with the token', async (t) => {
  const { calls } = recording(t);
  intercept(t);
  const cases = [
    ['https://api.openai.com/v1/chat/completions', '/v1/openai/v1/chat/completions'],
    ['https://eu.api.openai.com/v1/models?limit=3&a=%2F', '/v1/openai~eu/v1/models?limit=3&a=%2F'],
    [new URL('https://api.anthropic.com/v1/messages'), '/v1/anthropic/v1/messages'],
    ['HTTPS://API.GitHub.com:443/user#part', '/v1/github/user'],
    ['https://uploads.github.com/repos/a%2Fb', '/v1/github~uploads/repos/a%2Fb'],
    ['https://generativelanguage.googleapis.com/v1beta/models?alt=sse&key=AIza-real&x=1', '/v1/gemini/v1beta/models?alt=sse&x=1'],
    ['https://api.telegram.org/bot123:real/getMe', '/v1/telegram/getMe'],
    ['https://api.telegram.org/file/bot123:real/photos/1.jpg', '/v1/telegram~file/photos/1.jpg'],
    ['https://hooks.slack.com/services/T0/B0/real', '/v1/slack-webhook/'],
    ['https://api.stripe.com', '/v1/stripe/'],
  ];
  for (const [url, path] of cases) {
    await fetch(url, { headers: { authorization: 'Bearer sk-real', 'x-api-key': 'sk-real', 'x-goog-api-key': 'real', accept: 'x/y' } });
    const { request } = calls.at(-1);
    assert.equal(request.url, PROXY + path);
    assert.deepEqual([request.headers.get('authorization'), request.headers.get('accept')], [`Bearer ${TOKEN}`, 'x/y']);
  }
  assert.equal(calls[2].request.headers.get('x-api-key'), null);
  assert.equal(calls[5].request.headers.get('x-goog-api-key'), null);
});

test('every host of the catalog that is the same for all is taken over', async (t) => {
  const { calls } = recording(t);
  intercept(t);
  const { CATALOG } = await import(new URL('./generated/catalog.js', import.meta.resolve('@keystore/sdk')));
  const urls = CATALOG.flatMap((entry) => Object.values(entry.urls ?? {})).filter((url) => !url.includes('{'));
  assert.ok(urls.length > 500);
  for (const url of urls) await fetch(`${url}/x/y/z`);
  assert.equal(calls.length, urls.length);
  for (const { request } of calls) assert.ok(request.url.startsWith(`${PROXY}/v1/`), request.url);
});

const LABELS = ['www', 'api', 'eu', 'openai', 'xn--e1afmkfd', 'a-b', '0'];
const DOMAINS = ['example.com', 'example.org', 'openai.com.example.net', 'api.openai.com.evil.example', 'notopenai.com', 'anthropic.example', 'localhost', 'github.example'];

/** Hosts that belong to no vendor, many of which look like one. */
const otherHosts = () => [
  ...LABELS.flatMap((label) => DOMAINS.map((domain) => `${label}.${domain}`)),
  ...Array.from({ length: 150 }, (_, at) => `host-${at}.test`),
  'openai.com', 'www.openai.com', 'xapi.openai.com', 'api-openai.com', 'api.openai.co', 'api.openai.com.', 'evil.api.openai.com', 'api.anthropic.com.evil.test',
  '127.0.0.1', '[::1]', '10.0.0.1', 'acme.openai.azure.com', 'acme.zendesk.com', 'storage.googleapis.com', 's3.eu-west-1.amazonaws.com',
];

test('the token goes to no other host, and other requests are left as they are', async (t) => {
  const { calls } = recording(t);
  intercept(t);
  const self = { me: true };
  const urls = [
    ...otherHosts().map((host) => `https://${host}/v1/chat/completions`),
    'http://api.openai.com/v1/models', 'https://api.openai.com:8443/v1/models', 'https://user:pass@api.openai.com/v1/models',
    'https://api.openai.com@evil.test/', 'https://evil.test/?u=https://api.openai.com/', 'https://evil.test/#@api.openai.com',
    'data:text/plain,api.openai.com', PROXY, `${PROXY}/v1/openai/v1/models`,
  ].filter((url) => !url.includes('@'));
  assert.ok(urls.length > 200);
  for (const url of urls) {
    for (const input of [url, new URL(url), new Request(url)]) {
      const init = { headers: { 'x-mine': '1' } };
      await globalThis.fetch.call(self, input, init);
      const call = calls.at(-1);
      assert.equal(call.self, self);
      assert.equal(call.given.length, 2);
      assert.ok(call.given[0] === input && call.given[1] === init, url);
      assert.ok(!holdsToken(call), url);
    }
  }
  await fetch('https://host.test');
  assert.deepEqual(calls.at(-1).given, ['https://host.test']);
  const answer = new Error('of theirs');
  globalThis.fetch = Object.assign(() => Promise.reject(answer));
  const undo = ks.interceptAll();
  await assert.rejects(fetch('https://host.test'), answer);
  undo();
});

test('addresses with a user name in them are left alone', async (t) => {
  const seen = [];
  globalThis.fetch = async (input) => void seen.push(input);
  t.after(() => (globalThis.fetch = REAL));
  const undo = ks.interceptAll();
  const urls = ['https://user:pass@api.openai.com/', 'https://user@api.openai.com/', 'https://api.openai.com@evil.test/', 'not a url', ''];
  for (const url of urls) await fetch(url);
  undo();
  assert.deepEqual(seen, urls);
});

test('a request keeps its method, headers, body and signal', async (t) => {
  const { calls } = recording(t);
  intercept(t);
  const url = 'https://api.openai.com/v1/chat/completions';
  const init = { method: 'POST', headers: [['x-a', '1'], ['content-type', 'text/x']], body: 'hello' };
  for (const given of [[url, init], [new Request(url, init)], [new Request(url), new Request(url, init)], [new Request(url, { headers: { 'x-b': '2' } }), init]]) {
    await fetch(...given);
    const { request } = calls.at(-1);
    assert.deepEqual([request.method, request.headers.get('x-a'), request.headers.get('content-type'), await request.text()], ['POST', '1', 'text/x', 'hello']);
    assert.equal(request.headers.get('x-b'), null);
    assert.equal(init.headers.length, 2);
  }
  await fetch(url, null);
  assert.equal(calls.at(-1).request.method, 'GET');
  await fetch(url, { method: 'POST', body: new URLSearchParams({ a: 'b' }) });
  assert.match(calls.at(-1).request.headers.get('content-type'), /^application\/x-www-form-urlencoded/);
  const controller = new AbortController();
  await fetch(url, { signal: controller.signal });
  assert.equal(calls.at(-1).init.signal, controller.signal);
  const dispatcher = {};
  await fetch(new Request(url), { headers: {}, dispatcher }).catch(() => {});
  assert.equal(calls.at(-1).init.dispatcher, dispatcher);
});

test('the answer is the one that was asked for', async (t) => {
  recording(t, () => new Response('hello', { status: 201, headers: { 'x-keystore-source': 'byok' } }));
  intercept(t);
  const response = await fetch('https://api.openai.com/v1/models#part');
  assert.deepEqual([response.url, response.redirected, response.status, response.headers.get('x-keystore-source')], ['https://api.openai.com/v1/models', false, 201, 'byok']);
  assert.equal(await response.clone().text(), 'hello');
});

test('a redirect within the catalog is followed through the proxy', async (t) => {
  const { calls } = recording(t, redirect(302, '/repositories/1?x=1'), redirect(307, 'https://uploads.github.com/a'), () => new Response('there'));
  intercept(t);
  const response = await fetch('https://api.github.com/repos/a/b', { headers: { 'x-mine': '1' } });
  assert.deepEqual(calls.map(({ request }) => request.url), [`${PROXY}/v1/github/repos/a/b`, `${PROXY}/v1/github/repositories/1?x=1`, `${PROXY}/v1/github~uploads/a`]);
  for (const { request } of calls) assert.equal(request.headers.get('authorization'), `Bearer ${TOKEN}`);
  assert.deepEqual([response.url, response.redirected], ['https://uploads.github.com/a', true]);
});

test('a redirect off the catalog goes there without a token and without a key', async (t) => {
  const { calls } = recording(t, redirect(302, 'https://objects.example/file?signature=1'), () => new Response('the file'));
  intercept(t);
  const headers = { authorization: 'Bearer sk-real', 'x-api-key': 'real', 'x-odd': `of ${TOKEN}`, cookie: 'a=b', accept: 'x/y' };
  const response = await fetch('https://api.anthropic.com/v1/files/1', { headers });
  assert.equal(await response.text(), 'the file');
  const last = calls[1].request;
  assert.equal(last.url, 'https://objects.example/file?signature=1');
  assert.deepEqual(Object.fromEntries(last.headers), { accept: 'x/y' });
});

test('a redirect to another host and back goes through the proxy again', async (t) => {
  const { calls } = recording(t, redirect(302, 'http://other.example/'), redirect(302, 'https://api.github.com/b'), () => new Response('ok'));
  intercept(t);
  const response = await fetch('https://api.github.com/a', { headers: { authorization: 'Bearer real' } });
  assert.deepEqual(
    calls.map(({ request }) => [request.url, request.headers.get('authorization')]),
    [[`${PROXY}/v1/github/a`, `Bearer ${TOKEN}`], ['http://other.example/', null], [`${PROXY}/v1/github/b`, `Bearer ${TOKEN}`]],
  );
  assert.deepEqual([response.url, response.redirected], ['https://api.github.com/b', true]);
  recording(t, redirect(302, 'data:text/plain,hello'));
  const undo = ks.interceptAll();
  await assert.rejects(fetch('https://api.github.com/a'), TypeError);
  undo();
});

test('a redirect changes method and body as the standard says', async (t) => {
  const post = { method: 'POST', body: 'x', headers: { 'content-type': 'a/b' } };
  for (const [status, method, body] of [[301, 'GET', ''], [302, 'GET', ''], [303, 'GET', ''], [307, 'POST', 'x'], [308, 'POST', 'x']]) {
    const { calls } = recording(t, redirect(status, '/next'), () => new Response('ok'));
    const undo = ks.interceptAll();
    await fetch('https://api.github.com/a', post);
    undo();
    const { request } = calls[1];
    assert.deepEqual([request.method, await request.text(), request.headers.get('content-type')], [method, body, body ? 'a/b' : null], `${status}`);
  }
  const { calls } = recording(t, redirect(307, '/next'));
  const undo = ks.interceptAll();
  await assert.rejects(fetch('https://api.github.com/a', { ...post, body: new Blob(['x']).stream(), duplex: 'half' }), TypeError);
  assert.equal(calls.length, 1);
  undo();
});

test('what a redirect is for is for the caller to say', async (t) => {
  const { calls } = recording(t, redirect(302, 'https://objects.example/'));
  intercept(t);
  const response = await fetch('https://api.github.com/a', { redirect: 'manual' });
  assert.deepEqual([response.status, response.headers.get('location')], [302, 'https://objects.example/']);
  await assert.rejects(fetch('https://api.github.com/a', { redirect: 'error' }), TypeError);
  await assert.rejects(fetch(new Request('https://api.github.com/a', { redirect: 'error' })), TypeError);
  assert.equal(calls.length, 3);
});

test('redirects come to an end', async (t) => {
  const { calls } = recording(t, redirect(302, '/again'));
  intercept(t);
  await assert.rejects(fetch('https://api.github.com/a'), (error) => error instanceof TypeError && /too many/.test(error.cause.message));
  assert.equal(calls.length, 21);
  const none = recording(t, redirect(304));
  const undo = ks.interceptAll();
  assert.equal((await fetch('https://api.github.com/a')).status, 304);
  assert.equal(none.calls.length, 1);
  undo();
});

test('its undo restores the fetch that was there', (t) => {
  const { recorder } = recording(t);
  const before = Object.getOwnPropertyDescriptor(globalThis, 'fetch');
  const undo = ks.interceptAll();
  assert.notEqual(globalThis.fetch, recorder);
  assert.equal(globalThis.fetch.name, 'fetch');
  undo();
  undo();
  assert.deepEqual(Object.getOwnPropertyDescriptor(globalThis, 'fetch'), before);
});

test('calls are undone in any order, and the last that stands counts', async (t) => {
  const other = new Keystore({ agentToken: OTHER_TOKEN, proxyUrl: 'http://127.0.0.1:9000' });
  const sentWith = async (calls) => {
    await fetch('https://api.openai.com/v1/models');
    const { request } = calls.at(-1);
    return [new URL(request.url).port, request.headers.get('authorization')];
  };
  const [first, second] = [['8400', `Bearer ${TOKEN}`], ['9000', `Bearer ${OTHER_TOKEN}`]];
  for (const inOrder of [true, false]) {
    const { calls, recorder } = recording(t);
    const undos = [ks.interceptAll(), other.interceptAll()];
    assert.deepEqual(await sentWith(calls), second);
    undos[inOrder ? 1 : 0]();
    undos[inOrder ? 1 : 0]();
    assert.deepEqual(await sentWith(calls), inOrder ? first : second);
    undos[inOrder ? 0 : 1]();
    assert.equal(globalThis.fetch, recorder);
    assert.deepEqual(await sentWith(calls), ['', null]);
  }
});

test('somebody else\'s patch on top stays, and ours below it hands on', async (t) => {
  const { calls, recorder } = recording(t);
  const undo = ks.interceptAll();
  const below = globalThis.fetch;
  const theirs = (...given) => below(...given);
  globalThis.fetch = theirs;
  const undoAgain = ks.interceptAll({ providers: ['github'] });
  await fetch('https://api.github.com/user');
  undo();
  await fetch('https://api.openai.com/v1/models');
  undoAgain();
  assert.equal(globalThis.fetch, theirs);
  await fetch('https://api.github.com/user');
  globalThis.fetch = below;
  const last = ks.interceptAll();
  last();
  assert.deepEqual(calls.map(({ request }) => request.url), [`${PROXY}/v1/github/user`, 'https://api.openai.com/v1/models', 'https://api.github.com/user']);
  globalThis.fetch = recorder;
});

test('providers and hosts are the caller\'s to choose', async (t) => {
  const { calls } = recording(t);
  const sent = async (url, options) => {
    const undo = ks.interceptAll(options);
    await fetch(url);
    undo();
    return calls.at(-1).request.url;
  };
  const azure = 'https://acme.openai.azure.com/openai/v1/models';
  assert.equal(await sent(azure, {}), azure);
  assert.equal(await sent(azure, { providers: ['azure-openai'] }), `${PROXY}/v1/azure-openai/openai/v1/models`);
  assert.equal(await sent(azure, { hosts: { 'acme.openai.azure.com': 'azure-openai' } }), `${PROXY}/v1/azure-openai/openai/v1/models`);
  for (const host of ['a.acme.openai.azure.com', 'acme.openai.azure.com.evil.test', 'acme_openai.azure.com', '.openai.azure.com', 'a.test#.openai.azure.com']) {
    const url = new URL(`https://${host}/openai`).href;
    assert.equal(await sent(url, { providers: ['azure-openai'] }), url);
  }
  assert.equal(await sent('https://api.github.com/user', { providers: ['openai'] }), 'https://api.github.com/user');
  assert.equal(await sent('https://llm.example.com/v1/x', { hosts: { 'llm.example.com': 'my-own' } }), `${PROXY}/v1/my-own/v1/x`);
  assert.equal(await sent('https://api.openai.com/v1/x', { hosts: { 'api.openai.com': 'my-own' } }), `${PROXY}/v1/my-own/v1/x`);
  assert.equal(await sent('https://api.openai.com/v1/organization/x', { providers: ['openai-admin'] }), `${PROXY}/v1/openai-admin/v1/organization/x`);
  assert.equal(await sent('https://storage.googleapis.com/b', { providers: ['gcp', 'gemini'] }), `${PROXY}/v1/gcp/b`);
  assert.equal(await sent('https://generativelanguage.googleapis.com/b', { providers: ['gcp', 'gemini'] }), `${PROXY}/v1/gemini/b`);
  const before = globalThis.fetch;
  for (const wrong of [{ providers: ['opnai'] }, { hosts: { 'https://x.test': 'openai' } }, { hosts: { 'x.test:80': 'openai' } }, { hosts: { 'x.test': '../openai' } }]) {
    assert.throws(() => ks.interceptAll(wrong), ConfigurationError);
    assert.equal(globalThis.fetch, before);
  }
});

test('over real connections, 200 other hosts see no token', async (t) => {
  const bytes = [];
  const server = createTcpServer((socket) => {
    socket.on('data', (piece) => {
      bytes.push(piece);
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { lookup } = dns;
  t.after(() => (dns.lookup = lookup));
  // Every name leads here.
  dns.lookup = (name, options, done) => done(null, options.all ? [{ address: '127.0.0.1', family: 4 }] : '127.0.0.1', 4);
  t.after(ks.interceptAll());
  const hosts = otherHosts().filter((host) => !/[[\]]|^\d|localhost/.test(host));
  assert.ok(hosts.length > 200);
  await Promise.all(hosts.map((host) => fetch(`http://${host}:${server.address().port}/v1/models`, { method: 'POST', body: host })));
  const seen = Buffer.concat(bytes).toString('latin1');
  for (const host of hosts) assert.ok(seen.includes(`host: ${host}:`), host);
  assert.ok(!seen.includes('ks_') && !/authorization/i.test(seen));
});

test('streams go through both ways, over real connections', async (t) => {
  const heads = [];
  const server = createServer(async (request, response) => {
    heads.push([request.method, request.url, request.headers.authorization]);
    if (request.url.endsWith('/moved')) return response.writeHead(302, { location: `http://127.0.0.1:${server.address().port}/elsewhere` }).end();
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for await (const piece of request) response.write(piece);
    response.end('end');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.closeAllConnections() ?? server.close());
  const proxyUrl = `http://127.0.0.1:${server.address().port}`;
  t.after(new Keystore({ agentToken: TOKEN, proxyUrl }).interceptAll());

  const { readable, writable } = new TransformStream();
  const writer = writable.getWriter();
  const response = await Promise.all([
    fetch('https://api.openai.com/v1/files', { method: 'POST', body: readable, duplex: 'half' }),
    writer.write(new TextEncoder().encode('one')),
  ]).then(([response]) => response);
  const reader = response.body.getReader();
  const next = async () => new TextDecoder().decode((await reader.read()).value);
  assert.equal(await next(), 'one');
  writer.write(new TextEncoder().encode('two'));
  assert.equal(await next(), 'two');
  writer.close();
  assert.equal(await next(), 'end');

  await (await fetch(new Request('https://api.openai.com/moved', { method: 'POST', body: 'x' }))).text();
  const bearer = `Bearer ${TOKEN}`;
  assert.deepEqual(heads, [
    ['POST', '/v1/openai/v1/files', bearer],
    ['POST', '/v1/openai/moved', bearer],
    ['GET', '/elsewhere', undefined],
  ]);
});
