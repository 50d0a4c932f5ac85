// Budgets as rows, with the acts that change one.
import { useState, type ReactNode } from 'react';
import type { Budget } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { inUnit } from '../lib/format.ts';
import type { List } from '../lib/list.ts';
import { to } from '../lib/router.tsx';
import { useMay } from '../lib/session.tsx';
import { budgetsChanged, ChangeBudget, RaiseBudget } from './budget-forms.tsx';
import { BudgetState, useBudgetName } from './budget-names.tsx';
import { Confirm } from './dialog.tsx';
import { Ago, Badge, Button, Named } from './parts.tsx';
import { Table, type Column } from './table.tsx';
import { say } from './toasts.tsx';

type Open = { act: 'raise' | 'change' | 'delete'; budget: Budget } | undefined;

export const BudgetTable = ({ empty, ...list }: Partial<List<Budget>> & Pick<List<Budget>, 'rows'> & { empty: ReactNode }) => {
  const may = useMay('budgets');
  const nameOf = useBudgetName();
  const [open, setOpen] = useState<Open>();
  const close = (): void => setOpen(undefined);
  const columns: Column<Budget>[] = [
    { title: 'Counts', lead: true, cell: (one) => <Named name={nameOf(one)} /> },
    { title: 'Spent', cell: (one) => <BudgetState of={one} name={nameOf(one)} /> },
    { title: 'Held', right: true, cell: (one) => (one.endUser === '*' ? <span className="quiet">–</span> : inUnit(one.held, one.unit)) },
    { title: 'At the limit', cell: (one) => <Badge tone={one.action === 'deny' ? 'accent' : 'warn'}>{one.action === 'deny' ? 'refuses' : 'only tells'}</Badge> },
    { title: 'Anew', cell: (one) => (one.resetsAt ? <Ago time={one.resetsAt} /> : <span className="quiet">never</span>) },
    {
      title: 'Acts',
      right: true,
      cell: (one) =>
        may && (
          <span className="row">
            <Button small onClick={() => setOpen({ act: 'raise', budget: one })}>
              Raise
            </Button>
            <Button small onClick={() => setOpen({ act: 'change', budget: one })}>
              Change
            </Button>
            <Button small kind="danger" onClick={() => setOpen({ act: 'delete', budget: one })}>
              Delete
            </Button>
          </span>
        ),
    },
  ];
  return (
    <>
      <Table label="Budgets" {...list} columns={columns} id={(one) => one.id} href={(one) => to(['budgets', one.id])} empty={empty} />
      {open?.act === 'raise' && <RaiseBudget budget={open.budget} name={nameOf(open.budget)} onClose={close} />}
      {open?.act === 'change' && <ChangeBudget budget={open.budget} name={nameOf(open.budget)} onClose={close} />}
      {open?.act === 'delete' && <DeleteBudget budget={open.budget} name={nameOf(open.budget)} onClose={close} />}
    </>
  );
};

const DeleteBudget = ({ budget, name, onClose }: { budget: Budget; name: string; onClose: () => void }) => (
  <Confirm
    title="Delete the budget"
    submit="Delete it"
    onClose={onClose}
    onConfirm={async () => {
      await ks.budgets.delete(budget.id);
      say('The budget is gone.');
      budgetsChanged();
      onClose();
    }}
  >
    <p>
      Nothing limits “<Named name={name} />” by this any more, from the next request on. What was spent in its window is forgotten with it.
    </p>
  </Confirm>
);
