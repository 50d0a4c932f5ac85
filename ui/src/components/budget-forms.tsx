// The forms of a budget: to set one, to raise it for a while, to change it.
import { useState } from 'react';
import type { Budget, BudgetAction, BudgetMode, CreateBudget, Source, Unit, Window } from '@keystore/sdk';
import { ks, type Failure } from '../lib/api.ts';
import { inUnit } from '../lib/format.ts';
import { useAllAgents, useAllProjects } from '../lib/look-ups.ts';
import { refresh } from '../lib/query.ts';
import { Dialog, Form } from './dialog.tsx';
import { SelectField, TextField } from './fields.tsx';
import { Button, Named } from './parts.tsx';
import { say, sayFailure } from './toasts.tsx';

export const budgetsChanged = (): void => refresh('budgets/', 'budget/', 'agents/', 'agent/');

const AMOUNT = /^\d{1,12}(\.\d{1,9})?$/;

const AMOUNTS: Record<Unit, string> = { usd: 'Dollars', calls: 'Calls', emails: 'E-mails', usd_moved: 'Dollars that calls move' };

interface Typed {
  readonly limit: string;
  readonly unit: Unit;
  readonly window: Window;
  readonly action: BudgetAction;
  readonly mode: BudgetMode;
  readonly agent: string;
  readonly project: string;
  readonly provider: string;
  readonly model: string;
  readonly source: Source | '';
  readonly endUser: string;
}

const bodyOf = ({ limit, unit, window, action, mode, agent, project, provider, model, source, endUser }: Typed): CreateBudget => ({
  limit: limit.trim(),
  window,
  action,
  unit,
  mode,
  thresholds: [50, 80, 100],
  ...(agent && { agent }),
  ...(project && !agent && { project }),
  ...(provider.trim() && { provider: provider.trim() }),
  ...(model.trim() && { model: model.trim() }),
  ...(source && { source }),
  ...(endUser.trim() && { endUser: endUser.trim() }),
});

/** `project`: what it begins with. */
export const SetBudget = ({ project = '', onClose }: { project?: string; onClose: () => void }) => {
  const [typed, setTyped] = useState<Typed>({ limit: '', unit: 'usd', window: 'month', action: 'deny', mode: 'strict', agent: '', project, provider: '', model: '', source: '', endUser: '' });
  const set = (name: keyof Typed) => (event: { target: { value: string } }): void => setTyped({ ...typed, [name]: event.target.value });
  return (
    <Dialog title="Set a budget" onClose={onClose}>
      <Form
        submit="Set it"
        disabled={!AMOUNT.test(typed.limit.trim())}
        onCancel={onClose}
        onSubmit={async (idempotencyKey) => {
          await ks.budgets.create(bodyOf(typed), { idempotencyKey });
          say('In force from the next request on.');
          budgetsChanged();
          onClose();
        }}
      >
        {(failure) => (
          <>
            <div className="grid-2">
              <TextField label={AMOUNTS[typed.unit]} inputMode="decimal" autoFocus required placeholder="50" value={typed.limit} failure={failure} pointer="/limit" onChange={set('limit')} />
              <SelectField label="In a" value={typed.window} failure={failure} pointer="/window" onChange={set('window')}>
                <option value="day">day</option>
                <option value="week">week</option>
                <option value="month">month</option>
                <option value="total">in total</option>
              </SelectField>
            </div>
            <Whose typed={typed} set={set} failure={failure} />
            <ActionField value={typed.action} onChange={set('action')} />
            <details>
              <summary>Narrower, or counted otherwise</summary>
              <Narrower typed={typed} set={set} failure={failure} />
            </details>
          </>
        )}
      </Form>
    </Dialog>
  );
};

interface PartProps {
  typed: Typed;
  set: (name: keyof Typed) => (event: { target: { value: string } }) => void;
  failure: Failure | undefined;
}

const Whose = ({ typed, set, failure }: PartProps) => {
  const agents = useAllAgents();
  const projects = useAllProjects();
  return (
    <div className="grid-2">
      <SelectField label="Of which agent" value={typed.agent} failure={failure} pointer="/agent" onChange={set('agent')}>
        <option value="">all of them</option>
        {agents.data?.data.map((one) => (
          <option key={one.id} value={one.id}>
            {one.name}
          </option>
        ))}
      </SelectField>
      <SelectField label="Of which project" value={typed.agent ? '' : typed.project} disabled={typed.agent !== ''} failure={failure} pointer="/project" onChange={set('project')}>
        <option value="">{typed.agent ? 'the agent’s' : 'all of them'}</option>
        {projects.data?.data.map((one) => (
          <option key={one.id} value={one.id}>
            {one.name}
          </option>
        ))}
      </SelectField>
    </div>
  );
};

