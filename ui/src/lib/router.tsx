// Pages are told apart behind the `#`: the server has one page, and what a page is about (ids, filters) is in no log of anybody's.
import { useSyncExternalStore, type AnchorHTMLAttributes, type ReactNode } from 'react';

export interface Route {
  /** `/agents/agt_…` as its parts. */
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
}

let seen = '';
let route: Route = { parts: [], query: new URLSearchParams() };

const decoded = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
};

const read = (): Route => {
  if (location.hash === seen) return route;
  seen = location.hash;
  const [path = '', query = ''] = seen.replace(/^#/, '').split('?', 2);
  route = { parts: path.split('/').filter(Boolean).map(decoded), query: new URLSearchParams(query) };
  return route;
};

const subscribe = (listener: () => void): (() => void) => {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
};

export const useRoute = (): Route => useSyncExternalStore(subscribe, read);

/** The address of a page: parts are escaped, empty values of the query left out. */
export const to = (parts: readonly string[], query: Record<string, string | undefined> = {}): string => {
  const given = Object.entries(query).filter((pair): pair is [string, string] => Boolean(pair[1]));
  const text = new URLSearchParams(given).toString();
  return `#/${parts.map(encodeURIComponent).join('/')}${text && `?${text}`}`;
};

export const go = (href: string): void => {
  location.hash = href;
};

/** The same page with other filters; `undefined` takes one away. It is not a step of its own for the back button. */
export const useFilters = (): [URLSearchParams, (changes: Record<string, string | undefined>) => void] => {
  const { parts, query } = useRoute();
  const change = (changes: Record<string, string | undefined>): void => {
    const next = to(parts, { ...Object.fromEntries(query), ...changes });
    history.replaceState(null, '', next);
    dispatchEvent(new HashChangeEvent('hashchange'));
  };
  return [query, change];
};

export const Link = ({ href, children, ...rest }: { href: string; children: ReactNode } & AnchorHTMLAttributes<HTMLAnchorElement>) => (
  <a href={href} {...rest}>
    {children}
  </a>
);
