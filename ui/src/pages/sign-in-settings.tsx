// How the person signs in, and where they are signed in: the app for one-time codes, passkeys, recovery codes, the password, sessions. It
// is theirs and no organization's. What is shown once is in no query: it goes with its dialog.
import { useState } from 'react';
import type { Factors, Passkey, RecoveryCodes, TotpEnrolment } from '@keystore/sdk';
import { Confirm, Dialog, Form } from '../components/dialog.tsx';
import { TextField } from '../components/fields.tsx';
import { Ago, Badge, Button, Card, Copy, Empty, Facts, Failed, Named, Skeleton } from '../components/parts.tsx';
import { Table } from '../components/table.tsx';
import { say, sayFailure } from '../components/toasts.tsx';
import { ks } from '../lib/api.ts';
import { count, day } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { hasPasskeys, makePasskey } from '../lib/passkeys.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { useSession } from '../lib/session.tsx';

type Open = { at: 'totp' | 'passkey' | 'remove-totp' | 'codes' | 'password' } | { at: 'remove'; passkey: Passkey };

/** The sections, for a person; nothing for a key. */
export const SignInSettings = () => (useSession().me.user ? <Sections /> : null);

const Sections = () => (
  <>
    <FactorsCard />
    <Sessions />
  </>
);

/** All that is open to who lacks the second factor that their organization requires. */
export const MustSetUp = ({ org }: { org: string }) => (
  <div className="stack">
    <h1>A second factor is needed</h1>
    <p className="quiet">
      {org} requires one of its members. Set up an app for one-time codes or a passkey; nothing else is open until then.
    </p>
    <FactorsCard />
  </div>
);

const FactorsCard = () => {
  const query = useQuery('factors', () => ks.factors.get());
  const [open, setOpen] = useState<Open>();
  const [codes, setCodes] = useState<readonly string[]>([]);
  const { me, again } = useSession();
  // Who had to have a factor has one now: what was closed opens.
  const opened = (): void => {
    if (me.secondFactorMissing) void again();
  };
  const close = (): void => setOpen(undefined);
  const factors = query.data;
  const changed = (words: string, told: readonly string[] = []): void => {
    say(words);
    setCodes(told);
    refresh('factors', 'sessions/');
    close();
    // Codes are kept first.
    if (told.length === 0) opened();
  };
  return (
    <Card title="Sign-in" actions={<Button small onClick={() => setOpen({ at: 'password' })}>Change the password</Button>}>
      {query.failure && !factors ? (
        <Failed failure={query.failure} again={query.again} />
      ) : !factors ? (
        <Skeleton height={120} />
      ) : (
        <Listed factors={factors} onOpen={setOpen} />
      )}
      {open?.at === 'totp' && <AddTotp onClose={close} onDone={(told) => changed('From now on signing in takes a code of your app.', told)} />}
      {open?.at === 'passkey' && <AddPasskeyDialog onClose={close} onDone={(told) => changed('The passkey is registered.', told)} />}
      {open?.at === 'remove-totp' && (
        <WithPassword title="Remove the app" submit="Remove" danger onClose={close} onSubmit={async (password) => {
          await ks.factors.removeTotp({ password });
          changed('The app is removed.');
        }}>
          Signing in takes no code of it any more. Your other sessions end.
        </WithPassword>
      )}
      {open?.at === 'remove' && (
        <WithPassword title={`Remove ${open.passkey.name}`} submit="Remove" danger onClose={close} onSubmit={async (password) => {
          await ks.passkeys.remove(open.passkey.id, { password });
          changed('The passkey is removed.');
        }}>
          It signs nobody in any more. Your other sessions end. Delete it at its device, too.
        </WithPassword>
      )}
      {open?.at === 'codes' && (
        <WithPassword title="New recovery codes" submit="Make new ones" onClose={close} onSubmit={async (password) => {
          const made: RecoveryCodes = await ks.factors.renewRecoveryCodes({ password });
          changed('The codes before hold no more.', made.recoveryCodes);
        }}>
          They take the place of those that you have.
        </WithPassword>
      )}
      {open?.at === 'password' && <ChangePassword onClose={close} />}
      {codes.length > 0 && (
        <Codes
          codes={codes}
          onClose={() => {
            setCodes([]);
            opened();
          }}
        />
      )}
    </Card>
  );
};

