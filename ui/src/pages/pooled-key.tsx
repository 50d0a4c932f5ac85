// One key of a pool: how it does, whom it serves and how much, and how it is renewed.
import { useState } from 'react';
import type { PoolCredential, PoolUse } from '@keystore/sdk';
import { Confirm, Dialog, Form } from '../components/dialog.tsx';
import { TextField, wholeNumber } from '../components/fields.tsx';
import { Badge, Bar, Button, Card, Facts, Failed, Figure, Named, Page, Skeleton } from '../components/parts.tsx';
import { Health, running } from '../components/pool.tsx';
import { PlanCard, Rotations } from '../components/rotations.tsx';
import { say, sayFailure } from '../components/toasts.tsx';
import { ks } from '../lib/api.ts';
import { count, day, exactly } from '../lib/format.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { go, to } from '../lib/router.tsx';

export const PooledKey = ({ id }: { id: string }) => {
  const query = useQuery(`operator/key/${id}`, () => ks.operator.pool.get(id), 5_000);
  const one = query.data;
  const provider = useQuery(`provider/${one?.provider ?? ''}`, async () => (one ? ks.providers.get(one.provider) : undefined));
  const use = useQuery(`operator/use/${one?.provider ?? ''}`, async () => (one ? ks.operator.getPoolUse({ by: 'credential', provider: one.provider }) : undefined), 15_000);
  const [open, setOpen] = useState<'change' | 'delete'>();
  const [busy, setBusy] = useState(false);
  if (!one) return query.failure ? <Failed failure={query.failure} again={query.again} /> : <Skeleton height={320} />;
  const drain = async (): Promise<void> => {
    setBusy(true);
    try {
      const draining = one.state !== 'draining';
      await ks.operator.pool.update(one.id, { draining });
      say(draining ? 'It ends what it began and takes no more.' : 'It takes calls again.');
    } catch (error) {
      sayFailure(error);
    } finally {
      setBusy(false);
      refresh('operator/');
    }
  };
  const close = (): void => setOpen(undefined);
  return (
    <Page
      title={
        <span className="row">
          {one.provider} <Named name={one.name} /> <Badge tone={one.state === 'active' ? 'ok' : 'warn'}>{one.state}</Badge>
        </span>
      }
      about={
        <>
          <a href={to(['operator'])}>Operator</a> · <span className="mono">{one.id}</span>
        </>
      }
      actions={
        <>
          <Button onClick={() => setOpen('change')}>Change</Button>
          <Button busy={busy} onClick={() => void drain()}>
            {one.state === 'draining' ? 'Use again' : 'Drain'}
          </Button>
          <Button kind="danger" onClick={() => setOpen('delete')}>
            Delete
          </Button>
        </>
      }
    >
      <Use row={use.data?.rows.find((row) => row.credentialId === one.id)} loaded={use.data !== undefined} />
      <div className="grid-2">
        <Card title="How it does, on this node">
          <Facts
            of={[
              ['Health', <Health of={one} />],
              ['The vendor’s limit used', <Bar spent={String(1000 - one.health.leftPermille)} limit="1000" label="Limit used" />],
              ['Running', running(one)],
              ['Weight', one.weight],
              ['Serves', one.dedicatedTo ? <a className="mono" href={to(['operator', 'customers', one.dedicatedTo])}>{one.dedicatedTo}</a> : 'all customers'],
              ['Version', one.version],
              ['Added', exactly(one.createdAt)],
              ['The vendor ends it', one.expiresAt ? day(one.expiresAt) : 'not known'],
            ]}
          />
        </Card>
        <PlanCard one={one} />
      </div>
      <Rotations one={one} provider={provider.data} />
      {open === 'change' && <Change one={one} onClose={close} />}
      {open === 'delete' && (
        <Confirm
          title="Delete the pooled key"
          submit="Delete it"
          typed={one.provider}
          onClose={close}
          onConfirm={async () => {
            await ks.operator.pool.delete(one.id);
            say('The key is out of the pool.');
            refresh('operator/pool');
            go(to(['operator']));
          }}
        >
          <p>Drain it first, so that running calls end by themselves. Without another key of {one.provider}, customers are refused.</p>
        </Confirm>
      )}
    </Page>
  );
};

const Use = ({ row, loaded }: { row: PoolUse | undefined; loaded: boolean }) => {
  const shown = (value: number | undefined): string | undefined => (loaded ? count(value ?? 0) : undefined);
  return (
    <div className="grid-4">
      <Figure label="Served in 24 hours" value={shown(row?.granted)} />
      <Figure label="Waited for it" value={shown(row?.waited)} note={row && row.waited > 0 ? `${count(Math.round(row.waitedMs / row.waited))} ms each` : undefined} />
      <Figure label="Went on with another" value={shown(row?.failedOver)} />
      <Figure label="Most of the limit used" value={loaded ? `${((row?.mostUsedPermille ?? 0) / 10).toFixed(0)} %` : undefined} note="as far as the vendor said it" />
    </div>
  );
};

const Change = ({ one, onClose }: { one: PoolCredential; onClose: () => void }) => {
  const [weight, setWeight] = useState(String(one.weight));
  const [most, setMost] = useState(one.maxConcurrency == null ? '' : String(one.maxConcurrency));
  const [org, setOrg] = useState(one.dedicatedTo ?? '');
  const wrong = !wholeNumber(weight) || (most !== '' && !wholeNumber(most));
  return (
    <Dialog title={`Change the key of ${one.provider}`} onClose={onClose}>
      <Form
        submit="Save"
        disabled={wrong}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.operator.pool.update(one.id, { weight: Number(weight), maxConcurrency: most === '' ? null : Number(most), dedicatedTo: org.trim() || null });
          say('In force from the next call on.');
          refresh('operator/');
          onClose();
        }}
      >
        {(failure) => (
          <>
            <div className="grid-2">
              <TextField label="Weight" inputMode="numeric" value={weight} failure={failure} pointer="/weight" onChange={(event) => setWeight(event.target.value)} hint="Its share beside the others, 1 to 1,000." />
              <TextField label="Calls at the same time" inputMode="numeric" placeholder="as the vendor lets it" value={most} failure={failure} pointer="/maxConcurrency" onChange={(event) => setMost(event.target.value)} />
            </div>
            <TextField label="For one organization alone" placeholder="for all" value={org} failure={failure} pointer="/dedicatedTo" onChange={(event) => setOrg(event.target.value)} hint="Its id." />
          </>
        )}
      </Form>
    </Dialog>
  );
};
