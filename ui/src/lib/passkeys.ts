// Passkeys in the browser: what the API asks for in the forms of WebAuthn, and the answer back. What is checked is the server's matter.
import type { AddPasskey, PasskeyCreation, PasskeyRequest, UsePasskey } from '@keystore/sdk';

const bytesOf = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0));

const textOf = (bytes: ArrayBuffer): string =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');

const known = (ids: readonly string[]): PublicKeyCredentialDescriptor[] => ids.map((id) => ({ type: 'public-key', id: bytesOf(id) }));

/** A passkey is for one address: a browser would say no in words that help nobody. */
const mustBeAt = (origin: string): void => {
  if (location.origin !== origin) throw new Error(`Passkeys are for ${origin}: open the dashboard there.`);
};

export const hasPasskeys = (): boolean => typeof PublicKeyCredential === 'function';

export const makePasskey = async (asked: PasskeyCreation, name: string): Promise<AddPasskey> => {
  mustBeAt(asked.origin);
  const made = await navigator.credentials.create({
    publicKey: {
      rp: { id: asked.rpId, name: 'Keystore' },
      user: { id: bytesOf(asked.userId), name: asked.userName, displayName: asked.userDisplayName },
      challenge: bytesOf(asked.challenge),
      pubKeyCredParams: asked.algorithms.map((alg) => ({ type: 'public-key', alg })),
      excludeCredentials: known(asked.exclude),
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      attestation: 'none',
    },
  });
  if (!(made instanceof PublicKeyCredential)) throw new Error('No passkey was made.');
  const { clientDataJSON, attestationObject } = made.response as AuthenticatorAttestationResponse;
  return { name, clientData: textOf(clientDataJSON), attestation: textOf(attestationObject) };
};

export const signWithPasskey = async (asked: PasskeyRequest, challenge?: string): Promise<UsePasskey> => {
  mustBeAt(asked.origin);
  const used = await navigator.credentials.get({
    publicKey: {
      rpId: asked.rpId,
      challenge: bytesOf(asked.challenge),
      allowCredentials: known(asked.allow),
      userVerification: asked.userVerification ? 'required' : 'preferred',
    },
  });
  if (!(used instanceof PublicKeyCredential)) throw new Error('No passkey was used.');
  const { clientDataJSON, authenticatorData, signature, userHandle } = used.response as AuthenticatorAssertionResponse;
  return {
    id: textOf(used.rawId),
    clientData: textOf(clientDataJSON),
    authenticatorData: textOf(authenticatorData),
    signature: textOf(signature),
    ...(userHandle && { userHandle: textOf(userHandle) }),
    ...(challenge && { challenge }),
  };
};
