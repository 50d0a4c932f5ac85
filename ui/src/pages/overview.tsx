// What happens in the organization: spending beside what it may be, traffic, and what wants to be looked at.
import type { Budget, UsageReport } from '@keystore/sdk';
import { Chart } from '../components/chart.tsx';
import { shareUsed, useBudgetName } from '../components/budget-names.tsx';
import { EventLines } from '../components/events.tsx';
import { Waits, useWaits } from '../components/waits.tsx';
import { Bar, Card, Empty, Failed, Figure, Named, Page, Skeleton } from '../components/parts.tsx';
import { ks } from '../lib/api.ts';
import { approximately, count, daysAgo, inUnit, money, monthStart } from '../lib/format.ts';
import { useAllBudgets } from '../lib/look-ups.ts';
import { useQuery, type Query } from '../lib/query.ts';
import { to } from '../lib/router.tsx';
import { useMay, useSession } from '../lib/session.tsx';

const EVERY = 15_000;
const DAYS = 30;

export const Overview = () => {
  const { me } = useSession();
  const sees = useMay('see');
  const days = useQuery('usage/day', () => ks.usage.get({ by: 'day', since: daysAgo(DAYS - 1) }), EVERY);
  const month = useQuery('usage/month', () => ks.usage.get({ by: 'provider', since: monthStart() }), EVERY);
  const agents = useQuery('usage/agent', () => ks.usage.get({ by: 'agent', since: daysAgo(DAYS - 1) }), EVERY);
  const providers = useQuery('usage/provider', () => ks.usage.get({ by: 'provider', since: daysAgo(DAYS - 1) }), EVERY);
  const budgets = useAllBudgets(EVERY);
  const today = days.data?.data.find((row) => row.day === daysAgo(0).slice(0, 10));
  const total = days.data?.total;
  const silent = total !== undefined && total.calls + total.refused === 0;
  const about = `${me.org.name}, the last ${DAYS} days. Days are UTC days.`;
  // All of it at once: what comes one by one would push away what is being read.
  const waits = useWaits(budgets.data?.data ?? []);
  const waiting = waits === undefined || [days, month, agents, providers, budgets].some((query) => !query.data && !query.failure);
  if (waiting) {
    return (
      <Page title="Overview" about={about}>
        <Waiting />
      </Page>
    );
  }
  return (
    <Page title="Overview" about={about}>
      {silent && sees && <FirstSteps />}
      <Waits lines={waits} />
      {days.failure && !days.data && <Failed failure={days.failure} again={days.again} />}
      <div className="grid-4">
        <Figure label="Spent today" value={days.data && money(today?.cost ?? '0')} note={days.data && `${count(today?.calls ?? 0)} calls`} href={to(['requests'], { since: daysAgo(0) })} />
        <Figure label="Spent this month" value={month.data && money(month.data.total.cost)} note={month.data && `${count(month.data.total.calls)} calls`} href={to(['requests'], { since: monthStart() })} />
        <Figure label="Held by running calls" value={month.data && money(month.data.total.held ?? '0')} note="not spent yet, and not free to be spent" href={whereHeld(budgets.data?.data ?? [])} />
        <Figure label="Refused" value={total && count(total.refused)} note={total && `beside ${count(total.calls)} calls, ${count(total.errors)} with errors`} href={to(['requests'], { refused: 'true', since: daysAgo(DAYS - 1) })} />
      </div>
      <div className="grid-2">
        <Card title="Requests a day">
          <Days query={days} label="Requests and refusals, day by day" />
        </Card>
        <Card title="Spending a day">
          <Days query={days} label="Spending, day by day" spending />
        </Card>
      </div>
      <div className="grid-2">
        <Card title="By agent" actions={sees && <a href={to(['agents'])}>All agents</a>}>
          <Shares query={agents} name={(row) => row.agentName ?? row.agentId ?? ''} href={(row) => to(['agents', row.agentId ?? ''])} />
        </Card>
        <Card title="By provider" actions={sees && <a href={to(['requests'])}>All requests</a>}>
          <Shares query={providers} name={(row) => row.provider ?? ''} href={(row) => to(['requests'], { provider: row.provider ?? undefined })} />
        </Card>
      </div>
      <div className="grid-2">
        <NearLimits query={budgets} />
        <Events />
      </div>
    </Page>
  );
};

const Waiting = () => (
  <div className="stack" aria-busy="true">
    <span className="hidden">Loading</span>
    <div className="grid-4">
      {['Spent today', 'Spent this month', 'Held by running calls', 'Refused'].map((label) => (
        <Figure key={label} label={label} value={undefined} />
      ))}
    </div>
    <div className="grid-2">
      <Skeleton height={300} />
      <Skeleton height={300} />
    </div>
  </div>
);

/** What an organization without traffic does next. */
const FirstSteps = () => {
  const [mayAdd, mayCreate] = [useMay('credentials'), useMay('agents')];
  const credentials = useQuery('credentials/first', async () => ks.credentials.list({ limit: 1 }));
  const agents = useQuery('agents/first', async () => ks.agents.list({ limit: 1 }));
  const has = (query: Query<{ data: readonly unknown[] }>): boolean => (query.data?.data.length ?? 0) > 0;
  return (
    <Card title="Three steps to the first call">
      <ol className="todo">
        <li className={has(credentials) ? 'done' : ''}>
          <span>Add a provider’s key. It is sealed, and shown to nobody again.</span>
          {mayAdd && (
            <a className="button small" href={to(['credentials'], { add: '1' })}>
              Add a key
            </a>
          )}
        </li>
        <li className={has(agents) ? 'done' : ''}>
          <span>Create an agent: it gets a token in place of the key, with limits of its own.</span>
          {mayCreate && (
            <a className="button small" href={to(['agents', 'new'])}>
              Create an agent
            </a>
          )}
        </li>
        <li>
          <span>Call the provider through the proxy, and watch the request arrive.</span>
          <a className="button small" href={to(['requests'])}>
            Watch requests
          </a>
        </li>
      </ol>
    </Card>
  );
};

