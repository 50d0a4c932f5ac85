// The operator's side: the pools' keys and how they do, what is sold and for how much, and what customers owe and bring.
import { useState } from 'react';
import type { Customer, Exposure, PoolCredential, Sale } from '@keystore/sdk';
import { Confirm, Dialog, Form } from '../components/dialog.tsx';
import { TextField, wholeNumber } from '../components/fields.tsx';
import { Ago, Badge, Bar, Button, Card, Empty, Facts, Failed, Figure, Named, Page, type Tone } from '../components/parts.tsx';
import { PriceBookCard } from '../components/price-book.tsx';
import { Table, type Column } from '../components/table.tsx';
import { say, sayFailure } from '../components/toasts.tsx';
import { ks } from '../lib/api.ts';
import { count, money, monthStart } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { refresh, useQuery } from '../lib/query.ts';

export const Operator = () => {
  const sales = useQuery('operator/sales', () => ks.operator.getSales({ by: 'provider', since: monthStart() }), 30_000);
  const exposure = useQuery('operator/exposure', () => ks.operator.getExposure(), 30_000);
  const total = sales.data?.total;
  return (
    <Page title="Operator" about="The marketplace of this deployment: pooled keys, prices and customers. Nothing of what customers send is seen here.">
      {sales.failure && !sales.data && <Failed failure={sales.failure} again={sales.again} />}
      <div className="grid-4">
        <Figure label="Sold this month" value={total && money(total.sold)} note={total && `${count(total.calls)} calls`} />
        <Figure label="Costs the vendors’ bills" value={total && money(total.vendorCost)} note="by the prices in the book" />
        <Figure label="Margin this month" value={total && money(total.margin)} />
        <Figure label="At risk" value={exposure.data && money(exposure.data.atRisk)} note={exposure.data && `${money(exposure.data.overdue)} overdue`} />
      </div>
      <Pool />
      <PriceBookCard />
      <Sales rows={sales.data?.rows} />
      <Customers exposures={exposure.data?.data} />
    </Page>
  );
};

const HEALTH: Record<string, Tone> = { idle: 'off', usable: 'ok', cooling: 'warn', key_refused: 'bad', draining: 'warn' };

type Open = { act: 'change' | 'delete'; one: PoolCredential } | undefined;

const Pool = () => {
  const list = useList('operator/pool', () => ks.operator.pool.list({ limit: 50 }), 5_000);
  const [open, setOpen] = useState<Open>();
  const [busy, setBusy] = useState<string>();
  const drain = async (one: PoolCredential): Promise<void> => {
    setBusy(one.id);
    try {
      const draining = one.state !== 'draining';
      await ks.operator.pool.update(one.id, { draining });
      say(draining ? 'It ends what it began and takes no more.' : 'It takes calls again.');
      refresh('operator/pool');
    } catch (error) {
      sayFailure(error);
    } finally {
      setBusy(undefined);
    }
  };
  const columns: Column<PoolCredential>[] = [
    { title: 'Key', lead: true, cell: (one) => <>{one.provider} <span className="quiet"><Named name={one.name} /></span></> },
    { title: 'State', cell: (one) => <Badge tone={one.state === 'active' ? 'ok' : 'warn'}>{one.state}</Badge> },
    {
      title: 'How it does',
      cell: (one) => (
        <span className="row">
          <Badge tone={HEALTH[one.health.state] ?? 'off'}>{one.health.state.replaceAll('_', ' ')}</Badge>
          {one.health.usableAt && <span className="quiet">until <Ago time={one.health.usableAt} /></span>}
        </span>
      ),
    },
    { title: 'The vendor’s limit used', cell: (one) => <Bar spent={String(1000 - one.health.leftPermille)} limit="1000" label={`Limit used of ${one.provider}`} /> },
    { title: 'Running', right: true, cell: (one) => `${count(one.health.inFlight)}${one.maxConcurrency == null ? '' : ` of ${count(one.maxConcurrency)}`}` },
    { title: 'Weight', right: true, cell: (one) => one.weight },
    {
      title: 'Acts',
      right: true,
      cell: (one) => (
        <span className="row">
          <Button small onClick={() => setOpen({ act: 'change', one })}>
            Change
          </Button>
          <Button small busy={busy === one.id} onClick={() => void drain(one)}>
            {one.state === 'draining' ? 'Use again' : 'Drain'}
          </Button>
          <Button small kind="danger" onClick={() => setOpen({ act: 'delete', one })}>
            Delete
          </Button>
        </span>
      ),
    },
  ];
  return (
    <Card title="Pooled keys, on this node" flush>
      <Table label="Pooled keys" {...list} columns={columns} id={(one) => one.id} empty={<Empty title="No pooled key">A provider is served from the marketplace once the pool has a key of it: <code>ks pool add</code>.</Empty>} />
      {open?.act === 'change' && <Change one={open.one} onClose={() => setOpen(undefined)} />}
      {open?.act === 'delete' && (
        <Confirm
          title="Delete the pooled key"
          submit="Delete it"
          typed={open.one.provider}
          onClose={() => setOpen(undefined)}
          onConfirm={async () => {
            await ks.operator.pool.delete(open.one.id);
            say('The key is out of the pool.');
            refresh('operator/pool');
            setOpen(undefined);
          }}
        >
          <p>Drain it first, so that running calls end by themselves. Without another key of {open.one.provider}, customers are refused.</p>
        </Confirm>
      )}
    </Card>
  );
};

