// What agents asked for, and the decision of a person. What an agent wrote is shown as its words, and decides nothing.
import { useState } from 'react';
import type { AccessRequest, AccessState, Agent, ApproveAccessRequest, Credential, Grant, Source } from '@keystore/sdk';
import { Dialog, Form } from '../components/dialog.tsx';
import { dollarsToCents, FilterSelect, SelectField, TextField } from '../components/fields.tsx';
import { Ago, Badge, Button, Card, Empty, Facts, Failed, Named, Page, Skeleton, type Tone } from '../components/parts.tsx';
import { Table, type Column } from '../components/table.tsx';
import { say } from '../components/toasts.tsx';
import { ks } from '../lib/api.ts';
import { exactly, money } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { all, PAGE } from '../lib/look-ups.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { to, useFilters } from '../lib/router.tsx';
import { useMay } from '../lib/session.tsx';

/** The key that is taken where none is named. */
const DEFAULT_KEY = 'default';

const STATES: Record<AccessState, Tone> = { open: 'warn', approved: 'ok', denied: 'bad', expired: 'off' };

const cents = (value: number): string => money((value / 100).toFixed(2));

/** What is wanted, in a line: what it is worth to read before the reason. */
const Wanted = ({ of }: { of: AccessRequest }) => (
  <span className="row">
    {of.provider && <Badge tone="accent">{of.provider}</Badge>}
    {of.source && <span>{of.source === 'byok' ? 'own key' : 'marketplace'}</span>}
    {of.scopes.length > 0 && <span className="mono break">{of.scopes.join(', ')}</span>}
    {of.models.length > 0 && <span className="break">models <Named name={of.models.join(', ')} /></span>}
    {of.budgetCentsMonthly != null && <span>{cents(of.budgetCentsMonthly)} a month</span>}
  </span>
);

export const AccessRequests = () => {
  const [filters, change] = useFilters();
  const state = (filters.get('state') ?? 'open') as AccessState | 'all';
  const list = useList(`access/list/${state}`, () => ks.accessRequests.list({ limit: 50, ...(state !== 'all' && { state }) }), 10_000);
  const columns: Column<AccessRequest>[] = [
    { title: 'Agent', lead: true, cell: (one) => <Named name={one.agentName} id={one.agentId} /> },
    { title: 'Wants', cell: (one) => <Wanted of={one} /> },
    { title: 'In its own words', cell: (one) => <span className="break"><Named name={one.reason} /></span> },
    { title: 'State', cell: (one) => <Badge tone={STATES[one.state]}>{one.state}</Badge> },
    { title: 'Asked', cell: (one) => <Ago time={one.createdAt} /> },
  ];
  return (
    <Page title="Access requests" about="What agents lack and asked for. Approving grants it to the token that they have; filing alone grants nothing.">
      <div className="filters" role="search" aria-label="Filter access requests">
        <FilterSelect label="State" data-filter="" value={state} onChange={(event) => change({ state: event.target.value })}>
          <option value="open">Waiting for a decision</option>
          <option value="approved">Approved</option>
          <option value="denied">Denied</option>
          <option value="expired">Expired</option>
          <option value="all">All of them</option>
        </FilterSelect>
      </div>
      <Card flush>
        <Table
          label="Access requests"
          {...list}
          columns={columns}
          id={(one) => one.id}
          href={(one) => to(['access', one.id])}
          empty={
            <Empty title={state === 'open' ? 'Nobody waits for you' : 'None is like this'}>
              An agent that lacks a provider, a model or budget asks for it with the tool <code>request_access</code> of <code>/mcp</code>, and waits here for a person.
            </Empty>
          }
        />
      </Card>
    </Page>
  );
};

