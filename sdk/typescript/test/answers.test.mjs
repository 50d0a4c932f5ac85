// What comes back: pages, the live stream, files.
import assert from 'node:assert/strict';
import test from 'node:test';

import { ConnectionError, Download, Page, PermissionError } from '@keystore/sdk';

import { collect, json, problem, serve } from './support.mjs';

// The pauses between attempts are at their shortest.
Math.random = () => 0;

const pages = [json({ data: [{ name: 'a' }, { name: 'b' }], next: 'after b' }), json({ data: [{ name: 'c' }] })];
const names = (all) => all.map((one) => one.name).join('');

test('a list is read to its end', async (t) => {
  const { ks, requests } = await serve(t, ...pages);
  assert.equal(names(await collect(ks().agents.list({ project: 'p', limit: 2 }))), 'abc');
  assert.deepEqual(requests.map((request) => request.url), ['/v1/agents?project=p&limit=2', '/v1/agents?project=p&limit=2&after=after+b']);
});

test('its first page is what one waits for', async (t) => {
  const { ks } = await serve(t, ...pages);
  const first = await ks().agents.list();
  assert.ok(first instanceof Page);
  assert.deepEqual(JSON.parse(JSON.stringify(first)), { data: [{ name: 'a' }, { name: 'b' }], next: 'after b' });
  const second = await first.nextPage();
  assert.deepEqual([names(second.data), second.next, await second.nextPage()], ['c', undefined, undefined]);
});

test('page and pages', async (t) => {
  const { ks, requests } = await serve(t, ...pages);
  const list = ks().agents.list();
  assert.equal(requests.length, 0);
  assert.deepEqual((await collect(list.pages())).map((page) => page.data.length), [2, 1]);
  assert.equal(names((await list.page()).data), 'c');
});

test('leaving a list asks for no further page', async (t) => {
  const { ks, requests } = await serve(t, ...pages);
  for await (const agent of ks().agents.list()) if (agent.name === 'a') break;
  assert.equal(requests.length, 1);
});

test('a list that fails says so', async (t) => {
  const { ks } = await serve(t, problem(403, 'forbidden'));
  await assert.rejects(ks().agents.list().page(), PermissionError);
  await assert.rejects(collect(ks().agents.list()), PermissionError);
});

test('a feed ends where it leads no farther, and says where to go on', async (t) => {
  const { ks, requests } = await serve(
    t,
    json({ data: [{ name: 'a' }], next: '1' }),
    // What was between them was no event.
    json({ data: [], next: '2' }),
    json({ data: [{ name: 'b' }], next: '3' }),
    json({ data: [], next: '3' }),
  );
  assert.equal(names(await collect(ks().usage.listEvents())), 'ab');
  assert.equal(requests.length, 4);
  assert.equal((await ks().usage.listEvents({ after: '2' })).next, '3');
});

const events = (text, end = (response) => response.end()) => (_, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(text);
  setTimeout(() => end(response), 20);
};
const event = (id) => `event: request\nid: ${id}\ndata: {"name":\ndata: "${id}"}\n\n`;

test('the live stream goes on behind the last event', async (t) => {
  const { ks, requests } = await serve(
    t,
    events(`: hello\n\n${event('a')}${event('b').replaceAll('\n', '\r\n')}`),
    events(`${event('c')}event: request\nid: lost\ndata: {"na`, (response) => response.destroy()),
    problem(403, 'forbidden'),
  );
  const seen = [];
  const stream = ks().requests.stream({ agent: 'bot' });
  await assert.rejects(async () => {
    for await (const one of stream) seen.push(one);
  }, PermissionError);
  assert.deepEqual([names(seen), stream.lastEventId], ['abc', 'c']);
  await assert.rejects(collect(ks().requests.stream({}, { lastEventId: 'z' })), PermissionError);
  assert.equal(requests.pop().headers['last-event-id'], 'z');
  assert.deepEqual(requests.map(({ url, headers }) => [url, headers['last-event-id'], headers.accept]), [
    ['/v1/requests/stream?agent=bot', undefined, 'text/event-stream'],
    ['/v1/requests/stream?agent=bot', 'b', 'text/event-stream'],
    ['/v1/requests/stream?agent=bot', 'c', 'text/event-stream'],
  ]);
});

