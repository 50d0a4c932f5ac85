// What the organization pays a vendor for a model with its own keys, where that is not the price of the list.
import { useState } from 'react';
import type { Price, Provider } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { money, words } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { refresh } from '../lib/query.ts';
import { useMay } from '../lib/session.tsx';
import { unitsOf, unitText } from '../lib/units.ts';
import { Confirm, Dialog, Form } from './dialog.tsx';
import { TextArea, TextField } from './fields.tsx';
import { Ago, Button, Card, Empty, Named } from './parts.tsx';
import { Table, type Column } from './table.tsx';
import { say } from './toasts.tsx';

type Open = { act: 'set'; price?: Price } | { act: 'unset'; price: Price } | undefined;

export const OwnPrices = ({ provider }: { provider: Provider }) => {
  const list = useList(`prices/${provider.slug}`, () => ks.prices.list({ provider: provider.slug, limit: 50 }));
  const may = useMay('members');
  const [open, setOpen] = useState<Open>();
  const close = (): void => setOpen(undefined);
  const set = may && (
    <Button small onClick={() => setOpen({ act: 'set' })}>
      Set a price
    </Button>
  );
  const columns: Column<Price>[] = [
    { title: 'Model', lead: true, cell: (one) => <Named name={one.model} /> },
    { title: 'A million units', cell: (one) => Object.entries(one.units).map(([unit, dollars]) => `${words(unit)} ${money(dollars)}`).join(', ') },
    { title: 'Set', cell: (one) => <Ago time={one.setAt} /> },
    {
      title: 'Acts',
      right: true,
      cell: (one) =>
        may && (
          <span className="row">
            <Button small onClick={() => setOpen({ act: 'set', price: one })}>
              Change
            </Button>
            <Button small kind="danger" onClick={() => setOpen({ act: 'unset', price: one })}>
              Take away
            </Button>
          </span>
        ),
    },
  ];
  return (
    <Card title="What you pay with your own keys" flush actions={set}>
      <Table
        label="Prices that you set"
        {...list}
        columns={columns}
        id={(one) => one.model}
        empty={
          <Empty title="The vendor’s list counts" actions={set}>
            Set a price where you have agreed on another one, or where the list has none: budgets count calls by it from the next request on.
          </Empty>
        }
      />
      {open?.act === 'set' && <SetPrice provider={provider} {...(open.price && { price: open.price })} onClose={close} />}
      {open?.act === 'unset' && (
        <Confirm
          title="Take the price away"
          submit="Take it away"
          onClose={close}
          onConfirm={async () => {
            await ks.prices.unset({ provider: open.price.provider, model: open.price.model });
            say('The price of the list counts again.');
            refresh('prices/');
            close();
          }}
        >
          <p>
            Calls of <Named name={open.price.model} /> count by the vendor’s list again; without a price there, they are refused under a budget.
          </p>
        </Confirm>
      )}
    </Card>
  );
};

const SetPrice = ({ provider, price, onClose }: { provider: Provider; price?: Price; onClose: () => void }) => {
  const [model, setModel] = useState(price?.model ?? '');
  const [units, setUnits] = useState(price ? unitText(price.units) : '');
  const [output, setOutput] = useState(price?.maxOutputTokens ? String(price.maxOutputTokens) : '');
  const read = unitsOf(units);
  return (
    <Dialog title={`What ${provider.name} costs you`} onClose={onClose}>
      <Form
        submit="Set it"
        disabled={model.trim() === '' || !read || !/^\d{0,9}$/.test(output)}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.prices.set({ provider: provider.slug, model: model.trim(), units: read ?? {}, ...(output && { maxOutputTokens: Number(output) }), ...(price?.contextWindow && { contextWindow: price.contextWindow }) });
          say('In force from the next request on.');
          refresh('prices/');
          onClose();
        }}
      >
        {(failure) => (
          <>
            <TextField label="Model" required disabled={price !== undefined} placeholder="gpt-5.2" value={model} failure={failure} pointer="/model" onChange={(event) => setModel(event.target.value)} hint="As it is asked for; for vendors without models a row of the list, such as email." />
            <TextArea label="Dollars for a million units" rows={4} placeholder={'input_uncached 1.40\noutput_text 11.20'} value={units} failure={failure} pointer="/units" onChange={(event) => setUnits(event.target.value)} hint="A unit and its price a line. What is not named has the price of the list." />
            <TextField label="Most tokens of output" inputMode="numeric" placeholder="as the list says" value={output} failure={failure} pointer="/maxOutputTokens" onChange={(event) => setOutput(event.target.value)} hint="A strict budget needs it, where the list does not say." />
          </>
        )}
      </Form>
    </Dialog>
  );
};
