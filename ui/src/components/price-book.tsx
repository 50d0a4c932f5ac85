// The price book: what is published, and the rules with their dates.
import { useState } from 'react';
import type { PriceBook, PriceRule } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { Dialog, Form } from './dialog.tsx';
import { TextField } from './fields.tsx';
import { Badge, Button, Card } from './parts.tsx';
import { ChangePrices } from './price-rule-form.tsx';
import { datesOf, effectOf, stateOf, whomOf } from './price-words.tsx';
import { Table, type Column } from './table.tsx';
import { say, sayFailure } from './toasts.tsx';

const KEY = 'operator/prices';

const STATES = { 'in force': 'ok', 'to come': 'warn', ended: 'off' } as const;

export const PriceBookCard = () => {
  const query = useQuery(KEY, () => ks.operator.getPriceBook());
  const [open, setOpen] = useState<{ remove?: number }>();
  const book = query.data;
  const rules = book?.rules.map((rule, number) => ({ rule, number }));
  const columns: Column<{ rule: PriceRule; number: number }>[] = [
    { title: 'For', lead: true, cell: ({ rule }) => whomOf(rule) },
    { title: 'Rule', cell: ({ rule }) => effectOf(rule) },
    {
      title: 'In force',
      cell: ({ rule }) => (
        <span className="row">
          <Badge tone={STATES[stateOf(rule)]}>{stateOf(rule)}</Badge> {datesOf(rule)}
        </span>
      ),
    },
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
            Add a rule
          </Button>
        )
      }
    >
      {book && <Published book={book} />}
      <Table label="Rules of the price book" rows={rules} failure={query.failure} again={query.again} columns={columns} id={({ number }) => String(number)} empty={<p className="card-body quiet">No rule: everything is sold at the vendors’ list prices.</p>} />
      {open && book && <ChangePrices book={book} remove={open.remove} onClose={() => setOpen(undefined)} />}
    </Card>
  );
};

const publish = async (provider: string, published: boolean): Promise<void> => {
  await ks.operator.setListing({ provider, published });
  say(published ? `Customers see ${provider} now.` : `${provider} is hidden. Who has enabled it keeps it.`);
  refresh(KEY, 'marketplace/');
};

const Published = ({ book }: { book: PriceBook }) => {
  const [busy, setBusy] = useState<string>();
  const [open, setOpen] = useState(false);
  const toggle = async (provider: string, published: boolean): Promise<void> => {
    setBusy(provider);
    try {
      await publish(provider, published);
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
      <Button small onClick={() => setOpen(true)}>
        Publish another
      </Button>
      {open && <Publish onClose={() => setOpen(false)} />}
    </div>
  );
};

const Publish = ({ onClose }: { onClose: () => void }) => {
  const [provider, setProvider] = useState('');
  return (
    <Dialog title="Publish a provider" onClose={onClose}>
      <Form
        submit="Publish"
        disabled={provider.trim() === ''}
        onCancel={onClose}
        onSubmit={async () => {
          await publish(provider.trim(), true);
          onClose();
        }}
      >
        {(failure) => <TextField label="Provider’s slug" required placeholder="openai" value={provider} failure={failure} pointer="/provider" onChange={(event) => setProvider(event.target.value)} hint="Customers see it and can enable it; it is served once the pool has a key of it. Adding a key publishes it as well." />}
      </Form>
    </Dialog>
  );
};
