// Credit for the marketplace: what is left and why, everything that moved it, and the invoices.
import { useState } from 'react';
import type { InvoiceSummary, Transaction } from '@keystore/sdk';
import { AutoTopUpCard } from '../components/auto-top-up.tsx';
import { Dialog, Form } from '../components/dialog.tsx';
import { FilterSelect, TextField } from '../components/fields.tsx';
import { Ago, Badge, Button, Card, Empty, Facts, Failed, Figure, Named, Page, Skeleton } from '../components/parts.tsx';
import { Table, type Column } from '../components/table.tsx';
import { sayFailure } from '../components/toasts.tsx';
import { ks } from '../lib/api.ts';
import { exactly, money, short, words } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { useFilters } from '../lib/router.tsx';
import { saveAs } from '../lib/save.ts';

const KINDS = ['usage', 'crash', 'crash_ruling', 'top_up', 'promo_grant', 'promo_expiry', 'refund', 'pay_back', 'invoice', 'payment', 'reversal'];

export const Billing = () => {
  const balance = useQuery('billing/balance', () => ks.billing.getBalance(), 15_000);
  const [open, setOpen] = useState(false);
  const now = balance.data;
  return (
    <Page
      title="Billing"
      about="What calls with the marketplace’s keys cost. Calls with your own keys are billed by the vendor, and cost nothing here."
      actions={
        <Button kind="main" onClick={() => setOpen(true)}>
          Top up
        </Button>
      }
    >
      {balance.failure && !now && <Failed failure={balance.failure} again={balance.again} />}
      <div className="grid-4">
        <Figure label="Left to spend" value={now && money(now.available)} note={now && `of ${money(now.granted)} that was paid in or given`} />
        <Figure label="Charged, ever" value={now && money(now.charged)} />
        <Figure label="Held by running calls" value={now && money(now.held)} />
        <Figure label="Owed by invoices" value={now && money(now.receivable)} note={now && (now.limit === '0.00' ? 'Everything is paid before.' : `up to ${money(now.limit)} may be owed`)} />
      </div>
      <div className="grid-2">
        <Card title="Credit that was given">
          {!now ? (
            <Skeleton height={80} />
          ) : now.promos.length === 0 ? (
            <p className="quiet">None is left.</p>
          ) : (
            <Facts of={now.promos.map((promo) => [`${money(promo.left)} left`, promo.expiresAt ? <>of {money(promo.amount)}, ends <Ago time={promo.expiresAt} /></> : <>of {money(promo.amount)}, without an end</>])} />
          )}
        </Card>
        <AutoTopUpCard />
      </div>
      <Invoices />
      <Ledger />
      {open && <TopUp onClose={() => setOpen(false)} />}
    </Page>
  );
};

const TopUp = ({ onClose }: { onClose: () => void }) => {
  const [amount, setAmount] = useState('');
  return (
    <Dialog title="Top up credit" onClose={onClose}>
      <Form
        submit="Go to the payment"
        disabled={!/^\d{1,6}(\.\d{2})?$/.test(amount.trim())}
        onCancel={onClose}
        onSubmit={async (idempotencyKey) => {
          const { url } = await ks.billing.createTopUp({ amount: amount.trim() }, { idempotencyKey });
          if (!url.startsWith('https://')) throw new Error('the payment’s address is not one that is safe to open');
          location.assign(url);
        }}
      >
        {(failure) => <TextField label="Dollars" inputMode="decimal" autoFocus required placeholder="50.00" value={amount} failure={failure} pointer="/amount" onChange={(event) => setAmount(event.target.value)} hint="The card is asked for at the payment service; it is not seen here." />}
      </Form>
    </Dialog>
  );
};

const Invoices = () => {
  const list = useList('billing/invoices', () => ks.billing.listInvoices({ limit: 24 }));
  const [busy, setBusy] = useState<string>();
  const download = async (number: string, format: 'pdf' | 'csv'): Promise<void> => {
    setBusy(`${number}.${format}`);
    try {
      const file = await ks.billing.getInvoice(number, { format });
      saveAs(`invoice-${number}.${format}`, await file.blob(), file.contentType);
    } catch (error) {
      sayFailure(error);
    } finally {
      setBusy(undefined);
    }
  };
  const columns: Column<InvoiceSummary>[] = [
    { title: 'Invoice', lead: true, cell: (one) => one.number },
    { title: 'Month', cell: (one) => one.month },
    { title: 'Total', right: true, cell: (one) => money(one.total) },
    { title: 'Left to be paid', right: true, cell: (one) => money(one.due) },
    { title: 'Made', cell: (one) => <Ago time={one.createdAt} /> },
    {
      title: 'Files',
      right: true,
      cell: (one) => (
        <span className="row">
          {(['pdf', 'csv'] as const).map((format) => (
            <Button key={format} small busy={busy === `${one.number}.${format}`} onClick={() => void download(one.number, format)}>
              {format.toUpperCase()}
            </Button>
          ))}
        </span>
      ),
    },
  ];
  return (
    <Card title="Invoices" flush>
      <Table label="Invoices" {...list} columns={columns} id={(one) => one.number} empty={<Empty title="No invoice yet">One is made when a month is over in which the marketplace was used.</Empty>} />
    </Card>
  );
};

const Ledger = () => {
  const [filters, change] = useFilters();
  const kind = filters.get('kind') ?? '';
  const list = useList(`billing/ledger/${kind}`, () => ks.billing.listLedger({ limit: 25, ...(kind && { kind }) }), 30_000);
  const columns: Column<Transaction>[] = [
    { title: 'What', lead: true, cell: (one) => <Badge tone={one.amount.startsWith('-') ? 'off' : 'ok'}>{words(one.kind)}</Badge> },
    { title: 'When', cell: (one) => <time dateTime={one.at}>{exactly(one.at)}</time> },
    { title: 'Of', cell: (one) => <span className="mono" title={one.subject}>{short(one.subject) || '–'}</span> },
    { title: 'Remark', cell: (one) => <Named name={one.memo || '–'} /> },
    { title: 'Amount', right: true, cell: (one) => money(one.amount) },
  ];
  return (
    <Card
      title="Ledger"
      flush
      actions={
        <FilterSelect label="Kind" value={kind} onChange={(event) => { change({ kind: event.target.value || undefined }); refresh('billing/ledger'); }}>
          <option value="">Everything</option>
          {KINDS.map((one) => (
            <option key={one} value={one}>
              {words(one)}
            </option>
          ))}
        </FilterSelect>
      }
    >
      <Table label="Ledger" {...list} columns={columns} id={(one) => one.id} empty={<Empty title="Nothing was posted">Payments, given credit and what calls were charged stand here, one transaction each.</Empty>} />
    </Card>
  );
};