export const AccessRequestPage = ({ id }: { id: string }) => {
  const query = useQuery(`access/one/${id}`, () => ks.accessRequests.get(id), 10_000);
  const may = useMay('agents');
  const [open, setOpen] = useState<'approve' | 'deny'>();
  const one = query.data;
  const agent = useQuery(`agent/${one?.agentId ?? ''}`, async () => (one ? ks.agents.get(one.agentId) : undefined));
  if (!one) return query.failure ? <Failed failure={query.failure} again={query.again} /> : <Skeleton height={320} />;
  const decidable = may && one.state === 'open';
  const close = (): void => setOpen(undefined);
  return (
    <Page
      title={
        <span className="row">
          <Named name={one.agentName} id={one.agentId} /> <Badge tone={STATES[one.state]}>{one.state}</Badge>
        </span>
      }
      about={<span className="mono">{one.id}</span>}
      actions={
        decidable && (
          <>
            <Button kind="main" disabled={!agent.data} onClick={() => setOpen('approve')}>
              Approve
            </Button>
            <Button kind="danger" onClick={() => setOpen('deny')}>
              Deny
            </Button>
          </>
        )
      }
    >
      <div className="grid-2">
        <Card title="What it wants">
          <Facts
            of={[
              ['Provider', one.provider ?? 'none'],
              ['Whose key', one.source ? sideOf(one.source) : one.provider ? 'left open' : '–'],
              ['Scopes', one.provider ? one.scopes.join(', ') || 'everything that a grant can allow' : '–'],
              ['Models', <Named name={one.models.join(', ') || 'none'} />],
              ['Budget of its month', one.budgetCentsMonthly == null ? 'stays as it is' : cents(one.budgetCentsMonthly)],
              ['Asked', exactly(one.createdAt)],
              ['Can be decided until', exactly(one.expiresAt)],
              ['Asked with', <span className="mono">{one.tokenId}</span>],
            ]}
          />
        </Card>
        <Card title="In its own words">
          <div className="stack">
            <p className="notice break">
              <Named name={one.reason} />
            </p>
            <p className="quiet">This is the agent’s text, or that of whoever talked it into asking. Read what is wanted, not only why.</p>
            {one.decidedAt && <Decided one={one} />}
          </div>
        </Card>
      </div>
      {agent.data ? <Has agent={agent.data} /> : agent.failure && <Failed failure={agent.failure} again={agent.again} />}
      {open === 'approve' && agent.data && <Approve one={one} agent={agent.data} onClose={close} />}
      {open === 'deny' && <Deny one={one} onClose={close} />}
    </Page>
  );
};

const Decided = ({ one }: { one: AccessRequest }) => (
  <Facts
    of={[
      ['Decided', one.decidedAt ? exactly(one.decidedAt) : '–'],
      ['By', <span className="mono">{one.decidedBy ?? '–'}</span>],
      ['It was told', <Named name={one.note ?? '–'} />],
      ...(one.granted
        ? ([
            ['Granted', [one.granted.source && (one.granted.source === 'byok' ? 'own key' : 'marketplace'), one.granted.scopes.join(', '), one.granted.models.join(', '), one.granted.budgetCentsMonthly != null && `${cents(one.granted.budgetCentsMonthly)} a month`].filter(Boolean).join(' · ') || 'as it asked'],
          ] as const)
        : []),
    ]}
  />
);

/** What the agent may do already, beside what it wants. */
const Has = ({ agent }: { agent: Agent }) => (
  <Card title="What it has" actions={<a href={to(['agents', agent.id])}>The agent</a>}>
    <Facts
      of={[
        ['Providers', agent.providers.map((grant) => `${grant.name} (${grant.source === 'byok' ? 'own key' : 'marketplace'})`).join(', ') || 'none'],
        ['Models', agent.allowedModels.join(', ') || 'every model'],
        ['Budget of its month', agent.budget ? `${money(agent.budget.spent)} spent of ${money(agent.budget.limit)}` : 'none'],
      ]}
    />
  </Card>
);

const decided = (): void => refresh('access/', 'agent/', 'agents/', 'events/', 'budgets/');

