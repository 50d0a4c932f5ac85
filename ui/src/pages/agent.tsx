// One agent: what it is, what it did, and the acts that stop it.
import { useState } from 'react';
import type { Agent, CreatedToken, Revoked, Token } from '@keystore/sdk';
import { AbuseRulesCard } from '../components/abuse-rules.tsx';
import { Confirm, Dialog, Form } from '../components/dialog.tsx';
import { dollarsToCents, TextField, wholeNumber } from '../components/fields.tsx';
import { Ago, Badge, Bar, Button, Card, Empty, Facts, Failed, Figure, Named, Page, Skeleton } from '../components/parts.tsx';
import { RequestTable } from '../components/request-table.tsx';
import { AgentBadge, TokenBadge } from '../components/status.tsx';
import { Table } from '../components/table.tsx';
import { say, sayFailure } from '../components/toasts.tsx';
import { ShownOnce } from '../components/token.tsx';
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
        <Card title="May use">
          <Grants agent={agent} />
        </Card>
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

const Grants = ({ agent }: { agent: Agent }) => (
  <ul className="bars">
    {agent.providers.map((grant) => (
      <li key={grant.name}>
        <div>
          <strong>{grant.name}</strong>
          <span className="row">
            <Badge tone="accent">{grant.source === 'byok' ? 'own key' : 'marketplace'}</Badge>
            {grant.fallback && <Badge tone="plain">then marketplace, up to {money((grant.fallback.budgetCentsMonthly / 100).toFixed(2))} a month</Badge>}
          </span>
          {grant.scopes.length > 0 && <span className="quiet mono break">{grant.scopes.join(', ')}</span>}
          {grant.source === 'byok' && !grant.credentialId && (
            <span>
              <Badge tone="warn">no key stored</Badge> <a href={to(['credentials'], { add: grant.name })}>Add one</a>
            </span>
          )}
        </div>
      </li>
    ))}
    {agent.providers.length === 0 && <li className="quiet">Nothing: every request is refused.</li>}
  </ul>
);

const Tokens = ({ agent, may }: { agent: Agent; may: boolean }) => {
  const list = useList(`tokens/${agent.id}`, () => ks.tokens.list({ agent: agent.id, limit: 20 }), 30_000);
  const [ending, setEnding] = useState<Token>();
  const [rotating, setRotating] = useState<Token>();
  return (
    <Card title="Tokens" flush>
      <Table
        label="Tokens"
        {...list}
        id={(token) => token.id}
        columns={[
          { title: 'Token', lead: true, cell: (token) => <Named name={token.name} /> },
          { title: 'State', cell: (token) => <TokenBadge status={token.status} /> },
          { title: 'Made', cell: (token) => <Ago time={token.createdAt} /> },
          { title: 'Last used', cell: (token) => <Ago time={token.lastUsedAt} /> },
          { title: 'Ends', cell: (token) => (token.expiresAt ? <Ago time={token.expiresAt} /> : <span className="quiet">never</span>) },
          {
            title: 'Acts',
            right: true,
            cell: (token) =>
              may && token.status === 'active' ? (
                <span className="row">
                  <Button small onClick={() => setRotating(token)}>
                    Rotate
                  </Button>
                  <Button small kind="danger" onClick={() => setEnding(token)}>
                    Revoke
                  </Button>
                </span>
              ) : null,
          },
        ]}
        empty={<Empty title="No token">Without a token nobody can call as this agent.</Empty>}
      />
      {ending && (
        <Confirm
          title="Revoke the token"
          submit="Revoke it"
          onClose={() => setEnding(undefined)}
          onConfirm={async () => {
            await ks.tokens.revoke(ending.id);
            say(`The token ${ending.name} is revoked.`);
            setEnding(undefined);
            refresh(`tokens/${agent.id}`);
          }}
        >
          <p>
            The token <Named name={ending.name} /> ends at once and for good. Other tokens of the agent stay.
          </p>
        </Confirm>
      )}
      {rotating && <Rotate token={rotating} agent={agent} onClose={() => setRotating(undefined)} />}
    </Card>
  );
};

const Rotate = ({ token, agent, onClose }: { token: Token; agent: Agent; onClose: () => void }) => {
  const [hours, setHours] = useState('1');
  const [made, setMade] = useState<CreatedToken>();
  const wrong = wholeNumber(hours) === undefined || Number(hours) > 168;
  if (made) return <MadeDialog made={made} onClose={onClose} />;
  return (
    <Dialog title="Rotate the token" onClose={onClose}>
      <Form
        submit="Rotate"
        disabled={wrong}
        onCancel={onClose}
        onSubmit={async () => {
          setMade(await ks.tokens.rotate(token.id, { overlapSeconds: Number(hours) * 3600 }));
          refresh(`tokens/${agent.id}`);
        }}
      >
        {(failure) => (
          <TextField label="The old token still holds for so many hours" inputMode="numeric" value={hours} failure={failure} pointer="/overlapSeconds" onChange={(event) => setHours(event.target.value)} hint={wrong ? 'A whole number, 0 to 168.' : '0 ends it at once.'} />
        )}
      </Form>
    </Dialog>
  );
};

