// What pages read from the API, kept by key: shown at once when a page is opened again, and fetched anew behind it. It does not know what
// it keeps, and holds nothing beyond the session (`forget`).
import { useCallback, useEffect, useSyncExternalStore } from 'react';
import { failureOf, type Failure } from './api.ts';

interface Entry {
  readonly data?: unknown;
  readonly failure?: Failure;
  readonly loading: boolean;
}

const EMPTY: Entry = { loading: true };
const entries = new Map<string, Entry>();
const loads = new Map<string, { load: () => Promise<unknown>; turn: number }>();
const listeners = new Set<() => void>();
let onUnauthenticated = (): void => undefined;

const put = (key: string, entry: Entry): void => {
  entries.set(key, entry);
  for (const listener of listeners) listener();
};

const run = async (key: string): Promise<void> => {
  const at = loads.get(key);
  if (!at) return;
  const turn = (at.turn += 1);
  const before = entries.get(key);
  put(key, { ...before, loading: true });
  try {
    const data = await at.load();
    // An answer that a newer question has overtaken is not shown.
    if (at.turn === turn) put(key, { data, loading: false });
  } catch (error) {
    const failure = failureOf(error);
    if (at.turn === turn) put(key, { ...(before?.data !== undefined && { data: before.data }), failure, loading: false });
    if (failure.status === 401) onUnauthenticated();
  }
};

export interface Query<T> {
  /** What came last; it stays while it is fetched anew, and when that fails. */
  readonly data: T | undefined;
  readonly failure: Failure | undefined;
  readonly loading: boolean;
  readonly again: () => void;
}

/** Reads under a key. The key says everything that the answer depends on. `every`: how often it is read again, in milliseconds. */
export const useQuery = <T>(key: string, load: () => Promise<T>, every?: number): Query<T> => {
  const subscribe = useCallback((listener: () => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  const entry = useSyncExternalStore(subscribe, () => entries.get(key) ?? EMPTY);
  useEffect(() => {
    loads.set(key, { load, turn: loads.get(key)?.turn ?? 0 });
    void run(key);
    if (every === undefined) return;
    const timer = setInterval(() => {
      // A tick that finds the one before still waiting would only overtake it.
      if (document.visibilityState === 'visible' && !entries.get(key)?.loading) void run(key);
    }, every);
    return () => clearInterval(timer);
    // `load` is made anew by every render and says the same: the key stands for it.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [key, every]);
  const again = useCallback(() => void run(key), [key]);
  return { data: entry.data as T | undefined, failure: entry.failure, loading: entry.loading, again };
};

/** Reads anew what begins with one of these, after a change. */
export const refresh = (...starts: string[]): void => {
  for (const key of loads.keys()) {
    if (starts.some((start) => key.startsWith(start))) void run(key);
  }
};

/** Shows what a change will make of the data before the server has said so. Gives back what undoes it. */
export const expectThat = <T>(key: string, change: (data: T) => T): (() => void) => {
  const before = entries.get(key);
  if (before?.data === undefined) return () => undefined;
  put(key, { ...before, data: change(before.data as T) });
  return () => put(key, { ...before, loading: entries.get(key)?.loading ?? false });
};

/** Another person or organization: nothing of the one before is shown. */
export const forget = (): void => {
  entries.clear();
  for (const at of loads.values()) at.turn += 1;
  loads.clear();
  for (const listener of listeners) listener();
};

export const whenUnauthenticated = (then: () => void): void => {
  onUnauthenticated = then;
};
