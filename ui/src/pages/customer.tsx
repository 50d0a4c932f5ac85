// One customer, as the operator sees it: what may be lost with it, how it pays, and what moved its accounts.
import { useState } from 'react';
import type { Post, Tax, Terms } from '@keystore/sdk';
import { Dialog, Form } from '../components/dialog.tsx';
import { listOf, SelectField, TextArea, TextField } from '../components/fields.tsx';
import { Badge, Button, Card, Empty, Facts, Failed, Figure, Named, Page, Skeleton } from '../components/parts.tsx';
import { Shares } from '../components/pool-rules.tsx';
import { Table } from '../components/table.tsx';
import { say } from '../components/toasts.tsx';
import { ks } from '../lib/api.ts';
import { exactly, money, short, words } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { all, PAGE } from '../lib/look-ups.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { to } from '../lib/router.tsx';

export const CustomerPage = ({ id }: { id: string }) => {
  const customers = useQuery('operator/customers/all', () => all(ks.operator.listCustomers({ limit: PAGE })), 30_000);
  const exposure = useQuery('operator/exposure', () => ks.operator.getExposure(), 30_000);
  const [open, setOpen] = useState(false);
  const one = customers.data?.data.find((customer) => customer.orgId === id);
  const risk = exposure.data?.data.find((row) => row.orgId === id);
  const known = customers.data !== undefined;
  return (
    <Page
      title={<Named name={one?.name ?? null} id={id} />}
      about={
        <>
          <a href={to(['operator'])}>Operator</a> · <span className="mono">{id}</span>
        </>
      }
      actions={<Button onClick={() => setOpen(true)}>Post a transaction</Button>}
    >
      {customers.failure && !known && <Failed failure={customers.failure} again={customers.again} />}
      <div className="grid-4">
        <Figure label="Paid in or given" value={known ? money(one?.granted ?? '0') : undefined} />
        <Figure label="Charged, ever" value={known ? money(one?.charged ?? '0') : undefined} />
        <Figure label="At risk" value={exposure.data && money(risk?.atRisk ?? '0')} note={risk && `${money(risk.held)} held by running calls`} />
        <Figure label="Overdue" value={exposure.data && money(risk?.overdue ?? '0')} note={risk && `${money(risk.billed)} billed`} />
      </div>
      <div className="grid-2">
        <TermsCard id={id} />
        <Card title="Accounts">
          {one ? (
            <div className="stack">
              <Facts of={Object.entries(one.balances).map(([account, amount]) => [words(account), <span className="number">{money(amount)}</span>])} />
              <p className="quiet">Debit positive, credit negative. Revenue less cost of goods is the margin.</p>
            </div>
          ) : known ? (
            <p className="quiet">It never had credit.</p>
          ) : (
            <Skeleton height={100} />
          )}
        </Card>
      </div>
      <Shares org={id} />
      <Books id={id} />
      {open && <PostForm id={id} onClose={() => setOpen(false)} />}
    </Page>
  );
};

const percent = ({ perMille }: Tax): string => `${(perMille / 10).toString()} %`;

const TermsCard = ({ id }: { id: string }) => {
  const query = useQuery(`operator/terms/${id}`, () => ks.operator.getTerms({ customer: id }));
  const [open, setOpen] = useState(false);
  const terms = query.data;
  return (
    <Card title="How it pays" actions={terms && <Button small onClick={() => setOpen(true)}>Change</Button>}>
      {terms ? (
        <Facts
          of={[
            ['May owe', terms.limit === '0.00' || terms.limit === '0' ? 'nothing: everything is paid before' : `up to ${money(terms.limit)}, by invoice`],
            ['On invoices', <Named name={terms.party.name} />],
            ['Address', <Named name={terms.party.address?.join(', ') || '–'} />],
            ['Known for taxes as', <Named name={terms.party.taxId ?? '–'} />],
            ['Taxes', terms.taxes.map((tax) => `${tax.name} ${percent(tax)}${tax.providers?.length ? ` on ${tax.providers.join(', ')}` : ''}`).join('; ') || 'none'],
          ]}
        />
      ) : query.failure ? (
        <Failed failure={query.failure} again={query.again} />
      ) : (
        <Skeleton height={120} />
      )}
      {open && terms && <ChangeTerms terms={terms} onClose={() => setOpen(false)} />}
    </Card>
  );
};