const Change = ({ one, onClose }: { one: PoolCredential; onClose: () => void }) => {
  const [weight, setWeight] = useState(String(one.weight));
  const [most, setMost] = useState(one.maxConcurrency == null ? '' : String(one.maxConcurrency));
  const wrong = !wholeNumber(weight) || (most !== '' && !wholeNumber(most));
  return (
    <Dialog title={`Change the key of ${one.provider}`} onClose={onClose}>
      <Form
        submit="Save"
        disabled={wrong}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.operator.pool.update(one.id, { weight: Number(weight), maxConcurrency: most === '' ? null : Number(most) });
          say('In force from the next call on.');
          refresh('operator/pool');
          onClose();
        }}
      >
        {(failure) => (
          <div className="grid-2">
            <TextField label="Weight" inputMode="numeric" value={weight} failure={failure} pointer="/weight" onChange={(event) => setWeight(event.target.value)} hint="Its share beside the others, 1 to 1,000." />
            <TextField label="Calls at the same time" inputMode="numeric" placeholder="as the vendor lets it" value={most} failure={failure} pointer="/maxConcurrency" onChange={(event) => setMost(event.target.value)} />
          </div>
        )}
      </Form>
    </Dialog>
  );
};

const Sales = ({ rows }: { rows: readonly Sale[] | undefined }) => {
  const columns: Column<Sale>[] = [
    { title: 'Provider', lead: true, cell: (one) => one.provider ?? '–' },
    { title: 'Calls', right: true, cell: (one) => count(one.calls) },
    { title: 'Went on with another key', right: true, cell: (one) => count(one.failedOver) },
    { title: 'Sold', right: true, cell: (one) => money(one.sold) },
    { title: 'Vendor’s cost', right: true, cell: (one) => money(one.vendorCost) },
    { title: 'Margin', right: true, cell: (one) => money(one.margin) },
  ];
  return (
    <Card title="Sold this month, by provider" flush>
      <Table label="Sold this month" rows={rows} columns={columns} id={(one) => one.provider ?? ''} empty={<Empty title="Nothing was sold this month">What customers call with pooled keys is summed here.</Empty>} />
    </Card>
  );
};

const Customers = ({ exposures }: { exposures: readonly Exposure[] | undefined }) => {
  const list = useList('operator/customers', () => ks.operator.listCustomers({ limit: 50 }), 30_000);
  const [shown, setShown] = useState<Customer>();
  const riskOf = (one: Customer): Exposure | undefined => exposures?.find((exposure) => exposure.orgId === one.orgId);
  const columns: Column<Customer>[] = [
    {
      title: 'Customer',
      lead: true,
      cell: (one) => (
        <button type="button" className="button small bare" onClick={() => setShown(one)}>
          <Named name={one.name} id={one.orgId} />
        </button>
      ),
    },
    { title: 'Paid in or given', right: true, cell: (one) => money(one.granted) },
    { title: 'Charged, ever', right: true, cell: (one) => money(one.charged) },
    { title: 'May owe', right: true, cell: (one) => money(one.limit) },
    { title: 'At risk', right: true, cell: (one) => (exposures ? money(riskOf(one)?.atRisk ?? '0') : null) },
    { title: 'Overdue', right: true, cell: (one) => (exposures ? money(riskOf(one)?.overdue ?? '0') : null) },
  ];
  return (
    <Card title="Customers" flush>
      <Table label="Customers" {...list} columns={columns} id={(one) => one.orgId} empty={<Empty title="No customer yet">Every other organization of the deployment is one.</Empty>} />
      {shown && (
        <Dialog title="Accounts" onClose={() => setShown(undefined)}>
          <p>
            <strong>
              <Named name={shown.name} id={shown.orgId} />
            </strong>
          </p>
          <Facts of={Object.entries(shown.balances).map(([account, amount]) => [account.replaceAll('_', ' '), <span className="number">{money(amount)}</span>])} />
          <p className="quiet">Debit positive, credit negative. Revenue less cost of goods is the margin.</p>
        </Dialog>
      )}
    </Card>
  );
};
