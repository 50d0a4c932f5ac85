// `wrap`: a vendor's official client, pointed at the proxy. Clients are known by their members, not by their class, so that this
// package depends on none of them and any copy of them will do. What is not recognised is an error, never half changed.
import { ConfigurationError } from '../errors.js';
import { Routes, slugOf, type Route } from './routes.js';

/** What `wrap` takes beside the client. */
export interface WrapOptions {
  /** The provider, by slug, where the client's base URL does not say it: for one of your own. */
  provider?: string | undefined;
}

/** Where clients are pointed, and the token that they get. */
interface Aim {
  readonly token: string;
  readonly proxyUrl: string;
  readonly provider: string | undefined;
  readonly routes: Routes;
}

/** Any object, looked at from outside. */
type Shape = Record<string, any>;

/** One kind of client: how it is known, and how it is pointed at the proxy. */
interface Adapter {
  readonly fits: (client: Shape) => boolean;
  readonly point: (client: Shape, aim: Aim) => void;
}

/** Points `client` at the proxy and returns it. */
export const wrap = <T extends object>(client: T, agent: { token: string; proxyUrl: string }, { provider }: WrapOptions): T => {
  const adapter = client !== null && typeof client === 'object' ? ADAPTERS.find((one) => one.fits(client)) : undefined;
  if (!adapter) {
    const name = (client as object | null)?.constructor?.name;
    throw new ConfigurationError(
      `\`wrap\` does not know ${name ? `\`${name}\`` : 'this'}: it takes clients of openai, @anthropic-ai/sdk, @google/genai, ` +
        'stripe and resend; for another one use `interceptAll()`, or set its base URL to ' +
        `${agent.proxyUrl}/v1/<provider> and its key to the token`,
    );
  }
  // Clients are pointed at a host on purpose, so hosts with a customer's part count, too.
  const routes = new Routes(agent.proxyUrl, {}, true);
  adapter.point(client, { ...agent, routes, provider: provider === undefined ? undefined : slugOf(provider) });
  return client;
};

/** Where a client at `address` finds the same at the proxy, for `only` this provider. One that is there already stays. */
const addressAtProxy = (address: string, { proxyUrl, provider, routes }: Aim, only?: string): string => {
  if (address.startsWith(`${proxyUrl}/v1/`)) return address;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url && provider !== undefined) return withoutSlash(`${proxyUrl}/v1/${provider}${url.pathname}`);
  const route: Route | undefined = url && routes.find(url);
  if (!route || (only !== undefined && route.slug !== only)) {
    const whose = only ?? 'a provider of the catalog';
    throw new ConfigurationError(`the client is pointed at ${url?.host ?? address}, which is no address of ${whose}: say \`{ provider }\``);
  }
  return withoutSlash(route.url);
};

const withoutSlash = (url: string): string => url.replace(/\/+$/, '');

const openai: Adapter = {
  fits: ({ baseURL, chat, models }) => typeof baseURL === 'string' && !!chat?.completions && !!models,
  point: (client, aim) => {
    if (client['_provider'] || client['_workloadIdentityAuth']) {
      throw new ConfigurationError('this OpenAI client gets its key from an identity of its own: make one with an `apiKey`');
    }
    const baseURL = addressAtProxy(client['baseURL'], aim);
    // Clients that it makes of itself (`withOptions`) take the options, so those say the same.
    const changed = { baseURL, apiKey: aim.token, adminAPIKey: null };
    Object.assign(client, changed, { _options: { ...client['_options'], ...changed } });
  },
};

