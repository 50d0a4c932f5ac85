// How a pooled key is renewed: the plan, and rotations with what each waits for.
import { useState } from 'react';
import type { Driver, KeyPlan, PoolCredential, Provider, Rotation, SetKeyPlan } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { words } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { Confirm, Dialog, Form } from './dialog.tsx';
import { SelectField, TextField, wholeNumber } from './fields.tsx';
import { Ago, Badge, Button, Card, Empty, Facts, Failed, Named, Skeleton } from './parts.tsx';
import { isComplete, SecretInputs, secretOf, type Typed } from './secret-fields.tsx';
import { Table, type Column } from './table.tsx';
import { say } from './toasts.tsx';

const DRIVERS: Record<Driver, string> = { manual: 'you, when it asks for it', openai: 'OpenAI’s administration API', openrouter: 'OpenRouter’s API for keys' };

const minutes = (seconds: number): string => (seconds % 3600 === 0 ? `${seconds / 3600} h` : `${Math.round(seconds / 60)} min`);

export const PlanCard = ({ one }: { one: PoolCredential }) => {
  const query = useQuery(`operator/plan/${one.id}`, () => ks.operator.pool.getPlan(one.id));
  const [open, setOpen] = useState(false);
  const plan = query.data;
  return (
    <Card
      title="How it is renewed"
      actions={
        <Button small onClick={() => setOpen(true)}>
          Set the plan
        </Button>
      }
    >
      {plan ? (
        <Facts
          of={[
            ['Makes and revokes keys', DRIVERS[plan.driver]],
            ['By itself', plan.everyDays ? `every ${plan.everyDays} days` : 'never: begin it here'],
            ['Next', plan.dueAt ? <Ago time={plan.dueAt} /> : '–'],
            ['Both keys serve for', minutes(plan.overlapSeconds)],
            ['At the vendor', <span className="mono break">{[plan.account, plan.vendorKey].filter(Boolean).join(' · ') || '–'}</span>],
          ]}
        />
      ) : query.failure?.status === 404 ? (
        <p className="quiet">No plan is set: you make the new key and revoke the old one, when a rotation asks for it.</p>
      ) : query.failure ? (
        <Failed failure={query.failure} again={query.again} />
      ) : (
        <Skeleton height={100} />
      )}
      {open && <SetPlan id={one.id} now={plan} onClose={() => setOpen(false)} />}
    </Card>
  );
};

const SetPlan = ({ id, now, onClose }: { id: string; now: KeyPlan | undefined; onClose: () => void }) => {
  const [driver, setDriver] = useState<Driver>(now?.driver ?? 'manual');
  const [more, setMore] = useState({ admin: now?.admin ?? '', account: now?.account ?? '', vendorKey: now?.vendorKey ?? '', days: now?.everyDays ? String(now.everyDays) : '', minutes: String((now?.overlapSeconds ?? 600) / 60) });
  const set = (name: keyof typeof more) => (event: { target: { value: string } }): void => setMore({ ...more, [name]: event.target.value });
  const wrong = !wholeNumber(more.minutes) || (more.days !== '' && !wholeNumber(more.days));
  const body = (): SetKeyPlan => ({
    driver,
    overlapSeconds: Number(more.minutes) * 60,
    ...(more.days && { everyDays: Number(more.days) }),
    ...(driver !== 'manual' && more.admin.trim() && { admin: more.admin.trim() }),
    ...(driver === 'openai' && more.account.trim() && { account: more.account.trim() }),
    ...(driver !== 'manual' && more.vendorKey.trim() && { vendorKey: more.vendorKey.trim() }),
  });
  return (
    <Dialog title="How the key is renewed" onClose={onClose}>
      <Form
        submit="Set it"
        disabled={wrong}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.operator.pool.setPlan(id, body());
          say('The plan is set.');
          refresh(`operator/plan/${id}`);
          onClose();
        }}
      >
        {(failure) => (
          <>
            <SelectField label="Who makes and revokes keys" value={driver} failure={failure} pointer="/driver" onChange={(event) => setDriver(event.target.value as Driver)}>
              {Object.entries(DRIVERS).map(([one, text]) => (
                <option key={one} value={one}>
                  {text}
                </option>
              ))}
            </SelectField>
            {driver !== 'manual' && (
              <div className="grid-2">
                <TextField label="Credential of that API" placeholder="crd_…" value={more.admin} failure={failure} pointer="/admin" onChange={set('admin')} hint="Its id, of this organization." />
                {driver === 'openai' && <TextField label="Project at OpenAI" placeholder="proj_…" value={more.account} failure={failure} pointer="/account" onChange={set('account')} />}
                <TextField label="The vendor’s id of the key of now" value={more.vendorKey} failure={failure} pointer="/vendorKey" onChange={set('vendorKey')} hint="Without it you are asked to revoke it yourself." />
              </div>
            )}
            <div className="grid-2">
              <TextField label="By itself every so many days" inputMode="numeric" placeholder="never" value={more.days} failure={failure} pointer="/everyDays" onChange={set('days')} />
              <TextField label="Both keys serve for so many minutes" inputMode="numeric" value={more.minutes} failure={failure} pointer="/overlapSeconds" onChange={set('minutes')} hint="1 to 10,080." />
            </div>
          </>
        )}
      </Form>
    </Dialog>
  );
};

