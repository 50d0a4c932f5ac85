// Where events are told: addresses, what each is told of, and every delivery with its answer.
import { useState } from 'react';
import type { CreatedWebhook, Delivery, Webhook } from '@keystore/sdk';
import { Confirm, Dialog, Form } from '../components/dialog.tsx';
import { TextField } from '../components/fields.tsx';
import { Ago, Badge, Button, Card, Copy, Empty, Facts, Failed, Named, Page, Skeleton, type Tone } from '../components/parts.tsx';
import { Table, type Column } from '../components/table.tsx';
import { say, sayFailure } from '../components/toasts.tsx';
import { ks } from '../lib/api.ts';
import { count, exactly } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { go, to } from '../lib/router.tsx';

const StateBadge = ({ of }: { of: Webhook }) => {
  if (of.status === 'disabled') return <Badge tone="warn">disabled</Badge>;
  return of.failingSince ? <Badge tone="bad">takes nothing</Badge> : <Badge tone="ok">active</Badge>;
};

const COLUMNS: readonly Column<Webhook>[] = [
  { title: 'Webhook', lead: true, cell: (one) => <Named name={one.name ?? one.url} /> },
  { title: 'Address', cell: (one) => <span className="break"><Named name={one.url} /></span> },
  { title: 'Told of', cell: (one) => <span className="mono break">{one.events.join(', ')}</span> },
  { title: 'State', cell: (one) => <StateBadge of={one} /> },
  { title: 'Made', cell: (one) => <Ago time={one.createdAt} /> },
];

export const Webhooks = () => {
  const list = useList('webhooks/list', () => ks.webhooks.list({ limit: 50 }), 30_000);
  const [open, setOpen] = useState(false);
  const add = (
    <Button kind="main" onClick={() => setOpen(true)}>
      Add a webhook
    </Button>
  );
  return (
    <Page title="Webhooks" about="Events are told to addresses of yours, signed, and tried again until they are taken." actions={add}>
      <Card flush>
        <Table
          label="Webhooks"
          {...list}
          columns={COLUMNS}
          id={(one) => one.id}
          href={(one) => to(['webhooks', one.id])}
          empty={
            <Empty title="No webhook" actions={add}>
              Have a program told when a budget fills up, a key is refused or an agent misbehaves.
            </Empty>
          }
        />
      </Card>
      {open && <Add onClose={() => setOpen(false)} />}
    </Page>
  );
};

const Add = ({ onClose }: { onClose: () => void }) => {
  const [url, setUrl] = useState('');
  const [events, setEvents] = useState('*');
  const [name, setName] = useState('');
  const [made, setMade] = useState<CreatedWebhook>();
  if (made) return <Secret made={made} onClose={() => { onClose(); go(to(['webhooks', made.endpoint.id])); }} />;
  const kinds = events.split(/[\s,]+/).filter(Boolean);
  return (
    <Dialog title="Add a webhook" onClose={onClose}>
      <Form
        submit="Add it"
        disabled={kinds.length === 0}
        onCancel={onClose}
        onSubmit={async (idempotencyKey) => {
          setMade(await ks.webhooks.create({ url: url.trim(), events: kinds, ...(name.trim() && { name: name.trim() }) }, { idempotencyKey }));
          refresh('webhooks/');
        }}
      >
        {(failure) => (
          <>
            <TextField label="Address" type="url" required placeholder="https://example.com/hooks/keystore" value={url} failure={failure} pointer="/url" onChange={(event) => setUrl(event.target.value)} />
            <TextField label="Told of" required value={events} failure={failure} pointer="/events" onChange={(event) => setEvents(event.target.value)} hint="Kinds such as usage.threshold, groups such as agent.*, or * for everything." />
            <TextField label="Name" placeholder="billing" value={name} failure={failure} pointer="/name" onChange={(event) => setName(event.target.value)} />
          </>
        )}
      </Form>
    </Dialog>
  );
};

const Secret = ({ made, onClose }: { made: CreatedWebhook; onClose: () => void }) => (
  <Dialog title="The secret that messages are signed with" onClose={onClose} keep>
    {made.endpoint.secret ? (
      <div className="notice ok stack-small">
        <p>
          <strong>It is shown this once: copy it now.</strong>
        </p>
        <code className="break">{made.endpoint.secret}</code>
        <div>
          <Copy text={made.endpoint.secret} label="Copy the secret" />
        </div>
      </div>
    ) : (
      <Failed failure={{ words: 'The secret was shown by an earlier answer to the same request.', code: 'secret_shown', fields: [], ...(made.remedy && { remedy: made.remedy }) }} />
    )}
    <div className="dialog-foot">
      <Button kind="main" onClick={onClose}>
        I have copied it
      </Button>
    </div>
  </Dialog>
);

