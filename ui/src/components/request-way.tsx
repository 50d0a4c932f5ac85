// The way of a request, step by step, with when each was reached; and the budgets that it was held against.
import type { RequestRecord } from '@keystore/sdk';
import { duration, exactly, inUnit, money, words } from '../lib/format.ts';
import { useAllBudgets } from '../lib/look-ups.ts';
import { to } from '../lib/router.tsx';
import { BudgetState, useBudgetName } from './budget-names.tsx';
import { Card, Named } from './parts.tsx';

interface Stage {
  readonly title: string;
  readonly more: string;
  /** From when to when, in microseconds since the head of the request was there; absent where it was not recorded. */
  readonly span?: readonly [number, number];
  readonly tone?: 'bad' | 'off';
}

/** Only what was recorded: a stage that was not reached is left out. */
const stagesOf = (one: RequestRecord): readonly Stage[] => {
  const arrived: Stage = { title: 'Arrived and was authenticated', more: exactly(one.at) };
  if (!one.attemptId) return [arrived, { title: `Refused: ${words(one.code ?? 'unknown')}`, more: `Answered ${one.status}. Nothing was sent to ${one.provider}, and nothing was charged.`, tone: 'bad' }];
  const { steps } = one;
  const start = steps?.checkedUs ?? 0;
  const span = (from: number | undefined, until: number | undefined): Pick<Stage, 'span'> => (steps && from !== undefined && until ? { span: [start + from, start + until] } : {});
  const failed = one.code !== undefined && one.code !== null;
  const held = one.held?.length ? 'what it may cost at most was held against every budget' : 'no budget counts it';
  return [
    { ...arrived, title: steps ? 'Checked' : arrived.title, more: steps ? 'Token, grant, scopes, rates, labels, the body and its price; where a pool was full, the wait for it' : arrived.more, ...(steps && { span: [0, start] as const }) },
    { title: steps ? 'Admitted, and written down' : 'Admitted', more: steps ? `Grant, rates and budgets allow it; ${held}, and the intent was durable before a byte went out` : 'Grant, rates and budgets allow it; what it may cost at most was held, and the intent written before the first byte was sent.', ...span(0, steps?.recordedUs) },
    ...(steps ? [{ title: steps.sendingUs ? 'Sent' : 'Not sent', more: steps.sendingUs ? 'The credential was opened, a connection was there, and what permits the call still stood' : 'It ended before a byte went out', ...(steps.sendingUs ? {} : { tone: 'bad' as const }), ...span(steps.recordedUs, steps.sendingUs) }] : []),
    ...(steps?.answeredUs ? [{ title: `${one.provider} answered`, more: `with status ${one.status || 'none'}`, ...span(steps.sendingUs, steps.answeredUs) }] : []),
    { title: one.firstByteUs > 0 ? `${one.provider} began to answer` : `${one.provider} gave no body`, more: one.firstByteUs > 0 ? `the first byte of the body, after ${duration(one.firstByteUs)}` : `status ${one.status || 'none'}`, ...(one.firstByteUs > 0 ? span(steps?.answeredUs, one.firstByteUs) : { tone: 'off' as const }) },
    { title: one.ending === 'complete' ? 'Complete' : `Ended: ${words(one.ending ?? 'unknown')}`, more: `after ${duration(one.totalUs)}, status ${one.status || 'none'}${failed ? `, ${words(one.code ?? '')}` : ''}`, ...span(one.firstByteUs || (steps?.answeredUs ?? 0), one.totalUs), ...(one.ending === 'complete' && !failed ? {} : { tone: 'bad' as const }) },
    { title: 'Settled', more: `${money(one.cost)} charged, the hold given back.` },
  ];
};

export const Way = ({ one }: { one: RequestRecord }) => {
  const stages = stagesOf(one);
  const whole = (one.steps?.checkedUs ?? 0) + one.totalUs;
  return (
    <ol className="steps">
      {stages.map(({ title, more, span, tone }) => (
        <li key={title} className={tone}>
          <span className="spread">
            <strong>{title}</strong>
            {span && <span className="number quiet">{duration(span[1] - span[0])}</span>}
          </span>
          <p className="quiet">{more}</p>
          {span && whole > 0 && (
            <span className="span" aria-hidden="true">
              <span style={{ left: `${(span[0] / whole) * 100}%`, width: `${Math.max(0.5, ((span[1] - span[0]) / whole) * 100)}%` }} />
            </span>
          )}
        </li>
      ))}
    </ol>
  );
};

/** What was held of which budgets, beside where these stand now. */
export const Limits = ({ one }: { one: RequestRecord }) => {
  const budgets = useAllBudgets();
  const nameOf = useBudgetName();
  if (!one.held?.length) return null;
  return (
    <Card title="Budgets that it was held against">
      <ul className="bars">
        {one.held.map((hold) => {
          const budget = budgets.data?.data.find(({ id }) => id === hold.budgetId);
          const inside = (
            <>
              <Named name={budget ? nameOf(budget) : 'A budget that is gone, or counts one end user'} />
              <span className="number">{inUnit(hold.amount, hold.unit)} held</span>
              <span className="quiet">in the window from {exactly(hold.windowStart)}</span>
            </>
          );
          return (
            <li key={hold.budgetId} className="stack-small">
              {budget ? <a href={to(['budgets', hold.budgetId])}>{inside}</a> : <div>{inside}</div>}
              {budget && (
                <span className="quiet">
                  It stands at <BudgetState of={budget} name={nameOf(budget)} />
                </span>
              )}
            </li>
          );
        })}
      </ul>
    </Card>
  );
};
