// Events as sentences, with where their cause is seen. What an agent or a vendor named in them is text like any other.
import type { EventRecord } from '@keystore/sdk';
import { inUnit, money } from '../lib/format.ts';
import { to } from '../lib/router.tsx';
import { Ago, Badge, Named, type Tone } from './parts.tsx';

type Facts = Readonly<Record<string, unknown>>;

const text = (facts: Facts, name: string): string => {
  const value = facts[name];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
};

const key = (of: Facts): string => `The key ${text(of, 'name')} of ${text(of, 'provider')}`;
const limit = (of: Facts): string => inUnit(text(of, 'limit'), text(of, 'unit') || 'usd');

const WORDS: Record<string, { tone: Tone; say: (facts: Facts) => string }> = {
  'agent.created': { tone: 'off', say: (of) => `The agent ${text(of, 'name')} was made` },
  'agent.deleted': { tone: 'off', say: (of) => `The agent ${text(of, 'name')} was deleted` },
  'usage.threshold': { tone: 'warn', say: (of) => `A budget reached ${text(of, 'threshold')} % of ${limit(of)}` },
  'agent.budget_exceeded': { tone: 'bad', say: (of) => `A call was refused: a budget of ${limit(of)} is used up` },
  'provider.circuit_opened': { tone: 'bad', say: (of) => `${text(of, 'host') || text(of, 'provider')} fails; calls are held back` },
  'provider.circuit_closed': { tone: 'ok', say: (of) => `${text(of, 'host') || text(of, 'provider')} answers again` },
  'credential.invalid': { tone: 'bad', say: (of) => `${text(of, 'provider')} refuses the key ${text(of, 'name')}` },
  'credential.expiring': { tone: 'warn', say: (of) => `${key(of)} ends within ${text(of, 'withinDays')} days` },
  'credential.rotation_due': { tone: 'warn', say: (of) => `${key(of)} is due for rotation` },
  'credential.rotated': { tone: 'ok', say: (of) => `${key(of)} was replaced by another` },
  'kek.rotated': { tone: 'ok', say: () => 'The organization has another generation of its key' },
  'abuse.detected': { tone: 'bad', say: (of) => `${text(of, 'agent')}: a rule found too much of ${text(of, 'rule').replaceAll('_', ' ')}: ${text(of, 'found')}, of ${text(of, 'threshold')} allowed` },
  'access.requested': { tone: 'warn', say: (of) => `${text(of, 'agent')} asks for ${text(of, 'provider') || 'more'}` },
  'access.decided': { tone: 'ok', say: (of) => `What ${text(of, 'agent')} asked for is ${text(of, 'state')}` },
  'agent.key_in_answer': { tone: 'bad', say: (of) => `An answer of ${text(of, 'provider')} held what looks like a key` },
  'audit.sink_failed': { tone: 'bad', say: () => 'Checkpoints of the audit log do not get to a second place' },
  'invoice.created': { tone: 'off', say: (of) => `${text(of, 'month')} was invoiced: ${money(text(of, 'total'))}, ${money(text(of, 'due'))} left to be paid` },
  'top_up.failed': { tone: 'bad', say: () => 'A payment to top up credit was refused' },
  'top_up.capped': { tone: 'warn', say: () => 'Credit is not topped up any more this month: its limit is reached' },
  'top_up.waits': { tone: 'warn', say: () => 'A payment waits for the operator' },
  'top_up.unclear': { tone: 'warn', say: () => 'Nobody knows whether a card was charged' },
  'pool.abuse_detected': { tone: 'bad', say: (of) => `A vendor holds too many calls of a customer of ${text(of, 'provider')} to break its rules` },
  'pool.rotation_waits': { tone: 'warn', say: (of) => `The renewal of a pooled key of ${text(of, 'provider')} waits for you` },
  'pool.key_rotated': { tone: 'ok', say: (of) => `A pooled key of ${text(of, 'provider')} was renewed` },
  'pool.rotation_undone': { tone: 'warn', say: (of) => `The renewal of a pooled key of ${text(of, 'provider')} was undone` },
  'webhook.disabled': { tone: 'bad', say: () => 'A webhook took nothing, and is disabled' },
};

export const EVENT_KINDS = Object.keys(WORDS);

/** Where a thing with an id of this kind has its page. */
const PAGES: Record<string, string> = { acr: 'access', agt: 'agents', bud: 'budgets', crd: 'credentials', prj: 'projects', whk: 'webhooks' };

const pageOf = (id: string): string | undefined => {
  const page = PAGES[id.slice(0, 3)];
  return page && id[3] === '_' ? to([page, id]) : undefined;
};

const whereOf = (event: EventRecord, facts: Facts): string | undefined => {
  if (event.kind === 'agent.budget_exceeded') return to(['requests'], { code: 'budget_exceeded' });
  if (event.kind === 'agent.deleted') return to(['audit'], { subject: event.subject });
  if (event.kind.startsWith('provider.')) return to(['requests'], { provider: text(facts, 'provider') });
  if (event.kind.startsWith('top_up.') || event.kind.startsWith('invoice.')) return to(['billing']);
  if (event.kind.startsWith('pool.')) return to(['operator']);
  if (event.kind.startsWith('kek.')) return to(['settings']);
  return pageOf(event.subject) ?? pageOf(text(facts, 'agentId')) ?? pageOf(text(facts, 'agent'));
};

export interface Happened {
  readonly words: string;
  readonly tone: Tone;
  readonly href: string | undefined;
}

export const happened = (event: EventRecord): Happened => {
  const facts = (typeof event.data === 'object' && event.data !== null ? event.data : {}) as Facts;
  const known = WORDS[event.kind];
  return { words: known?.say(facts) ?? '', tone: known?.tone ?? 'off', href: whereOf(event, facts) };
};

/** Events as a list of lines, each of which leads to its cause. */
export const EventLines = ({ events }: { events: readonly EventRecord[] }) => (
  <ul className="bars">
    {events.map((event) => {
      const { words, tone, href } = happened(event);
      const inside = (
        <>
          <span className="row">
            <Badge tone={tone}>{event.kind}</Badge>
            <span className="break">
              <Named name={words || event.subject} />
            </span>
          </span>
          <span className="quiet">
            <Ago time={event.at} />
          </span>
        </>
      );
      return <li key={event.id}>{href ? <a href={href}>{inside}</a> : <div>{inside}</div>}</li>;
    })}
  </ul>
);
