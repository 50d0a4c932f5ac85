// Customers inside the pools: the rules by which they are paused for what vendors hold to be abuse, and the share and cap of each.
import { useState } from 'react';
import type { PoolRule, PoolTenant } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { count } from '../lib/format.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { Dialog, Form } from './dialog.tsx';
import { SelectField, TextField, wholeNumber } from './fields.tsx';
import { Badge, Button, Card, Empty, type Tone } from './parts.tsx';
import { Table, type Column } from './table.tsx';
import { say } from './toasts.tsx';

const ACTIONS: Record<string, readonly [Tone, string]> = { off: ['off', 'not watched'], alert: ['warn', 'you are told'], pause: ['bad', 'the customer is paused there'] };

const hours = (seconds: number): string => (seconds % 3600 === 0 ? `${seconds / 3600} h` : `${Math.round(seconds / 60)} min`);

export const PoolRules = () => {
  const query = useQuery('operator/pool-rules', () => ks.operator.getPoolRules());
  const [open, setOpen] = useState<{ rule?: PoolRule }>();
  const set = (
    <Button small onClick={() => setOpen({})}>
      Set a rule
    </Button>
  );
  const columns: Column<PoolRule>[] = [
    { title: 'Pool', lead: true, cell: (one) => one.provider },
    { title: 'At so many answers', right: true, cell: (one) => count(one.threshold) },
    { title: 'Within', cell: (one) => hours(one.windowSeconds) },
    { title: 'Then', cell: (one) => <Badge tone={ACTIONS[one.action]?.[0] ?? 'off'}>{ACTIONS[one.action]?.[1] ?? one.action}</Badge> },
    {
      title: 'Acts',
      right: true,
      cell: (one) => (
        <Button small onClick={() => setOpen({ rule: one })}>
          Change
        </Button>
      ),
    },
  ];
  return (
    <Card title="Rules against abuse of the pools" flush actions={set}>
      <Table
        label="Rules of the pools"
        rows={query.data?.data}
        failure={query.failure}
        again={query.again}
        columns={columns}
        id={(one) => one.provider}
        empty={<p className="card-body quiet">No rule: when a vendor holds a customer’s calls to break its rules for use, nobody is told, and the pool’s account is at risk.</p>}
      />
      {open && <SetRule {...(open.rule && { rule: open.rule })} onClose={() => setOpen(undefined)} />}
    </Card>
  );
};

const SetRule = ({ rule, onClose }: { rule?: PoolRule; onClose: () => void }) => {
  const [provider, setProvider] = useState(rule?.provider ?? '');
  const [action, setAction] = useState(rule?.action ?? 'alert');
  const [threshold, setThreshold] = useState(String(rule?.threshold ?? 5));
  const [minutes, setMinutes] = useState(String((rule?.windowSeconds ?? 86_400) / 60));
  return (
    <Dialog title="Rule of a pool" onClose={onClose}>
      <Form
        submit="Set it"
        disabled={provider.trim() === '' || !wholeNumber(threshold) || !wholeNumber(minutes)}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.operator.setPoolRule({ provider: provider.trim(), action, threshold: Number(threshold), windowSeconds: Number(minutes) * 60 });
          say('The rule is set.');
          refresh('operator/pool-rules');
          onClose();
        }}
      >
        {(failure) => (
          <>
            <TextField label="Provider’s slug" required disabled={rule !== undefined} placeholder="openai" value={provider} failure={failure} pointer="/provider" onChange={(event) => setProvider(event.target.value)} />
            <div className="grid-2">
              <TextField label="At so many answers" inputMode="numeric" value={threshold} failure={failure} pointer="/threshold" onChange={(event) => setThreshold(event.target.value)} />
              <TextField label="Within so many minutes" inputMode="numeric" value={minutes} failure={failure} pointer="/windowSeconds" onChange={(event) => setMinutes(event.target.value)} hint="1 to 1,440." />
            </div>
            <SelectField label="Then" value={action} failure={failure} pointer="/action" onChange={(event) => setAction(event.target.value)}>
              <option value="alert">you are told</option>
              <option value="pause">the customer is paused at the pool</option>
              <option value="off">nothing: it is not watched</option>
            </SelectField>
          </>
        )}
      </Form>
    </Dialog>
  );
};

