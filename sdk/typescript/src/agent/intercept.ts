// `interceptAll`: `globalThis.fetch` sends what is meant for a vendor of the catalog through the proxy.
//
// The token goes into requests to the proxy and into no other. What belongs to no vendor is handed on untouched: the same
// arguments to the `fetch` that was there before. Requests that do not use `globalThis.fetch` (`node:http`, a `fetch` that was
// kept from before) are not seen.
import { Routes, type Choice, type Route } from './routes.js';

type Fetch = typeof globalThis.fetch;

/** Which hosts `interceptAll` takes over: without a choice, all of the catalog that are the same for every customer. */
export type InterceptOptions = Choice;

/** One call of `interceptAll` that was not undone. */
interface Layer {
  readonly routes: Routes;
  readonly token: string;
}

/** A patched `fetch`, what it stands before, and what it is for. Without layers it only hands on. */
interface Installation {
  readonly patched: Fetch;
  readonly original: Fetch;
  readonly layers: Layer[];
}

/** As many redirects as `fetch` follows (Fetch standard, HTTP-redirect fetch). */
const MOST_REDIRECTS = 20;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const OF_A_BODY = ['content-encoding', 'content-language', 'content-length', 'content-location', 'content-type'];

let newest: Installation | undefined;

/** Patches `globalThis.fetch`, on top of whoever patched it before. The last call counts first; each is undone by itself. */
export const interceptAll = (agent: { token: string; proxyUrl: string }, options: InterceptOptions): (() => void) => {
  const layer = { routes: new Routes(agent.proxyUrl, options), token: agent.token };
  const installation = newest && globalThis.fetch === newest.patched ? newest : install(globalThis.fetch);
  newest = installation;
  installation.layers.unshift(layer);
  return () => {
    const at = installation.layers.indexOf(layer);
    if (at < 0) return;
    installation.layers.splice(at, 1);
    // Somebody else's patch on top of ours stays; below it, ours hands everything on.
    if (installation.layers.length === 0 && globalThis.fetch === installation.patched) {
      globalThis.fetch = installation.original;
    }
  };
};

const install = (original: Fetch): Installation => {
  const layers: Layer[] = [];
  const patched = function fetch(this: unknown, ...args: Parameters<Fetch>): Promise<Response> {
    const url = urlOf(args[0]);
    for (const layer of url ? layers : []) {
      if (layer.routes.find(url as URL)) return redirected(original, layer, url as URL, ...args);
    }
    return Reflect.apply(original, this, args);
  } as Fetch;
  globalThis.fetch = patched;
  return { patched, original, layers };
};

const urlOf = (input: unknown): URL | undefined => {
  const text = isRequest(input) ? input.url : String(input);
  return URL.canParse(text) ? new URL(text) : undefined;
};

const isRequest = (input: unknown): input is Request => typeof input === 'object' && input !== null && input instanceof Request;

/** Sends a request through the proxy, and follows redirects as `fetch` would: each hop is looked at anew. */
const redirected = async (original: Fetch, layer: Layer, first: URL, ...[input, given]: Parameters<Fetch>): Promise<Response> => {
  const mode = given?.redirect ?? (isRequest(input) ? input.redirect : 'follow');
  let init = settled(input, given);
  let url = first;
  for (let hops = 0; ; hops += 1) {
    const route = layer.routes.find(url);
    // Off the catalog without the token, and after a redirect without anything else that is secret.
    const sent = route ? throughProxy(init, route, layer.token) : init;
    const response = await original(route?.url ?? url.href, { ...sent, redirect: 'manual' });
    const location = REDIRECTS.has(response.status) ? response.headers.get('location') : null;
    if (mode === 'manual' || location === null) return asFrom(response, url, hops > 0);
    await response.body?.cancel();
    if (mode === 'error') throw failed('a redirect, and the request allows none');
    if (hops >= MOST_REDIRECTS) throw failed('too many redirects');
    const next = new URL(location, url);
    if (!/^https?:$/.test(next.protocol)) throw failed('a redirect to something else than HTTP');
    if (next.origin !== url.origin) init = withoutSecrets(init, route, layer.token);
    init = afterRedirect(init, response.status);
    url = next;
  }
};

/** The request as an `init` of its own, which can be given to `fetch` with another URL. */
const settled = (input: Parameters<Fetch>[0], given: RequestInit | null | undefined): RequestInit => {
  if (!isRequest(input) && (!given || isPlain(given))) return { ...given };
  // A `Request` has its members on its prototype, and its body is a stream.
  const { method, headers, body, signal, keepalive, integrity, referrerPolicy, credentials } = new Request(input, given ?? undefined);
  const stream = body && { body, duplex: 'half' as const };
  return { method, headers, signal, keepalive, integrity, referrerPolicy, credentials, ...stream, ...dispatcherOf(given) };
};

const isPlain = (value: object): boolean => [Object.prototype, null].includes(Object.getPrototypeOf(value));

/** Node's own way to say which connections to use; it is no member of a `Request`. */
const dispatcherOf = (given: RequestInit | null | undefined): RequestInit => {
  const dispatcher = (given as { dispatcher?: unknown } | null | undefined)?.dispatcher;
  return dispatcher === undefined ? {} : ({ dispatcher } as RequestInit);
};

const throughProxy = (init: RequestInit, route: Route, token: string): RequestInit => {
  const headers = new Headers(init.headers);
  for (const name of route.secretHeaders) headers.delete(name);
  headers.set('authorization', `Bearer ${token}`);
  return { ...init, headers };
};

/** What another host is not to see: credentials, those in the vendor's own headers included, and the token wherever it stands. */
const withoutSecrets = (init: RequestInit, route: Route | undefined, token: string): RequestInit => {
  const headers = new Headers(init.headers);
  const withToken = [...headers].filter(([, value]) => value.includes(token)).map(([name]) => name);
  const secret = ['authorization', 'proxy-authorization', 'cookie', 'host', ...(route?.secretHeaders ?? []), ...withToken];
  for (const name of secret) headers.delete(name);
  return { ...init, headers };
};

/** What is sent after a redirect (Fetch standard, HTTP-redirect fetch). */
const afterRedirect = (init: RequestInit, status: number): RequestInit => {
  const method = (init.method ?? 'GET').toUpperCase();
  const toGet = status === 303 ? method !== 'GET' && method !== 'HEAD' : status < 303 && method === 'POST';
  if (toGet) {
    const headers = new Headers(init.headers);
    for (const name of OF_A_BODY) headers.delete(name);
    return { ...init, method: 'GET', body: null, headers };
  }
  if (init.body instanceof ReadableStream || (init.body && Symbol.asyncIterator in Object(init.body))) {
    throw failed('a redirect, and the body is a stream that cannot be sent again');
  }
  return init;
};

/** As `fetch` itself rejects. */
const failed = (reason: string): TypeError => new TypeError('fetch failed', { cause: new Error(reason) });

/** The answer under the URL that was asked for, not the proxy's. */
const asFrom = (response: Response, url: URL, wasRedirected: boolean): Response =>
  Object.defineProperties(response, {
    url: { value: url.href.split('#', 1)[0], configurable: true },
    redirected: { value: wasRedirected, configurable: true },
  });
