// Payments that began by themselves and are open: the operator says what came of those that no card is charged for.
import { useState } from 'react';
import type { Payment } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { count, money } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { refresh } from '../lib/query.ts';
import { to } from '../lib/router.tsx';
import { Dialog, Form } from './dialog.tsx';
import { SelectField, TextField } from './fields.tsx';
import { Ago, Button, Card } from './parts.tsx';
import { Table } from './table.tsx';
import { say } from './toasts.tsx';

export const Payments = () => {
  const list = useList('operator/payments', () => ks.operator.listPayments({ limit: 50 }), 30_000);
  const [open, setOpen] = useState<Payment>();
  if (!list.rows?.length && !list.failure) return null;
  return (
    <Card title="Open payments" flush>
      <Table
        label="Open payments"
        {...list}
        id={(one) => one.id}
        columns={[
          { title: 'Amount', lead: true, cell: (one) => money(one.amount) },
          { title: 'Of', cell: (one) => <a className="mono break" href={to(['operator', 'customers', one.orgId])}>{one.orgId}</a> },
          { title: 'Paid', cell: (one) => (one.by === 'card' ? `by card, asked ${count(one.asks)} times` : 'to the operator') },
          { title: 'Began', cell: (one) => <Ago time={one.createdAt} /> },
          {
            title: 'Acts',
            right: true,
            cell: (one) => (
              <Button small onClick={() => setOpen(one)}>
                Say what came of it
              </Button>
            ),
          },
        ]}
        empty={null}
      />
      {open && <Settle payment={open} onClose={() => setOpen(undefined)} />}
    </Card>
  );
};

const Settle = ({ payment, onClose }: { payment: Payment; onClose: () => void }) => {
  const [paid, setPaid] = useState(true);
  const [subject, setSubject] = useState('');
  return (
    <Dialog title="What came of it" onClose={onClose}>
      <Form
        submit="Say so"
        onCancel={onClose}
        onSubmit={async () => {
          await ks.operator.settlePayment(payment.id, { paid, ...(paid && subject.trim() && { subject: subject.trim() }) });
          say(paid ? 'It is credited.' : 'It came to nothing.');
          refresh('operator/');
          onClose();
        }}
      >
        {(failure) => (
          <>
            <SelectField label={`The payment of ${money(payment.amount)}`} value={paid ? 'paid' : 'not'} onChange={(event) => setPaid(event.target.value === 'paid')}>
              <option value="paid">the money is there</option>
              <option value="not">it came to nothing</option>
            </SelectField>
            {paid && <TextField label="It belongs to" placeholder="number of the transfer" value={subject} failure={failure} pointer="/subject" onChange={(event) => setSubject(event.target.value)} hint="The customer sees it." />}
          </>
        )}
      </Form>
    </Dialog>
  );
};
