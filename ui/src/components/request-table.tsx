// Requests as rows, wherever they are listed.
import type { ReactNode } from 'react';
import type { RequestRecord } from '@keystore/sdk';
import type { List } from '../lib/list.ts';
import { clock, count, duration, exactly, money } from '../lib/format.ts';
import { to } from '../lib/router.tsx';
import { Named } from './parts.tsx';
import { OutcomeBadge } from './status.tsx';
import { Table, type Column } from './table.tsx';

type Props = Pick<List<RequestRecord>, 'rows' | 'failure' | 'again' | 'more' | 'busy'> & { empty: ReactNode; hide?: 'agent' };

/** What tells one row from another: of a call that was tried several times, each attempt is one. */
export const rowOf = (one: RequestRecord): string => one.attemptId ?? one.id;

const COLUMNS: readonly (Column<RequestRecord> & { of?: 'agent' })[] = [
  {
    title: 'Time',
    lead: true,
    cell: (one) => (
      <time dateTime={one.at} title={exactly(one.at)} className="number">
        {clock(one.at)}
      </time>
    ),
  },
  { title: 'Agent', of: 'agent', cell: (one) => <Named name={one.agentName} id={one.agentId} /> },
  { title: 'Call', cell: (one) => <CallOf one={one} /> },
  {
    title: 'Outcome',
    cell: (one) => (
      <span className="row">
        <OutcomeBadge of={one} />
        {one.count > 1 && <span className="quiet">× {count(one.count)}</span>}
      </span>
    ),
  },
  { title: 'Took', right: true, cell: (one) => (one.attemptId ? duration(one.totalUs) : <span className="quiet">–</span>) },
  { title: 'Cost', right: true, cell: (one) => (one.attemptId ? money(one.cost) : <span className="quiet">–</span>) },
];

const CallOf = ({ one }: { one: RequestRecord }) => (
  <span className="break">
    {one.provider} <span className="quiet">{one.model ? <Named name={one.model} /> : one.path ? <Named name={one.path} /> : ''}</span>
  </span>
);

export const RequestTable = ({ hide, ...rest }: Props) => (
  <Table label="Requests" {...rest} columns={COLUMNS.filter((column) => !hide || column.of !== hide)} id={rowOf} href={(one) => to(['requests', one.id])} />
);
