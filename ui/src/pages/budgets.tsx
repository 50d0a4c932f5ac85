// What calls may cost: every budget with what is spent and held of it, and the acts that change one.
import { useState } from 'react';
import type { Budget, BudgetAction, CreateBudget, Window } from '@keystore/sdk';
import { Confirm, Dialog, Form } from '../components/dialog.tsx';
import { SelectField, TextField } from '../components/fields.tsx';
import { Ago, Badge, Bar, Button, Card, Empty, Named, Page } from '../components/parts.tsx';
import { Table, type Column } from '../components/table.tsx';
import { say } from '../components/toasts.tsx';
import { ks } from '../lib/api.ts';
import { inUnit } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { to } from '../lib/router.tsx';
import { useMay } from '../lib/session.tsx';

type Open = { act: 'create' } | { act: 'raise' | 'change' | 'delete'; budget: Budget } | undefined;

const changed = (): void => refresh('budgets/', 'agents/', 'agent/');

export const Budgets = () => {
  const list = useList('budgets/list', () => ks.budgets.list({ limit: 50 }), 10_000);
  const agents = useQuery('agents/palette', async () => ks.agents.list({ limit: 100 }));
  const may = useMay('budgets');
  const [open, setOpen] = useState<Open>();
  const close = (): void => setOpen(undefined);
  const nameOf = (budget: Budget): string =>
    [
      budget.agentId && (agents.data?.data.find((agent) => agent.id === budget.agentId)?.name ?? budget.agentId),
      budget.provider,
      budget.model,
      budget.source && (budget.source === 'byok' ? 'own keys' : 'marketplace'),
      budget.endUser && (budget.endUser === '*' ? 'each end user' : `end user ${budget.endUser}`),
    ]
      .filter(Boolean)
      .join(' · ') || (budget.projectId ? 'A whole project' : 'The whole organization');
  const create = may && (
    <Button kind="main" onClick={() => setOpen({ act: 'create' })}>
      Set a budget
    </Button>
  );
  const columns: Column<Budget>[] = [
    { title: 'Counts', lead: true, cell: (one) => (one.agentId ? <a href={to(['agents', one.agentId])}><Named name={nameOf(one)} /></a> : <Named name={nameOf(one)} />) },
    { title: 'Spent', cell: (one) => <State of={one} name={nameOf(one)} /> },
    { title: 'Held', right: true, cell: (one) => inUnit(one.held, one.unit) },
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
    <Page title="Budgets" about="A call is admitted only if what is spent, what running calls hold and what it may cost itself stay within every budget that counts it." actions={create}>
      <Card flush>
        <Table
          label="Budgets"
          {...list}
          columns={columns}
          id={(one) => one.id}
          empty={
            <Empty title="No budget is set" actions={create}>
              Set one for the whole organization first: it holds over every agent that there is and will be.
            </Empty>
          }
        />
      </Card>
      <Ceilings />
      {open?.act === 'create' && <Create onClose={close} />}
      {open?.act === 'raise' && <Raise budget={open.budget} name={nameOf(open.budget)} onClose={close} />}
      {open?.act === 'change' && <Change budget={open.budget} name={nameOf(open.budget)} onClose={close} />}
      {open?.act === 'delete' && (
        <Confirm
          title="Delete the budget"
          submit="Delete it"
          onClose={close}
          onConfirm={async () => {
            await ks.budgets.delete(open.budget.id);
            say('The budget is gone.');
            changed();
            close();
          }}
        >
          <p>
            Nothing limits “<Named name={nameOf(open.budget)} />” by this any more, from the next request on. What was spent in its window is forgotten with it.
          </p>
        </Confirm>
      )}
    </Page>
  );
};