/** Steps from which a rotation can still be undone. */
const UNDOABLE = ['mint', 'verify', 'promote', 'overlap'];

const WAITS = { key: 'a key that you make at the vendor', revocation: 'you to revoke the old key at the vendor' } as const;

type Open = { act: 'give' | 'revoked' | 'undo'; rotation: Rotation } | undefined;

export const Rotations = ({ one, provider }: { one: PoolCredential; provider: Provider | undefined }) => {
  const list = useList('operator/rotations', () => ks.operator.rotations.list({ limit: 50 }), 3_000);
  const [open, setOpen] = useState<Open>();
  const [beginning, setBeginning] = useState(false);
  const close = (): void => setOpen(undefined);
  const rows = list.rows?.filter((rotation) => rotation.old === one.id || rotation.new === one.id);
  const done = (text: string): void => {
    say(text);
    refresh('operator/');
    close();
  };
  const columns: Column<Rotation>[] = [
    { title: 'Step', lead: true, cell: (rotation) => <Badge tone={rotation.endedAt ? (rotation.step === 'done' ? 'ok' : 'off') : 'warn'}>{words(rotation.step)}</Badge> },
    { title: 'Since', cell: (rotation) => <Ago time={rotation.since} /> },
    { title: 'Began', cell: (rotation) => <Ago time={rotation.createdAt} /> },
    { title: 'Waits for', cell: (rotation) => (rotation.waitsFor ? WAITS[rotation.waitsFor] : <span className="quiet">–</span>) },
    { title: 'Failed last', cell: (rotation) => (rotation.problem ? <span className="break"><Named name={rotation.problem} /></span> : <span className="quiet">–</span>) },
    {
      title: 'Acts',
      right: true,
      cell: (rotation) => (
        <span className="row">
          {rotation.waitsFor === 'key' && (
            <Button small kind="main" onClick={() => setOpen({ act: 'give', rotation })}>
              Give the key
            </Button>
          )}
          {rotation.waitsFor === 'revocation' && (
            <Button small kind="main" onClick={() => setOpen({ act: 'revoked', rotation })}>
              It is revoked
            </Button>
          )}
          {UNDOABLE.includes(rotation.step) && (
            <Button small kind="danger" onClick={() => setOpen({ act: 'undo', rotation })}>
              Undo
            </Button>
          )}
        </span>
      ),
    },
  ];
  const begin = (
    <Button small onClick={() => setBeginning(true)}>
      Renew the key
    </Button>
  );
  return (
    <Card title="Rotations" flush actions={begin}>
      <Table
        label="Rotations"
        {...list}
        rows={rows}
        columns={columns}
        id={(rotation) => rotation.id}
        empty={
          <Empty title="It was never renewed" actions={begin}>
            A new key is made, tried and put into the pool; both serve for a while, then the old one drains and is revoked. Nothing fails meanwhile.
          </Empty>
        }
      />
      {beginning && (
        <Confirm
          title="Renew the key"
          submit="Begin"
          onClose={() => setBeginning(false)}
          onConfirm={async () => {
            await ks.operator.rotations.create({ credential: one.id });
            setBeginning(false);
            done('It has begun.');
          }}
        >
          <p>By the plan that is set; without one you make the new key and give it here. Until the old key drains it can be undone.</p>
        </Confirm>
      )}
      {open?.act === 'give' && provider && <Give rotation={open.rotation} provider={provider} onClose={close} onDone={() => done('The key is tried, and then serves.')} />}
      {open?.act === 'revoked' && (
        <Confirm
          title="The old key is revoked"
          submit="It is revoked"
          onClose={close}
          onConfirm={async () => {
            await ks.operator.rotations.confirmRevoked(open.rotation.id);
            done('The rotation is over.');
          }}
        >
          <p>Say so once you have revoked it at the vendor: nobody looks whether it is.</p>
        </Confirm>
      )}
      {open?.act === 'undo' && (
        <Confirm
          title="Undo the rotation"
          submit="Undo it"
          onClose={close}
          onConfirm={async () => {
            await ks.operator.rotations.undo(open.rotation.id);
            done('The old key serves on.');
          }}
        >
          <p>The new key is revoked at the vendor, or you are asked to do it, and the old one serves on.</p>
        </Confirm>
      )}
    </Card>
  );
};

const Give = ({ rotation, provider, onClose, onDone }: { rotation: Rotation; provider: Provider; onClose: () => void; onDone: () => void }) => {
  const [typed, setTyped] = useState<Typed>({});
  return (
    <Dialog title="Give the new key" onClose={onClose}>
      <Form
        submit="Give it"
        disabled={!isComplete(provider, typed)}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.operator.rotations.giveKey(rotation.id, { secret: secretOf(provider, typed) });
          setTyped({});
          onDone();
        }}
      >
        {(failure) => (
          <>
            <p className="quiet">
              Make it at {provider.name} under the name <code className="break">{rotation.keyName}</code>, so that it is found again.
            </p>
            <SecretInputs provider={provider} typed={typed} onChange={setTyped} failure={failure} />
          </>
        )}
      </Form>
    </Dialog>
  );
};
