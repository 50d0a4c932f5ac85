// What wants a person, and where they act. Nothing is shown where nothing does.
import type { Budget } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { count } from '../lib/format.ts';
import { all, PAGE, useAllAgents } from '../lib/look-ups.ts';
import { useQuery } from '../lib/query.ts';
import { to } from '../lib/router.tsx';
import { isUsedUp } from './budget-names.tsx';
import { Card, Named } from './parts.tsx';

const EVERY = 15_000;
const MOST = 6;

interface Line {
  readonly id: string;
  readonly href: string;
  readonly text: string;
}

/** `undefined` until all of it is known; what somebody's role does not see is left out. */
export const useWaits = (budgets: readonly Budget[]): readonly Line[] | undefined => {
  const asked = useQuery('access/first', async () => ks.accessRequests.list({ state: 'open', limit: 10 }), EVERY);
  const due = useQuery('credentials/due', async () => ks.credentials.list({ due: 14, limit: 10 }), EVERY);
  const keys = useQuery('credentials/all', () => all(ks.credentials.list({ limit: PAGE })), EVERY);
  const agents = useAllAgents(EVERY);
  const refused = (keys.data?.data ?? []).filter((one) => one.status === 'invalid');
  const paused = (agents.data?.data ?? []).filter((one) => one.pausedBy);
  const full = budgets.filter((one) => one.action === 'deny' && isUsedUp(one));
  if ([asked, due, keys, agents].some((query) => !query.data && !query.failure)) return undefined;
  return [
    ...(asked.data?.data ?? []).map((one) => ({ id: one.id, href: to(['access', one.id]), text: `${one.agentName} asks for ${one.provider ?? (one.models.length > 0 ? 'models' : 'a larger budget')}` })),
    ...refused.map((one) => ({ id: one.id, href: to(['credentials', one.id]), text: `${one.provider} refuses the key ${one.name}` })),
    ...(due.data?.data ?? []).map((one) => ({ id: `due-${one.id}`, href: to(['credentials', one.id]), text: `The key ${one.name} of ${one.provider} ends or is to be rotated` })),
    ...paused.map((one) => ({ id: one.id, href: to(['agents', one.id]), text: `${one.name} was paused by a rule against abuse` })),
    ...full.map((one) => ({ id: one.id, href: to(['budgets', one.id]), text: 'A budget is used up: calls are refused' })),
  ];
};

export const Waits = ({ lines }: { lines: readonly Line[] }) =>
  lines.length === 0 ? null : (
    <Card title="Waits for you">
      <ul className="bars">
        {lines.slice(0, MOST).map(({ id, href, text }) => (
          <li key={id}>
            <a href={href}>
              <Named name={text} />
              <span aria-hidden="true">→</span>
            </a>
          </li>
        ))}
      </ul>
      {lines.length > MOST && <p className="quiet">and {count(lines.length - MOST)} more</p>}
    </Card>
  );