const lastDays = (): string[] => Array.from({ length: DAYS }, (_, at) => daysAgo(DAYS - 1 - at).slice(0, 10));

const Days = ({ query, label, spending }: { query: Query<UsageReport>; label: string; spending?: boolean }) => {
  if (!query.data) return <Skeleton height={220} />;
  const days = lastDays();
  const of = (pick: (row: UsageReport['data'][number]) => number): number[] =>
    days.map((day) => {
      const row = query.data?.data.find((row) => row.day === day);
      return row ? pick(row) : 0;
    });
  const href = (day: string): string => to(['requests'], { since: `${day}T00:00:00.000Z`, until: new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString() });
  return spending ? (
    <Chart href={href} label={label} days={days} format={(value) => money(value.toFixed(value < 1 ? 4 : 2))} series={[{ name: 'Spent', tone: 'accent', values: of((row) => approximately(row.cost)) }]} />
  ) : (
    <Chart
      href={href}
      label={label}
      days={days}
      format={(value) => count(value)}
      series={[
        { name: 'Requests', tone: 'accent', values: of((row) => row.calls + row.refused) },
        { name: 'Refused', tone: 'bad', values: of((row) => row.refused) },
      ]}
    />
  );
};

interface SharesProps {
  query: Query<UsageReport>;
  name: (row: UsageReport['data'][number]) => string;
  href: (row: UsageReport['data'][number]) => string;
}

const Shares = ({ query, name, href }: SharesProps) => {
  if (query.failure && !query.data) return <Failed failure={query.failure} again={query.again} />;
  if (!query.data) return <Skeleton height={160} />;
  const rows = query.data.data.slice(0, 6);
  if (rows.length === 0) return <p className="quiet">Nothing was called yet.</p>;
  return (
    <ul className="bars">
      {rows.map((row) => (
        <li key={name(row)}>
          <a href={href(row)}>
            <Named name={name(row)} />
            <span className="number">
              {money(row.cost)} <span className="quiet">· {count(row.calls)} calls{row.refused > 0 && `, ${count(row.refused)} refused`}</span>
            </span>
            <Bar spent={row.cost} limit={query.data?.total.cost ?? '0'} label={`Share of ${name(row)}`} share />
          </a>
        </li>
      ))}
    </ul>
  );
};

const NearLimits = ({ query }: { query: Query<{ data: readonly Budget[] }> }) => {
  const nameOf = useBudgetName();
  const rows = [...(query.data?.data ?? [])].filter((one) => one.endUser !== '*').sort((a, b) => shareUsed(b) - shareUsed(a)).slice(0, 5);
  return (
    <Card title="Budgets, the fullest first" actions={<a href={to(['budgets'])}>All budgets</a>}>
      {query.failure && !query.data ? (
        <Failed failure={query.failure} again={query.again} />
      ) : !query.data ? (
        <Skeleton height={160} />
      ) : rows.length === 0 ? (
        <Empty title="No budgets" actions={<a className="button" href={to(['budgets'])}>Set one</a>}>
          A budget caps what calls may cost in a day, a week or a month. An agent can have one when it is created.
        </Empty>
      ) : (
        <ul className="bars">
          {rows.map((budget) => {
            const limit = budget.raise?.limit ?? budget.limit;
            return (
              <li key={budget.id}>
                <a href={to(['budgets', budget.id])}>
                  <Named name={nameOf(budget)} />
                  <span className="number">
                    {inUnit(budget.spent, budget.unit)} <span className="quiet">of {inUnit(limit, budget.unit)} {budget.window === 'total' ? 'in total' : `a ${budget.window}`}</span>
                  </span>
                  <Bar spent={budget.spent} held={budget.held} limit={limit} label={`Budget of ${nameOf(budget)}`} />
                </a>
              </li>
            );
          })}
        </ul>
      )}
    </Card>
  );
};

/** The budget of everything, whose holds are all that running calls hold; else the list of budgets. */
const whereHeld = (budgets: readonly Budget[]): string => {
  const whole = budgets.find((one) => one.scope === 'org' && one.unit === 'usd' && !one.source);
  return whole ? to(['budgets', whole.id]) : to(['budgets']);
};

const Events = () => {
  const events = useQuery('events/first', async () => ks.events.list({ limit: 6 }), EVERY);
  return (
    <Card title="What happened" actions={<a href={to(['events'])}>All events</a>}>
      {events.failure && !events.data ? (
        <Failed failure={events.failure} again={events.again} />
      ) : !events.data ? (
        <Skeleton height={160} />
      ) : events.data.data.length === 0 ? (
        <Empty title="Nothing to look at">Budgets that fill up, keys that a vendor refuses and agents that misbehave are told here.</Empty>
      ) : (
        <EventLines events={events.data.data} />
      )}
    </Card>
  );
};
