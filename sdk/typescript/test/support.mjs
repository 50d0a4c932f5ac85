// What the tests of the package share: a control plane that answers as it is told, and tokens.
import { createServer } from 'node:http';
import { once } from 'node:events';

import { Keystore } from '@keystore/sdk';

export const KEY = `ksm_${'1'.repeat(64)}`;
export const TOKEN = `ks_${'2'.repeat(64)}`;
export const PROXY = 'http://127.0.0.1:8400';

/** All that an async iterable gives. */
export const collect = async (iterable) => {
  const all = [];
  for await (const one of iterable) all.push(one);
  return all;
};

export const problem = (status, code, more = {}) => ({
  status,
  headers: { 'content-type': 'application/problem+json', ...more.headers },
  body: JSON.stringify({ type: `urn:keystore:problem:${code}`, title: code, status, code, detail: `about ${code}`, requestId: 'req_1', ...more.body }),
});

export const json = (value, status = 200) => ({ status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) });

/**
 * A server that gives these answers in order, the last again and again, and keeps what it was asked. An answer is an object, or
 * a function of request and response that answers itself.
 */
export const serve = async (t, ...answers) => {
  const requests = [];
  const server = createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const { method, url, headers } = request;
    requests.push({ method, url, headers, body: Buffer.concat(pieces).toString() });
    const answer = answers[Math.min(requests.length, answers.length) - 1];
    if (typeof answer === 'function') return answer(request, response);
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${server.address().port}`;
  return { url, requests, ks: (options) => new Keystore({ apiKey: KEY, apiUrl: url, ...options }) };
};
