// What the tests of the installed TypeScript SDK are given: a server, keys for it, and the vendors' logs, which are the ground truth.
import { readFileSync } from 'node:fs';

export const { apiUrl, proxyUrl, apiKey, operatorKey, agents, vendors } = JSON.parse(process.env.KS_E2E);

export const words = Array.from({ length: 12 }, (_, at) => `w${at + 1}`).join(' ');

export const hello = [{ role: 'user', content: 'Say something about otters, please.' }];

/** All that an async iterable gives. */
export const collect = async (iterable) => {
  const all = [];
  for await (const one of iterable) all.push(one);
  return all;
};

/** What arrived at a vendor, in order. */
export const received = (vendor) =>
  readFileSync(vendors[vendor].log, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

/** The last request at a vendor came with its real key alone, and with nothing of ours. */
export const cameClean = (assert, vendor) => {
  const last = received(vendor).at(-1);
  assert.deepEqual(last.credentials, [{ slot: vendors[vendor].slot, value: vendors[vendor].key }]);
  assert.ok(!JSON.stringify([last.target, last.headers, last.body]).includes('ks_'));
  return last;
};