/** What one customer may use of the pools. */
export const Shares = ({ org }: { org: string }) => {
  const query = useQuery('operator/pool-tenants', () => ks.operator.getPoolTenants());
  const [open, setOpen] = useState<{ tenant?: PoolTenant }>();
  const rows = query.data?.data.filter((one) => one.orgId === org);
  const columns: Column<PoolTenant>[] = [
    { title: 'Pool', lead: true, cell: (one) => one.provider },
    { title: 'Share', right: true, cell: (one) => count(one.weight) },
    { title: 'Calls at the same time', right: true, cell: (one) => (one.maxConcurrency == null ? 'as the pool lets it' : count(one.maxConcurrency)) },
    { title: 'State', cell: (one) => (one.pausedBy ? <Badge tone="bad">paused by {one.pausedBy === 'rule' ? 'a rule' : 'you'}</Badge> : <Badge tone="ok">served</Badge>) },
    {
      title: 'Acts',
      right: true,
      cell: (one) => (
        <Button small onClick={() => setOpen({ tenant: one })}>
          Change
        </Button>
      ),
    },
  ];
  const set = (
    <Button small onClick={() => setOpen({})}>
      Set its share of a pool
    </Button>
  );
  return (
    <Card title="Inside the pools" flush actions={set}>
      <Table
        label="Inside the pools"
        rows={rows}
        failure={query.failure}
        again={query.again}
        columns={columns}
        id={(one) => one.provider}
        empty={<Empty title="Like every customer">While a pool is busy, customers that wait are served in turn, by their shares. Nothing else is said of this one.</Empty>}
      />
      {open && <SetShare org={org} {...(open.tenant && { tenant: open.tenant })} onClose={() => setOpen(undefined)} />}
    </Card>
  );
};

const SetShare = ({ org, tenant, onClose }: { org: string; tenant?: PoolTenant; onClose: () => void }) => {
  const [provider, setProvider] = useState(tenant?.provider ?? '');
  const [weight, setWeight] = useState(String(tenant?.weight ?? 1));
  const [most, setMost] = useState(tenant?.maxConcurrency == null ? '' : String(tenant.maxConcurrency));
  const [paused, setPaused] = useState(tenant?.pausedBy != null);
  return (
    <Dialog title="Inside a pool" onClose={onClose}>
      <Form
        submit="Set it"
        disabled={provider.trim() === '' || !wholeNumber(weight) || (most !== '' && !wholeNumber(most))}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.operator.setPoolTenant({ org, provider: provider.trim(), weight: Number(weight), maxConcurrency: most === '' ? null : Number(most), paused });
          say('In force from the next call on.');
          refresh('operator/pool-tenants');
          onClose();
        }}
      >
        {(failure) => (
          <>
            <TextField label="Provider’s slug" required disabled={tenant !== undefined} placeholder="openai" value={provider} failure={failure} pointer="/provider" onChange={(event) => setProvider(event.target.value)} />
            <div className="grid-2">
              <TextField label="Share" inputMode="numeric" value={weight} failure={failure} pointer="/weight" onChange={(event) => setWeight(event.target.value)} hint="Against the others that wait, 1 to 1,000." />
              <TextField label="Calls at the same time" inputMode="numeric" placeholder="as the pool lets it" value={most} failure={failure} pointer="/maxConcurrency" onChange={(event) => setMost(event.target.value)} />
            </div>
            <label className="check">
              <input type="checkbox" checked={paused} onChange={(event) => setPaused(event.target.checked)} />
              Do not serve it from this pool
            </label>
          </>
        )}
      </Form>
    </Dialog>
  );
};
