// What a vendor says it bills beside what its calls were thought to cost, day by day; the differences can be posted into the books.
import { useState } from 'react';
import type { Reconciliation } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { money } from '../lib/format.ts';
import { refresh } from '../lib/query.ts';
import { Form } from './dialog.tsx';
import { TextArea, TextField } from './fields.tsx';
import { Badge, Card, Empty } from './parts.tsx';
import { Table } from './table.tsx';
import { say } from './toasts.tsx';

const readReport = (text: string): { value: unknown } | { wrong: string } => {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) };
  }
};

export const Reconcile = () => {
  const [provider, setProvider] = useState('openai');
  const [text, setText] = useState('');
  const [result, setResult] = useState<Reconciliation>();
  const read = text.trim() === '' ? undefined : readReport(text);
  const wrong = read && 'wrong' in read ? read.wrong : undefined;
  const unposted = result?.days.filter((day) => !day.transactionId && Number(day.drift) !== 0).length ?? 0;
  const edit = (set: (value: string) => void) => (event: { target: { value: string } }): void => {
    set(event.target.value);
    setResult(undefined);
  };
  return (
    <Card title="Reconciliation">
      <div className="stack">
        <Form
          submit={result && unposted > 0 ? 'Post the differences' : 'Compare'}
          disabled={provider.trim() === '' || !read || wrong !== undefined}
          onSubmit={async () => {
            if (!read || 'wrong' in read) return;
            const post = result !== undefined && unposted > 0;
            setResult(await ks.operator.reconcile({ provider: provider.trim(), report: read.value, post }));
            if (post) {
              say('Posted: a transaction for each day.');
              refresh('operator/');
            }
          }}
        >
          {(failure) => (
            <>
              <TextField label="Provider’s slug" required value={provider} failure={failure} pointer="/provider" onChange={edit(setProvider)} />
              <label className="stack-small">
                <span className="legend">The vendor’s cost report</span>
                <input
                  type="file"
                  accept=".json,application/json"
                  onChange={(event) => {
                    const file = event.target.files?.[0];
                    if (file) void file.text().then((content) => edit(setText)({ target: { value: content } }));
                  }}
                />
              </label>
              <TextArea label="Or its text" rows={4} value={text} wrong={wrong} failure={failure} pointer="/report" onChange={edit(setText)} hint="JSON as the vendor gave it: a page, or a list of pages, of OpenAI’s costs API by days." />
            </>
          )}
        </Form>
        {result && <Result of={result} />}
      </div>
    </Card>
  );
};

const Result = ({ of }: { of: Reconciliation }) => (
  <div className="stack-small" role="status">
    <p>
      {of.provider} bills {money(of.billed)}; the calls were thought to cost {money(of.metered)}: a difference of <strong>{money(of.drift)}</strong>.
    </p>
    <Table
      label="Day by day"
      rows={of.days}
      id={(day) => day.day}
      columns={[
        { title: 'Day', lead: true, cell: (day) => day.day },
        { title: 'Billed', right: true, cell: (day) => money(day.billed) },
        { title: 'Metered', right: true, cell: (day) => money(day.metered) },
        { title: 'Difference', right: true, cell: (day) => money(day.drift) },
        { title: 'In the books', cell: (day) => <Badge tone={day.transactionId ? 'ok' : 'off'}>{day.transactionId ? 'posted' : 'not posted'}</Badge> },
      ]}
      empty={<Empty title="No day in it">The report names no day with costs.</Empty>}
    />
  </div>
);
