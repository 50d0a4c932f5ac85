// One call of the control API: attempts, timeouts, errors. It knows nothing of resources.
import type { Config } from './config.js';
import { ConfigurationError, ConnectionError, errorOf, TimeoutError } from './errors.js';
import { VERSION } from './generated/version.js';
import type { RequestOptions } from './operation.js';
import { pause, pauseBefore, type Repeat } from './retry.js';

/** Timers hold at most a signed 32-bit number, and fire at once for more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** What is sent. */
export interface Call {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** JSON; absent for no body. */
  readonly body?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether it is sent without a management key. */
  readonly open?: boolean | undefined;
  readonly repeat: Repeat;
  readonly options: RequestOptions;
}

/** Sends calls to one control plane. */
export class Transport {
  readonly #config: Config;

  constructor(config: Config) {
    this.#config = config;
  }

  /** How often a call is tried again at most. */
  get maxRetries(): number {
    return this.#config.maxRetries;
  }

  /**
   * Sends a call, again where that is safe and may help, and gives a good answer to `read`. An answer that breaks off while
   * it is read counts as a failed attempt.
   */
  async send<T>(call: Call, read: (response: Response) => Promise<T> | T): Promise<T> {
    const headers = this.#headers(call);
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#attempt(call, headers, read);
      } catch (error) {
        if (attempt >= this.maxRetries) throw error;
        const wait = pauseBefore(error, call.repeat, attempt, Math.random());
        if (wait === undefined) throw error;
        await pause(wait, call.options.signal);
      }
    }
  }

  #headers(call: Call): Headers {
    const headers = new Headers({ accept: 'application/json', 'user-agent': `keystore-sdk-typescript/${VERSION}`, ...call.headers });
    if (call.body !== undefined) headers.set('content-type', 'application/json');
    if (!call.open && !this.#config.session) {
      const { apiKey } = this.#config;
      if (!apiKey) {
        throw new ConfigurationError('the control API needs a management key: `new Keystore({ apiKey })`, or the variable KS_API_KEY');
      }
      headers.set('authorization', `Bearer ${apiKey}`);
    }
    return headers;
  }

  async #attempt<T>(call: Call, headers: Headers, read: (response: Response) => Promise<T> | T): Promise<T> {
    const { signal, timeout = this.#config.timeout } = call.options;
    const deadline = new Deadline(signal, timeout);
    const send = this.#config.fetch ?? globalThis.fetch;
    try {
      // A redirect is an error here: the control plane sends none, and the key goes nowhere else.
      const response = await send(`${this.#config.apiUrl}${call.target}`, {
        method: call.method,
        headers,
        body: call.body ?? null,
        redirect: 'manual',
        signal: deadline.signal,
      });
      if (!response.ok) throw await errorOf(response);
      return await read(response);
    } catch (error) {
      signal?.throwIfAborted();
      if (deadline.passed) throw new TimeoutError(`no answer from ${this.#config.apiUrl} in ${timeout} ms`);
      if (!isTransportFailure(error)) throw error;
      throw new ConnectionError(`no answer from ${this.#config.apiUrl}: ${reasonOf(error)}`, error);
    } finally {
      deadline.end();
    }
  }
}

/** What `fetch` and the reading of a body throw: `TypeError` with a cause, `SyntaxError` for a JSON text that broke off. */
const isTransportFailure = (error: unknown): boolean =>
  error instanceof TypeError || error instanceof SyntaxError || (error as Error | undefined)?.name === 'AbortError';

/** The innermost words: `fetch failed` alone helps nobody. */
const reasonOf = (error: unknown): string => {
  const cause = (error as Error).cause;
  const inner = cause instanceof AggregateError ? cause.errors[0] : cause;
  return inner instanceof Error && inner.message ? inner.message : (error as Error).message;
};

/** The caller's signal and the timeout as one signal. The caller's holds beyond `end`, for streams; the timeout does not. */
class Deadline {
  readonly signal: AbortSignal;
  readonly #timer: ReturnType<typeof setTimeout>;
  passed = false;

  constructor(signal: AbortSignal | undefined, timeout: number) {
    const controller = new AbortController();
    this.signal = signal ? AbortSignal.any([signal, controller.signal]) : controller.signal;
    this.#timer = setTimeout(() => {
      this.passed = true;
      controller.abort();
    }, Math.min(timeout, LONGEST_TIMER_MS));
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
