// The official Node clients of vendors that are not language models: their ways to send a key are understood, and the right one goes
// out.
import assert from 'node:assert/strict';
import test from 'node:test';

import { tavily } from '@tavily/core';
import { Resend } from 'resend';
import Stripe from 'stripe';

import { agents, keys, proxyUrl, received, tokens } from './world.mjs';

const sent = (vendor, path) => received(vendor).findLast((line) => line.target.split('?')[0].endsWith(path)).credentials;

// Stripe's client has no base path, so a program points its host at the proxy, and its fetch client puts the provider before the path.
const stripe = (state = 'good', fake) => {
  const { hostname, port } = new URL(proxyUrl);
  const throughProxy = (url, options) => {
    const { pathname, search } = new URL(url);
    const headers = new Headers(options.headers);
    if (fake) headers.set('x-fake', fake);
    return fetch(`${proxyUrl}/v1/stripe${pathname}${search}`, { ...options, headers });
  };
  return new Stripe(tokens[state], {
    host: hostname,
    port,
    protocol: 'http',
    maxNetworkRetries: 0,
    httpClient: Stripe.createFetchHttpClient(throughProxy),
  });
};

test('stripe', async () => {
  const customer = await stripe().customers.create({ email: 'otter@example.com' });
  assert.equal(customer.object, 'customer');
  const list = await stripe().customers.list({ limit: 1 });
  assert.equal(list.data[0].object, 'customer');
  assert.deepEqual(sent('stripe', '/v1/customers'), [{ slot: 'bearer', value: keys.stripe }]);
});

test('errors of stripe', async () => {
  for (const [status, kind, sentence] of [
    [402, Stripe.errors.StripeCardError, /declined/],
    [404, Stripe.errors.StripeInvalidRequestError, /refused by the fake/],
    [429, Stripe.errors.StripeRateLimitError, /Too many requests/],
  ]) {
    const call = stripe('good', `status=${status}`).customers.list();
    await assert.rejects(call, (error) => error instanceof kind && error.statusCode === status && sentence.test(error.message));
  }
});

test('stripe, refused', async () => {
  const arrived = received('stripe').length;
  await assert.rejects(stripe('thrifty').customers.list(), (error) => {
    assert.ok(error instanceof Stripe.errors.StripePermissionError, `${error}`);
    return new RegExp(`ks agent update ${agents.thrifty} --provider stripe:byok`).test(error.message);
  });
  assert.equal(received('stripe').length, arrived);
});

const resend = (state = 'good') => new Resend(tokens[state], { baseUrl: `${proxyUrl}/v1/resend` });

const mail = { from: 'a@example.com', to: 'b@example.com', subject: 'Otters', html: '<p>hold hands</p>' };

test('resend', async () => {
  const { data, error } = await resend().emails.send(mail);
  assert.equal(error, null);
  assert.ok(data.id);
  assert.deepEqual(sent('resend', '/emails'), [{ slot: 'bearer', value: keys.resend }]);
});

test('errors of resend', async () => {
  for (const [status, name] of [
    [422, 'validation_error'],
    [429, 'rate_limit_exceeded'],
  ]) {
    const { error } = await resend().emails.send(mail, { headers: { 'x-fake': `status=${status}` } });
    assert.deepEqual([error.statusCode, error.name], [status, name]);
  }
});

test('resend, refused', async () => {
  const arrived = received('resend').length;
  for (const [state, name, sentence] of [
    ['revoked', 'invalid_token', /not valid/],
    ['thrifty', 'budget_exceeded', /which the budget of/],
  ]) {
    const { error } = await resend(state).emails.send(mail);
    assert.equal(error.name, name);
    assert.match(error.message, sentence);
  }
  assert.equal(received('resend').length, arrived);
});

test('tavily', async () => {
  const client = tavily({ apiKey: tokens.good, apiBaseURL: `${proxyUrl}/v1/tavily` });
  const answer = await client.search('otters');
  assert.equal(answer.results[0].title, 'Fake');
  assert.deepEqual(sent('tavily', '/search'), [{ slot: 'bearer', value: keys.tavily }]);
});

test('tavily, refused', async () => {
  const arrived = received('tavily').length;
  const client = tavily({ apiKey: tokens.thrifty, apiBaseURL: `${proxyUrl}/v1/tavily` });
  await assert.rejects(client.search('otters'), /which the budget of .*ks budget raise/);
  assert.equal(received('tavily').length, arrived);
});
