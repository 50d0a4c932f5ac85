// The keys of the pools on this node: how each does, adding one, and the acts on it.
import { useState } from 'react';
import type { PoolCredential, Provider } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { count } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { to } from '../lib/router.tsx';
import { Dialog, Form } from './dialog.tsx';
import { TextField, wholeNumber } from './fields.tsx';
import { Ago, Badge, Bar, Button, Card, Empty, Failed, Named, Skeleton, type Tone } from './parts.tsx';
import { isComplete, SecretInputs, secretOf, type Typed } from './secret-fields.tsx';
import { Table, type Column } from './table.tsx';
import { say } from './toasts.tsx';

const HEALTH: Record<string, Tone> = { idle: 'off', usable: 'ok', cooling: 'warn', key_refused: 'bad', draining: 'warn' };

export const Health = ({ of }: { of: PoolCredential }) => (
  <span className="row">
    <Badge tone={HEALTH[of.health.state] ?? 'off'}>{of.health.state.replaceAll('_', ' ')}</Badge>
    {of.health.usableAt && (
      <span className="quiet">
        until <Ago time={of.health.usableAt} />
      </span>
    )}
  </span>
);

export const running = (one: PoolCredential): string => `${count(one.health.inFlight)}${one.maxConcurrency == null ? '' : ` of ${count(one.maxConcurrency)}`}`;

const COLUMNS: readonly Column<PoolCredential>[] = [
  { title: 'Key', lead: true, cell: (one) => <>{one.provider} <span className="quiet"><Named name={one.name} /></span></> },
  { title: 'State', cell: (one) => <Badge tone={one.state === 'active' ? 'ok' : 'warn'}>{one.state}</Badge> },
  { title: 'How it does', cell: (one) => <Health of={one} /> },
  { title: 'The vendor’s limit used', cell: (one) => <Bar spent={String(1000 - one.health.leftPermille)} limit="1000" label={`Limit used of ${one.provider} ${one.name}`} /> },
  { title: 'Running', right: true, cell: running },
  { title: 'Weight', right: true, cell: (one) => one.weight },
  { title: 'Serves', cell: (one) => (one.dedicatedTo ? <span className="mono break">{one.dedicatedTo}</span> : 'all customers') },
];

export const Pool = () => {
  const list = useList('operator/pool', () => ks.operator.pool.list({ limit: 50 }), 5_000);
  const [open, setOpen] = useState(false);
  const add = (
    <Button small kind="main" onClick={() => setOpen(true)}>
      Add a pooled key
    </Button>
  );
  return (
    <Card title="Pooled keys, on this node" flush actions={add}>
      <Table
        label="Pooled keys"
        {...list}
        columns={COLUMNS}
        id={(one) => one.id}
        href={(one) => to(['operator', 'pool', one.id])}
        empty={
          <Empty title="No pooled key" actions={add}>
            A provider is served from the marketplace once the pool has a key of it. Calls are spread over the keys of a pool by their weights.
          </Empty>
        }
      />
      {open && <Add onClose={() => setOpen(false)} />}
    </Card>
  );
};

const Add = ({ onClose }: { onClose: () => void }) => {
  const [typed, setTyped] = useState('');
  const [slug, setSlug] = useState('');
  return (
    <Dialog title="Add a pooled key" onClose={onClose}>
      {slug ? (
        <AddOf slug={slug} onBack={() => setSlug('')} onClose={onClose} />
      ) : (
        <Form submit="Go on" disabled={typed.trim() === ''} onCancel={onClose} onSubmit={async () => setSlug((await ks.providers.get(typed.trim())).slug)}>
          {(failure) => <TextField label="Provider’s slug" required placeholder="openai" value={typed} failure={failure} onChange={(event) => setTyped(event.target.value)} />}
        </Form>
      )}
    </Dialog>
  );
};

