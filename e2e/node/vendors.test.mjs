// The official Node clients of other vendors: their ways to send a key are understood, and the right one goes out.
import assert from 'node:assert/strict';
import test from 'node:test';

import { GoogleGenAI } from '@google/genai';
import { tavily } from '@tavily/core';
import { Resend } from 'resend';
import Stripe from 'stripe';

import { keys, proxyUrl, received, tokens } from './world.mjs';

const sent = (vendor, path) => received(vendor).findLast((line) => line.target.split('?')[0].endsWith(path)).credentials;

test('stripe has no base path, so a program points its host at the proxy and names the provider in the path', async () => {
  const { hostname, port } = new URL(proxyUrl);
  const stripe = new Stripe(tokens.good, { host: hostname, port, protocol: 'http' });
  const answer = await stripe.rawRequest('POST', '/v1/stripe/v1/customers', { email: 'otter@example.com' });
  assert.equal(answer.object, 'customer');
  assert.deepEqual(sent('stripe', '/v1/customers'), [{ slot: 'bearer', value: keys.stripe }]);
});

test('resend', async () => {
  const resend = new Resend(tokens.good, { baseUrl: `${proxyUrl}/v1/resend` });
  const mail = { from: 'a@example.com', to: 'b@example.com', subject: 'Otters', html: '<p>hold hands</p>' };
  const { data, error } = await resend.emails.send(mail);
  assert.equal(error, null);
  assert.ok(data.id);
  assert.deepEqual(sent('resend', '/emails'), [{ slot: 'bearer', value: keys.resend }]);
});

test('resend, refused', async () => {
  const resend = new Resend(tokens.revoked, { baseUrl: `${proxyUrl}/v1/resend` });
  const { error } = await resend.emails.send({ from: 'a@example.com', to: 'b@example.com', subject: 's', html: 'h' });
  assert.equal(error.name, 'invalid_token');
  assert.match(error.message, /not valid/);
});

test('tavily', async () => {
  const client = tavily({ apiKey: tokens.good, apiBaseURL: `${proxyUrl}/v1/tavily` });
  const answer = await client.search('otters');
  assert.equal(answer.results[0].title, 'Fake');
  assert.deepEqual(sent('tavily', '/search'), [{ slot: 'bearer', value: keys.tavily }]);
});

test('gemini', async () => {
  const client = new GoogleGenAI({ apiKey: tokens.good, httpOptions: { baseUrl: `${proxyUrl}/v1/gemini` } });
  await client.models.get({ model: 'gemini-2.5-flash' });
  assert.deepEqual(sent('gemini', '/models/gemini-2.5-flash'), [{ slot: 'header:x-goog-api-key', value: keys.gemini }]);
});
