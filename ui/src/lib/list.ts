// A list of the API, page after page.
import { useState } from 'react';
import type { Page } from '@keystore/sdk';
import { useQuery, type Query } from './query.ts';

export interface List<T> extends Omit<Query<unknown>, 'data'> {
  readonly rows: readonly T[] | undefined;
  /** Fetches the next page; absent where there is none. */
  readonly more: (() => void) | undefined;
  readonly busy: boolean;
}

/** The first page under `key`, kept as any query is; further ones are this page's own. */
export const useList = <T>(key: string, load: () => PromiseLike<Page<T>>, every?: number): List<T> => {
  const query = useQuery<Page<T>>(key, async () => load(), every);
  const [further, setFurther] = useState<{ of: Page<T>; pages: readonly Page<T>[] }>();
  const [busy, setBusy] = useState(false);
  const first = query.data;
  const pages = first ? [first, ...(further?.of === first ? further.pages : [])] : [];
  const end = pages.at(-1);
  const more = async (): Promise<void> => {
    if (!first || !end) return;
    setBusy(true);
    try {
      const page = await end.nextPage();
      if (page) setFurther({ of: first, pages: [...pages.slice(1), page] });
    } finally {
      setBusy(false);
    }
  };
  return {
    rows: first && pages.flatMap((page) => page.data),
    failure: query.failure,
    loading: query.loading,
    again: query.again,
    more: end?.next === undefined ? undefined : () => void more(),
    busy,
  };
};
