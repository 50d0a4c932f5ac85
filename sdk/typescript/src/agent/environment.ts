// `setupEnv`: the variables that vendors' SDKs read, in this process, as `ks run` sets them for a child process.
//
// The base URL is set to the proxy and the key to the token. Where an SDK reads no base URL from the environment, its key stays
// unset, because it would send the token to the vendor. Every other variable of the catalog that holds a key is removed, and so
// are the ways to the control plane, where no agent belongs.
import { ConfigurationError } from '../errors.js';
import { CATALOG } from '../generated/catalog.js';
import { known, type CatalogEntry } from './routes.js';

/** What `setupEnv` sets, and where. */
export interface EnvironmentOptions {
  /** The providers whose variables are set, by slug; all of the catalog by default. Of two with one variable, the first has it. */
  providers?: readonly string[] | undefined;
  /** Where they are set; `process.env` by default. */
  env?: Record<string, string | undefined> | undefined;
}

const OF_THE_CLIENT = ['KS_API_KEY', 'KS_API_URL'];

/** What speaks to the sandbox: it answers as OpenAI and as Anthropic do, so SDKs of both can be pointed at it. */
const STAND_INS = [
  ['OPENAI_BASE_URL', '/v1', 'OPENAI_API_KEY'],
  ['ANTHROPIC_BASE_URL', '', 'ANTHROPIC_API_KEY'],
] as const;

/** Sets and removes; returns what puts everything back that nobody changed since. */
export const setupEnv = (agent: { token: string; proxyUrl: string }, options: EnvironmentOptions): (() => void) => {
  const env = options.env ?? globalThis.process?.env;
  if (!env) throw new ConfigurationError('there is no `process.env` here: give `env`');
  const entries = options.providers ? options.providers.map(known) : CATALOG.filter((entry) => !entry.dev);
  const set = variablesOf(entries, agent);
  const changed: { name: string; before: string | undefined; after: string | undefined }[] = [];
  const change = (name: string, after: string | undefined): void => {
    if (env[name] === after) return;
    changed.push({ name, before: env[name], after });
    put(env, name, after);
  };
  for (const [name, value] of set) change(name, value);
  for (const name of [...CATALOG.flatMap((entry) => entry.keys ?? []), ...OF_THE_CLIENT]) {
    if (!set.has(name)) change(name, undefined);
  }
  return () => {
    for (const { name, before, after } of changed.splice(0)) if (env[name] === after) put(env, name, before);
  };
};

const put = (env: Record<string, string | undefined>, name: string, value: string | undefined): void => {
  if (value === undefined) delete env[name];
  else env[name] = value;
};

const variablesOf = (entries: readonly CatalogEntry[], { token, proxyUrl }: { token: string; proxyUrl: string }): Map<string, string> => {
  const set = new Map<string, string>();
  for (const { slug, keys = [], baseUrls = {} } of [...entries.filter((one) => !one.dev), ...entries.filter((one) => one.dev)]) {
    const urls = Object.entries(baseUrls);
    if (urls.length === 0 || urls.some(([name]) => set.has(name))) continue;
    for (const [name, path] of urls) set.set(name, `${proxyUrl}/v1/${slug}${path}`);
    for (const name of keys) if (!set.has(name)) set.set(name, token);
  }
  for (const { slug } of entries.filter((one) => one.dev)) {
    for (const [baseUrl, path, key] of STAND_INS) {
      if (set.has(baseUrl) || set.has(key)) continue;
      set.set(baseUrl, `${proxyUrl}/v1/${slug}${path}`).set(key, token);
    }
  }
  return set.set('KS_TOKEN', token).set('KS_PROXY_URL', proxyUrl);
};
