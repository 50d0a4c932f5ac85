// How often an agent may call, and for how much.
import { useState } from 'react';
import type { Agent } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { refresh } from '../lib/query.ts';
import { Dialog, Form } from './dialog.tsx';
import { dollarsToCents, TextField, wholeNumber } from './fields.tsx';
import { say } from './toasts.tsx';

/** What the field says: empty goes back to the default. */
const numberOrDefault = (text: string): number | null => wholeNumber(text) ?? null;

export const Limits = ({ agent, onClose }: { agent: Agent; onClose: () => void }) => {
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
