// `wrap`: a vendor's official client, pointed at the proxy. Clients are known by their members, not by their class, so that this
// package depends on none of them and any copy of them will do. What is not recognised is an error, never half changed.
import { ConfigurationError } from '../errors.js';
import { Routes, slugOf, type Route } from './routes.js';

/** What `wrap` takes beside the client. */
export interface WrapOptions {
  /** The provider, by slug, where the client's base URL does not say it: for one of your own. */
  provider?: string | undefined;
}

interface Agent {
  readonly token: string;
  readonly proxyUrl: string;
}

/** Any object, looked at from outside. */
type Shape = Record<string, any>;

/** One kind of client: how it is known, and how it is pointed at the proxy. */
interface Adapter {
  readonly fits: (client: Shape) => boolean;
  readonly point: (client: Shape, agent: Agent, options: WrapOptions) => void;
}

/** Points `client` at the proxy and returns it. */
export const wrap = <T extends object>(client: T, agent: Agent, options: WrapOptions): T => {
  const adapter = client !== null && typeof client === 'object' ? ADAPTERS.find((one) => one.fits(client)) : undefined;
  if (!adapter) {
    const name = (client as object | null)?.constructor?.name;
    throw new ConfigurationError(
      `\`wrap\` does not know ${name ? `\`${name}\`` : 'this'}: it takes clients of openai, @anthropic-ai/sdk, @google/genai, stripe and resend; ` +
        `for another one use \`interceptAll()\`, or set its base URL to ${agent.proxyUrl}/v1/<provider> and its key to the token`,
    );
  }
  adapter.point(client, agent, options);
  return client;
};

/** Where a client at `address` finds the same at the proxy. One that is there already stays. */
const addressAtProxy = (address: string, agent: Agent, { provider }: WrapOptions, only?: string): string => {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (address.startsWith(`${agent.proxyUrl}/v1/`)) return address;
  const path = url?.pathname.replace(/\/+$/, '') ?? '';
  if (provider !== undefined) return `${agent.proxyUrl}/v1/${slugOf(provider)}${path}`;
  const route: Route | undefined = url && new Routes(agent.proxyUrl, {}, true).find(url);
  if (!route || (only !== undefined && route.slug !== only)) {
    throw new ConfigurationError(`the client is pointed at ${url?.host ?? address}, which is no address of ${only ?? 'a provider of the catalog'}: say \`{ provider }\``);
  }
  return route.url.replace(/\/+$/, '');
};

const openai: Adapter = {
  fits: ({ baseURL, chat, responses, models }) => typeof baseURL === 'string' && !!chat?.completions && !!responses && !!models,
  point: (client, agent, options) => {
    if (client['_provider'] || client['_workloadIdentityAuth']) {
      throw new ConfigurationError('this OpenAI client gets its key from a workload identity or a provider of its own: make one with an `apiKey`');
    }
    const baseURL = addressAtProxy(client['baseURL'], agent, options);
    // Clients that it makes of itself (`withOptions`) take the options, so those say the same.
    const changed = { baseURL, apiKey: agent.token, adminAPIKey: null };
    Object.assign(client, changed, { _options: { ...client['_options'], ...changed } });
  },
};

const anthropic: Adapter = {
  fits: ({ baseURL, messages, models }) => typeof baseURL === 'string' && typeof messages?.create === 'function' && !!models,
  point: (client, agent, options) => {
    const baseURL = addressAtProxy(client['baseURL'], agent, options, 'anthropic');
    const changed = { baseURL, apiKey: agent.token, authToken: null };
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
  point: (client, agent, options) => {
    const { clientOptions } = client['apiClient'];
    if (client['vertexai'] || !('auth' in clientOptions)) {
      throw new ConfigurationError('this Google client is for Vertex AI: make one with an `apiKey`, for the Gemini API');
    }
    const { httpOptions, auth } = clientOptions;
    httpOptions.baseUrl = addressAtProxy(httpOptions.baseUrl, agent, options, 'gemini');
    clientOptions.apiKey = auth.apiKey = client['apiKey'] = agent.token;
    for (const part of GOOGLE_PARTS) if (client[part] !== undefined) client[part] = undefined;
  },
};

const stripe: Adapter = {
  fits: ({ _api, customers }) => typeof _api?.httpClient?.makeRequest === 'function' && !!customers,
  point: (client, agent, options) => {
    const api = client['_api'];
    addressAtProxy(`https://${api.host}${api.basePath ?? '/'}`, agent, options, 'stripe');
    // Its address has no path, so the provider is put before the path where a request is made.
    api.httpClient = stripeThroughProxy(api.httpClient, agent, options);
  },
};

/** What of a request stands before its body: host, port, path, method, headers. */
type StripeHead = readonly [host: string, port: string, path: string, method: string, headers: Shape];

/** On a client that was made here: the one that it stands before, so that a client can be wrapped again. */
const INNER = Symbol.for('@keystore/sdk.stripe');

const stripeThroughProxy = (given: Shape, agent: Agent, options: WrapOptions): Shape => {
  const inner: Shape = (given as { [INNER]?: Shape })[INNER] ?? given;
  const makeRequest = async (...[host, , path, method, headers, body, , timeout]: [...StripeHead, unknown, string, number]) => {
    const [pathname = '', query] = path.split(/\?(.*)/s);
    const url = new URL(addressAtProxy(`https://${host}${pathname}`, agent, options, 'stripe'));
    const others = Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization');
    const sent = { ...Object.fromEntries(others), Authorization: `Bearer ${agent.token}` };
    const target = query === undefined ? url.pathname : `${url.pathname}?${query}`;
    const protocol = url.protocol.slice(0, -1);
    return inner['makeRequest'](url.hostname, url.port || (protocol === 'https' ? '443' : '80'), target, method, sent, body, protocol, timeout);
  };
  return { [INNER]: inner, getClientName: () => inner['getClientName'](), makeRequest };
};

const resend: Adapter = {
  fits: ({ key, emails, headers }) => typeof key === 'string' && typeof emails?.send === 'function' && headers instanceof Headers,
  point: (client, agent, options) => {
    if (typeof client['baseUrl'] !== 'string') {
      throw new ConfigurationError('this version of resend has no base URL of its own for each client: update it, or set RESEND_BASE_URL');
    }
    client['baseUrl'] = addressAtProxy(client['baseUrl'], agent, options, 'resend');
    client['key'] = agent.token;
    client['headers'].set('authorization', `Bearer ${agent.token}`);
  },
};

const ADAPTERS: readonly Adapter[] = [google, stripe, resend, openai, anthropic];
