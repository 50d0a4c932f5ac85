// An answer that is not JSON: an export or a document, as it comes.
import { ConnectionError } from './errors.js';

/** A file that is being received. Read it once: as a stream, line by line, or whole. */
export class Download {
  /** Its media type, such as `application/pdf`. */
  readonly contentType: string;
  readonly #response: Response;

  constructor(response: Response) {
    this.contentType = response.headers.get('content-type') ?? 'application/octet-stream';
    this.#response = response;
  }

  /** The bytes as they come. */
  get body(): ReadableStream<Uint8Array> {
    return (this.#response.body as ReadableStream<Uint8Array> | null) ?? new Blob([]).stream();
  }

  /** All of it as text. */
  text(): Promise<string> {
    return whole(this.#response.text());
  }

  /** All of it as bytes. */
  async bytes(): Promise<Uint8Array> {
    return new Uint8Array(await whole(this.#response.arrayBuffer()));
  }

  /** All of it as a blob of its media type. */
  blob(): Promise<Blob> {
    return whole(this.#response.blob());
  }

  /** Line by line, without the line ends: a record each, for NDJSON. */
  async *lines(): AsyncGenerator<string, void, undefined> {
    yield* linesOf(this.body);
  }
}

const whole = async <T>(reading: Promise<T>): Promise<T> => {
  try {
    return await reading;
  } catch (error) {
    throw brokenOff(error);
  }
};

/** An answer that ended early is told from one that is whole. An end that the caller asked for is passed on. */
export const brokenOff = (error: unknown): unknown =>
  error instanceof TypeError ? new ConnectionError('the answer broke off', error) : error;

/** The lines of a stream of UTF-8, ended by LF, CRLF or its end. Leaving early cancels the stream. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  let ended = false;
  try {
    while (!ended) {
      const { done, value } = await reader.read();
      ended = done;
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line;
    }
    if (rest) yield rest;
  } catch (error) {
    ended = true;
    throw brokenOff(error);
  } finally {
    if (!ended) await reader.cancel();
  }
}