/** A tax a line: `VAT 19`, and where it is on some providers alone: `VAT 19 openai, anthropic`. */
const taxesOf = (text: string): Tax[] | undefined => {
  const lines = text.split('\n').map((line) => line.trim()).filter(Boolean);
  const found = lines.map((line) => /^(.+?)\s+(\d{1,3}(?:\.\d)?)\s*%?(?:\s+(.*))?$/.exec(line));
  if (found.some((match) => !match)) return undefined;
  return found.map((match) => ({ name: match?.[1] ?? '', perMille: Math.round(Number(match?.[2]) * 10), ...(match?.[3] && { providers: listOf(match[3]) }) }));
};

const taxText = (taxes: readonly Tax[]): string => taxes.map((tax) => [tax.name, (tax.perMille / 10).toString(), tax.providers?.join(', ')].filter(Boolean).join(' ')).join('\n');

const ChangeTerms = ({ terms, onClose }: { terms: Terms; onClose: () => void }) => {
  const [limit, setLimit] = useState(terms.limit);
  const [name, setName] = useState(terms.party.name);
  const [address, setAddress] = useState(terms.party.address?.join('\n') ?? '');
  const [taxId, setTaxId] = useState(terms.party.taxId ?? '');
  const [taxes, setTaxes] = useState(taxText(terms.taxes));
  const read = taxesOf(taxes);
  const lines = address.split('\n').map((line) => line.trim()).filter(Boolean);
  return (
    <Dialog title="How it pays" onClose={onClose}>
      <Form
        submit="Save"
        disabled={!/^\d{1,9}(\.\d{1,2})?$/.test(limit.trim()) || name.trim() === '' || !read || lines.length > 8}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.operator.setTerms({ org: terms.orgId, limit: limit.trim(), party: { name: name.trim(), address: lines, ...(taxId.trim() && { taxId: taxId.trim() }) }, taxes: read ?? [] });
          say('In force; invoices from the next one on.');
          refresh('operator/');
          onClose();
        }}
      >
        {(failure) => (
          <>
            <TextField label="May owe so many dollars" inputMode="decimal" value={limit} failure={failure} pointer="/limit" onChange={(event) => setLimit(event.target.value)} hint="0: everything is paid before." />
            <TextField label="Name on invoices" maxLength={200} value={name} failure={failure} pointer="/party/name" onChange={(event) => setName(event.target.value)} />
            <TextArea label="Address" rows={3} value={address} failure={failure} pointer="/party/address" onChange={(event) => setAddress(event.target.value)} hint="At most 8 lines." />
            <TextField label="Known for taxes as" value={taxId} failure={failure} pointer="/party/taxId" onChange={(event) => setTaxId(event.target.value)} />
            <TextArea label="Taxes" rows={2} value={taxes} wrong={read ? undefined : 'A name and its percent a line, such as VAT 19.'} failure={failure} pointer="/taxes" onChange={(event) => setTaxes(event.target.value)} hint="A name and its percent a line, such as VAT 19; providers behind it, where it is on these alone." />
          </>
        )}
      </Form>
    </Dialog>
  );
};

const POSTINGS = { top_up: 'what it paid in', promo_grant: 'credit that it is given', payment: 'what it paid of an invoice', refund: 'credit that it gets back for a call', pay_back: 'money that it is paid back' } as const;

type Kind = keyof typeof POSTINGS;

