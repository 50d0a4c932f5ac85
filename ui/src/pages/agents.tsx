// All agents, with what each has spent and may spend.
import type { Agent, Budget, UsageRow } from '@keystore/sdk';
import { Bar, Card, Empty, Named, Page } from '../components/parts.tsx';
import { AgentBadge } from '../components/status.tsx';
import { Table, type Column } from '../components/table.tsx';
import { ks } from '../lib/api.ts';
import { count, money, monthStart } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { useAllBudgets } from '../lib/look-ups.ts';
import { useQuery } from '../lib/query.ts';
import { to } from '../lib/router.tsx';
import { useMay } from '../lib/session.tsx';

export const Agents = () => {
  const list = useList('agents/list', () => ks.agents.list({ limit: 50 }), 15_000);
  const usage = useQuery('usage/agents-month', () => ks.usage.get({ by: 'agent', since: monthStart() }), 15_000);
  const budgets = useAllBudgets(15_000);
  const may = useMay('agents');
  const create = may && (
    <a className="button main" href={to(['agents', 'new'])}>
      Create an agent
    </a>
  );
  const spentBy = (agent: Agent): UsageRow | undefined => usage.data?.data.find((row) => row.agentId === agent.id);
  const capOf = (agent: Agent): Budget | undefined => budgets.data?.data.find((one) => one.agentId === agent.id && one.window === 'month' && !one.endUser);
  const columns: Column<Agent>[] = [
    { title: 'Agent', lead: true, cell: (agent) => <Named name={agent.name} /> },
    { title: 'State', cell: (agent) => <AgentBadge status={agent.status} /> },
    { title: 'May use', cell: (agent) => agent.providers.map((grant) => grant.name).join(', ') || <span className="quiet">nothing</span> },
    { title: 'Calls this month', right: true, cell: (agent) => usage.data && count(spentBy(agent)?.calls ?? 0) },
    { title: 'Spent this month', right: true, cell: (agent) => usage.data && money(spentBy(agent)?.cost ?? '0') },
    { title: 'Budget', cell: (agent) => <Cap budget={capOf(agent)} name={agent.name} /> },
    { title: 'Requests a minute', right: true, cell: (agent) => agent.rpmLimit ?? <span className="quiet">default</span> },
  ];
  return (
    <Page title="Agents" about="Each agent holds one token in place of every key, with grants, rates and a budget of its own." actions={create}>
      <Card flush>
        <Table
          label="Agents"
          {...list}
          columns={columns}
          id={(agent) => agent.id}
          href={(agent) => to(['agents', agent.id])}
          empty={
            <Empty title="No agents yet" actions={create}>
              An agent is the identity behind a token: what it may use, how often, and for how much. Create one to get its token.
            </Empty>
          }
        />
      </Card>
    </Page>
  );
};

const Cap = ({ budget, name }: { budget: Budget | undefined; name: string }) =>
  budget ? (
    <span className="stack-small" title={`${money(budget.spent)} of ${money(budget.limit)}, ${money(budget.held)} held`}>
      <span className="number">{money(budget.limit)} a month</span>
      <Bar spent={budget.spent} held={budget.held} limit={budget.limit} label={`Budget of ${name}`} />
    </span>
  ) : (
    <span className="quiet">none</span>
  );