const anthropic: Adapter = {
  fits: ({ baseURL, messages, models }) => typeof baseURL === 'string' && typeof messages?.create === 'function' && !!models,
  point: (client, aim) => {
    const baseURL = addressAtProxy(client['baseURL'], aim, 'anthropic');
    const changed = { baseURL, apiKey: aim.token, authToken: null };
    // Other ways to sign in, which it may have found by itself, would be used beside the key or refused.
    const { credentials: _, config: __, profile: ___, ...rest } = client['_options'] ?? {};
    Object.assign(client, changed, { _options: { ...rest, ...changed } });
    if ('_baseURLIsExplicit' in client) client['_baseURLIsExplicit'] = true;
    if ('_authState' in client) {
      client['_authState'] = { provider: null, tokenCache: null, resolution: null, error: null, extraHeaders: {} };
    }
  },
};

/** Parts of the client that remember the address, made when they are first used. */
const GOOGLE_PARTS = ['_nextGenClient', '_interactions', '_webhooks', '_agents', '_triggers', '_environments', '_credentials', '_voices'];

const google: Adapter = {
  fits: ({ apiClient, models }) => !!apiClient?.clientOptions?.httpOptions && typeof models?.generateContent === 'function',
  point: (client, aim) => {
    const { clientOptions } = client['apiClient'];
    if (client['vertexai'] || !('auth' in clientOptions)) {
      throw new ConfigurationError('this Google client is for Vertex AI: make one with an `apiKey`, for the Gemini API');
    }
    const { httpOptions, auth } = clientOptions;
    httpOptions.baseUrl = addressAtProxy(httpOptions.baseUrl, aim, 'gemini');
    clientOptions.apiKey = auth.apiKey = client['apiKey'] = aim.token;
    for (const part of GOOGLE_PARTS) if (client[part] !== undefined) client[part] = undefined;
  },
};

const stripe: Adapter = {
  fits: ({ _api, customers }) => typeof _api?.httpClient?.makeRequest === 'function' && !!customers,
  point: (client, aim) => {
    const api = client['_api'];
    addressAtProxy(`https://${api.host}${api.basePath ?? '/'}`, aim, 'stripe');
    // Its address has no path, so the provider is put before the path where a request is made.
    api.httpClient = stripeThroughProxy(api.httpClient, aim);
  },
};

/** What of a request stands before its body: host, port, path, method, headers. */
type StripeHead = readonly [host: string, port: string, path: string, method: string, headers: Shape];

/** On a client that was made here: the one that it stands before, so that a client can be wrapped again. */
const INNER = Symbol.for('@keystore/sdk.stripe');

const stripeThroughProxy = (given: Shape, aim: Aim): Shape => {
  const inner: Shape = (given as { [INNER]?: Shape })[INNER] ?? given;
  const makeRequest = async (...[host, , path, method, headers, body, , timeout]: [...StripeHead, unknown, string, number]) => {
    const [pathname = '', query] = path.split(/\?(.*)/s);
    const url = new URL(addressAtProxy(`https://${host}${pathname}`, aim, 'stripe'));
    const others = Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization');
    const sent = { ...Object.fromEntries(others), Authorization: `Bearer ${aim.token}` };
    const target = query === undefined ? url.pathname : `${url.pathname}?${query}`;
    const protocol = url.protocol.slice(0, -1);
    const port = url.port || (protocol === 'https' ? '443' : '80');
    return inner['makeRequest'](url.hostname, port, target, method, sent, body, protocol, timeout);
  };
  return { [INNER]: inner, getClientName: () => inner['getClientName'](), makeRequest };
};

const resend: Adapter = {
  fits: ({ key, emails, headers }) => typeof key === 'string' && typeof emails?.send === 'function' && headers instanceof Headers,
  point: (client, aim) => {
    if (typeof client['baseUrl'] !== 'string') {
      throw new ConfigurationError('this version of resend has no base URL of its own for each client: update it, or set RESEND_BASE_URL');
    }
    client['baseUrl'] = addressAtProxy(client['baseUrl'], aim, 'resend');
    client['key'] = aim.token;
    client['headers'].set('authorization', `Bearer ${aim.token}`);
  },
};

const ADAPTERS: readonly Adapter[] = [google, stripe, resend, openai, anthropic];
