// Changing the price book: a rule that is added, or one that is taken away, with the difference before it counts.
import { useState } from 'react';
import type { PriceBook, PriceChange, PriceRule } from '@keystore/sdk';
import { ks, type Failure } from '../lib/api.ts';
import { refresh } from '../lib/query.ts';
import { unitsOf } from '../lib/units.ts';
import { Dialog, Form } from './dialog.tsx';
import { SelectField, TextArea, TextField } from './fields.tsx';
import { PriceDifference } from './price-words.tsx';
import { say } from './toasts.tsx';

type Kind = 'markup' | 'cost' | 'sell';

const KINDS: Record<Kind, string> = {
  markup: 'a markup on what the operator pays',
  cost: 'what the operator pays the vendor',
  sell: 'what customers pay, whatever it costs',
};

interface Typed {
  readonly kind: Kind;
  readonly percent: string;
  readonly perMillion: string;
  readonly unit: string;
  readonly units: string;
  readonly contextWindow: string;
  readonly maxOutputTokens: string;
  readonly provider: string;
  readonly model: string;
  readonly org: string;
  readonly from: string;
  readonly until: string;
}

const EMPTY: Typed = { kind: 'markup', percent: '', perMillion: '', unit: '', units: '', contextWindow: '', maxOutputTokens: '', provider: '', model: '', org: '', from: '', until: '' };

const PERCENT = /^-?\d{1,5}(\.\d{1,2})?$/;
const DOLLARS = /^\d{1,9}(\.\d{1,9})?$/;

const midnight = (date: string): string => new Date(`${date}T00:00:00Z`).toISOString();

const ruleOf = (typed: Typed): PriceRule | undefined => {
  const units = unitsOf(typed.units);
  const number = (text: string): number | undefined => (/^\d{1,9}$/.test(text.trim()) ? Number(text.trim()) : undefined);
  const text = (value: string): string => value.trim();
  const whom = {
    ...(text(typed.provider) && { provider: text(typed.provider) }),
    ...(text(typed.model) && { model: text(typed.model) }),
    ...(text(typed.org) && { org: text(typed.org) }),
    ...(typed.from && { effectiveFrom: midnight(typed.from) }),
    ...(typed.until && { effectiveTo: midnight(typed.until) }),
  };
  if (typed.kind === 'markup') {
    const [percent, perMillion] = [text(typed.percent), text(typed.perMillion)];
    const right = (percent || perMillion) && (!percent || PERCENT.test(percent)) && (!perMillion || DOLLARS.test(perMillion));
    return right ? { ...whom, markup: { ...(percent && { percent }), ...(perMillion && { perMillion }), ...(text(typed.unit) && { unit: text(typed.unit) }) } } : undefined;
  }
  if (!units) return undefined;
  if (typed.kind === 'sell') return { ...whom, sell: { units } };
  const [contextWindow, maxOutputTokens] = [number(typed.contextWindow), number(typed.maxOutputTokens)];
  return { ...whom, cost: { units, ...(contextWindow !== undefined && { contextWindow }), ...(maxOutputTokens !== undefined && { maxOutputTokens }) } };
};

