// The part of CBOR (RFC 8949) that leaves of the log are made of: whole numbers, bytes, texts, arrays, maps, true, false and null, each
// with a length that is known before.
import { Wrong } from './bytes.ts';

export type Cbor = number | boolean | null | string | Uint8Array | readonly Cbor[] | ReadonlyMap<Cbor, Cbor>;

/** Nothing of the log lies deeper. */
const DEEPEST = 16;

class Reader {
  #at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isOver(): boolean {
    return this.#at === this.#bytes.length;
  }

  #take(length: number): Uint8Array {
    const taken = this.#bytes.subarray(this.#at, this.#at + length);
    if (taken.length !== length) throw new Wrong('a record of the log is cut off');
    this.#at += length;
    return taken;
  }

  #length(short: number): number {
    if (short < 24) return short;
    if (short > 27) throw new Wrong('a record of the log is not in the form of one');
    const value = this.#take(2 ** (short - 24)).reduce((sum, byte) => sum * 256 + byte, 0);
    if (!Number.isSafeInteger(value)) throw new Wrong('a number of the log is larger than can be read here');
    return value;
  }

  read(depth = 0): Cbor {
    if (depth > DEEPEST) throw new Wrong('a record of the log lies too deep');
    const first = this.#take(1)[0] ?? 0;
    const [major, short] = [first >> 5, first & 31];
    if (major === 7) return this.#simple(short);
    const length = this.#length(short);
    const several = (): Cbor[] => Array.from({ length: Math.min(length, this.#bytes.length) }, () => this.read(depth + 1));
    switch (major) {
      case 0:
        return length;
      case 1:
        return -1 - length;
      case 2:
        return this.#take(length);
      case 3:
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.#take(length));
      case 4:
        return several();
      case 5:
        return new Map(Array.from({ length: Math.min(length, this.#bytes.length) }, () => [this.read(depth + 1), this.read(depth + 1)] as const));
      default:
        throw new Wrong('a record of the log is not in the form of one');
    }
  }

  #simple(short: number): boolean | null {
    if (short === 20 || short === 21) return short === 21;
    if (short === 22) return null;
    throw new Wrong('a record of the log is not in the form of one');
  }
}

/** The one value that the bytes are. */
export const readCbor = (bytes: Uint8Array): Cbor => {
  const reader = new Reader(bytes);
  const value = reader.read();
  if (!reader.isOver) throw new Wrong('something stands behind a record of the log');
  return value;
};