export const WebhookPage = ({ id }: { id: string }) => {
  const key = `webhook/${id}`;
  const query = useQuery(key, () => ks.webhooks.get(id), 15_000);
  const [open, setOpen] = useState<'rotate' | 'delete'>();
  const [busy, setBusy] = useState<string>();
  const [rotated, setRotated] = useState<CreatedWebhook>();
  const one = query.data;
  if (!one) return query.failure ? <Failed failure={query.failure} again={query.again} /> : <Skeleton height={320} />;
  const doing = async (name: string, words: string, act: () => Promise<unknown>): Promise<void> => {
    setBusy(name);
    try {
      await act();
      say(words);
    } catch (error) {
      sayFailure(error);
    } finally {
      setBusy(undefined);
      refresh(key, 'webhooks/', `deliveries/${id}`);
    }
  };
  const enabled = one.status === 'active';
  return (
    <Page
      title={
        <span className="row">
          <Named name={one.name ?? 'Webhook'} /> <StateBadge of={one} />
        </span>
      }
      about={<span className="mono">{one.id}</span>}
      actions={
        <>
          <Button busy={busy === 'test'} onClick={() => void doing('test', 'A test event is on its way.', () => ks.webhooks.test(id))}>
            Send a test
          </Button>
          <Button busy={busy === 'state'} onClick={() => void doing('state', enabled ? 'Nothing is sent to it any more.' : 'Events are sent to it again.', () => ks.webhooks.update(id, { enabled: !enabled }))}>
            {enabled ? 'Disable' : 'Enable'}
          </Button>
          <Button onClick={() => setOpen('rotate')}>Rotate the secret</Button>
          <Button kind="danger" onClick={() => setOpen('delete')}>
            Delete
          </Button>
        </>
      }
    >
      <Card title="What is known of it">
        <Facts
          of={[
            ['Address', <span className="mono"><Named name={one.url} /></span>],
            ['Told of', <span className="mono">{one.events.join(', ')}</span>],
            ['For', <Named name={one.description || '–'} />],
            ['Disabled because', one.disabledBecause ?? (enabled ? 'it is not' : 'somebody did it')],
            ['Takes nothing since', one.failingSince ? exactly(one.failingSince) : 'it takes what is sent'],
            ['The old secret signs until', one.previousSecretUntil ? exactly(one.previousSecretUntil) : 'there is none'],
          ]}
        />
      </Card>
      <Deliveries id={id} />
      {rotated && <Secret made={rotated} onClose={() => setRotated(undefined)} />}
      {open === 'rotate' && (
        <Confirm
          title="Rotate the secret"
          submit="Rotate"
          onClose={() => setOpen(undefined)}
          onConfirm={async (idempotencyKey) => {
            setRotated(await ks.webhooks.rotateSecret(id, { overlapSeconds: 86_400 }, { idempotencyKey }));
            setOpen(undefined);
            refresh(key);
          }}
        >
          <p>The new secret is shown once. For a day, messages are signed with both.</p>
        </Confirm>
      )}
      {open === 'delete' && (
        <Confirm
          title="Delete the webhook"
          submit="Delete it"
          onClose={() => setOpen(undefined)}
          onConfirm={async () => {
            await ks.webhooks.delete(id);
            say('The webhook is gone.');
            refresh('webhooks/');
            go(to(['webhooks']));
          }}
        >
          <p>What waits to be delivered is not told any more.</p>
        </Confirm>
      )}
    </Page>
  );
};

const DELIVERY: Record<Delivery['status'], Tone> = { pending: 'warn', delivered: 'ok', dead: 'bad' };

const Deliveries = ({ id }: { id: string }) => {
  const list = useList(`deliveries/${id}`, () => ks.webhooks.listDeliveries(id, { limit: 25 }), 5_000);
  const [busy, setBusy] = useState<string>();
  const again = async (one: Delivery): Promise<void> => {
    setBusy(one.id);
    try {
      await ks.webhooks.redeliver(one.id);
      say('It is told once more.');
    } catch (error) {
      sayFailure(error);
    } finally {
      setBusy(undefined);
      refresh(`deliveries/${id}`);
    }
  };
  const columns: Column<Delivery>[] = [
    { title: 'Event', lead: true, cell: (one) => <span className="mono">{one.event}</span> },
    { title: 'State', cell: (one) => <Badge tone={DELIVERY[one.status] ?? 'off'}>{one.status}</Badge> },
    { title: 'Answer', cell: (one) => <span className="break">{one.answerStatus ?? ''} <Named name={one.error ?? one.answer ?? '–'} /></span> },
    { title: 'Tried', right: true, cell: (one) => count(one.attempts) },
    { title: 'Made', cell: (one) => <Ago time={one.createdAt} /> },
    { title: 'Next', cell: (one) => (one.nextAt ? <Ago time={one.nextAt} /> : <span className="quiet">–</span>) },
    {
      title: 'Acts',
      right: true,
      cell: (one) =>
        one.status !== 'pending' && (
          <Button small busy={busy === one.id} onClick={() => void again(one)}>
            Tell again
          </Button>
        ),
    },
  ];
  return (
    <Card title="Deliveries" flush>
      <Table label="Deliveries" {...list} columns={columns} id={(one) => one.id} empty={<Empty title="Nothing was told yet">Send a test, to see whether the address takes it.</Empty>} />
    </Card>
  );
};