const Listed = ({ factors, onOpen }: { factors: Factors; onOpen: (open: Open) => void }) => {
  const none = !factors.totpSince && factors.passkeys.length === 0;
  return (
    <div className="stack">
      {none && <p className="quiet">Your password alone signs you in. With a second factor, who has your password has not enough.</p>}
      <Facts
        of={[
          [
            'App for one-time codes',
            <span className="row">
              {factors.totpSince ? (
                <>
                  <Badge tone="ok">on</Badge> <span className="quiet">since {day(factors.totpSince)}</span>
                  <Button small onClick={() => onOpen({ at: 'remove-totp' })}>Remove the app</Button>
                </>
              ) : (
                <Button small onClick={() => onOpen({ at: 'totp' })}>Set up an app</Button>
              )}
            </span>,
          ],
          ...factors.passkeys.map(
            (passkey) =>
              [
                'Passkey',
                <span className="row">
                  <Named name={passkey.name} />
                  <span className="quiet">{passkey.lastUsedAt ? <>used <Ago time={passkey.lastUsedAt} /></> : 'not used yet'}</span>
                  <Button small onClick={() => onOpen({ at: 'remove', passkey })} aria-label={`Remove the passkey ${passkey.name}`}>
                    Remove
                  </Button>
                </span>,
              ] as const,
          ),
          ['Passkeys', hasPasskeys() ? <Button small onClick={() => onOpen({ at: 'passkey' })}>Add a passkey</Button> : 'this browser has none'],
          [
            'Recovery codes',
            none ? (
              'come with the first factor'
            ) : (
              <span className="row">
                {count(factors.recoveryCodesLeft)} left
                <Button small onClick={() => onOpen({ at: 'codes' })}>Make new ones</Button>
              </span>
            ),
          ],
        ]}
      />
    </div>
  );
};

interface WithPasswordProps {
  title: string;
  submit: string;
  danger?: boolean;
  onClose: () => void;
  onSubmit: (password: string) => Promise<void>;
  children: string;
}

/** A change that takes the password: a session alone must not keep its owner out. */
const WithPassword = ({ title, submit, danger, onClose, onSubmit, children }: WithPasswordProps) => {
  const [password, setPassword] = useState('');
  return (
    <Dialog title={title} onClose={onClose}>
      <Form submit={submit} disabled={password === ''} onCancel={onClose} onSubmit={() => onSubmit(password)} {...(danger && { danger })}>
        {(failure) => (
          <>
            <p>{children}</p>
            <Password value={password} onChange={setPassword} failure={failure} />
          </>
        )}
      </Form>
    </Dialog>
  );
};

type PasswordProps = { value: string; onChange: (value: string) => void; failure: Parameters<typeof TextField>[0]['failure'] };

const Password = ({ value, onChange, failure }: PasswordProps) => (
  <TextField label="Your password" type="password" autoComplete="current-password" required value={value} failure={failure} pointer="/password" onChange={(event) => onChange(event.target.value)} />
);

const AddTotp = ({ onClose, onDone }: { onClose: () => void; onDone: (codes: readonly string[]) => void }) => {
  const [made, setMade] = useState<TotpEnrolment>();
  const [code, setCode] = useState('');
  if (!made) {
    return (
      <WithPassword title="Set up an app" submit="Go on" onClose={onClose} onSubmit={async (password) => setMade(await ks.factors.beginTotp({ password }))}>
        Any app that shows six digits which change every 30 seconds.
      </WithPassword>
    );
  }
  return (
    <Dialog title="Set up an app" onClose={onClose} keep>
      <Form
        submit="Turn it on"
        disabled={code.trim() === ''}
        onCancel={onClose}
        onSubmit={async () => {
          const { recoveryCodes } = await ks.factors.confirmTotp({ code });
          onDone(recoveryCodes);
        }}
      >
        {(failure) => (
          <>
            <p>Give this key to the app; it is shown this once.</p>
            <code className="break" data-totp>{made.secret}</code>
            <div className="row">
              <Copy text={made.secret} label="Copy the key" />
              <a href={made.uri}>Open an app on this device</a>
            </div>
            <TextField label="The code that it shows" inputMode="numeric" autoComplete="one-time-code" value={code} failure={failure} pointer="/code" onChange={(event) => setCode(event.target.value)} hint="Your other sessions end with it." />
          </>
        )}
      </Form>
    </Dialog>
  );
};