const NewToken = ({ agent, onClose }: { agent: Agent; onClose: () => void }) => {
  const [name, setName] = useState('');
  const [made, setMade] = useState<CreatedToken>();
  if (made) return <MadeDialog made={made} onClose={onClose} />;
  return (
    <Dialog title="One more token" onClose={onClose}>
      <Form
        submit="Make the token"
        onCancel={onClose}
        onSubmit={async () => {
          setMade(await ks.tokens.create({ agentId: agent.id, ...(name.trim() && { name: name.trim() }) }));
          refresh(`tokens/${agent.id}`);
        }}
      >
        {(failure) => <TextField label="Name" value={name} placeholder="laptop" failure={failure} pointer="/name" onChange={(event) => setName(event.target.value)} hint="All tokens of an agent share its limits." />}
      </Form>
    </Dialog>
  );
};

const MadeDialog = ({ made, onClose }: { made: CreatedToken; onClose: () => void }) => (
  <Dialog title="The new token" onClose={onClose} keep>
    <ShownOnce made={made} />
    <div className="dialog-foot">
      <Button kind="main" onClick={onClose}>
        I have copied it
      </Button>
    </div>
  </Dialog>
);

/** What the field says: empty goes back to the default. */
const numberOrDefault = (text: string): number | null => wholeNumber(text) ?? null;

const Limits = ({ agent, onClose }: { agent: Agent; onClose: () => void }) => {
  const shown = (value: number | null | undefined): string => (value == null ? '' : String(value));
  const [budget, setBudget] = useState(agent.budgetCentsMonthly == null ? '' : (agent.budgetCentsMonthly / 100).toFixed(2));
  const [rpm, setRpm] = useState(shown(agent.rpmLimit));
  const [rpd, setRpd] = useState(shown(agent.rpdLimit));
  const [tpm, setTpm] = useState(shown(agent.tpmLimit));
  const [most, setMost] = useState(shown(agent.maxConcurrency));
  const wrongBudget = budget !== '' && dollarsToCents(budget) === undefined;
  const wrongNumber = [rpm, rpd, tpm, most].some((text) => text !== '' && wholeNumber(text) === undefined);
  return (
    <Dialog title="Change limits" onClose={onClose}>
      <Form
        submit="Save"
        disabled={wrongBudget || wrongNumber}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.agents.update(agent.id, {
            budgetCentsMonthly: dollarsToCents(budget) ?? null,
            rpmLimit: numberOrDefault(rpm),
            rpdLimit: numberOrDefault(rpd),
            tpmLimit: numberOrDefault(tpm),
            maxConcurrency: numberOrDefault(most),
          });
          say('In force from the next request on.');
          refresh(`agent/${agent.id}`, 'agents/', 'budgets/');
          onClose();
        }}
      >
        {(failure) => (
          <>
            <TextField label="Dollars a month" inputMode="decimal" placeholder="no limit" value={budget} failure={failure} pointer="/budgetCentsMonthly" onChange={(event) => setBudget(event.target.value)} hint={wrongBudget ? 'An amount such as 25 or 12.50.' : 'What was spent stays spent.'} />
            <div className="grid-2">
              <TextField label="Requests a minute" inputMode="numeric" placeholder="the default" value={rpm} failure={failure} pointer="/rpmLimit" onChange={(event) => setRpm(event.target.value)} />
              <TextField label="Requests a day" inputMode="numeric" placeholder="the default" value={rpd} failure={failure} pointer="/rpdLimit" onChange={(event) => setRpd(event.target.value)} />
              <TextField label="Tokens a minute" inputMode="numeric" placeholder="no limit" value={tpm} failure={failure} pointer="/tpmLimit" onChange={(event) => setTpm(event.target.value)} />
              <TextField label="Calls at the same time" inputMode="numeric" placeholder="no limit" value={most} failure={failure} pointer="/maxConcurrency" onChange={(event) => setMost(event.target.value)} />
            </div>
            <p className="quiet">For each provider. 0 blocks; an empty field goes back to the default.{wrongNumber && ' These must be whole numbers.'}</p>
          </>
        )}
      </Form>
    </Dialog>
  );
};

const Latest = ({ id }: { id: string }) => {
  const list = useList(`requests/agent/${id}`, () => ks.requests.list({ agent: id, limit: 8 }), 5_000);
  return <RequestTable {...list} more={undefined} hide="agent" empty={<Empty title="No request yet">Call a provider with the token of this agent, and it is listed here.</Empty>} />;
};