/** `remove`: the number of the rule that goes; without it one is added. */
export const ChangePrices = ({ book, remove, onClose }: { book: PriceBook; remove: number | undefined; onClose: () => void }) => {
  const [typed, setTyped] = useState<Typed>(EMPTY);
  const [difference, setDifference] = useState<PriceChange>();
  const rule = ruleOf(typed);
  const wrongOrder = typed.from !== '' && typed.until !== '' && typed.until <= typed.from;
  const set = (name: keyof Typed) => (event: { target: { value: string } }): void => {
    setTyped({ ...typed, [name]: event.target.value });
    setDifference(undefined);
  };
  return (
    <Dialog title={remove === undefined ? 'Add a rule' : 'Take the rule away'} onClose={onClose}>
      <Form
        submit={difference ? 'Put it in force' : 'Show the difference'}
        disabled={(remove === undefined && !rule) || wrongOrder}
        onCancel={onClose}
        onSubmit={async () => {
          const change = { base: book.version, ...(remove === undefined ? { add: rule ? [rule] : [] } : { remove: [remove] }) };
          if (!difference) {
            setDifference(await ks.operator.changePrices({ ...change, dryRun: true }));
            return;
          }
          const done = await ks.operator.changePrices(change);
          say(`Version ${done.version} is in force.`);
          refresh('operator/prices', 'marketplace/');
          onClose();
        }}
      >
        {(failure) => (
          <>
            {remove === undefined && (
              <>
                <SelectField label="What it says" value={typed.kind} onChange={set('kind')}>
                  {Object.entries(KINDS).map(([kind, words]) => (
                    <option key={kind} value={kind}>
                      {words}
                    </option>
                  ))}
                </SelectField>
                {typed.kind === 'markup' ? <MarkupFields typed={typed} set={set} failure={failure} /> : <UnitFields typed={typed} set={set} failure={failure} />}
                <WhomFields typed={typed} set={set} failure={failure} wrongOrder={wrongOrder} />
              </>
            )}
            {difference && <PriceDifference of={difference} />}
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

const MarkupFields = ({ typed, set, failure }: PartProps) => (
  <div className="grid-2">
    <TextField label="Percent on the vendor’s price" inputMode="decimal" autoFocus placeholder="15" value={typed.percent} failure={failure} pointer="/add/0/markup/percent" onChange={set('percent')} />
    <TextField label="Dollars a million units" inputMode="decimal" placeholder="none" value={typed.perMillion} failure={failure} pointer="/add/0/markup/perMillion" onChange={set('perMillion')} />
    <TextField label="On which unit" placeholder="every unit" value={typed.unit} failure={failure} pointer="/add/0/markup/unit" onChange={set('unit')} hint="As usage names it, such as output_text." />
  </div>
);

const UnitFields = ({ typed, set, failure }: PartProps) => (
  <>
    <TextArea label="Dollars for a million units" rows={4} placeholder={'input_uncached 1.40\noutput_text 11.20'} value={typed.units} failure={failure} pointer={`/add/0/${typed.kind}/units`} onChange={set('units')} hint="A unit and its price a line, as usage names the units. What is not named stays as it is." />
    {typed.kind === 'cost' && (
      <div className="grid-2">
        <TextField label="Most tokens in and out" inputMode="numeric" placeholder="as the list says" value={typed.contextWindow} failure={failure} pointer="/add/0/cost/contextWindow" onChange={set('contextWindow')} />
        <TextField label="Most tokens out" inputMode="numeric" placeholder="as the list says" value={typed.maxOutputTokens} failure={failure} pointer="/add/0/cost/maxOutputTokens" onChange={set('maxOutputTokens')} />
      </div>
    )}
  </>
);

const WhomFields = ({ typed, set, failure, wrongOrder }: PartProps & { wrongOrder: boolean }) => (
  <div className="grid-2">
    <TextField label="Provider" placeholder="every provider" value={typed.provider} failure={failure} pointer="/add/0/provider" onChange={set('provider')} />
    <TextField label="Model" placeholder="every model" value={typed.model} failure={failure} pointer="/add/0/model" onChange={set('model')} hint="* at the end stands for the rest." />
    <TextField label="In force from (UTC)" type="date" value={typed.from} failure={failure} pointer="/add/0/effectiveFrom" onChange={set('from')} hint="At once where it is empty." />
    <TextField label="Until (UTC)" type="date" value={typed.until} failure={failure} pointer="/add/0/effectiveTo" onChange={set('until')} hint={wrongOrder ? 'It must end after it begins.' : 'Until further notice where it is empty.'} />
    <TextField label="For one organization alone" placeholder="for all" value={typed.org} failure={failure} pointer="/add/0/org" onChange={set('org')} hint="Its id." />
  </div>
);
