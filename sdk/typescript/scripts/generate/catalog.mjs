// What the agent's side needs of catalog/: where vendors are, where their keys stand in a request, which variables SDKs read.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { parse } from 'smol-toml';

/** src/generated/catalog.ts: a line for each provider, in the order of the catalog. */
export const catalog = (folder) => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.toml')).sort();
  const lines = files.map((name) => {
    const slug = name.slice(0, -'.toml'.length);
    return `  ${JSON.stringify(entry(slug, parse(readFileSync(join(folder, name), 'utf8'))))},\n`;
  });
  return `import type { CatalogEntry } from '../agent/routes.js';

/** The vendors that Keystore knows, by slug. */
export const CATALOG: readonly CatalogEntry[] = [\n${lines.join('')}];\n`;
};

const entry = (slug, file) => {
  const urls = { ...(file.base_url && { '': file.base_url }), ...file.hosts };
  const slots = [...(file.token_slots ?? []), ...(file.inject ?? [])];
  return dropEmpty({
    slug,
    urls,
    params: patterns(file.params, Object.values(urls).join(' ')),
    headers: unique(slots.map((slot) => slot.header)),
    query: unique(slots.map((slot) => slot.query)),
    // What stands before the key in a path that holds it: `/bot{key}` is `bot`.
    path: slots.map((slot) => slot.path?.replace(/^\//, '').replace(/\{.*$/, '')).filter((one) => one !== undefined),
    keys: file.env?.key ?? [],
    baseUrls: file.env?.base_url ?? {},
    dev: file.dev_only,
  });
};

/** The patterns of the parameters that URLs name. */
const patterns = (params = {}, urls) => {
  const named = Object.entries(params).filter(([name]) => urls.includes(`{${name}}`));
  for (const [, { pattern }] of named) new RegExp(pattern ?? "");
  return Object.fromEntries(named.filter(([, { pattern }]) => pattern).map(([name, { pattern }]) => [name, pattern]));
};

const unique = (names) => [...new Set(names.filter((name) => name !== undefined))];

const dropEmpty = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => !isEmpty(value)));

const isEmpty = (value) => value === undefined || (typeof value === 'object' && Object.keys(value).length === 0);
