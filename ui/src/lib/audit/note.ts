// Checkpoints: C2SP signed notes with the size and the root of the log, and the verifier key that their Ed25519 signatures are checked
// with.
import { CannotCheck, equal, fromBase64, hex, sha256, subtle, utf8, Wrong, type Bytes } from './bytes.ts';
import type { Tree } from './tree.ts';

/** The type of an Ed25519 key, and of what it signs, in signed notes. */
const ED25519 = 1;
const SIGNATURE = '\u2014 ';

export interface Verifier {
  readonly name: string;
  readonly id: Bytes;
  readonly publicKey: Bytes;
}

export interface Checkpoint extends Tree {
  /** When it was signed, in microseconds since 1970. */
  readonly at: number;
}

/** `name+8 hex digits+base64`; the digits are of the hash of the rest. */
export const verifierOf = async (text: string): Promise<Verifier> => {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text.trim());
  if (!match) throw new Wrong('the verifier key has not the form of one');
  const [, name = '', digits = '', base64 = ''] = match;
  const key = fromBase64(base64);
  if (key.length !== 33 || key[0] !== ED25519) throw new Wrong('the verifier key is not one of Ed25519');
  const id = (await sha256(utf8(`${name}\n`), key)).slice(0, 4);
  if (hex(id) !== digits) throw new Wrong('the verifier key does not fit its own name and number');
  return { name, id, publicKey: key.slice(1) };
};

const isSigned = async (text: string, signature: Bytes, { publicKey }: Verifier): Promise<boolean> => {
  let key: CryptoKey;
  try {
    key = await subtle().importKey('raw', publicKey, 'Ed25519', false, ['verify']);
  } catch (error) {
    if (error instanceof CannotCheck) throw error;
    throw new CannotCheck('This browser does not know Ed25519, which checkpoints are signed with. A newer one does, and “ks audit verify”.');
  }
  return subtle().verify('Ed25519', key, signature, utf8(text));
};

/** The signature of this key among those below the text. */
const signatureBy = (verifier: Verifier, lines: readonly string[]): Bytes => {
  for (const line of lines.filter((one) => one.startsWith(`${SIGNATURE}${verifier.name} `))) {
    const bytes = fromBase64(line.slice(SIGNATURE.length + verifier.name.length + 1));
    if (equal(bytes.slice(0, 4), verifier.id)) return bytes.slice(4);
  }
  throw new Wrong('the checkpoint is not signed by this key');
};

/** What a checkpoint says, once its signature was found to be right. */
export const openNote = async (note: string, verifier: Verifier): Promise<Checkpoint> => {
  const end = note.lastIndexOf('\n\n');
  if (end < 0) throw new Wrong('the checkpoint is no signed note');
  const text = note.slice(0, end + 1);
  if (!(await isSigned(text, signatureBy(verifier, note.slice(end + 2).split('\n')), verifier))) throw new Wrong('the signature of the checkpoint is wrong');
  const [origin, size = '', root = '', ...more] = text.split('\n');
  const time = more.map((line) => /^time (\d{1,16})$/.exec(line)?.[1]).find(Boolean);
  if (origin !== verifier.name || !/^\d{1,15}$/.test(size) || time === undefined) throw new Wrong('the checkpoint does not say what one says');
  const hash = fromBase64(root);
  if (hash.length !== 32) throw new Wrong('the root in the checkpoint is no SHA-256');
  return { size: Number(size), root: hash, at: Number(time) };
};
