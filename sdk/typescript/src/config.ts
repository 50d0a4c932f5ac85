// What a client is told when it is made, and what it finds in the environment. The only file that reads `process.env` for itself.
import { ConfigurationError } from './errors.js';

/** What `new Keystore(…)` takes. Everything has a default or is needed for one side only. */
export interface KeystoreOptions {
  /** A management key (`ksm_…`) or a session (`kss_…`) for the control API; `KS_API_KEY` otherwise. */
  apiKey?: string | undefined;
  /**
   * In a page that the control plane itself serves: the browser's session cookie says who calls, and neither a key nor the environment is
   * looked at for it. `false` by default.
   */
  session?: boolean | undefined;
  /** Where the control API is; `KS_API_URL` otherwise, else `http://127.0.0.1:8401`. */
  apiUrl?: string | undefined;
  /** An agent's token (`ks_…`) for the proxy; `KS_TOKEN` otherwise. */
  agentToken?: string | undefined;
  /** Where the proxy is; `KS_PROXY_URL` otherwise, else `http://127.0.0.1:8400`. */
  proxyUrl?: string | undefined;
  /** How many milliseconds one attempt of a call may take; 60,000 by default. */
  timeout?: number | undefined;
  /** How often a call that failed is tried again at most; 2 by default, 0 for never. */
  maxRetries?: number | undefined;
  /** What sends requests of the control API; `globalThis.fetch` by default. */
  fetch?: typeof globalThis.fetch | undefined;
}

/** The same, complete and checked. */
export interface Config {
  readonly apiKey: string | undefined;
  readonly session: boolean;
  readonly apiUrl: string;
  readonly agentToken: string | undefined;
  readonly proxyUrl: string;
  readonly timeout: number;
  readonly maxRetries: number;
  readonly fetch: typeof globalThis.fetch | undefined;
}

/** The form of an agent's token. */
const TOKEN = /^ks_[0-9a-f]{64}$/;

/** Options and environment together; an option counts before the variable. */
export const configOf = (options: KeystoreOptions): Config => ({
  apiKey: options.session ? undefined : managementKey(options.apiKey || variable('KS_API_KEY')),
  session: options.session ?? false,
  apiUrl: addressOf('apiUrl', options.apiUrl || variable('KS_API_URL') || 'http://127.0.0.1:8401'),
  agentToken: agentToken(options.agentToken || variable('KS_TOKEN')),
  proxyUrl: addressOf('proxyUrl', options.proxyUrl || variable('KS_PROXY_URL') || 'http://127.0.0.1:8400'),
  timeout: numberOf('timeout', options.timeout ?? 60_000, 1),
  maxRetries: numberOf('maxRetries', options.maxRetries ?? 2, 0),
  fetch: options.fetch,
});

const variable = (name: string): string | undefined => globalThis.process?.env?.[name] || undefined;

/** An agent's token in place of a management key is a mix-up, and must not be sent to the control plane. */
const managementKey = (key: string | undefined): string | undefined => {
  if (key !== undefined && TOKEN.test(key)) {
    throw new ConfigurationError('`apiKey` is an agent\'s token: give it as `agentToken`; the control API takes a management key (`ksm_…`)');
  }
  if (key !== undefined && !/^[\x21-\x7e]+$/.test(key)) {
    throw new ConfigurationError('`apiKey` has characters that no key has');
  }
  return key;
};

const agentToken = (token: string | undefined): string | undefined => {
  if (token !== undefined && !TOKEN.test(token)) {
    throw new ConfigurationError('`agentToken` is not a token: that is `ks_` and 64 hexadecimal digits; `ks.tokens.create()` makes one');
  }
  return token;
};

const addressOf = (name: string, text: string): string => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain = url && !url.search && !url.hash && !url.username && !url.password;
  if (!plain || !/^https?:$/.test(url.protocol)) {
    throw new ConfigurationError(`\`${name}\` is no address of a server: write it like http://127.0.0.1:8401 or https://keystore.example`);
  }
  return url.href.replace(/\/+$/, '');
};

const numberOf = (name: string, value: number, least: number): number => {
  if (!(value >= least)) throw new ConfigurationError(`\`${name}\` must be a number, ${least} or more`);
  return value;
};
