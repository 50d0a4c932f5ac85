// Rules of the price book in words, and what a change of it does.
import type { PriceChange, PriceRule } from '@keystore/sdk';
import { day, money, words } from '../lib/format.ts';

/** What a rule does, in a line. */
export const effectOf = ({ cost, markup, sell }: PriceRule): string => {
  const units = (given: Record<string, string>): string => Object.entries(given).map(([unit, dollars]) => `${words(unit)} ${money(dollars)}`).join(', ');
  if (markup) return `${[markup.percent && `${markup.percent} %`, markup.perMillion && `${money(markup.perMillion)} a million`].filter(Boolean).join(' and ')} on ${markup.unit ? words(markup.unit) : 'every unit'}`;
  if (sell) return `sold at ${units(sell.units)}`;
  return cost ? `costs the operator ${units(cost.units)}` : '–';
};

export const whomOf = (rule: PriceRule): string => [rule.provider ?? 'every provider', rule.model, rule.org && `for ${rule.org} alone`].filter(Boolean).join(' · ');

export const datesOf = (rule: PriceRule): string => [rule.effectiveFrom ? `from ${day(rule.effectiveFrom)}` : '', rule.effectiveTo ? `until ${day(rule.effectiveTo)}` : ''].filter(Boolean).join(' ') || 'until further notice';

/** Whether it counts today. */
export const stateOf = (rule: PriceRule, now = Date.now()): 'ended' | 'in force' | 'to come' => {
  if (rule.effectiveTo && Date.parse(rule.effectiveTo) <= now) return 'ended';
  return rule.effectiveFrom && Date.parse(rule.effectiveFrom) > now ? 'to come' : 'in force';
};

export const PriceDifference = ({ of }: { of: PriceChange }) => (
  <ul className="stack-small" aria-label="The difference">
    {of.removed.map((rule) => (
      <li key={`- ${JSON.stringify(rule)}`} className="notice bad">
        − {whomOf(rule)}: {effectOf(rule)}, {datesOf(rule)}
      </li>
    ))}
    {of.added.map((rule) => (
      <li key={`+ ${JSON.stringify(rule)}`} className="notice ok">
        + {whomOf(rule)}: {effectOf(rule)}, {datesOf(rule)}
      </li>
    ))}
    {of.removed.length + of.added.length === 0 && <li className="notice">Nothing would change.</li>}
  </ul>
);
