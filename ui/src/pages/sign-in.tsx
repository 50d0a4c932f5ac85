// Signing in, with the one-time code of a link or with a password. The session is a cookie that no script can read.
import { useEffect, useRef, useState } from 'react';
import { Form } from '../components/dialog.tsx';
import { TextField } from '../components/fields.tsx';
import { Failed, Skeleton } from '../components/parts.tsx';
import { failureOf, ks, type Failure } from '../lib/api.ts';
import { to } from '../lib/router.tsx';

export const SignIn = ({ code, onDone }: { code: string | null; onDone: () => Promise<void> }) => {
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [failure, setFailure] = useState<Failure>();
  const used = useRef<string>(undefined);
  const [exchanging, setExchanging] = useState(code !== null);

  useEffect(() => {
    // A code is good once: it is not sent a second time, and leaves the address at once.
    if (code === null || used.current === code) return;
    used.current = code;
    history.replaceState(null, '', to(['sign-in']));
    ks.auth.exchangeCode({ code }).then(onDone, (error: unknown) => {
      setFailure(failureOf(error));
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
        ) : (
          <>
            {failure && (
              <>
                <Failed failure={failure} />
                <p className="quiet">A link is good once, for ten minutes. Start <code>ks dev</code> again for another, or use the password.</p>
              </>
            )}
            <div className="card card-body">
              <Form
                submit="Sign in"
                onSubmit={async () => {
                  await ks.auth.logIn({ email, password });
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
            </div>
          </>
        )}
      </main>
    </div>
  );
};
