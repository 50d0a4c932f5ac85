// Whoever has not confirmed their address can look and change nothing: the refusal has the way out beside it.
import { useState } from 'react';
import { failureOf, ks } from '../lib/api.ts';

export const VerifyAddress = () => {
  const [state, set] = useState('');
  const send = async (): Promise<void> => {
    try {
      await ks.auth.sendVerification();
      set('A link is on its way to your address.');
    } catch (error) {
      set(failureOf(error).words);
    }
  };
  return state ? (
    <p role="status">{state}</p>
  ) : (
    <div>
      <button type="button" className="button small" onClick={() => void send()}>
        Send me the link once more
      </button>
    </div>
  );
};
