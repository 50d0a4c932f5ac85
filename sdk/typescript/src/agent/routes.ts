// Which provider of the catalog a URL belongs to, and where the proxy has it. Sends nothing.
import { ConfigurationError } from '../errors.js';
import { CATALOG } from '../generated/catalog.js';

/** A vendor as the catalog describes it, as far as an agent's side needs it. */
export interface CatalogEntry {
  readonly slug: string;
  /** Base URLs by host alias, `''` for the base host; may hold `{parameters}`. Absent where each customer has a host of their own. */
  readonly urls?: Readonly<Record<string, string>>;
  /** What the parameters look like, where that is not one label of a host name. */
  readonly params?: Readonly<Record<string, string>>;
  /** Headers, parameters of the query, and prefixes of path segments in which the vendor takes a key. */
  readonly headers?: readonly string[];
  readonly query?: readonly string[];
  readonly path?: readonly string[];
  /** Variables in which the vendor's SDKs look for the key. */
  readonly keys?: readonly string[];
  /** Variables in which they look for the base URL, and what it ends with. */
  readonly baseUrls?: Readonly<Record<string, string>>;
  /** It exists during development only. */
  readonly dev?: boolean;
}

/** Whom a URL belongs to, and the URL at the proxy. */
export interface Route {
  readonly slug: string;
  readonly url: string;
  /** Headers in which the vendor takes a key. They go no further: the token stands in `authorization`. */
  readonly secretHeaders: readonly string[];
}

/** One base URL of a provider. */
interface Place {
  readonly entry: CatalogEntry;
  readonly alias: string;
  /** The path of the base URL, without a slash at its end. */
  readonly base: RegExp;
  readonly baseLength: number;
}

interface Template extends Place {
  readonly host: RegExp;
}

/** What decides beside the catalog. */
export interface Choice {
  /**
   * These providers alone, by slug. Hosts with a part of the customer's own (`{resource}.openai.azure.com`) count only for
   * providers that are named here, because the proxy calls the host that the credential is for, whatever the URL says.
   */
  readonly providers?: readonly string[] | undefined;
  /** Further hosts, and the provider behind each, a self-hosted or custom one as well: `{ "llm.example.com": "my-provider" }`. */
  readonly hosts?: Readonly<Record<string, string>> | undefined;
}

/** Finds providers by URL. */
export class Routes {
  readonly #proxyUrl: string;
  readonly #fixed = new Map<string, Place[]>();
  readonly #templates: Template[] = [];

  /** `templates`: hosts with a customer's part count for every provider, not only for those that are named. */
  constructor(proxyUrl: string, choice: Choice = {}, templates = choice.providers !== undefined) {
    this.#proxyUrl = proxyUrl;
    for (const slug of choice.providers ?? []) known(slug);
    for (const entry of CATALOG) {
      if (choice.providers && !choice.providers.includes(entry.slug)) continue;
      for (const [alias, url] of Object.entries(entry.urls ?? {})) this.#add(entry, alias, url, templates);
    }
    for (const [host, slug] of Object.entries(choice.hosts ?? {})) {
      // What the caller says counts before the catalog.
      const entry = CATALOG.find((one) => one.slug === slug) ?? { slug: slugOf(slug) };
      this.#fixed.set(hostOf(host), [{ entry, alias: '', base: /^/, baseLength: 0 }]);
    }
    for (const places of this.#fixed.values()) places.sort(nearest);
  }

  #add(entry: CatalogEntry, alias: string, url: string, templates: boolean): void {
    const [, host = '', path = ''] = /^https:\/\/([^/]+)(.*)$/.exec(url) ?? [];
    if (url.includes('{') && !templates) return;
    const base = new RegExp(`^${pattern(path.replace(/\/$/, ''), entry)}(?=/|$)`);
    const place = { entry, alias, base, baseLength: path.length };
    if (host.includes('{')) this.#templates.push({ ...place, host: new RegExp(`^${pattern(host, entry)}$`, 'i') });
    else this.#fixed.set(host, [...(this.#fixed.get(host) ?? []), place]);
  }