const AddPasskeyDialog = ({ onClose, onDone }: { onClose: () => void; onDone: (codes: readonly string[]) => void }) => {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  return (
    <Dialog title="Add a passkey" onClose={onClose}>
      <Form
        submit="Make it"
        disabled={name.trim() === '' || password === ''}
        onCancel={onClose}
        onSubmit={async () => {
          const asked = await ks.passkeys.begin({ password });
          const { recoveryCodes } = await ks.passkeys.add(await makePasskey(asked, name.trim()));
          onDone(recoveryCodes);
        }}
      >
        {(failure) => (
          <>
            <p>It signs you in without the password, or is asked for behind it. Your other sessions end.</p>
            <TextField label="What you call it" value={name} maxLength={100} failure={failure} pointer="/name" placeholder="Laptop" onChange={(event) => setName(event.target.value)} />
            <Password value={password} onChange={setPassword} failure={failure} />
          </>
        )}
      </Form>
    </Dialog>
  );
};

const ChangePassword = ({ onClose }: { onClose: () => void }) => {
  const [password, setPassword] = useState('');
  const [next, setNext] = useState('');
  return (
    <Dialog title="Change the password" onClose={onClose}>
      <Form
        submit="Change it"
        disabled={password === '' || next === ''}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.auth.changePassword({ password, newPassword: next });
          say('The new password holds. Your other sessions have ended.');
          refresh('sessions/');
          onClose();
        }}
      >
        {(failure) => (
          <>
            <Password value={password} onChange={setPassword} failure={failure} />
            <TextField label="The new one" type="password" autoComplete="new-password" required value={next} failure={failure} pointer="/newPassword" onChange={(event) => setNext(event.target.value)} hint="At least ten characters." />
          </>
        )}
      </Form>
    </Dialog>
  );
};

const Codes = ({ codes, onClose }: { codes: readonly string[]; onClose: () => void }) => (
  <Dialog title="Your recovery codes" onClose={onClose} keep>
    <div className="stack">
      <p>Each is good once in place of your second factor. They are shown this once: keep them where you find them without this device.</p>
      <pre className="break" data-codes>{codes.join('\n')}</pre>
      <div className="dialog-foot">
        <Copy text={codes.join('\n')} label="Copy the codes" />
        <Button kind="main" onClick={onClose}>I have kept them</Button>
      </div>
    </div>
  </Dialog>
);

const Sessions = () => {
  const list = useList('sessions/list', () => ks.sessions.list({ limit: 100 }));
  const [ending, setEnding] = useState(false);
  const end = async (id: string): Promise<void> => {
    await ks.sessions.end(id);
    say('The session has ended.');
    refresh('sessions/');
  };
  return (
    <Card title="Where you are signed in" flush actions={<Button small kind="danger" onClick={() => setEnding(true)}>End all others</Button>}>
      <Table
        label="Your sessions"
        {...list}
        id={(one) => one.id}
        columns={[
          { title: 'Program', lead: true, cell: (one) => <Named name={one.client ?? 'unknown'} /> },
          { title: 'Address', cell: (one) => <span className="mono">{one.address ?? '–'}</span> },
          { title: 'Began', cell: (one) => <Ago time={one.createdAt} /> },
          { title: 'Last used', cell: (one) => <Ago time={one.lastUsedAt} /> },
          {
            title: 'Acts',
            right: true,
            cell: (one) => (one.current ? <Badge tone="ok">this one</Badge> : <Button small onClick={() => void end(one.id).catch(sayFailure)}>End</Button>),
          },
        ]}
        empty={<Empty title="No session">You are here with a key.</Empty>}
      />
      {ending && (
        <Confirm
          title="End all other sessions"
          submit="End them"
          onClose={() => setEnding(false)}
          onConfirm={async () => {
            await ks.sessions.endAll({ keepThis: true });
            say('All other sessions have ended.');
            setEnding(false);
            refresh('sessions/');
          }}
        >
          <p>Wherever else you are signed in, you sign in again. Management keys go on working.</p>
        </Confirm>
      )}
    </Card>
  );
};
