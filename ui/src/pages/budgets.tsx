// What calls may cost: every budget with what is spent and held of it, and the acts that change one.
import { useState } from 'react';
import { SetBudget } from '../components/budget-forms.tsx';
import { BudgetTable } from '../components/budget-table.tsx';
import { Ceilings } from '../components/ceilings.tsx';
import { Button, Card, Empty, Page } from '../components/parts.tsx';
import { ks } from '../lib/api.ts';
import { useList } from '../lib/list.ts';
import { useMay } from '../lib/session.tsx';

export const Budgets = () => {
  const list = useList('budgets/list', () => ks.budgets.list({ limit: 50 }), 10_000);
  const may = useMay('budgets');
  const [open, setOpen] = useState(false);
  const create = may && (
    <Button kind="main" onClick={() => setOpen(true)}>
      Set a budget
    </Button>
  );
  return (
    <Page title="Budgets" about="A call is admitted only if what is spent, what running calls hold and what it may cost itself stay within every budget that counts it." actions={create}>
      <Card flush>
        <BudgetTable
          {...list}
          empty={
            <Empty title="No budget is set" actions={create}>
              Set one for the whole organization first: it holds over every agent that there is and will be.
            </Empty>
          }
        />
      </Card>
      <Ceilings />
      {open && <SetBudget onClose={() => setOpen(false)} />}
    </Page>
  );
};
