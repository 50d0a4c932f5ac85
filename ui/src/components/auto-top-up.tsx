// Credit that is topped up by itself: where it stands, setting it and ending it.
import { useState } from 'react';
import type { AutoTopUp } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { money, words } from '../lib/format.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { Confirm, Dialog, Form } from './dialog.tsx';
import { TextField } from './fields.tsx';
import { Ago, Button, Card, Facts, Failed, Skeleton } from './parts.tsx';
import { say } from './toasts.tsx';

const KEY = 'billing/auto';

const STATES: Record<AutoTopUp['state'], string> = {
  off: 'Credit is not topped up by itself.',
  on: 'Credit is topped up by itself.',
  no_card: 'There is no card to charge: top up once by card, and let it be saved.',
  paused: 'It waits after a payment that was refused.',
  stopped: 'It was stopped after several payments that were refused. Setting it again begins anew.',
  by_invoice: 'This organization pays by invoice.',
};

export const AutoTopUpCard = () => {
  const query = useQuery(KEY, () => ks.billing.getAutoTopUp());
  const [open, setOpen] = useState<'set' | 'end'>();
  const now = query.data;
  const close = (): void => setOpen(undefined);
  return (
    <Card
      title="Topping up by itself"
      actions={
        now && (
          <>
            <Button small onClick={() => setOpen('set')}>
              {now.amount ? 'Change' : 'Set it'}
            </Button>
            {(now.amount || now.cardSaved) && (
              <Button small kind="danger" onClick={() => setOpen('end')}>
                End it
              </Button>
            )}
          </>
        )
      }
    >
      {query.failure && !now ? <Failed failure={query.failure} again={query.again} /> : !now ? <Skeleton height={80} /> : <State now={now} />}
      {open === 'set' && now && <Set now={now} onClose={close} />}
      {open === 'end' && (
        <Confirm
          title="End topping up by itself"
          submit="End it"
          onClose={close}
          onConfirm={async () => {
            await ks.billing.deleteAutoTopUp();
            say('It is over, and the card is forgotten.');
            refresh(KEY);
            close();
          }}
        >
          <p>The saved card is forgotten with it. A payment that is open goes on. When the credit is used up, calls with the marketplace’s keys are refused.</p>
        </Confirm>
      )}
    </Card>
  );
};

const State = ({ now }: { now: AutoTopUp }) => (
  <div className="stack">
    <p>{STATES[now.state] ?? words(now.state)}</p>
    {now.amount && (
      <Facts
        of={[
          ['By', money(now.amount)],
          ['When less is left than', money(now.below)],
          ['At most in a month', money(now.monthly)],
          ['This month', money(now.thisMonth)],
          ['Paid', now.by === 'card' ? `by the ${now.cardSaved ? 'saved card' : 'card, once one is saved'}` : 'to the operator, who says when the money is there'],
          ...(now.failures > 0 ? [['Refused in a row', now.failures] as const] : []),
          ...(now.notBefore ? [['Tried again', <Ago key="again" time={now.notBefore} />] as const] : []),
        ]}
      />
    )}
  </div>
);

const CENTS = /^\d{1,6}(\.\d{2})?$/;

const Set = ({ now, onClose }: { now: AutoTopUp; onClose: () => void }) => {
  const [amount, setAmount] = useState(now.amount ?? '');
  const [below, setBelow] = useState(now.below ?? '');
  const [monthly, setMonthly] = useState(now.monthly ?? '');
  return (
    <Dialog title="Topping up by itself" onClose={onClose}>
      <Form
        submit="Set it"
        disabled={[amount, below, monthly].some((text) => !CENTS.test(text.trim()))}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.billing.setAutoTopUp({ amount: amount.trim(), below: below.trim(), monthly: monthly.trim() });
          say('Set.');
          refresh(KEY);
          onClose();
        }}
      >
        {(failure) => (
          <>
            <TextField label="When less is left than" inputMode="decimal" autoFocus required placeholder="20.00" value={below} failure={failure} pointer="/below" onChange={(event) => setBelow(event.target.value)} />
            <TextField label="Top up by" inputMode="decimal" required placeholder="50.00" value={amount} failure={failure} pointer="/amount" onChange={(event) => setAmount(event.target.value)} />
            <TextField label="At most in a month" inputMode="decimal" required placeholder="200.00" value={monthly} failure={failure} pointer="/monthly" onChange={(event) => setMonthly(event.target.value)} hint="In UTC months; what is topped up by hand does not count." />
          </>
        )}
      </Form>
    </Dialog>
  );
};