const AddOf = ({ slug, onBack, onClose }: { slug: string; onBack: () => void; onClose: () => void }) => {
  const query = useQuery(`provider/${slug}`, () => ks.providers.get(slug));
  if (!query.data) return query.failure ? <Failed failure={query.failure} again={query.again} /> : <Skeleton height={160} />;
  return <AddForm provider={query.data} onBack={onBack} onClose={onClose} />;
};

const AddForm = ({ provider, onBack, onClose }: { provider: Provider; onBack: () => void; onClose: () => void }) => {
  const [secret, setSecret] = useState<Typed>({});
  const [params, setParams] = useState<Typed>({});
  const [more, setMore] = useState({ name: '', weight: '', most: '', org: '', ends: '', baseUrl: '' });
  const [verify, setVerify] = useState(true);
  const set = (name: keyof typeof more) => (event: { target: { value: string } }): void => setMore({ ...more, [name]: event.target.value });
  const numbersWrong = [more.weight, more.most].some((text) => text !== '' && !wholeNumber(text));
  const full = isComplete(provider, secret) && provider.params.every((one) => params[one.name]?.trim()) && (provider.baseUrl || more.baseUrl.trim());
  const asks = provider.testable && verify;
  return (
    <Form
      submit={asks ? 'Verify and add' : 'Add it'}
      disabled={!full || numbersWrong}
      onCancel={onClose}
      onSubmit={async (idempotencyKey) => {
        await ks.operator.pool.create(
          {
            provider: provider.slug,
            secret: secretOf(provider, secret),
            ...(provider.params.length > 0 && { params }),
            ...(more.name.trim() && { name: more.name.trim() }),
            ...(more.weight && { weight: Number(more.weight) }),
            ...(more.most && { maxConcurrency: Number(more.most) }),
            ...(more.org.trim() && { dedicatedTo: more.org.trim() }),
            ...(more.baseUrl.trim() && { baseUrl: more.baseUrl.trim() }),
            ...(more.ends && { expiresAt: new Date(`${more.ends}T00:00:00Z`).toISOString() }),
          },
          { verify: asks, idempotencyKey },
        );
        setSecret({});
        say(`The pool of ${provider.name} has the key.`);
        refresh('operator/', 'marketplace/');
        onClose();
      }}
    >
      {(failure) => (
        <>
          <div className="spread">
            <strong>{provider.name}</strong>
            <Button small kind="bare" onClick={onBack}>
              Another provider
            </Button>
          </div>
          <SecretInputs provider={provider} typed={secret} onChange={setSecret} failure={failure} />
          {provider.params.map((one) => (
            <TextField key={one.name} label={one.name} required value={params[one.name] ?? ''} onChange={(event) => setParams({ ...params, [one.name]: event.target.value })} hint={one.description} />
          ))}
          <div className="grid-2">
            <TextField label="Name" placeholder="default" value={more.name} failure={failure} pointer="/name" onChange={set('name')} hint="Unique for the provider." />
            <TextField label="Weight" inputMode="numeric" placeholder="1" value={more.weight} failure={failure} pointer="/weight" onChange={set('weight')} hint="Its share beside the others, 1 to 1,000." />
            <TextField label="Calls at the same time" inputMode="numeric" placeholder="as the vendor lets it" value={more.most} failure={failure} pointer="/maxConcurrency" onChange={set('most')} />
            <TextField label="The vendor ends it" type="date" value={more.ends} failure={failure} pointer="/expiresAt" onChange={set('ends')} />
            <TextField label="For one organization alone" placeholder="for all" value={more.org} failure={failure} pointer="/dedicatedTo" onChange={set('org')} hint="Its id." />
            {(provider.selfHosted || !provider.baseUrl) && <TextField label="Base URL" type="url" value={more.baseUrl} failure={failure} pointer="/baseUrl" onChange={set('baseUrl')} />}
          </div>
          {provider.testable && (
            <label className="check">
              <input type="checkbox" checked={verify} onChange={(event) => setVerify(event.target.checked)} />
              Ask {provider.name} whether the key holds, before it is added
            </label>
          )}
        </>
      )}
    </Form>
  );
};
