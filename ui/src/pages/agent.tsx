// One agent: what it is, what it did, and the acts that stop it.
import { useState } from 'react';
import type { Agent, Revoked } from '@keystore/sdk';
import { AbuseRulesCard } from '../components/abuse-rules.tsx';
import { GrantsCard } from '../components/agent-grants.tsx';
import { Limits } from '../components/agent-limits.tsx';
import { NewToken, Tokens } from '../components/agent-tokens.tsx';
import { Confirm } from '../components/dialog.tsx';
import { Bar, Button, Card, Empty, Facts, Failed, Figure, Named, Page, Skeleton } from '../components/parts.tsx';
import { RequestTable } from '../components/request-table.tsx';
import { AgentBadge } from '../components/status.tsx';
import { say, sayFailure } from '../components/toasts.tsx';
import { ks } from '../lib/api.ts';
import { ago, count, daysAgo, exactly, money } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { expectThat, refresh, useQuery } from '../lib/query.ts';
import { to } from '../lib/router.tsx';
import { useMay } from '../lib/session.tsx';

type Open = 'limits' | 'revoke' | 'token' | undefined;

export const AgentPage = ({ id }: { id: string }) => {
  const key = `agent/${id}`;
  const query = useQuery(key, () => ks.agents.get(id), 10_000);
  const may = useMay('agents');
  const [open, setOpen] = useState<Open>();
  const [busy, setBusy] = useState(false);
  const [stopped, setStopped] = useState<Revoked>();
  const agent = query.data;
  if (!agent) return query.failure ? <Failed failure={query.failure} again={query.again} /> : <Skeleton height={320} />;

  const toggle = async (): Promise<void> => {
    const pausing = agent.status === 'active';
    const undo = expectThat<Agent>(key, (one) => ({ ...one, status: pausing ? 'paused' : 'active' }));
    setBusy(true);
    try {
      await (pausing ? ks.agents.pause(id) : ks.agents.resume(id));
      say(pausing ? `${agent.name} is paused: its requests are refused, and what ran is cut.` : `${agent.name} may call again.`);
    } catch (error) {
      undo();
      sayFailure(error);
    } finally {
      setBusy(false);
      refresh(key, 'agents/');
    }
  };
  const alive = may && agent.status !== 'revoked';
  return (
    <Page
      title={
        <span className="row">
          <Named name={agent.name} /> <AgentBadge status={agent.status} />
        </span>
      }
      about={<span className="mono">{agent.id}</span>}
      actions={
        alive && (
          <>
            <Button onClick={() => void toggle()} busy={busy}>
              {agent.status === 'active' ? 'Pause' : 'Resume'}
            </Button>
            <Button onClick={() => setOpen('limits')}>Change limits</Button>
            <Button onClick={() => setOpen('token')}>New token</Button>
            <Button kind="danger" onClick={() => setOpen('revoke')}>
              Revoke
            </Button>
          </>
        )
      }
    >
      {agent.pausedBy && <p className="notice warn">Paused by the rule against abuse “{agent.pausedBy.replaceAll('_', ' ')}”. Look at its requests before you resume it.</p>}
      {stopped && <Stopped what={stopped} />}
      <Figures agent={agent} />
      <div className="grid-2">
        <GrantsCard agent={agent} may={alive} />
        <Card title="Limits">
          <Facts
            of={[
              ['A month', agent.budgetCentsMonthly == null ? 'no limit' : money((agent.budgetCentsMonthly / 100).toFixed(2))],
              ['A minute', agent.rpmLimit == null ? 'the default, for each provider' : `${count(agent.rpmLimit)} requests, for each provider`],
              ['A day', agent.rpdLimit == null ? 'the default, for each provider' : `${count(agent.rpdLimit)} requests, for each provider`],
              ['Tokens a minute', agent.tpmLimit == null ? 'no limit' : count(agent.tpmLimit)],
              ['At the same time', agent.maxConcurrency == null ? 'no limit' : `${count(agent.maxConcurrency)} calls`],
              ['Models', agent.allowedModels.join(', ') || 'every model'],
              ['Addresses', agent.allowedIps.join(', ') || 'every address'],
              ['Labels', agent.labels.join(', ') || 'none'],
              ['Ends', agent.expiresAt ? exactly(agent.expiresAt) : 'never'],
            ]}
          />
        </Card>
      </div>
      <Tokens agent={agent} may={alive} />
      <AbuseRulesCard place={{ at: 'agent', id }} />
      <Card title="Latest requests" actions={<a href={to(['requests'], { agent: id })}>All of its requests</a>} flush>
        <Latest id={id} />
      </Card>
      {open === 'limits' && <Limits agent={agent} onClose={() => setOpen(undefined)} />}
      {open === 'token' && <NewToken agent={agent} onClose={() => setOpen(undefined)} />}
      {open === 'revoke' && (
        <Confirm
          title="Revoke the agent"
          submit="Revoke for good"
          typed={agent.name}
          onClose={() => setOpen(undefined)}
          onConfirm={async () => {
            const done = await ks.revocations.create({ scope: 'agent', id });
            setStopped(done);
            setOpen(undefined);
            refresh(key, 'agents/', `tokens/${id}`);
          }}
        >
          <p>Every token of it ends at once and for good, and calls that run are cut. To stop it for a while, pause it.</p>
        </Confirm>
      )}
    </Page>
  );
};

const Stopped = ({ what }: { what: Revoked }) => (
  <p className="notice ok" role="status">
    Revoked. {what.streamsCut === 1 ? 'One running call was cut.' : `${count(what.streamsCut)} running calls were cut.`}{' '}
    {what.propagated ? `Nothing of it was left after ${what.waitedMs} ms.` : 'The rest of them end within a second.'}
  </p>
);

const Figures = ({ agent }: { agent: Agent }) => {
  const usage = useQuery(`usage/agent/${agent.id}`, () => ks.usage.get({ agent: agent.id, since: daysAgo(29) }), 10_000);
  const total = usage.data?.total;
  const { budget } = agent;
  return (
    <div className="grid-4">
      <Figure
        label="Budget this month"
        {...(budget && { href: to(['budgets', budget.id]) })}
        value={budget ? money(budget.spent) : 'none'}
        note={
          budget ? (
            <span className="stack-small">
              <span>
                of {money(budget.limit)}
                {budget.held !== '0.00' && `, ${money(budget.held)} held`}
                {budget.resetsAt && `, anew ${ago(budget.resetsAt)}`}
              </span>
              <Bar spent={budget.spent} held={budget.held} limit={budget.limit} label="Budget of this agent" />
            </span>
          ) : (
            'Nothing but the organization’s own budgets.'
          )
        }
      />
      <Figure label="Spent in 30 days" value={total && money(total.cost)} />
      <Figure label="Calls in 30 days" value={total && count(total.calls)} note={total && `${count(total.errors)} with errors`} href={to(['requests'], { agent: agent.id })} />
      <Figure label="Refused in 30 days" value={total && count(total.refused)} href={to(['requests'], { agent: agent.id, refused: 'true' })} />
    </div>
  );
};

const Latest = ({ id }: { id: string }) => {
  const list = useList(`requests/agent/${id}`, () => ks.requests.list({ agent: id, limit: 8 }), 5_000);
  return <RequestTable {...list} more={undefined} hide="agent" empty={<Empty title="No request yet">Call a provider with the token of this agent, and it is listed here.</Empty>} />;
};