const State = ({ of, name }: { of: Budget; name: string }) => {
  const limit = of.raise?.limit ?? of.limit;
  if (of.endUser === '*') return <span>{inUnit(limit, of.unit)} each, a {of.window}</span>;
  return (
    <span className="stack-small">
      <span className="number">
        {inUnit(of.spent, of.unit)} <span className="quiet">of {inUnit(limit, of.unit)} {of.window === 'total' ? 'in total' : `a ${of.window}`}</span>
      </span>
      <Bar spent={of.spent} held={of.held} limit={limit} label={`Budget of ${name}`} />
      {of.raise && (
        <span className="quiet">
          raised from {inUnit(of.limit, of.unit)}, ends <Ago time={of.raise.until} />
        </span>
      )}
    </span>
  );
};

const AMOUNT = /^\d{1,12}(\.\d{1,9})?$/;

const Create = ({ onClose }: { onClose: () => void }) => {
  const agents = useQuery('agents/palette', async () => ks.agents.list({ limit: 100 }));
  const [agent, setAgent] = useState('');
  const [provider, setProvider] = useState('');
  const [limit, setLimit] = useState('');
  const [window, setWindow] = useState<Window>('month');
  const [action, setAction] = useState<BudgetAction>('deny');
  const body = (): CreateBudget => ({
    limit: limit.trim(),
    window,
    action,
    thresholds: [50, 80, 100],
    ...(agent && { agent }),
    ...(provider.trim() && { provider: provider.trim() }),
  });
  return (
    <Dialog title="Set a budget" onClose={onClose}>
      <Form
        submit="Set it"
        disabled={!AMOUNT.test(limit.trim())}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.budgets.create(body());
          say('In force from the next request on.');
          changed();
          onClose();
        }}
      >
        {(failure) => (
          <>
            <div className="grid-2">
              <TextField label="Dollars" inputMode="decimal" autoFocus required placeholder="50" value={limit} failure={failure} pointer="/limit" onChange={(event) => setLimit(event.target.value)} />
              <SelectField label="In a" value={window} failure={failure} pointer="/window" onChange={(event) => setWindow(event.target.value as Window)}>
                <option value="day">day</option>
                <option value="week">week</option>
                <option value="month">month</option>
                <option value="total">in total</option>
              </SelectField>
              <SelectField label="Of which agent" value={agent} failure={failure} pointer="/agent" onChange={(event) => setAgent(event.target.value)}>
                <option value="">all of them</option>
                {agents.data?.data.map((one) => (
                  <option key={one.id} value={one.id}>
                    {one.name}
                  </option>
                ))}
              </SelectField>
              <TextField label="Of which provider" placeholder="all of them" value={provider} failure={failure} pointer="/provider" onChange={(event) => setProvider(event.target.value)} hint="Its slug, such as openai." />
            </div>
            <SelectField label="At the limit" value={action} onChange={(event) => setAction(event.target.value as BudgetAction)} hint="Half, 80 percent and all of it are announced as events either way.">
              <option value="deny">calls are refused before they are sent</option>
              <option value="alert">it is only told</option>
            </SelectField>
          </>
        )}
      </Form>
    </Dialog>
  );
};

const HOURS = ['1', '24', '168'] as const;

const Raise = ({ budget, name, onClose }: { budget: Budget; name: string; onClose: () => void }) => {
  const [limit, setLimit] = useState('');
  const [hours, setHours] = useState<string>('24');
  const until = (): string => new Date(Date.now() + Number(hours) * 3_600_000).toISOString();
  return (
    <Dialog title="Raise it for a while" onClose={onClose}>
      <Form
        submit="Raise"
        disabled={!AMOUNT.test(limit.trim())}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.budgets.raiseLimit(budget.id, { limit: limit.trim(), until: until() });
          say('Raised, from the next request on. It ends by itself.');
          changed();
          onClose();
        }}
      >
        {(failure) => (
          <>
            <p className="quiet">
              “<Named name={name} />” is limited to {inUnit(budget.limit, budget.unit)}, of which {inUnit(budget.spent, budget.unit)} are spent.
            </p>
            <div className="grid-2">
              <TextField label="Up to" inputMode="decimal" autoFocus required value={limit} failure={failure} pointer="/limit" onChange={(event) => setLimit(event.target.value)} />
              <SelectField label="For" value={hours} failure={failure} pointer="/until" onChange={(event) => setHours(event.target.value)}>
                {HOURS.map((one) => (
                  <option key={one} value={one}>
                    {{ '1': 'an hour', '24': 'a day', '168': 'a week' }[one]}
                  </option>
                ))}
              </SelectField>
            </div>
            {budget.raise && (
              <div>
                <Button
                  small
                  onClick={() => {
                    void ks.budgets.endRaise(budget.id).then(() => {
                      changed();
                      onClose();
                    });
                  }}
                >
                  End the raise of now
                </Button>
              </div>
            )}
          </>
        )}
      </Form>
    </Dialog>
  );
};

