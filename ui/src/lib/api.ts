// The one client of the API: the SDK, with the browser's session. No key is held by any script of this page.
import { Keystore, KeystoreError } from '@keystore/sdk';

export const ks = new Keystore({ session: true, apiUrl: location.origin });

/**
 * A client for one stream, which says whether it is connected: a stream itself gives nothing until something happens.
 * `onOpen` comes with each connection, `onLost` when it ends.
 */
export const streaming = (onOpen: () => void, onLost: () => void): Keystore =>
  new Keystore({
    session: true,
    apiUrl: location.origin,
    fetch: async (...asked) => {
      const answer = await fetch(...asked);
      if (!answer.ok || !answer.body) return answer;
      onOpen();
      const through = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
      answer.body.pipeTo(through.writable).catch(() => undefined).finally(onLost);
      return new Response(through.readable, answer);
    },
  });

/** What went wrong, in the form in which every page shows it. */
export interface Failure {
  readonly words: string;
  readonly code: string;
  readonly remedy?: string;
  readonly requestId?: string;
  readonly status?: number;
  readonly fields: readonly { pointer: string; detail: string }[];
}

export const failureOf = (error: unknown): Failure => {
  if (!(error instanceof KeystoreError)) {
    return { words: error instanceof Error ? error.message : String(error), code: 'unexpected', fields: [] };
  }
  const { message, code, remedy, requestId, status, errors } = error;
  // The SDK puts the remedy behind the words; here it has a line of its own.
  const words = remedy ? message.replace(` (${remedy})`, '') : message;
  return {
    words,
    code,
    fields: errors,
    ...(remedy && { remedy }),
    ...(requestId && { requestId }),
    ...(status !== undefined && { status }),
  };
};