const Narrower = ({ typed, set, failure }: PartProps) => (
  <div className="grid-2">
    <TextField label="Of which provider" placeholder="all of them" value={typed.provider} failure={failure} pointer="/provider" onChange={set('provider')} hint="Its slug, such as openai." />
    <TextField label="Of which model" placeholder="all of them" value={typed.model} failure={failure} pointer="/model" onChange={set('model')} hint="* at the end stands for the rest." />
    <TextField label="For which end user" placeholder="all of them together" value={typed.endUser} failure={failure} pointer="/endUser" onChange={set('endUser')} hint="As x-keystore-end-user names it; * gives each the limit for itself." />
    <SelectField label="With whose keys" value={typed.source} failure={failure} pointer="/source" onChange={set('source')}>
      <option value="">anybody’s</option>
      <option value="byok">own keys</option>
      <option value="marketplace">the marketplace’s</option>
    </SelectField>
    <SelectField label="What is counted" value={typed.unit} failure={failure} pointer="/unit" onChange={set('unit')}>
      <option value="usd">dollars that calls cost</option>
      <option value="calls">calls</option>
      <option value="emails">e-mails, by recipient</option>
      <option value="usd_moved">dollars that calls move</option>
    </SelectField>
    <SelectField label="How it holds" value={typed.mode} failure={failure} pointer="/mode" onChange={set('mode')} hint="Strictly, what a call may cost at most is held before it is sent.">
      <option value="strict">strictly: it is never passed</option>
      <option value="estimate">by estimate: a call may be cut off</option>
    </SelectField>
  </div>
);

const ActionField = ({ value, onChange }: { value: BudgetAction; onChange: (event: { target: { value: string } }) => void }) => (
  <SelectField label="At the limit" value={value} onChange={onChange} hint="Half, 80 percent and all of it are announced as events either way.">
    <option value="deny">calls are refused before they are sent</option>
    <option value="alert">it is only told</option>
  </SelectField>
);

const HOURS = { '1': 'an hour', '24': 'a day', '168': 'a week' } as const;

interface OneProps {
  budget: Budget;
  name: string;
  onClose: () => void;
}

export const RaiseBudget = ({ budget, name, onClose }: OneProps) => {
  const [limit, setLimit] = useState('');
  const [hours, setHours] = useState('24');
  const end = async (): Promise<void> => {
    try {
      await ks.budgets.endRaise(budget.id);
      budgetsChanged();
      onClose();
    } catch (error) {
      sayFailure(error);
    }
  };
  return (
    <Dialog title="Raise it for a while" onClose={onClose}>
      <Form
        submit="Raise"
        disabled={!AMOUNT.test(limit.trim())}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.budgets.raiseLimit(budget.id, { limit: limit.trim(), until: new Date(Date.now() + Number(hours) * 3_600_000).toISOString() });
          say('Raised, from the next request on. It ends by itself.');
          budgetsChanged();
          onClose();
        }}
      >
        {(failure) => (
          <>
            <p className="quiet">
              “<Named name={name} />” is limited to {inUnit(budget.limit, budget.unit)}, of which {inUnit(budget.spent, budget.unit)} are spent.
            </p>
            <div className="grid-2">
              <TextField label="Up to" inputMode="decimal" autoFocus required value={limit} failure={failure} pointer="/limit" onChange={(event) => setLimit(event.target.value)} />
              <SelectField label="For" value={hours} failure={failure} pointer="/until" onChange={(event) => setHours(event.target.value)}>
                {Object.entries(HOURS).map(([one, words]) => (
                  <option key={one} value={one}>
                    {words}
                  </option>
                ))}
              </SelectField>
            </div>
            {budget.raise && (
              <div>
                <Button small onClick={() => void end()}>
                  End the raise of now
                </Button>
              </div>
            )}
          </>
        )}
      </Form>
    </Dialog>
  );
};

export const ChangeBudget = ({ budget, name, onClose }: OneProps) => {
  const [limit, setLimit] = useState(budget.limit);
  const [action, setAction] = useState<BudgetAction>(budget.action);
  return (
    <Dialog title="Change the budget" onClose={onClose}>
      <Form
        submit="Save"
        disabled={!AMOUNT.test(limit.trim())}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.budgets.update(budget.id, { limit: limit.trim(), action });
          say('In force from the next request on. What was spent stays spent.');
          budgetsChanged();
          onClose();
        }}
      >
        {(failure) => (
          <>
            <p className="quiet">
              <Named name={name} />
            </p>
            <TextField label={AMOUNTS[budget.unit]} inputMode="decimal" autoFocus value={limit} failure={failure} pointer="/limit" onChange={(event) => setLimit(event.target.value)} />
            <ActionField value={action} onChange={(event) => setAction(event.target.value as BudgetAction)} />
          </>
        )}
      </Form>
    </Dialog>
  );
};
