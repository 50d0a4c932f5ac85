// Signing in: with the one-time code of a link, a password or a passkey; for who has a second factor, in two steps. The session is a
// cookie that no script can read.
import { useEffect, useRef, useState } from 'react';
import { ApiError, type Challenge } from '@keystore/sdk';
import { Form } from '../components/dialog.tsx';
import { TextField } from '../components/fields.tsx';
import { Button, Failed, Skeleton } from '../components/parts.tsx';
import { failureOf, ks, type Failure } from '../lib/api.ts';
import { hasPasskeys, signWithPasskey } from '../lib/passkeys.ts';
import { to } from '../lib/router.tsx';

/** The second step that a refusal of the first one asks for. */
const challengeOf = (error: unknown): Challenge | undefined => (error instanceof ApiError ? (error.problem?.challenge ?? undefined) : undefined);

interface Props {
  code: string | null;
  onDone: () => Promise<void>;
}

export const SignIn = ({ code, onDone }: Props) => {
  const [failure, setFailure] = useState<Failure>();
  const [challenge, setChallenge] = useState<Challenge>();
  const used = useRef<string>(undefined);
  const [exchanging, setExchanging] = useState(code !== null);

  useEffect(() => {
    // A code is good once: it is not sent a second time, and leaves the address at once.
    if (code === null || used.current === code) return;
    used.current = code;
    history.replaceState(null, '', to(['sign-in']));
    ks.auth.exchangeCode({ code }).then(onDone, (error: unknown) => {
      const next = challengeOf(error);
      if (next) setChallenge(next);
      else setFailure(failureOf(error));
      setExchanging(false);
    });
  }, [code, onDone]);

  useEffect(() => {
    document.title = 'Sign in · Keystore';
  }, []);

  return (
    <div className="outside">
      <main>
        <div className="stack-small">
          <img src="/favicon.svg" alt="" width="40" height="40" />
          <h1>Sign in to Keystore</h1>
          <p className="quiet">Your agents’ keys, and what may be done with them.</p>
        </div>
        {exchanging ? (
          <div className="stack" aria-busy="true">
            <p>Signing you in with the link …</p>
            <Skeleton height={36} />
          </div>
        ) : challenge ? (
          <SecondStep challenge={challenge} onDone={onDone} onBack={() => setChallenge(undefined)} />
        ) : (
          <>
            {failure && (
              <>
                <Failed failure={failure} />
                <p className="quiet">A link is good once, for ten minutes. Start <code>ks dev</code> again for another, or use the password.</p>
              </>
            )}
            <FirstStep onChallenge={setChallenge} onDone={onDone} />
          </>
        )}
      </main>
    </div>
  );
};

const FirstStep = ({ onChallenge, onDone }: { onChallenge: (challenge: Challenge) => void; onDone: () => Promise<void> }) => {
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  return (
    <div className="card card-body stack">
      <Form
        submit="Sign in"
        onSubmit={async () => {
          try {
            await ks.auth.logIn({ email, password });
          } catch (error) {
            const challenge = challengeOf(error);
            if (!challenge) throw error;
            onChallenge(challenge);
            return;
          }
          setPassword('');
          await onDone();
        }}
      >
        {(failed) => (
          <>
            <TextField label="E-mail" type="email" name="email" autoComplete="username" required value={email} failure={failed} pointer="/email" onChange={(event) => setEmail(event.target.value)} />
            <TextField label="Password" type="password" name="password" autoComplete="current-password" required value={password} failure={failed} pointer="/password" onChange={(event) => setPassword(event.target.value)} />
          </>
        )}
      </Form>
      <WithPasskey onDone={onDone} />
      <p>
        <a href={to(['forgot-password'])}>Forgot the password?</a>
      </p>
    </div>
  );
};

const SecondStep = ({ challenge, onDone, onBack }: { challenge: Challenge; onDone: () => Promise<void>; onBack: () => void }) => {
  const [code, setCode] = useState('');
  const takes = challenge.factors;
  return (
    <div className="card card-body stack">
      {takes.includes('passkey') && <WithPasskey challenge={challenge.token} onDone={onDone} />}
      <Form
        submit="Go on"
        onCancel={onBack}
        disabled={code.trim() === ''}
        onSubmit={async () => {
          await ks.auth.verifySecondFactor({ challenge: challenge.token, code });
          await onDone();
        }}
      >
        {(failed) => (
          <TextField
            label={takes.includes('totp') ? 'Code of your app, or a recovery code' : 'A recovery code'}
            name="code"
            autoComplete="one-time-code"
            autoFocus
            required
            value={code}
            failure={failed}
            pointer="/code"
            onChange={(event) => setCode(event.target.value)}
            hint="Each is good once. Who lost both asks whoever runs this server."
          />
        )}
      </Form>
    </div>
  );
};

const WithPasskey = ({ challenge, onDone }: { challenge?: string; onDone: () => Promise<void> }) => {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure>();
  if (!hasPasskeys()) return null;
  const sign = async (): Promise<void> => {
    setBusy(true);
    setFailure(undefined);
    try {
      const asked = await ks.auth.askPasskey(challenge ? { challenge } : {});
      await ks.auth.signInWithPasskey(await signWithPasskey(asked, challenge));
      await onDone();
    } catch (error) {
      setFailure(failureOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="stack-small">
      <Button busy={busy} onClick={() => void sign()}>
        {challenge ? 'Use a passkey' : 'Sign in with a passkey'}
      </Button>
      {failure && <Failed failure={failure} />}
    </div>
  );
};