/** All of it or a part: what is ticked off is not granted. */
const Approve = ({ one, agent, onClose }: { one: AccessRequest; agent: Agent; onClose: () => void }) => {
  const keys = useQuery(`credentials/of/${one.projectId}/${one.provider ?? ''}`, async (): Promise<readonly Credential[]> => (one.provider ? (await all(ks.credentials.list({ project: one.projectId, provider: one.provider, limit: PAGE }))).data : []));
  const mayAdd = useMay('credentials');
  const [chosen, setChosen] = useState<Source | ''>(one.source ?? '');
  // Approving does not move a grant that the agent has: there is nothing to choose then.
  const had = agent.providers.find((grant) => grant.name === one.provider);
  const source = had?.source ?? chosen;
  const [credential, setCredential] = useState('');
  const [scopes, setScopes] = useState<readonly string[]>(one.scopes);
  const [models, setModels] = useState<readonly string[]>(one.models);
  const [budget, setBudget] = useState(one.budgetCentsMonthly == null ? '' : (one.budgetCentsMonthly / 100).toFixed(2));
  const [note, setNote] = useState('');
  const wrongBudget = budget !== '' && dollarsToCents(budget) === undefined;
  const choosesKey = !had && Boolean(one.provider) && source === 'byok';
  const several = choosesKey && (keys.data?.length ?? 0) > 1;
  const byName = keys.data?.some((key) => key.name === DEFAULT_KEY) ?? false;
  const noKey = choosesKey && (!keys.data?.length || (several && !byName && credential === ''));
  const body = (): ApproveAccessRequest => ({
    ...(one.provider && !had && chosen && { source: chosen }),
    ...(had && one.source && one.source !== had.source && { source: had.source }),
    ...(several && credential && { credential }),
    ...(one.scopes.length > 0 && { scopes: [...scopes] }),
    ...(one.models.length > 0 && { models: [...models] }),
    ...(one.budgetCentsMonthly != null && { budgetCentsMonthly: budget === '' ? null : (dollarsToCents(budget) ?? null) }),
    ...(note.trim() && { note: note.trim() }),
  });
  return (
    <Dialog title="Approve" onClose={onClose}>
      <Form
        submit="Grant it"
        disabled={wrongBudget || noKey || (had && !hasKey(had)) || (Boolean(one.provider) && source === '') || (one.scopes.length > 0 && scopes.length === 0)}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.accessRequests.approve(one.id, body());
          say(`Granted: the next call of ${one.agentName} passes.`);
          decided();
          onClose();
        }}
      >
        {(failure) => (
          <>
            {had && <Had grant={had} one={one} agent={agent} />}
            {one.provider && !had && (
              <SelectField label={`Whose key serves ${one.provider}`} value={source} failure={failure} pointer="/source" onChange={(event) => setChosen(event.target.value as Source | '')} hint={source === 'byok' && keys.data?.length === 0 ? mayAdd ? <>No key of it is stored yet. <a href={to(['credentials'], { add: one.provider })}>Add one</a> first.</> : 'No key of it is stored yet.' : undefined}>
                <option value="">choose …</option>
                <option value="byok">an own key</option>
                <option value="marketplace">the marketplace</option>
              </SelectField>
            )}
            {choosesKey && keys.failure && !keys.data && <Failed failure={keys.failure} again={keys.again} />}
            {several && (
              <SelectField label="Which key" required={!byName} value={credential} failure={failure} pointer="/credential" onChange={(event) => setCredential(event.target.value)}>
                <option value="">{byName ? `the one named “${DEFAULT_KEY}”` : 'choose …'}</option>
                {keys.data
                  ?.filter((key) => key.name !== DEFAULT_KEY)
                  .map((key) => (
                    <option key={key.id} value={key.id}>
                      {key.name}
                    </option>
                  ))}
              </SelectField>
            )}
            <Ticks legend="Scopes" all={one.scopes} chosen={scopes} onChange={setScopes} />
            <Ticks legend="Models" all={one.models} chosen={models} onChange={setModels} />
            {one.budgetCentsMonthly != null && (
              <TextField label="Dollars a month" inputMode="decimal" value={budget} failure={failure} pointer="/budgetCentsMonthly" onChange={(event) => setBudget(event.target.value)} hint={wrongBudget ? 'An amount such as 25 or 12.50.' : `At most ${cents(one.budgetCentsMonthly)}. Empty leaves the budget as it is.`} />
            )}
            <TextField label="A word for the agent" maxLength={1000} value={note} failure={failure} pointer="/note" onChange={(event) => setNote(event.target.value)} />
          </>
        )}
      </Form>
    </Dialog>
  );
};

const sideOf = (source: Source): string => (source === 'byok' ? 'an own key' : 'the marketplace');

/** Without one there is nothing that approving could add to. */
const hasKey = (grant: Grant): boolean => grant.source !== 'byok' || Boolean(grant.credentialId);

/** The grant that is there already, and that stays where it is. */
const Had = ({ grant, one, agent }: { grant: Grant; one: AccessRequest; agent: Agent }) => {
  const there = <a href={to(['agents', agent.id])}>the agent</a>;
  return (
    <div className="notice stack-small">
      <p>
        It has {grant.name} with {grant.source === 'byok' ? 'an own key' : 'the marketplace’s key'}; approving does not move it.
      </p>
      {one.source && one.source !== grant.source && (
        <p>
          It asked for {sideOf(one.source)}: to give it that, move {there} first.
        </p>
      )}
      {!hasKey(grant) && <p>Its key is gone: give {there} another one first.</p>}
    </div>
  );
};

const Ticks = ({ legend, all, chosen, onChange }: { legend: string; all: readonly string[]; chosen: readonly string[]; onChange: (chosen: readonly string[]) => void }) =>
  all.length === 0 ? null : (
    <fieldset className="stack-small">
      <legend className="legend">{legend}</legend>
      {all.map((one) => (
        <label key={one} className="check">
          <input type="checkbox" checked={chosen.includes(one)} onChange={(event) => onChange(event.target.checked ? [...chosen, one] : chosen.filter((other) => other !== one))} />
          <Named name={one} />
        </label>
      ))}
    </fieldset>
  );

const Deny = ({ one, onClose }: { one: AccessRequest; onClose: () => void }) => {
  const [reason, setReason] = useState('');
  return (
    <Dialog title="Deny" onClose={onClose}>
      <Form
        submit="Deny it"
        danger
        disabled={reason.trim() === ''}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.accessRequests.deny(one.id, { reason: reason.trim() });
          say(`${one.agentName} is told.`);
          decided();
          onClose();
        }}
      >
        {(failure) => <TextField label="Why" required maxLength={1000} placeholder="use the search of the intranet" value={reason} failure={failure} pointer="/reason" onChange={(event) => setReason(event.target.value)} hint="The agent reads this." />}
      </Form>
    </Dialog>
  );
};