test('a stream that ends again and again is given up', async (t) => {
  for (const before of ['', ': connected\n\n', ': connected\n\nevent: request\nid: 1\ndata: {']) {
    const { ks, requests } = await serve(t, events(before));
    await assert.rejects(collect(ks({ maxRetries: 1 }).requests.stream()), ConnectionError);
    assert.equal(requests.length, 2);
  }
});

test('the pauses before a stream that breaks soon grow', async (t) => {
  const at = [];
  const { ks } = await serve(t, (request, response) => {
    at.push(performance.now());
    events(': connected\n\n')(request, response);
  });
  await assert.rejects(collect(ks().requests.stream()), ConnectionError);
  assert.equal(at.length, 3);
  assert.ok(at[1] - at[0] >= 250 && at[2] - at[1] >= 500, at.join());
});

test('a stream with events, or one that holds for a while, is not', async (t) => {
  const connected = ': connected\n\n';
  const now = performance.now.bind(performance);
  let passed = 0;
  t.mock.method(performance, 'now', () => now() + passed);
  const held = events(connected, (response) => {
    passed += 15_000;
    response.end();
  });
  const { ks } = await serve(t, events(connected), events(event('a')), held, events(event('b')), problem(403, 'forbidden'));
  const seen = [];
  await assert.rejects(async () => {
    for await (const one of ks({ maxRetries: 1 }).requests.stream()) seen.push(one);
  }, PermissionError);
  assert.equal(names(seen), 'ab');
});

test('leaving the stream ends the connection; so does the signal', async (t) => {
  const closed = Promise.withResolvers ? Promise.withResolvers() : deferred();
  const forever = (request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(event('a'));
    request.socket.on('close', closed.resolve);
  };
  const { ks } = await serve(t, forever);
  for await (const one of ks().requests.stream()) if (one.name === 'a') break;
  await closed.promise;
  const reason = new Error('enough');
  const controller = new AbortController();
  await assert.rejects(async () => {
    for await (const _ of ks({ timeout: 500 }).requests.stream({}, { signal: controller.signal })) setTimeout(() => controller.abort(reason), 600);
  }, reason);
});

const deferred = () => {
  let resolve;
  const promise = new Promise((done) => (resolve = done));
  return { promise, resolve };
};

const file = (type, body) => ({ status: 200, headers: { 'content-type': type }, body });

test('an export is a file', async (t) => {
  const { ks, requests } = await serve(t, file('application/x-ndjson', '{"n":1}\r\n{"n":"é"}\n\n{"n":3}'));
  const download = await ks().audit.export({ format: 'ndjson' });
  assert.ok(download instanceof Download);
  assert.equal(download.contentType, 'application/x-ndjson');
  assert.deepEqual(await collect(download.lines()), ['{"n":1}', '{"n":"é"}', '', '{"n":3}']);
  assert.equal(requests[0].url, '/v1/audit/export?format=ndjson');
  assert.match(await (await ks().audit.export()).text(), /"n":3/);
});

test('an invoice has several forms', async (t) => {
  const { ks, requests } = await serve(t, json({ number: 'KS-2026-000001' }), file('application/pdf', '%PDF-1.7'));
  assert.equal((await ks().billing.getInvoice('KS-2026-000001')).number, 'KS-2026-000001');
  const pdf = await ks().billing.getInvoice('KS-2026-000001', { format: 'pdf' });
  assert.equal(Buffer.from(await pdf.bytes()).toString(), '%PDF-1.7');
  assert.equal((await (await ks().billing.getInvoice('KS-2026-000001', { format: 'pdf' })).blob()).type, 'application/pdf');
  assert.deepEqual(requests.slice(0, 2).map((request) => request.url), ['/v1/billing/invoices/KS-2026-000001', '/v1/billing/invoices/KS-2026-000001.pdf']);
});

test('a file that breaks off is not taken for a whole one', async (t) => {
  const half = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/csv', 'content-length': 100 });
    response.write('a,b\nc');
    setTimeout(() => response.destroy(), 20);
  };
  const { ks } = await serve(t, half);
  await assert.rejects((await ks().audit.export()).text(), ConnectionError);
  await assert.rejects(collect((await ks().audit.export()).lines()), ConnectionError);
});

test('nothing comes back as nothing', async (t) => {
  const { ks } = await serve(t, { status: 204 });
  assert.equal(await ks().agents.delete('bot'), undefined);
});