  /** The route of a URL, or `undefined` where it belongs to nobody: another host, port or scheme, or with a user name in it. */
  find(url: URL): Route | undefined {
    if (url.protocol !== 'https:' || url.port || url.username || url.password) return undefined;
    const fixed = this.#fixed.get(url.hostname) ?? [];
    const place = fixed.find((one) => one.base.test(url.pathname)) ?? this.#template(url);
    return place && this.#route(place, url);
  }

  #template(url: URL): Template | undefined {
    const all = this.#templates.filter((one) => one.host.test(url.hostname) && one.base.test(url.pathname));
    return all.sort((one, other) => other.host.source.length - one.host.source.length)[0];
  }

  #route({ entry, alias, base }: Place, url: URL): Route {
    const path = withoutKey(url.pathname.replace(base, '') || '/', entry.path ?? []);
    const target = `${this.#proxyUrl}/v1/${entry.slug}${alias && `~${alias}`}${path}`;
    return {
      slug: entry.slug,
      url: target + withoutParameters(url.search, entry.query ?? []),
      secretHeaders: entry.headers ?? [],
    };
  }
}

/** Of several providers at one host: the one with the longer path, at its base host, with the shorter name. */
const nearest = (one: Place, other: Place): number =>
  other.baseLength - one.baseLength ||
  Number(one.alias !== '') - Number(other.alias !== '') ||
  one.entry.slug.length - other.entry.slug.length;

/** The entry of a provider that a caller named. */
export const known = (slug: string): CatalogEntry => {
  const entry = CATALOG.find((one) => one.slug === slug);
  if (!entry) throw new ConfigurationError(`the catalog has no provider \`${slug}\`; \`ks.providers.list()\` names them`);
  return entry;
};

/** A provider that only the server may know; its name becomes part of a path. */
export const slugOf = (slug: string): string => {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(slug)) throw new ConfigurationError(`\`${slug}\` is not the slug of a provider`);
  return slug;
};

const hostOf = (host: string): string => {
  const url = URL.canParse(`https://${host}`) ? new URL(`https://${host}`) : undefined;
  if (!url || url.host !== url.hostname || url.pathname !== '/' || url.search || url.hash || url.username) {
    throw new ConfigurationError(`\`${host}\` is not the name of a host: write it like api.example.com`);
  }
  return url.hostname;
};

/** A text with `{parameters}` as a regular expression; each is what its provider says, or one label of a host name. */
const pattern = (text: string, entry: CatalogEntry): string =>
  text
    .split(/(\{\w+\})/)
    .map((part) => (part.startsWith('{') ? `(?:${entry.params?.[part.slice(1, -1)] ?? '[A-Za-z0-9-]+'})` : escaped(part)))
    .join('');

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');

/** The path without the segments that hold a key, each known by its prefix: `/bot123:ABC/getMe` is `/getMe`. */
const withoutKey = (path: string, prefixes: readonly string[]): string => {
  let rest = path;
  for (const prefix of prefixes) {
    const segment = /^\/([^/]*)/.exec(rest)?.[1] ?? '';
    if (segment.startsWith(prefix)) rest = rest.slice(segment.length + 1) || '/';
  }
  return rest;
};

/** A query as it is, without these parameters; the bytes of the others are not changed. */
const withoutParameters = (search: string, names: readonly string[]): string => {
  if (names.length === 0 || search === '') return search;
  const kept = search
    .slice(1)
    .split('&')
    .filter((pair) => !names.includes(decoded(pair.split('=', 1)[0] ?? '')));
  return kept.length > 0 ? `?${kept.join('&')}` : '';
};

const decoded = (name: string): string => {
  try {
    return decodeURIComponent(name.replaceAll('+', ' '));
  } catch {
    return name;
  }
};