const PostForm = ({ id, onClose }: { id: string; onClose: () => void }) => {
  const [kind, setKind] = useState<Kind>('top_up');
  const [amount, setAmount] = useState('');
  const [ends, setEnds] = useState('');
  const [subject, setSubject] = useState('');
  const [memo, setMemo] = useState('');
  const [regards, setRegards] = useState('');
  const body = (): Post => ({
    org: id,
    kind,
    amount: amount.trim(),
    ...(kind === 'promo_grant' && ends && { expiresAt: new Date(`${ends}T00:00:00Z`).toISOString() }),
    ...(subject.trim() && { subject: subject.trim() }),
    ...(memo.trim() && { memo: memo.trim() }),
    ...(kind === 'pay_back' && { regards: regards.trim() }),
  });
  return (
    <Dialog title="Post a transaction" onClose={onClose}>
      <Form
        submit="Post it"
        disabled={!/^\d{1,9}(\.\d{1,2})?$/.test(amount.trim()) || (kind === 'pay_back' && regards.trim() === '')}
        onCancel={onClose}
        onSubmit={async (idempotencyKey) => {
          await ks.operator.postToLedger(body(), { idempotencyKey });
          say('Posted.');
          refresh('operator/');
          onClose();
        }}
      >
        {(failure) => (
          <>
            <SelectField label="What" value={kind} failure={failure} pointer="/kind" onChange={(event) => setKind(event.target.value as Kind)}>
              {Object.entries(POSTINGS).map(([one, text]) => (
                <option key={one} value={one}>
                  {text}
                </option>
              ))}
            </SelectField>
            <div className="grid-2">
              <TextField label="Dollars" inputMode="decimal" required autoFocus placeholder="50.00" value={amount} failure={failure} pointer="/amount" onChange={(event) => setAmount(event.target.value)} />
              {kind === 'promo_grant' && <TextField label="Ends (UTC)" type="date" value={ends} failure={failure} pointer="/expiresAt" onChange={(event) => setEnds(event.target.value)} />}
              <TextField label="It belongs to" placeholder="number of the transfer" value={subject} failure={failure} pointer="/subject" onChange={(event) => setSubject(event.target.value)} hint="The customer sees it." />
              {kind === 'pay_back' && <TextField label="Of which transaction" required value={regards} failure={failure} pointer="/regards" onChange={(event) => setRegards(event.target.value)} hint="The id of the top-up that goes back." />}
            </div>
            <TextField label="Remark" maxLength={500} value={memo} failure={failure} pointer="/memo" onChange={(event) => setMemo(event.target.value)} hint="The customer sees it." />
          </>
        )}
      </Form>
    </Dialog>
  );
};

const Books = ({ id }: { id: string }) => {
  const list = useList(`operator/books/${id}`, () => ks.operator.listLedger({ customer: id, limit: 25 }), 30_000);
  return (
    <Card title="Books" flush>
      <Table
        label="Books"
        {...list}
        id={(one) => one.id}
        columns={[
          { title: 'What', lead: true, cell: (one) => <Badge tone={one.amount.startsWith('-') ? 'off' : 'ok'}>{words(one.kind)}</Badge> },
          { title: 'When', cell: (one) => <time dateTime={one.at}>{exactly(one.at)}</time> },
          { title: 'Of', cell: (one) => <span className="mono" title={one.subject}>{short(one.subject) || '–'}</span> },
          { title: 'Remark', cell: (one) => <Named name={one.memo || '–'} /> },
          { title: 'Entries', cell: (one) => <span className="break">{Object.entries(one.entries ?? {}).map(([account, amount]) => `${words(account)} ${money(amount)}`).join(', ')}</span> },
          { title: 'Amount', right: true, cell: (one) => money(one.amount) },
        ]}
        empty={<Empty title="Nothing was posted">What it pays, is given and is charged stands here, one transaction each.</Empty>}
      />
    </Card>
  );
};
