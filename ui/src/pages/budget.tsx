// One budget: where it stands, what running calls hold of it, and what was used of it before.
import { useState } from 'react';
import type { Budget } from '@keystore/sdk';
import { ChangeBudget, RaiseBudget } from '../components/budget-forms.tsx';
import { BudgetState, useBudgetName } from '../components/budget-names.tsx';
import { TextField } from '../components/fields.tsx';
import { Ago, Button, Card, Empty, Facts, Failed, Named, Page, Skeleton } from '../components/parts.tsx';
import { Table } from '../components/table.tsx';
import { ks } from '../lib/api.ts';
import { exactly, inUnit } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { useQuery } from '../lib/query.ts';
import { to, useFilters } from '../lib/router.tsx';
import { useMay } from '../lib/session.tsx';

const ACTIONS = { deny: 'calls are refused before they are sent', alert: 'it is only told' } as const;
const MODES = { strict: 'strictly: it is never passed', estimate: 'by estimate: a call may be cut off' } as const;

export const BudgetPage = ({ id }: { id: string }) => {
  const [filters, change] = useFilters();
  const endUser = filters.get('end-user') ?? undefined;
  const query = useQuery(`budget/${id}/${endUser ?? ''}`, () => ks.budgets.get(id, { endUser }), 10_000);
  const may = useMay('budgets');
  const nameOf = useBudgetName();
  const [open, setOpen] = useState<'raise' | 'change'>();
  const one = query.data;
  if (!one) return query.failure ? <Failed failure={query.failure} again={query.again} /> : <Skeleton height={320} />;
  const name = nameOf(one);
  const close = (): void => setOpen(undefined);
  const each = one.endUser === '*';
  return (
    <Page
      title={<Named name={name} />}
      about={<span className="mono">{one.id}</span>}
      actions={
        may && (
          <>
            <Button onClick={() => setOpen('raise')}>Raise</Button>
            <Button onClick={() => setOpen('change')}>Change</Button>
          </>
        )
      }
    >
      {each && <EndUser now={endUser} onChange={(text) => change({ 'end-user': text || undefined })} />}
      <div className="grid-2">
        <Card title={each && endUser ? `Where ${endUser} stands` : 'Where it stands'}>
          <div className="stack">
            <BudgetState of={each && endUser ? { ...one, endUser } : one} name={name} />
            <Facts
              of={[
                ['Held by running calls', each && !endUser ? 'by each, for itself' : inUnit(one.held, one.unit)],
                ['Begins anew', one.resetsAt ? <Ago time={one.resetsAt} /> : 'never'],
                ['At the limit', ACTIONS[one.action]],
                ['How it holds', MODES[one.mode]],
                ['Announced at', one.thresholds.map((percent) => `${percent} %`).join(', ') || 'nothing'],
                ['Agent', one.agentId ? <a href={to(['agents', one.agentId])}>see it</a> : 'all that are counted'],
                ['Its calls', <a href={to(['requests'], { agent: one.agentId ?? undefined, provider: one.provider ?? undefined })}>see them</a>],
              ]}
            />
          </div>
        </Card>
        <Windows id={id} endUser={endUser} unit={one.unit} />
      </div>
      <Holds id={id} endUser={endUser} unit={one.unit} />
      {open === 'raise' && <RaiseBudget budget={one} name={name} onClose={close} />}
      {open === 'change' && <ChangeBudget budget={one} name={name} onClose={close} />}
    </Page>
  );
};

const EndUser = ({ now, onChange }: { now: string | undefined; onChange: (text: string) => void }) => (
  <form
    className="form"
    onSubmit={(event) => {
      event.preventDefault();
      onChange(String(new FormData(event.currentTarget).get('end-user') ?? '').trim());
    }}
  >
    <TextField label="Of which end user" name="end-user" placeholder="customer-1" defaultValue={now} hint="Each end user has the limit for itself. Enter shows where one stands." />
  </form>
);

interface PartProps {
  id: string;
  endUser: string | undefined;
  unit: Budget['unit'];
}

const Windows = ({ id, endUser, unit }: PartProps) => {
  const list = useList(`budget/${id}/windows/${endUser ?? ''}`, () => ks.budgets.getHistory(id, { limit: 12, endUser }), 30_000);
  return (
    <Card title="By window" flush>
      <Table
        label="By window"
        {...list}
        id={(one) => one.start}
        columns={[
          { title: 'Began', lead: true, cell: (one) => exactly(one.start) },
          { title: 'Used', right: true, cell: (one) => inUnit(one.spent, unit) },
        ]}
        empty={<Empty title="Nothing was used of it yet">Each window in which calls were counted is kept here.</Empty>}
      />
    </Card>
  );
};

const Holds = ({ id, endUser, unit }: PartProps) => {
  const list = useList(`budget/${id}/holds/${endUser ?? ''}`, () => ks.budgets.getHolds(id, { limit: 25, endUser }), 5_000);
  return (
    <Card title="Held by running calls" flush>
      <Table
        label="Held by running calls"
        {...list}
        id={(one) => one.id}
        columns={[
          { title: 'Since', lead: true, cell: (one) => <Ago time={one.since} /> },
          { title: 'Call', cell: (one) => <>{one.provider} <Named name={one.model ?? ''} /></> },
          { title: 'Agent', cell: (one) => <a href={to(['agents', one.agentId])}>see it</a> },
          { title: 'Request', cell: (one) => <span className="mono break">{one.requestId}</span> },
          { title: 'Held', right: true, cell: (one) => inUnit(one.amount, unit) },
        ]}
        empty={<Empty title="No call runs">While one does, the most that it may cost is held here, and given back when it ends.</Empty>}
      />
    </Card>
  );
};
