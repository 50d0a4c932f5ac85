// The price book: what is published, the rules in force with their dates, and a change that shows its difference before it counts.
import { useState } from 'react';
import type { PriceBook, PriceChange, PriceRule } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { day, money, words } from '../lib/format.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { Dialog, Form } from './dialog.tsx';
import { TextField } from './fields.tsx';
import { Badge, Button, Card } from './parts.tsx';
import { Table, type Column } from './table.tsx';
import { say, sayFailure } from './toasts.tsx';

const KEY = 'operator/prices';

/** What a rule does, in a line. */
const effectOf = ({ cost, markup, sell }: PriceRule): string => {
  const units = (given: Record<string, string>): string => Object.entries(given).map(([unit, dollars]) => `${words(unit)} ${money(dollars)}`).join(', ');
  if (markup) return `${[markup.percent && `${markup.percent} %`, markup.perMillion && `${money(markup.perMillion)} a million`].filter(Boolean).join(' and ')} on ${markup.unit ? words(markup.unit) : 'every unit'}`;
  if (sell) return `sold at ${units(sell.units)}`;
  return cost ? `costs the operator ${units(cost.units)}` : '–';
};

const whomOf = (rule: PriceRule): string => [rule.provider ?? 'every provider', rule.model, rule.org && `for ${rule.org} alone`].filter(Boolean).join(' · ');

const datesOf = (rule: PriceRule): string => [rule.effectiveFrom ? `from ${day(rule.effectiveFrom)}` : '', rule.effectiveTo ? `until ${day(rule.effectiveTo)}` : ''].filter(Boolean).join(' ') || 'until further notice';

export const PriceBookCard = () => {
  const query = useQuery(KEY, () => ks.operator.getPriceBook());
  const [open, setOpen] = useState<{ remove?: number }>();
  const book = query.data;
  const rules = book?.rules.map((rule, number) => ({ rule, number }));
  const columns: Column<{ rule: PriceRule; number: number }>[] = [
    { title: 'For', lead: true, cell: ({ rule }) => whomOf(rule) },
    { title: 'Rule', cell: ({ rule }) => effectOf(rule) },
    { title: 'In force', cell: ({ rule }) => datesOf(rule) },
    {
      title: 'Acts',
      right: true,
      cell: ({ number }) => (
        <Button small kind="danger" onClick={() => setOpen({ remove: number })}>
          Take away
        </Button>
      ),
    },
  ];
  return (
    <Card
      title={book ? `Price book, version ${book.version}` : 'Price book'}
      flush
      actions={
        book && (
          <Button small onClick={() => setOpen({})}>
            Add a markup
          </Button>
        )
      }
    >
      {book && <Published book={book} />}
      <Table label="Rules of the price book" rows={rules} failure={query.failure} again={query.again} columns={columns} id={({ number }) => String(number)} empty={<p className="card-body quiet">No rule: everything is sold at the vendors’ list prices.</p>} />
      {open && book && <Change book={book} remove={open.remove} onClose={() => setOpen(undefined)} />}
    </Card>
  );
};

const Published = ({ book }: { book: PriceBook }) => {
  const [busy, setBusy] = useState<string>();
  const toggle = async (provider: string, published: boolean): Promise<void> => {
    setBusy(provider);
    try {
      await ks.operator.setListing({ provider, published });
      say(published ? `Customers see ${provider} now.` : `${provider} is hidden. Who has enabled it keeps it.`);
      refresh(KEY, 'marketplace/');
    } catch (error) {
      sayFailure(error);
    } finally {
      setBusy(undefined);
    }
  };
  return (
    <div className="card-body row">
      {book.listings.map(({ provider, published }) => (
        <span key={provider} className="row">
          <Badge tone={published ? 'ok' : 'off'}>
            {provider}: {published ? 'published' : 'hidden'}
          </Badge>
          <Button small busy={busy === provider} onClick={() => void toggle(provider, !published)}>
            {published ? 'Hide' : 'Publish'} {provider}
          </Button>
        </span>
      ))}
      {book.listings.length === 0 && <span className="quiet">Nothing is published yet.</span>}
    </div>
  );
};

const Change = ({ book, remove, onClose }: { book: PriceBook; remove: number | undefined; onClose: () => void }) => {
  const [provider, setProvider] = useState('');
  const [model, setModel] = useState('');
  const [percent, setPercent] = useState('');
  const [from, setFrom] = useState('');
  const [difference, setDifference] = useState<PriceChange>();
  const wrong = remove === undefined && !/^-?\d{1,5}(\.\d{1,2})?$/.test(percent.trim());
  const rule = (): PriceRule => ({
    markup: { percent: percent.trim() },
    ...(provider.trim() && { provider: provider.trim() }),
    ...(model.trim() && { model: model.trim() }),
    ...(from && { effectiveFrom: new Date(`${from}T00:00:00Z`).toISOString() }),
  });
  const edit = (set: (text: string) => void) => (event: { target: { value: string } }): void => {
    set(event.target.value);
    setDifference(undefined);
  };
  return (
    <Dialog title={remove === undefined ? 'Add a markup' : 'Take the rule away'} onClose={onClose}>
      <Form
        submit={difference ? 'Put it in force' : 'Show the difference'}
        disabled={wrong}
        onCancel={onClose}
        onSubmit={async () => {
          const change = { base: book.version, ...(remove === undefined ? { add: [rule()] } : { remove: [remove] }) };
          if (!difference) {
            setDifference(await ks.operator.changePrices({ ...change, dryRun: true }));
            return;
          }
          const done = await ks.operator.changePrices(change);
          say(`Version ${done.version} is in force.`);
          refresh(KEY, 'marketplace/');
          onClose();
        }}
      >
        {(failure) => (
          <>
            {remove === undefined && (
              <div className="grid-2">
                <TextField label="Percent on the vendor’s price" inputMode="decimal" required autoFocus placeholder="15" value={percent} failure={failure} pointer="/add/0/markup/percent" onChange={edit(setPercent)} />
                <TextField label="In force from (UTC)" type="date" value={from} failure={failure} pointer="/add/0/effectiveFrom" onChange={edit(setFrom)} hint="At once where it is empty." />
                <TextField label="Provider" placeholder="every provider" value={provider} failure={failure} pointer="/add/0/provider" onChange={edit(setProvider)} />
                <TextField label="Model" placeholder="every model" value={model} failure={failure} pointer="/add/0/model" onChange={edit(setModel)} hint="* at the end stands for the rest." />
              </div>
            )}
            {difference && <Difference of={difference} />}
          </>
        )}
      </Form>
    </Dialog>
  );
};

const Difference = ({ of }: { of: PriceChange }) => (
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

