// A list of the API, page after page.
import { useEffect, useRef, useState } from 'react';
import type { Page } from '@keystore/sdk';
import { useQuery, type Query } from './query.ts';

/** So many empty pages are looked through for one that has something; then a person says whether to look on. */
const MOST_EMPTY = 10;

export interface List<T> extends Omit<Query<unknown>, 'data'> {
  readonly rows: readonly T[] | undefined;
  /** Fetches the next page; absent where there is none. */
  readonly more: (() => void) | undefined;
  readonly busy: boolean;
}

/** A page that has something, where there is one not far behind: what is rare may stand behind empty ones. */
const pastEmpty = async <T>(page: Page<T>): Promise<Page<T>> => {
  let found = page;
  for (let empty = 1; found.data.length === 0 && empty < MOST_EMPTY; empty += 1) {
    const next = await found.nextPage();
    if (!next) break;
    found = next;
  }
  return found;
};

/** The first pages, `most` of them or all. */
const firstPages = async <T>(load: () => PromiseLike<Page<T>>, most: number): Promise<readonly Page<T>[]> => {
  let page = await pastEmpty(await load());
  const pages = [page];
  while (pages.length < most) {
    const next = await page.nextPage();
    if (!next) break;
    page = await pastEmpty(next);
    pages.push(page);
  }
  return pages;
};

/** The pages under `key` that were asked for so far, kept as any query is and read anew together. */
export const useList = <T>(key: string, load: () => PromiseLike<Page<T>>, every?: number): List<T> => {
  const [asked, setAsked] = useState({ of: key, pages: 1 });
  const most = asked.of === key ? asked.pages : 1;
  // Before the effect that loads.
  const latest = useRef(most);
  useEffect(() => {
    latest.current = most;
  }, [most]);
  const query = useQuery<readonly Page<T>[]>(key, () => firstPages(load, latest.current), every);
  // What was kept from another time may be more than is asked for.
  const pages = query.data?.slice(0, most);
  const more = (): void => {
    const next = (pages?.length ?? 0) + 1;
    latest.current = next;
    setAsked({ of: key, pages: next });
    query.again();
  };
  return {
    rows: pages?.flatMap((page) => page.data),
    failure: query.failure,
    loading: query.loading,
    again: query.again,
    more: pages?.at(-1)?.next === undefined ? undefined : more,
    busy: query.loading && pages !== undefined && pages.length < most,
  };
};
