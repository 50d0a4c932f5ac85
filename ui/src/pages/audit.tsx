// Who changed what: the log, one change in full, whether it is whole, and what can be taken away to check it elsewhere.
import { useState } from 'react';
import type { AuditEntry } from '@keystore/sdk';
import { AuditCheck } from '../components/audit-check.tsx';
import { Dialog } from '../components/dialog.tsx';
import { Ago, Badge, Card, Empty, Facts, Named, Page } from '../components/parts.tsx';
import { Table, type Column } from '../components/table.tsx';
import { ks } from '../lib/api.ts';
import { count, exactly, short, words } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { useFilters } from '../lib/router.tsx';

export const Audit = () => {
  const [filters, change] = useFilters();
  const given = Object.fromEntries(['action', 'actor', 'subject'].map((name) => [name, filters.get(name)]).filter(([, value]) => value)) as Record<string, string>;
  const list = useList(`audit/${JSON.stringify(given)}`, () => ks.audit.list({ ...given, limit: 50 }), 15_000);
  const [shown, setShown] = useState<AuditEntry>();
  const columns: Column<AuditEntry>[] = [
    {
      title: 'Change',
      lead: true,
      cell: (entry) => (
        <button type="button" className="button small bare" onClick={() => setShown(entry)}>
          {words(entry.action)}
        </button>
      ),
    },
    { title: 'When', cell: (entry) => <Ago time={entry.at} /> },
    { title: 'Who', cell: (entry) => <Named name={entry.actorName ?? entry.actor} /> },
    { title: 'From', cell: (entry) => <span className="mono">{entry.address ?? '–'}</span> },
    { title: 'Of', cell: (entry) => <span className="mono" title={entry.subject}>{short(entry.subject)}</span> },
    { title: 'Number', right: true, cell: (entry) => count(entry.seq) },
  ];
  return (
    <Page title="Audit" about="Every change, in the order in which it was made. Changes and calls are leaves of one signed tree: none can be altered or left out without it showing.">
      <AuditCheck />
      <div className="filters" role="search" aria-label="Filter changes">
        <input className="input slim" type="search" data-filter="" aria-label="Operation" placeholder="Operation: create_agent" defaultValue={filters.get('action') ?? ''} onChange={(event) => change({ action: event.target.value.trim() || undefined })} />
        <input className="input slim" type="search" aria-label="Subject’s id" placeholder="Subject’s id" defaultValue={filters.get('subject') ?? ''} onChange={(event) => change({ subject: event.target.value.trim() || undefined })} />
      </div>
      <Card flush>
        <Table label="Changes" {...list} columns={columns} id={(entry) => String(entry.seq)} empty={<Empty title="No change is like this">Nothing in the log has these. The operation’s name must be whole, such as create_agent.</Empty>} />
      </Card>
      {shown && <Entry entry={shown} onClose={() => setShown(undefined)} />}
    </Page>
  );
};

/** A value as the log has it; it is text, whatever it holds. */
const asText = (value: unknown): string => (value === null || value === undefined ? '' : JSON.stringify(value, null, 2));

const Entry = ({ entry, onClose }: { entry: AuditEntry; onClose: () => void }) => (
  <Dialog title={words(entry.action)} onClose={onClose}>
    <Facts
      of={[
        ['When', exactly(entry.at)],
        ['Who', <Named name={entry.actorName ?? entry.actor} />],
        ['From', entry.address ?? '–'],
        ['Of', <span className="mono">{entry.subject}</span>],
        ['Request', <span className="mono">{entry.requestId ?? '–'}</span>],
        ['Number', count(entry.seq)],
      ]}
    />
    <Differences before={entry.before} after={entry.after} />
  </Dialog>
);

type Members = Readonly<Record<string, unknown>>;
const membersOf = (value: unknown): Members => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {});

const Differences = ({ before, after }: { before: unknown; after: unknown }) => {
  const [was, is] = [membersOf(before), membersOf(after)];
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter((name) => asText(was[name]) !== asText(is[name]));
  if (names.length === 0) return <p className="quiet">Nothing that is kept in the log differs.</p>;
  return (
    <div className="table-wrap">
      <table className="table">
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">Was</th>
            <th scope="col">Is</th>
          </tr>
        </thead>
        <tbody>
          {names.map((name) => (
            <tr key={name}>
              <td data-label="What" className="lead-cell">{name}</td>
              <td data-label="Was" className="mono break">{asText(was[name]) || <Badge tone="plain">nothing</Badge>}</td>
              <td data-label="Is" className="mono break">{asText(is[name]) || <Badge tone="plain">nothing</Badge>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
};
