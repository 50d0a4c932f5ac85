// What a budget counts, in words, and where it stands.
import type { Budget } from '@keystore/sdk';
import { approximately, inUnit } from '../lib/format.ts';
import { useAllAgents, useAllProjects } from '../lib/look-ups.ts';
import { Ago, Bar } from './parts.tsx';

/** Names the calls that a budget counts. Agents and projects are called by their names where those are known. */
export const useBudgetName = (): ((budget: Budget) => string) => {
  const agents = useAllAgents();
  const projects = useAllProjects();
  const projectOf = (id: string): string => `project ${projects.data?.data.find((one) => one.id === id)?.name ?? id}`;
  return (budget) =>
    [
      budget.agentId ? (agents.data?.data.find((agent) => agent.id === budget.agentId)?.name ?? budget.agentId) : budget.projectId && projectOf(budget.projectId),
      budget.provider,
      budget.model,
      budget.source && (budget.source === 'byok' ? 'own keys' : 'marketplace'),
      budget.endUser && (budget.endUser === '*' ? 'each end user' : `end user ${budget.endUser}`),
    ]
      .filter(Boolean)
      .join(' · ') || 'The whole organization';
};

/** What is spent and held of the limit of now; 1 is all of it. */
export const shareUsed = (budget: Budget): number => {
  const limit = approximately(budget.raise?.limit ?? budget.limit);
  return limit > 0 ? (approximately(budget.spent) + approximately(budget.held)) / limit : 1;
};

/** One that counts each end user by itself is not used up as a whole. */
export const isUsedUp = (budget: Budget): boolean => budget.endUser !== '*' && shareUsed(budget) >= 1;

const UNITS = { usd: '', calls: '', emails: '', usd_moved: ' moved' } as const;

export const BudgetState = ({ of, name }: { of: Budget; name: string }) => {
  const limit = of.raise?.limit ?? of.limit;
  const span = of.window === 'total' ? 'in total' : `a ${of.window}`;
  // Of one that counts each end user by itself, only that of one of them stands somewhere.
  if (of.endUser === '*') return <span>{inUnit(limit, of.unit)}{UNITS[of.unit]} each, {span}</span>;
  return (
    <span className="stack-small">
      <span className="number">
        {inUnit(of.spent, of.unit)} <span className="quiet">of {inUnit(limit, of.unit)}{UNITS[of.unit]} {span}</span>
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
