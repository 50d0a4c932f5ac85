// Every request as it happens, narrowed by what the address says.
import { useEffect, useRef, useState } from 'react';
import type { ListRequestsQuery, RequestRecord } from '@keystore/sdk';
import { FilterSelect } from '../components/fields.tsx';
import { Button, Card, Empty, Failed, Page } from '../components/parts.tsx';
import { RequestTable, rowOf } from '../components/request-table.tsx';
import { failureOf, ks, streaming, type Failure } from '../lib/api.ts';
import { day, money, words } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { useAllAgents } from '../lib/look-ups.ts';
import { useQuery } from '../lib/query.ts';
import { useFilters } from '../lib/router.tsx';

const NAMES = ['project', 'agent', 'provider', 'model', 'code', 'status', 'refused', 'minCost', 'since', 'until'] as const;
const PAGE = 50;
/** Of the rows that came live, so many are kept. */
const MOST_LIVE = 500;

const CODES = ['budget_exceeded', 'insufficient_credit', 'rate_limited', 'provider_not_granted', 'credential_missing', 'credential_invalid', 'scope_denied', 'operation_denied', 'agent_paused', 'label_forbids_marketplace', 'unpriced_operation', 'upstream_error', 'upstream_timeout'];

const asked = (filters: URLSearchParams): ListRequestsQuery => {
  const given = Object.fromEntries(NAMES.map((name) => [name, filters.get(name)]).filter(([, value]) => value));
  const { status, refused, ...rest } = given as Record<string, string>;
  return {
    ...rest,
    ...(status && /^\d+$/.test(status) && { status: Number(status) }),
    ...(refused === 'true' && { refused: true }),
  };
};

export const Requests = () => {
  const [filters, change] = useFilters();
  const query = asked(filters);
  const key = JSON.stringify(query);
  const [live, setLive] = useState(true);
  const list = useList(`requests/list/${key}`, () => ks.requests.list({ ...query, limit: PAGE }));
  const tail = useTail(key, query, live && !query.until, list.again);
  const known = new Set(tail.rows.map(rowOf));
  const rows = list.rows && [...tail.rows, ...list.rows.filter((one) => !known.has(rowOf(one)))];
  const narrowed = Object.keys(query).length > 0;
  return (
    <Page
      title="Requests"
      about="What agents called and what they were refused, the newest first."
      actions={
        // What ended at a time grows no more.
        !query.until && (
          <>
            <span className={`live ${tail.open ? 'on' : ''}`} role="status">
              {tail.open ? 'Live' : !live ? 'Held' : tail.failure ? 'Not live' : 'Connecting …'}
            </span>
            <Button onClick={() => setLive(!live)} aria-pressed={!live}>
              {live ? 'Hold' : 'Go on'}
            </Button>
          </>
        )
      }
    >
      <Filters filters={filters} change={change} narrowed={narrowed} />
      {tail.failure && <Failed failure={tail.failure} again={tail.again} />}
      <Card flush>
        <RequestTable
          {...list}
          rows={rows}
          empty={
            narrowed ? (
              <Empty title="No request is like this" actions={<Button onClick={() => change(Object.fromEntries(NAMES.map((name) => [name, undefined])))}>Take the filters away</Button>}>
                Nothing that was recorded has all of these.
              </Empty>
            ) : (
              <Empty title="No request yet" actions={<a className="button" href="#/agents">See the agents</a>}>
                Call a provider with an agent’s token, and the request appears here by itself.
              </Empty>
            )
          }
        />
      </Card>
    </Page>
  );
};

interface Tail {
  /** What arrived since the page was opened, newest first. */
  readonly rows: readonly RequestRecord[];
  readonly open: boolean;
  /** Why it was given up. */
  readonly failure: Failure | undefined;
  readonly again: () => void;
}

/**
 * The stream comes back by itself after a broken connection, behind what came last. `onGap`: what came before a connection may be
 * missing, since nothing had come to go on behind.
 */
