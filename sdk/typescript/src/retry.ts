// Whether a failed attempt may be repeated, and when. A repetition must never have a second effect:
//
// - what only reads may be repeated after every failure that may pass;
// - a POST with an idempotency key, too, but for a fault of the server: it does not know how far it came, and neither would a repeat;
// - PATCH, DELETE and a POST without a key only where it is certain that nothing was done: no connection was made, or
//   Keystore itself says so with 429 or 503.
import { ApiError, ConnectionError, TimeoutError } from './errors.js';

/** How far an operation may be repeated. */
export type Repeat = 'freely' | 'under-key' | 'if-undone';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8_000;
/** What a server may ask us to wait; where it asks for more, the caller is told instead. */
const LONGEST_RETRY_AFTER_S = 60;

const PASSING = new Set([408, 429, 500, 502, 503, 504]);

/** Failures of Node and undici from before anything was sent. */
const NOT_CONNECTED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

/**
 * How many milliseconds to wait before the next attempt, or `undefined` where there must be none. `attempt` counts from 0;
 * `random` is from 0 to 1.
 */
export const pauseBefore = (error: unknown, repeat: Repeat, attempt: number, random: number): number | undefined => {
  if (error instanceof ConnectionError) {
    return repeat !== 'if-undone' || wasNotSent(error) ? backoff(attempt, random) : undefined;
  }
  if (!(error instanceof ApiError) || !mayPass(error, repeat)) return undefined;
  if (error.retryAfter === undefined) return backoff(attempt, random);
  return error.retryAfter <= LONGEST_RETRY_AFTER_S ? error.retryAfter * 1000 : undefined;
};

const mayPass = (error: ApiError, repeat: Repeat): boolean => {
  if (repeat === 'if-undone') return error.problem !== undefined && (error.status === 429 || error.status === 503);
  if (repeat === 'under-key' && error.status === 500) return false;
  return PASSING.has(error.status) || error.code === 'idempotency_running';
};

const wasNotSent = (error: ConnectionError): boolean => {
  if (error instanceof TimeoutError) return false;
  // Where several addresses were tried, all of them failed.
  const cause = (error.cause as { cause?: unknown } | undefined)?.cause;
  const each = cause instanceof AggregateError ? cause.errors : [cause];
  return each.length > 0 && each.every((one) => NOT_CONNECTED.has((one as { code?: string } | undefined)?.code ?? ''));
};

/** Twice as long each time, and at random between half of it and all, so that many clients do not come back together. */
const backoff = (attempt: number, random: number): number =>
  Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt) * (0.5 + random / 2);

/** Waits; ends early with the signal's reason when the caller gives up. */
export const pause = (milliseconds: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', stop, { once: true });
  });
