// What the tests are given: the proxy, tokens in every state, and the vendors' logs, which are the ground truth.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';

export const { proxyUrl, tokens, agents, logs, keys } = JSON.parse(process.env.KS_E2E);

export const words = Array.from({ length: 12 }, (_, at) => `w${at + 1}`).join(' ');

export const hello = [{ role: 'user', content: 'Say something about otters, please.' }];

/** A model name of its own for a test, with the price of `base`; `good` in it says that the budget of that agent pays. */
export const model = (base, state = 'good') => `${base}-node-${state}-${randomUUID().slice(0, 8)}`;

/** What arrived at a vendor, in order. */
export const received = (vendor) =>
  readFileSync(logs[vendor], 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

/** What arrived for a model. */
export const receivedFor = (vendor, name) =>
  received(vendor).filter((line) => {
    if (line.target.includes(`/models/${name}:`)) return true;
    try {
      return JSON.parse(line.body).model === name;
    } catch {
      return false;
    }
  });

/** All that an async iterable gives. */
export const collect = async (iterable) => {
  const all = [];
  for await (const one of iterable) all.push(one);
  return all;
};
