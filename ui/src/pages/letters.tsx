// Where the links of mails lead: taking an invitation up, choosing a new password, confirming an address. A code is good once; it leaves
// the address before anything else happens, and is kept in the page alone.
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { Form } from '../components/dialog.tsx';
import { TextField } from '../components/fields.tsx';
import { Failed, Skeleton } from '../components/parts.tsx';
import { failureOf, ks, type Failure } from '../lib/api.ts';
import { to, type Route } from '../lib/router.tsx';

/** The least that the server takes. */
const SHORTEST = 10;

interface Letter {
  readonly title: string;
  readonly page: (props: LetterProps) => ReactNode;
}

interface LetterProps {
  /** From the link; empty where there is none. */
  code: string;
  /** Somebody is signed in now. */
  onDone: () => Promise<void>;
}

const Frame = ({ title, about, children }: { title: string; about: string; children: ReactNode }) => (
  <div className="outside">
    <main>
      <div className="stack-small">
        <img src="/favicon.svg" alt="" width="40" height="40" />
        <h1>{title}</h1>
        <p className="quiet">{about}</p>
      </div>
      {children}
    </main>
  </div>
);

const SignInLink = ({ children = 'Go to sign in' }: { children?: ReactNode }) => (
  <p>
    <a href={to(['sign-in'])}>{children}</a>
  </p>
);

const NoCode = () => <p className="notice warn">The link is not whole, or its code was used already. Open it from the mail once more.</p>;

const NewPassword = ({ value, onChange, failure, label }: { value: string; onChange: (text: string) => void; failure: Failure | undefined; label: string }) => (
  <TextField label={label} type="password" name="password" autoComplete="new-password" required value={value} failure={failure} pointer="/password" onChange={(event) => onChange(event.target.value)} hint={`At least ${SHORTEST} characters.`} />
);

const Accept = ({ code, onDone }: LetterProps) => {
  const [has, setHas] = useState(false);
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [factor, setFactor] = useState('');
  const [asked, setAsked] = useState(false);
  const ready = has ? password !== '' : name.trim() !== '' && password.length >= SHORTEST;
  return (
    <Frame title="Join an organization" about="You were invited by mail. The invitation says who you are; here you prove it, or choose how you will.">
      {code === '' ? (
        <NoCode />
      ) : (
        <div className="card card-body">
          <Form
            submit="Join"
            disabled={!ready}
            onSubmit={async () => {
              try {
                await ks.auth.acceptInvitation({ code, password, ...(!has && { name: name.trim() }), ...(factor.trim() && { secondFactor: factor.trim() }) });
              } catch (error) {
                if (failureOf(error).code === 'second_factor_required') setAsked(true);
                throw error;
              }
              setPassword('');
              await onDone();
            }}
          >
            {(failure) => (
              <>
                <label className="check">
                  <input type="checkbox" checked={has} onChange={(event) => setHas(event.target.checked)} />I have an account here already
                </label>
                {has ? (
                  <>
                    <TextField label="Your password" type="password" name="password" autoComplete="current-password" required value={password} failure={failure} pointer="/password" onChange={(event) => setPassword(event.target.value)} />
                    {asked && <TextField label="Code of your app, or a recovery code" name="code" autoComplete="one-time-code" value={factor} failure={failure} pointer="/secondFactor" onChange={(event) => setFactor(event.target.value)} />}
                  </>
                ) : (
                  <>
                    <TextField label="Your name" name="name" autoComplete="name" required maxLength={100} value={name} failure={failure} pointer="/name" onChange={(event) => setName(event.target.value)} />
                    <NewPassword label="Choose a password" value={password} onChange={setPassword} failure={failure} />
                  </>
                )}
              </>
            )}
          </Form>
        </div>
      )}
    </Frame>
  );
};

