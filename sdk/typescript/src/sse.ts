// The live stream: server-sent events, as an async iterator that comes back after a broken connection where it was.
import { linesOf } from './download.js';
import { ConnectionError } from './errors.js';
import { pause, pauseBefore } from './retry.js';

/** One event as it arrived. */
interface Message {
  readonly id: string | undefined;
  readonly data: string;
}

/** After so long a connection held. Its first bytes say nothing: the server begins with a comment. */
const HELD_MS = 15_000;

/** Opens the stream behind an event, or at now. */
export type Open = (lastEventId: string | undefined) => Promise<Response>;

/**
 * Events as they happen, for `for await`. Leaving the loop ends the connection. One that is lost is made again behind the last
 * event that came, so that from the first on none is missed or comes twice. A refusal is thrown, and so are several connections in
 * a row that broke soon and before an event came.
 */
export class Subscription<T> implements AsyncIterable<T> {
  readonly #open: Open;
  readonly #maxRetries: number;
  readonly #signal: AbortSignal | undefined;
  #last: string | undefined;

  constructor(open: Open, maxRetries: number, last: string | undefined, signal: AbortSignal | undefined) {
    this.#open = open;
    this.#maxRetries = maxRetries;
    this.#last = last;
    this.#signal = signal;
  }

  /** The id of the last event that was given, to go on behind it another time. */
  get lastEventId(): string | undefined {
    return this.#last;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    let failures = 0;
    for (;;) {
      const response = await this.#open(this.#last);
      const opened = performance.now();
      try {
        if (!response.body) return;
        for await (const message of messagesOf(response.body)) {
          failures = 0;
          this.#last = message.id ?? this.#last;
          yield JSON.parse(message.data) as T;
        }
        throw new ConnectionError('the stream ended', undefined);
      } catch (error) {
        this.#signal?.throwIfAborted();
        if (performance.now() - opened > HELD_MS) failures = 0;
        const wait = pauseBefore(error, 'freely', failures, Math.random());
        if (wait === undefined || failures >= this.#maxRetries) throw error;
        failures += 1;
        await pause(wait, this.#signal);
      }
    }
  }
}

/** The events of a stream (HTML standard, 9.2.6). A comment is a line without a name. */
async function* messagesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Message, void, undefined> {
  let id: string | undefined;
  let data: string[] = [];
  for await (const line of linesOf(stream)) {
    if (line === '') {
      if (data.length > 0) yield { id, data: data.join('\n') };
      data = [];
      continue;
    }
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') data.push(value);
    else if (name === 'id') id = value;
  }
}
