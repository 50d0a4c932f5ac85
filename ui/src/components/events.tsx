// Events as sentences, with where their cause is seen. What an agent or a vendor named in them is text like any other.
import type { EventRecord } from '@keystore/sdk';
import { inUnit } from '../lib/format.ts';
import { to } from '../lib/router.tsx';
import type { Tone } from './parts.tsx';

type Facts = Readonly<Record<string, unknown>>;

const text = (facts: Facts, name: string): string => {
  const value = facts[name];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
};

const WORDS: Record<string, { tone: Tone; say: (facts: Facts) => string }> = {
  'usage.threshold': { tone: 'warn', say: (of) => `A budget reached ${text(of, 'threshold')} % of ${inUnit(text(of, 'limit'), text(of, 'unit') || 'usd')}` },
  'agent.budget_exceeded': { tone: 'bad', say: (of) => `A call was refused: a budget of ${inUnit(text(of, 'limit'), text(of, 'unit') || 'usd')} is used up` },
  'provider.circuit_opened': { tone: 'bad', say: (of) => `${text(of, 'host') || text(of, 'provider')} fails; calls are held back` },
  'provider.circuit_closed': { tone: 'ok', say: (of) => `${text(of, 'host') || text(of, 'provider')} answers again` },
  'credential.invalid': { tone: 'bad', say: (of) => `${text(of, 'provider')} refuses the key ${text(of, 'name')}` },
  'credential.expiring': { tone: 'warn', say: (of) => `The key ${text(of, 'name')} of ${text(of, 'provider')} ends within ${text(of, 'withinDays')} days` },
  'credential.rotation_due': { tone: 'warn', say: (of) => `The key ${text(of, 'name')} of ${text(of, 'provider')} is due for rotation` },
  'abuse.detected': { tone: 'bad', say: (of) => `A rule found too much of ${text(of, 'rule')}: ${text(of, 'found')}, of ${text(of, 'threshold')} allowed` },
  'access.requested': { tone: 'warn', say: (of) => `${text(of, 'agent')} asks for ${text(of, 'provider') || 'more'}` },
  'access.decided': { tone: 'ok', say: (of) => `What ${text(of, 'agent')} asked for is ${text(of, 'state')}` },
  'agent.key_in_answer': { tone: 'bad', say: (of) => `An answer of ${text(of, 'provider')} held what looks like a key` },
};

export const happened = (event: EventRecord): { words: string; tone: Tone; href: string | undefined } => {
  const facts = (typeof event.data === 'object' && event.data !== null ? event.data : {}) as Facts;
  const known = WORDS[event.kind];
  return { words: known?.say(facts) ?? '', tone: known?.tone ?? 'off', href: whereOf(event, facts) };
};

const whereOf = (event: EventRecord, facts: Facts): string | undefined => {
  const agent = text(facts, 'agent');
  if (event.kind === 'agent.budget_exceeded') return to(['requests'], { code: 'budget_exceeded' });
  if (event.subject.startsWith('acr_')) return to(['access', event.subject]);
  if (event.subject.startsWith('bud_')) return to(['budgets', event.subject]);
  if (event.subject.startsWith('agt_')) return to(['agents', event.subject]);
  if (agent.startsWith('agt_')) return to(['agents', agent]);
  if (event.subject.startsWith('crd_')) return to(['credentials', event.subject]);
  return undefined;
};
