// Every operation of openapi.json has its method, under the name of sdk/methods.json, and the method sends that operation.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { Keystore } from '@keystore/sdk';

import { KEY } from './support.mjs';

const ROOT = process.env.KS_ROOT ?? join(import.meta.dirname, '..', '..', '..');
const spec = JSON.parse(readFileSync(join(ROOT, 'openapi.json'), 'utf8'));
const methods = JSON.parse(readFileSync(join(ROOT, 'sdk', 'methods.json'), 'utf8'));

const WITHOUT_A_METHOD = { receive_stripe_event: 'Stripe calls it, under a signature of its own; no program of a customer does' };

const operations = Object.entries(spec.paths).flatMap(([path, verbs]) =>
  Object.entries(verbs).map(([verb, one]) => ({ ...one, path, method: verb.toUpperCase() })),
);

const camel = (snake) => snake.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());

const find = (ks, name) => name.split('.').map(camel).reduce((one, word) => one?.[word], ks);

/** A client whose requests end here; what was sent stands in `sent`. */
const recording = () => {
  const sent = [];
  const fetch = async (url, init) => {
    sent.push({ url: new URL(url), ...init });
    return new Response('{"data":[]}', { headers: { 'content-type': 'application/json' } });
  };
  return { sent, ks: new Keystore({ apiKey: KEY, apiUrl: 'http://ks.example', fetch, maxRetries: 0 }) };
};

test('every operation has a name, or a reason to have none', () => {
  const ids = operations.map((one) => one.operationId);
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual(ids.filter((id) => !methods[id]), Object.keys(WITHOUT_A_METHOD));
  assert.deepEqual(Object.keys(methods).filter((id) => !ids.includes(id)), []);
  assert.equal(new Set(Object.values(methods)).size, Object.keys(methods).length);
});

test('every method sends its operation', async () => {
  for (const one of operations.filter((one) => methods[one.operationId])) {
    const { sent, ks } = recording();
    const method = find(ks, methods[one.operationId]);
    assert.equal(typeof method, 'function', methods[one.operationId]);

    const parameters = one.parameters ?? [];
    const places = parameters.filter((parameter) => parameter.in === 'path');
    const query = Object.fromEntries(parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => [name, `q-${name}`]));
    const hasQuery = Object.keys(query).length > 0;
    const body = { some: 'body' };
    const input = one.requestBody ? [body] : hasQuery ? [query] : [];
    const keyed = parameters.some(({ name }) => name === 'Idempotency-Key');
    const options = { ...(one.requestBody && query), ...(keyed && { idempotencyKey: 'mine' }) };
    const result = method(...places.map(({ name }) => `a/${name}`), ...input, options);
    if (Symbol.asyncIterator in result) await result[Symbol.asyncIterator]().next().catch(() => {});
    else await result;

    const [request] = sent;
    const path = one.path.replace(/\{(\w+)\}/g, 'a%2F$1');
    assert.deepEqual([request.method, request.url.pathname], [one.method, path], one.operationId);
    assert.deepEqual(Object.fromEntries(request.url.searchParams), query, one.operationId);
    assert.equal(request.body, one.requestBody ? JSON.stringify(body) : null, one.operationId);
    assert.equal(request.headers.get('content-type'), one.requestBody ? 'application/json' : null);
    assert.equal(request.headers.get('idempotency-key'), keyed ? 'mine' : null, one.operationId);
    const open = one.security?.length === 0;
    assert.equal(request.headers.get('authorization'), open ? null : `Bearer ${KEY}`, one.operationId);
  }
});

test('there is no method beside those of the table', () => {
  const names = (node, prefix) =>
    Object.entries(node).flatMap(([name, one]) => (typeof one === 'function' ? [`${prefix}${name}`] : names(one, `${prefix}${name}.`)));
  const expected = Object.values(methods).map((name) => name.split('.').map(camel).join('.'));
  assert.deepEqual(names(recording().ks, '').sort(), expected.sort());
});
