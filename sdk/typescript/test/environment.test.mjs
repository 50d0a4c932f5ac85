// `setupEnv`: what it sets, what it removes, and that its undo puts back what was there.
import assert from 'node:assert/strict';
import test from 'node:test';

import { ConfigurationError, Keystore } from '@keystore/sdk';

import { PROXY, TOKEN } from './support.mjs';

const ks = new Keystore({ agentToken: TOKEN, proxyUrl: PROXY });

test('the SDKs find the proxy and the token, and no real key', () => {
  const env = { PATH: '/bin', OPENAI_API_KEY: 'sk-real', STRIPE_SECRET_KEY: 'sk_live_real', KS_API_KEY: 'ksm_real', MY_OWN: 'stays' };
  const before = { ...env };
  const undo = ks.setupEnv({ providers: ['openai', 'anthropic', 'stripe'], env });
  assert.deepEqual(env, {
    PATH: '/bin',
    MY_OWN: 'stays',
    OPENAI_API_KEY: TOKEN,
    OPENAI_BASE_URL: `${PROXY}/v1/openai/v1`,
    ANTHROPIC_API_KEY: TOKEN,
    ANTHROPIC_BASE_URL: `${PROXY}/v1/anthropic`,
    KS_TOKEN: TOKEN,
    KS_PROXY_URL: PROXY,
  });
  undo();
  undo();
  assert.deepEqual(env, before);
});

test('the sandbox stands in for those that are not named', () => {
  const env = {};
  ks.setupEnv({ providers: ['sandbox', 'openai'], env });
  assert.deepEqual([env.OPENAI_BASE_URL, env.ANTHROPIC_BASE_URL, env.ANTHROPIC_API_KEY], [`${PROXY}/v1/openai/v1`, `${PROXY}/v1/sandbox`, TOKEN]);
});

test('of two with one variable, the first has it, whole', () => {
  const env = {};
  ks.setupEnv({ env });
  const bases = Object.entries(env).filter(([name]) => /URL|HOST|ADDR|ENDPOINT|BASE/.test(name));
  assert.ok(bases.length > 20);
  assert.equal(env.SANDBOX_BASE_URL, undefined);
  assert.equal(env.OPENAI_BASE_URL, `${PROXY}/v1/openai/v1`);
});

test('the process is the default, and what changed since is not put back', (t) => {
  process.env.OPENAI_API_KEY = 'sk-real';
  t.after(() => delete process.env.OPENAI_API_KEY);
  const before = { ...process.env };
  const undo = ks.setupEnv();
  assert.equal(process.env.OPENAI_API_KEY, TOKEN);
  process.env.ANTHROPIC_API_KEY = 'mine';
  undo();
  assert.deepEqual({ ...process.env }, { ...before, ANTHROPIC_API_KEY: 'mine' });
  delete process.env.ANTHROPIC_API_KEY;
});

test('a provider that is not known is an error, and nothing is changed', () => {
  const env = { OPENAI_API_KEY: 'sk-real' };
  assert.throws(() => ks.setupEnv({ providers: ['openai', 'opnai'], env }), ConfigurationError);
  assert.deepEqual(env, { OPENAI_API_KEY: 'sk-real' });
});
