// Bytes and their SHA-256, as the audit log is built from them. What differs is an error with the words for it.

/** Something was checked, and is wrong. */
export class Wrong extends Error {}

/** Nothing can be checked here, and why. */
export class CannotCheck extends Error {}

export type Bytes = Uint8Array<ArrayBuffer>;

export const fromBase64 = (text: string): Bytes => {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    throw new Wrong('what should be base64 is not');
  }
};

export const utf8 = (text: string): Bytes => new TextEncoder().encode(text);

export const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

export const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, at) => byte === b[at]);

/** Browsers have it on pages that came by TLS or from this machine. */
export const subtle = (): SubtleCrypto => {
  const found = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  if (!found) throw new CannotCheck('This browser has no cryptography for pages without TLS. Open the dashboard by https, or check with “ks audit verify”.');
  return found;
};

export const sha256 = async (...parts: readonly Uint8Array[]): Promise<Bytes> => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await subtle().digest('SHA-256', all));
};
