// What a label on an agent, a key or a project allows, and setting it.
import { useState } from 'react';
import type { LabelRule, Source } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { useList } from '../lib/list.ts';
import { refresh } from '../lib/query.ts';
import { useMay } from '../lib/session.tsx';
import { Confirm, Dialog, Form } from './dialog.tsx';
import { listOf, SelectField, TextField } from './fields.tsx';
import { Badge, Button, Card, Empty, Named } from './parts.tsx';
import { Table, type Column } from './table.tsx';
import { say } from './toasts.tsx';

type Open = { act: 'set'; rule?: LabelRule } | { act: 'unset'; rule: LabelRule } | undefined;

export const LabelRules = () => {
  const list = useList('labels/list', () => ks.labels.list({ limit: 50 }));
  const may = useMay('org');
  const [open, setOpen] = useState<Open>();
  const close = (): void => setOpen(undefined);
  const set = may && (
    <Button small onClick={() => setOpen({ act: 'set' })}>
      Set a rule
    </Button>
  );
  const columns: Column<LabelRule>[] = [
    { title: 'Label', lead: true, cell: (one) => <Named name={one.label} /> },
    { title: 'Whose keys', cell: (one) => one.sources.map((source) => (source === 'byok' ? 'own' : 'marketplace')).join(', ') || 'anybody’s' },
    { title: 'Agreements', cell: (one) => one.agreements.join(', ') || 'none needed' },
    { title: 'Providers', cell: (one) => one.providers.join(', ') || 'all' },
    { title: 'Hosts', cell: (one) => one.hosts.join(', ') || 'all' },
    { title: 'Own key at a KMS', cell: (one) => (one.customerKey ? 'needed' : 'no') },
    { title: 'Set', cell: (one) => <Badge tone="plain">{one.builtIn ? 'built in' : 'by you'}</Badge> },
    ...(may
      ? [
          {
            title: 'Acts',
            right: true,
            cell: (one: LabelRule) => (
              <span className="row">
                <Button small onClick={() => setOpen({ act: 'set', rule: one })}>
                  Change
                </Button>
                {!one.builtIn && (
                  <Button small kind="danger" onClick={() => setOpen({ act: 'unset', rule: one })}>
                    Take away
                  </Button>
                )}
              </span>
            ),
          },
        ]
      : []),
  ];
  return (
    <Card title="What labels allow" flush actions={set}>
      <Table
        label="Label rules"
        {...list}
        id={(one) => one.label}
        columns={columns}
        empty={
          <Empty title="No rule" actions={set}>
            A label on an agent, a key or a project narrows what may serve its calls.
          </Empty>
        }
      />
      {open?.act === 'set' && <SetRule {...(open.rule && { rule: open.rule })} onClose={close} />}
      {open?.act === 'unset' && (
        <Confirm
          title="Take the rule away"
          submit="Take it away"
          onClose={close}
          onConfirm={async () => {
            await ks.labels.unset({ label: open.rule.label });
            say('What holds without a rule holds again.');
            refresh('labels/');
            close();
          }}
        >
          <p>
            Calls under the label “<Named name={open.rule.label} />” are narrowed by this rule no more, from the next request on.
          </p>
        </Confirm>
      )}
    </Card>
  );
};

const SetRule = ({ rule, onClose }: { rule?: LabelRule; onClose: () => void }) => {
  const [label, setLabel] = useState(rule?.label ?? '');
  const [source, setSource] = useState<Source | ''>(rule?.sources.length === 1 ? (rule.sources[0] ?? '') : '');
  const [agreements, setAgreements] = useState(rule?.agreements.join(', ') ?? '');
  const [providers, setProviders] = useState(rule?.providers.join(', ') ?? '');
  const [hosts, setHosts] = useState(rule?.hosts.join(', ') ?? '');
  const [customerKey, setCustomerKey] = useState(rule?.customerKey ?? false);
  return (
    <Dialog title={rule ? 'Change what the label allows' : 'Set what a label allows'} onClose={onClose}>
      <Form
        submit="Set it"
        disabled={label.trim() === ''}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.labels.set({ label: label.trim(), sources: source ? [source] : [], agreements: listOf(agreements), providers: listOf(providers), hosts: listOf(hosts), customerKey });
          say('In force from the next request on.');
          refresh('labels/');
          onClose();
        }}
      >
        {(failure) => (
          <>
            <TextField label="Label" required disabled={rule !== undefined} placeholder="phi" value={label} failure={failure} pointer="/label" onChange={(event) => setLabel(event.target.value)} />
            <SelectField label="Whose keys may serve" value={source} failure={failure} pointer="/sources" onChange={(event) => setSource(event.target.value as Source | '')}>
              <option value="">anybody’s</option>
              <option value="byok">own keys alone</option>
              <option value="marketplace">the marketplace’s alone</option>
            </SelectField>
            <div className="grid-2">
              <TextField label="Agreements on record" placeholder="none needed" value={agreements} failure={failure} pointer="/agreements" onChange={(event) => setAgreements(event.target.value)} hint="baa, dpa; with commas." />
              <TextField label="Providers" placeholder="all" value={providers} failure={failure} pointer="/providers" onChange={(event) => setProviders(event.target.value)} hint="Their slugs, with commas." />
              <TextField label="Hosts" placeholder="all" value={hosts} failure={failure} pointer="/hosts" onChange={(event) => setHosts(event.target.value)} hint="*. at the beginning stands for the rest of a name." />
            </div>
            <label className="check">
              <input type="checkbox" checked={customerKey} onChange={(event) => setCustomerKey(event.target.checked)} />
              Keys must be sealed under a key that the organization holds itself
            </label>
            <p className="quiet">Where several labels stand, each must allow the call.</p>
          </>
        )}
      </Form>
    </Dialog>
  );
};
