// What this browser remembers of the log: the verifier key that it saw first, and the newest checkpoint that it has checked. A server that
// writes its history anew, or signs with another key, is found out by it. Neither is a secret.
import { Wrong } from './bytes.ts';

interface Kept {
  readonly key: string;
  readonly note?: string;
}

const NAME = 'keystore-audit';

const read = (): Kept | undefined => {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(NAME) ?? 'null');
    return typeof kept === 'object' && kept !== null && 'key' in kept && typeof kept.key === 'string' ? (kept as Kept) : undefined;
  } catch {
    return undefined;
  }
};

/** The checkpoint that was kept under this key. */
export const keptFor = (key: string): string | undefined => {
  const kept = read();
  if (kept && kept.key !== key) {
    throw new Wrong('the server shows another verifier key than the one that this browser has kept. If the deployment was set up anew this is right: forget the old key then');
  }
  return kept?.note;
};

export const keep = (key: string, note?: string): void => {
  const before = read()?.note;
  const now = note ?? before;
  try {
    localStorage.setItem(NAME, JSON.stringify({ key, ...(now && { note: now }) }));
  } catch {
    // A browser that keeps nothing begins anew each time.
  }
};

export const forgetKept = (): void => localStorage.removeItem(NAME);