const Reset = ({ code }: LetterProps) => {
  const [password, setPassword] = useState('');
  const [done, setDone] = useState(false);
  return (
    <Frame title="Choose a new password" about="Every session of yours ends with it, so that whoever had the old one is out.">
      {done ? (
        <>
          <p className="notice ok" role="status">
            The new password holds. Sign in with it.
          </p>
          <SignInLink />
        </>
      ) : code === '' ? (
        <>
          <NoCode />
          <p>
            <a href={to(['forgot-password'])}>Ask for another link</a>
          </p>
        </>
      ) : (
        <div className="card card-body">
          <Form
            submit="Set the password"
            disabled={password.length < SHORTEST}
            onSubmit={async () => {
              await ks.auth.resetPassword({ code, password });
              setPassword('');
              setDone(true);
            }}
          >
            {(failure) => <NewPassword label="New password" value={password} onChange={setPassword} failure={failure} />}
          </Form>
        </div>
      )}
    </Frame>
  );
};

const Forgot = () => {
  const [email, setEmail] = useState('');
  const [sent, setSent] = useState(false);
  return (
    <Frame title="Forgot your password?" about="A link to choose a new one goes to your address. It is good once, for an hour.">
      {sent ? (
        <p className="notice ok" role="status">
          If there is an account for this address, a mail is on its way. Whether there is one is told to nobody.
        </p>
      ) : (
        <div className="card card-body">
          <Form
            submit="Send the link"
            disabled={!email.includes('@')}
            onSubmit={async () => {
              await ks.auth.forgotPassword({ email: email.trim() });
              setSent(true);
            }}
          >
            {(failure) => <TextField label="E-mail" type="email" name="email" autoComplete="username" required value={email} failure={failure} pointer="/email" onChange={(event) => setEmail(event.target.value)} />}
          </Form>
        </div>
      )}
      <SignInLink>Back to signing in</SignInLink>
    </Frame>
  );
};

const Verify = ({ code }: LetterProps) => {
  const [state, setState] = useState<'asking' | 'done' | Failure>('asking');
  const used = useRef<string>(undefined);
  useEffect(() => {
    if (code === '' || used.current === code) return;
    used.current = code;
    ks.auth.verifyEmail({ code }).then(
      () => setState('done'),
      (error: unknown) => setState(failureOf(error)),
    );
  }, [code]);
  return (
    <Frame title="Confirm your address" about="The link that you opened shows that mails to it reach you.">
      {code === '' ? (
        <NoCode />
      ) : state === 'asking' ? (
        <div aria-busy="true">
          <Skeleton height={48} />
        </div>
      ) : state === 'done' ? (
        <p className="notice ok" role="status">
          Your address is confirmed.
        </p>
      ) : (
        <>
          <Failed failure={state} />
          <p className="quiet">A link is good once, for a day. Sign in and ask for another.</p>
        </>
      )}
      <p>
        <a href={to([])}>Go on to the overview</a>
      </p>
    </Frame>
  );
};

const LETTERS: Readonly<Record<string, Letter>> = {
  accept: { title: 'Join an organization', page: Accept },
  'reset-password': { title: 'New password', page: Reset },
  'forgot-password': { title: 'Forgot password', page: Forgot },
  'verify-email': { title: 'Confirm your address', page: Verify },
};

export const isLetter = (route: Route): boolean => Object.hasOwn(LETTERS, route.parts[0] ?? '');

/** The page of a mail's link, whoever is signed in. */
export const LetterPage = ({ route, onDone }: { route: Route; onDone: () => Promise<void> }) => {
  const name = route.parts[0] ?? '';
  const letter = LETTERS[name];
  const given = route.query.get('code');
  const [code, setCode] = useState(given ?? '');
  useEffect(() => {
    if (given === null) return;
    setCode(given);
    history.replaceState(null, '', to([name]));
  }, [given, name]);
  useEffect(() => {
    document.title = `${letter?.title ?? ''} · Keystore`;
  }, [letter]);
  return letter ? <letter.page key={name} code={code} onDone={onDone} /> : null;
};