const useTail = (key: string, query: ListRequestsQuery, wanted: boolean, onGap: () => void): Tail => {
  const [state, setState] = useState<{ key: string; rows: readonly RequestRecord[]; open: boolean; failure?: Failure }>({ key, rows: [], open: false });
  const [turn, setTurn] = useState(0);
  const last = useRef<{ key: string; id: string | undefined }>({ key, id: undefined });
  const gap = useRef(onGap);
  useEffect(() => {
    gap.current = onGap;
  });
  useEffect(() => {
    if (!wanted) return;
    const end = new AbortController();
    const set = (change: (rows: readonly RequestRecord[]) => readonly RequestRecord[], more: { open: boolean; failure?: Failure }): void => {
      if (!end.signal.aborted) setState((before) => ({ key, rows: change(before.key === key ? before.rows : []), ...more }));
    };
    const same = (rows: readonly RequestRecord[]): readonly RequestRecord[] => rows;
    if (last.current.key !== key) last.current = { key, id: undefined };
    set(same, { open: false });
    const { requests } = streaming(
      () => {
        set(same, { open: true });
        if (stream.lastEventId === undefined && !end.signal.aborted) gap.current();
      },
      () => {
        if (!end.signal.aborted) setState((before) => ({ ...before, open: false }));
      },
    );
    const stream = requests.stream(query, { signal: end.signal, lastEventId: last.current.id });
    const listen = async (): Promise<void> => {
      let came = 0;
      try {
        for await (const one of stream) {
          if (end.signal.aborted) return;
          last.current = { key, id: stream.lastEventId };
          came += 1;
          // The list, read anew, has those that are let go.
          const full = came % MOST_LIVE === 0;
          set((rows) => [one, ...(full ? [] : rows.filter((other) => rowOf(other) !== rowOf(one)))], { open: true });
          if (full) gap.current();
        }
      } catch (error) {
        set(same, { open: false, failure: failureOf(error) });
      }
    };
    void listen();
    return () => {
      end.abort(new Error('the page was left'));
      setState((before) => ({ ...before, open: false }));
    };
    // The key says everything that the query does.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [key, wanted, turn]);
  return { rows: state.key === key ? state.rows : [], open: wanted && state.open, failure: wanted ? state.failure : undefined, again: () => setTurn(turn + 1) };
};

interface FiltersProps {
  filters: URLSearchParams;
  change: (changes: Record<string, string | undefined>) => void;
  narrowed: boolean;
}

const Filters = ({ filters, change, narrowed }: FiltersProps) => {
  const agents = useAllAgents();
  const usage = useQuery('usage/provider-names', () => ks.usage.get({ by: 'provider' }));
  const providers = [...new Set([...(usage.data?.data ?? []).map((row) => row.provider ?? ''), filters.get('provider') ?? ''])].filter(Boolean).sort();
  const value = (name: string): string => filters.get(name) ?? '';
  const set = (name: string) => (event: { target: { value: string } }): void => change({ [name]: event.target.value || undefined });
  return (
    <div className="filters" role="search" aria-label="Filter requests">
      <FilterSelect label="Agent" data-filter="" value={value('agent')} onChange={set('agent')}>
        <option value="">Every agent</option>
        {agents.data?.data.map((agent) => (
          <option key={agent.id} value={agent.id}>
            {agent.name}
          </option>
        ))}
      </FilterSelect>
      <FilterSelect label="Provider" value={value('provider')} onChange={set('provider')}>
        <option value="">Every provider</option>
        {providers.map((slug) => (
          <option key={slug}>{slug}</option>
        ))}
      </FilterSelect>
      <FilterSelect
        label="Outcome"
        value={value('code') || (value('refused') === 'true' ? 'refused' : '')}
        onChange={(event) => {
          const chosen = event.target.value;
          change({ code: chosen && chosen !== 'refused' ? chosen : undefined, refused: chosen === 'refused' ? 'true' : undefined });
        }}
      >
        <option value="">Every outcome</option>
        <option value="refused">Refused, for any reason</option>
        {CODES.map((code) => (
          <option key={code} value={code}>
            {words(code)}
          </option>
        ))}
      </FilterSelect>
      <FilterSelect label="Status" value={value('status')} onChange={set('status')}>
        <option value="">Every status</option>
        {['200', '400', '401', '402', '403', '404', '429', '500', '502', '503'].map((status) => (
          <option key={status}>{status}</option>
        ))}
      </FilterSelect>
      <FilterSelect label="Cost" value={value('minCost')} onChange={set('minCost')}>
        <option value="">Every cost</option>
        {[...new Set(['0.001', '0.01', '0.1', '1', '10', value('minCost')])].filter(Boolean).map((least) => (
          <option key={least} value={least}>
            {money(least)} or more
          </option>
        ))}
      </FilterSelect>
      {value('since') && <span className="quiet">since {day(value('since'))}</span>}
      {narrowed && (
        <Button small kind="bare" onClick={() => change(Object.fromEntries(NAMES.map((name) => [name, undefined])))}>
          Clear
        </Button>
      )}
    </div>
  );
};