const Change = ({ budget, name, onClose }: { budget: Budget; name: string; onClose: () => void }) => {
  const [limit, setLimit] = useState(budget.limit);
  const [action, setAction] = useState<BudgetAction>(budget.action);
  return (
    <Dialog title="Change the budget" onClose={onClose}>
      <Form
        submit="Save"
        disabled={!AMOUNT.test(limit.trim())}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.budgets.update(budget.id, { limit: limit.trim(), action });
          say('In force from the next request on. What was spent stays spent.');
          changed();
          onClose();
        }}
      >
        {(failure) => (
          <>
            <p className="quiet">
              <Named name={name} />
            </p>
            <TextField label={`Limit in ${budget.unit === 'usd' || budget.unit === 'usd_moved' ? 'dollars' : budget.unit}`} inputMode="decimal" autoFocus value={limit} failure={failure} pointer="/limit" onChange={(event) => setLimit(event.target.value)} />
            <SelectField label="At the limit" value={action} onChange={(event) => setAction(event.target.value as BudgetAction)}>
              <option value="deny">calls are refused before they are sent</option>
              <option value="alert">it is only told</option>
            </SelectField>
          </>
        )}
      </Form>
    </Dialog>
  );
};

const RATES = [
  ['rpmLimit', 'Requests a minute'],
  ['rpdLimit', 'Requests a day'],
  ['tpmLimit', 'Tokens a minute'],
  ['maxConcurrency', 'Calls at the same time'],
] as const;

/** Rates over all agents and providers of the organization. */
const Ceilings = () => {
  const query = useQuery('limits', () => ks.org.getLimits());
  const may = useMay('members');
  const [typed, setTyped] = useState<Record<string, string>>();
  const now = query.data;
  return (
    <Card
      title="Ceilings over all agents"
      actions={
        may &&
        now &&
        !typed && (
          <Button small onClick={() => setTyped(Object.fromEntries(RATES.map(([name]) => [name, now[name] == null ? '' : String(now[name])])))}>
            Change
          </Button>
        )
      }
    >
      {!typed ? (
        <div className="grid-4">
          {RATES.map(([name, title]) => (
            <div key={name} className="stack-small">
              <span className="quiet">{title}</span>
              <strong className="number">{now ? (now[name] ?? 'no limit') : '…'}</strong>
            </div>
          ))}
        </div>
      ) : (
        <Form
          submit="Save"
          disabled={Object.values(typed).some((text) => !/^\d*$/.test(text))}
          onCancel={() => setTyped(undefined)}
          onSubmit={async () => {
            await ks.org.updateLimits(Object.fromEntries(RATES.map(([name]) => [name, typed[name] ? Number(typed[name]) : null])));
            setTyped(undefined);
            refresh('limits');
            say('In force from the next request on.');
          }}
        >
          {(failure) => (
            <div className="grid-4">
              {RATES.map(([name, title]) => (
                <TextField key={name} label={title} inputMode="numeric" placeholder="no limit" value={typed[name] ?? ''} failure={failure} pointer={`/${name}`} onChange={(event) => setTyped({ ...typed, [name]: event.target.value })} />
              ))}
            </div>
          )}
        </Form>
      )}
    </Card>
  );
};
