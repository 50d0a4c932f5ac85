// The operator's side: the pools' keys and how they do, what is sold and for how much, and what customers owe and bring.
import { useState } from 'react';
import type { Customer, Exposure, Sale } from '@keystore/sdk';
import { Dialog, Form } from '../components/dialog.tsx';
import { TextField } from '../components/fields.tsx';
import { Button, Card, Empty, Failed, Figure, Named, Page } from '../components/parts.tsx';
import { Pool } from '../components/pool.tsx';
import { PoolRules } from '../components/pool-rules.tsx';
import { PriceBookCard } from '../components/price-book.tsx';
import { Reconcile } from '../components/reconcile.tsx';
import { Table, type Column } from '../components/table.tsx';
import { Payments } from '../components/payments.tsx';
import { ks } from '../lib/api.ts';
import { count, money, monthStart } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { useQuery } from '../lib/query.ts';
import { go, to } from '../lib/router.tsx';

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
      <PoolRules />
      <PriceBookCard />
      <Sales rows={sales.data?.rows} />
      <Customers exposures={exposure.data?.data} />
      <Payments />
      <Reconcile />
    </Page>
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
  const riskOf = (one: Customer): Exposure | undefined => exposures?.find((exposure) => exposure.orgId === one.orgId);
  const columns: Column<Customer>[] = [
    { title: 'Customer', lead: true, cell: (one) => <Named name={one.name} id={one.orgId} /> },
    { title: 'Paid in or given', right: true, cell: (one) => money(one.granted) },
    { title: 'Charged, ever', right: true, cell: (one) => money(one.charged) },
    { title: 'May owe', right: true, cell: (one) => money(one.limit) },
    { title: 'At risk', right: true, cell: (one) => (exposures ? money(riskOf(one)?.atRisk ?? '0') : null) },
    { title: 'Overdue', right: true, cell: (one) => (exposures ? money(riskOf(one)?.overdue ?? '0') : null) },
  ];
  const [open, setOpen] = useState(false);
  const other = (
    <Button small onClick={() => setOpen(true)}>
      Another organization
    </Button>
  );
  return (
    <Card title="Customers" flush actions={other}>
      <Table label="Customers" {...list} columns={columns} id={(one) => one.orgId} href={(one) => to(['operator', 'customers', one.orgId])} empty={<Empty title="No customer yet" actions={other}>An organization is listed here once it had credit: give it some, or let it pay in.</Empty>} />
      {open && <Other onClose={() => setOpen(false)} />}
    </Card>
  );
};

/** One that never had credit is in no list, and is found by its id. */
const Other = ({ onClose }: { onClose: () => void }) => {
  const [id, setId] = useState('');
  return (
    <Dialog title="Another organization" onClose={onClose}>
      <Form
        submit="Go to it"
        disabled={!/^org_\w+$/.test(id.trim())}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.operator.getTerms({ customer: id.trim() });
          go(to(['operator', 'customers', id.trim()]));
        }}
      >
        {(failure) => <TextField label="Its id" required placeholder="org_…" value={id} failure={failure} pointer="/customer" onChange={(event) => setId(event.target.value)} hint="The organization finds it in its settings." />}
      </Form>
    </Dialog>
  );
};
