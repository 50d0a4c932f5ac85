// What the bytes of a leaf say: a change of the control plane, or a record of a call. The words that the server puts beside the bytes are
// compared with these, and count for nothing by themselves.
import { Wrong } from './bytes.ts';
import { readCbor, type Cbor } from './cbor.ts';

/** A record in words; what is absent in the bytes is absent here. */
export type Words = Readonly<Record<string, string | number>>;

export interface Leaf {
  readonly kind: 'change' | 'call' | 'outcome' | 'refusal' | 'hold';
  readonly words: Words;
  /** The units of what was used, without their names; of an outcome alone. */
  readonly units: readonly number[];
  /** SHA-256 of what was and is; of a change alone. */
  readonly payload: Uint8Array | undefined;
}

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** 16 bytes as the id that people see: a prefix and 26 characters of Crockford's base32. */
const idOf = (prefix: string, value: Cbor | undefined): string | undefined => {
  if (!(value instanceof Uint8Array)) return undefined;
  if (value.length !== 16) throw new Wrong('an id in the log has not the length of one');
  let rest = value.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  let text = '';
  for (let at = 0; at < 26; at += 1) {
    text = (ALPHABET[Number(rest % 32n)] ?? '') + text;
    rest /= 32n;
  }
  return `${prefix}_${text}`;
};

const timeOf = (value: Cbor | undefined): string | undefined => (typeof value === 'number' ? new Date(Math.floor(value / 1000)).toISOString() : undefined);

const plain = (value: Cbor | undefined): string | number | undefined => (typeof value === 'string' || typeof value === 'number' ? value : undefined);

const named = (names: readonly string[]) => (value: Cbor | undefined): string | undefined => (typeof value === 'number' ? (names[value] ?? `${value}`) : undefined);

type Read = (value: Cbor | undefined) => string | number | undefined;
const id = (prefix: string): Read => (value) => idOf(prefix, value);

/** Members by their number in the bytes. What has no name here is not among the words. */
const CHANGE: readonly (readonly [string, Read])[] = [['orgId', id('org')], ['seq', plain], ['at', timeOf], ['action', plain], ['actor', plain], ['subject', plain], ['projectId', id('prj')], ['address', plain], ['requestId', id('req')]];

const CALL: readonly (readonly [string, Read])[] = [
  ['attemptId', id('att')], ['requestId', id('req')], ['at', timeOf], ['orgId', id('org')], ['projectId', id('prj')], ['agentId', id('agt')], ['tokenId', id('tok')],
  ['provider', plain], ['operation', plain], ['method', plain], ['path', plain], ['model', plain], ['source', named(['byok', 'marketplace'])], ['credentialId', id('crd')], ['credentialVersion', plain],
  ['', plain], ['', plain], ['endUser', plain], ['query', plain],
];

const ENDINGS = ['complete', 'upstream_error', 'client_gone', 'deadline', 'not_sent', 'crash', 'revoked', 'over_budget', 'failed_over'];

const OUTCOME: readonly (readonly [string, Read])[] = [
  ['attemptId', id('att')], ['at', timeOf], ['ending', named(ENDINGS)], ['status', plain], ['servedModel', plain], ['', plain], ['costNanoUsd', plain], ['', plain], ['', plain],
  ['totalMicros', plain], ['requestBytes', plain], ['responseBytes', plain], ['code', plain],
];

const REFUSAL: readonly (readonly [string, Read])[] = [['requestId', id('req')], ['at', timeOf], ['orgId', id('org')], ['projectId', id('prj')], ['agentId', id('agt')], ['tokenId', id('tok')], ['provider', plain], ['code', plain], ['status', plain], ['count', plain], ['model', plain]];

const HOLD: readonly (readonly [string, Read])[] = [['attemptId', id('att')], ['holdNanoUsd', plain]];

const KINDS = [['call', CALL], ['outcome', OUTCOME], ['refusal', REFUSAL], ['hold', HOLD]] as const;

const wordsOf = (members: readonly (readonly [string, Read])[], value: (at: number) => Cbor | undefined): Words =>
  Object.fromEntries(members.map(([name, read], at) => [name, read(value(at))] as const).filter((pair): pair is readonly [string, string | number] => pair[0] !== '' && pair[1] !== undefined));

/** Where the units that were used stand in an outcome. */
const USAGE = 5;
/** Where a change holds the hash of what was and is. */
const PAYLOAD = 9;

export const readLeaf = (bytes: Uint8Array): Leaf => {
  try {
    return read(bytes);
  } catch (error) {
    if (error instanceof Wrong) throw error;
    // A text that is not UTF-8.
    throw new Wrong('a record of the log holds what cannot be read');
  }
};

const read = (bytes: Uint8Array): Leaf => {
  const value = readCbor(bytes);
  if (value instanceof Map) {
    const payload = value.get(PAYLOAD);
    return { kind: 'change', words: wordsOf(CHANGE, (at) => value.get(at)), units: [], payload: payload instanceof Uint8Array ? payload : undefined };
  }
  const [variant, inside] = Array.isArray(value) ? (value as readonly Cbor[]) : [];
  const fields = Array.isArray(inside) ? (inside as readonly Cbor[])[0] : undefined;
  const known = typeof variant === 'number' ? KINDS[variant] : undefined;
  if (!known || !Array.isArray(fields)) throw new Wrong('a record of the log is of a kind that is not known here');
  const usage: Cbor | undefined = known[0] === 'outcome' ? (fields as readonly Cbor[])[USAGE] : undefined;
  const units = usage instanceof Map ? [...usage.values()].filter((one): one is number => typeof one === 'number') : [];
  return { kind: known[0], words: wordsOf(known[1], (at) => (fields as readonly Cbor[])[at]), units, payload: undefined };
};

const isWords = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value);

const ascending = (numbers: readonly unknown[]): string => JSON.stringify([...numbers].map(Number).sort((a, b) => a - b));

/** Whether the words that stand beside a leaf say what its bytes say, neither more nor less. */
export const says = (leaf: Leaf, record: unknown): boolean => {
  if (!isWords(record)) return false;
  const { kind, usage, ...rest } = record;
  const names = new Set([...Object.keys(rest), ...Object.keys(leaf.words)]);
  return kind === leaf.kind && [...names].every((name) => rest[name] === leaf.words[name]) && ascending(isWords(usage) ? Object.values(usage) : []) === ascending(leaf.units);
};
