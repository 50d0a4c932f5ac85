// How often an agent may call, for how much, and what else narrows it.
import { useState } from 'react';
import type { Agent, UpdateAgent } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { refresh } from '../lib/query.ts';
import { Dialog, Form } from './dialog.tsx';
import { dollarsToCents, listOf, TextField, wholeNumber } from './fields.tsx';
import { say } from './toasts.tsx';

/** What the field says: empty goes back to the default. */
const numberOrDefault = (text: string): number | null => wholeNumber(text) ?? null;

const NUMBERS = [
  ['rpmLimit', 'Requests a minute', 'the default'],
  ['rpdLimit', 'Requests a day', 'the default'],
  ['tpmLimit', 'Tokens a minute', 'no limit'],
  ['maxConcurrency', 'Calls at the same time', 'no limit'],
] as const;

const LISTS = [
  ['allowedModels', 'Models', 'every model', '* at the end stands for the rest.'],
  ['allowedIps', 'Addresses', 'every address', 'Addresses or networks, such as 10.0.0.0/8.'],
  ['labels', 'Labels', 'none', 'They narrow what may serve its calls.'],
] as const;

type Name = (typeof NUMBERS)[number][0] | (typeof LISTS)[number][0] | 'budget' | 'ends';

const typedOf = (agent: Agent): Record<Name, string> => ({
  budget: agent.budgetCentsMonthly == null ? '' : (agent.budgetCentsMonthly / 100).toFixed(2),
  rpmLimit: String(agent.rpmLimit ?? ''),
  rpdLimit: String(agent.rpdLimit ?? ''),
  tpmLimit: String(agent.tpmLimit ?? ''),
  maxConcurrency: String(agent.maxConcurrency ?? ''),
  allowedModels: agent.allowedModels.join(', '),
  allowedIps: agent.allowedIps.join(', '),
  labels: agent.labels.join(', '),
  ends: agent.expiresAt?.slice(0, 10) ?? '',
});

/** Only what was typed anew is sent: what somebody else changed beside it stays. */
const changesOf = (agent: Agent, typed: Record<Name, string>, endUsers: boolean): UpdateAgent => {
  const before = typedOf(agent);
  const isNew = (name: Name): boolean => typed[name] !== before[name];
  return {
    ...(isNew('budget') && { budgetCentsMonthly: dollarsToCents(typed.budget) ?? null }),
    ...Object.fromEntries(NUMBERS.filter(([name]) => isNew(name)).map(([name]) => [name, numberOrDefault(typed[name])])),
    ...Object.fromEntries(LISTS.filter(([name]) => isNew(name)).map(([name]) => [name, listOf(typed[name])])),
    ...(isNew('ends') && { expiresAt: typed.ends ? new Date(`${typed.ends}T00:00:00Z`).toISOString() : null }),
    ...(endUsers !== agent.endUsers && { endUsers }),
  };
};

export const Limits = ({ agent, onClose }: { agent: Agent; onClose: () => void }) => {
  const [typed, setTyped] = useState(typedOf(agent));
  const [endUsers, setEndUsers] = useState(agent.endUsers);
  const set = (name: Name) => (event: { target: { value: string } }): void => setTyped({ ...typed, [name]: event.target.value });
  const wrongBudget = typed.budget !== '' && dollarsToCents(typed.budget) === undefined;
  const wrongNumber = NUMBERS.some(([name]) => typed[name] !== '' && wholeNumber(typed[name]) === undefined);
  return (
    <Dialog title="Change limits" onClose={onClose}>
      <Form
        submit="Save"
        disabled={wrongBudget || wrongNumber}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.agents.update(agent.id, changesOf(agent, typed, endUsers));
          say('In force from the next request on.');
          refresh(`agent/${agent.id}`, 'agents/', 'budgets/');
          onClose();
        }}
      >
        {(failure) => (
          <>
            <TextField label="Dollars a month" inputMode="decimal" placeholder="no limit" value={typed.budget} failure={failure} pointer="/budgetCentsMonthly" onChange={set('budget')} hint={wrongBudget ? 'An amount such as 25 or 12.50.' : 'What was spent stays spent.'} />
            <div className="grid-2">
              {NUMBERS.map(([name, label, placeholder]) => (
                <TextField key={name} label={label} inputMode="numeric" placeholder={placeholder} value={typed[name]} failure={failure} pointer={`/${name}`} onChange={set(name)} />
              ))}
            </div>
            <p className="quiet">For each provider. 0 blocks; an empty field goes back to the default.{wrongNumber && ' These must be whole numbers.'}</p>
            <details>
              <summary>Models, addresses, labels, its end</summary>
              <div className="stack">
                {LISTS.map(([name, label, placeholder, hint]) => (
                  <TextField key={name} label={label} placeholder={placeholder} value={typed[name]} failure={failure} pointer={`/${name}`} onChange={set(name)} hint={hint} />
                ))}
                <TextField label="Ends by itself (UTC)" type="date" value={typed.ends} failure={failure} pointer="/expiresAt" onChange={set('ends')} />
                <label className="check">
                  <input type="checkbox" checked={endUsers} onChange={(event) => setEndUsers(event.target.checked)} />
                  Each call must name its end user
                </label>
              </div>
            </details>
          </>
        )}
      </Form>
    </Dialog>
  );
};
