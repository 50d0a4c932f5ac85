// Every request as it happens, narrowed by what the address says.
import { useEffect, useState } from 'react';
import type { ListRequestsQuery, RequestRecord } from '@keystore/sdk';
import { FilterSelect } from '../components/fields.tsx';
import { Button, Card, Empty, Page } from '../components/parts.tsx';
import { RequestTable } from '../components/request-table.tsx';
import { failureOf, ks, type Failure } from '../lib/api.ts';
import { day, money, words } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
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
  const tail = useTail(key, query, live && !query.until);
  const known = new Set(tail.rows.map((one) => one.id));
  const rows = list.rows && [...tail.rows, ...list.rows.filter((one) => !known.has(one.id))];
  const narrowed = Object.keys(query).length > 0;
  return (
    <Page
      title="Requests"
      about="What agents called and what they were refused, the newest first."
      actions={
        <>
          <span className={`live ${tail.open ? 'on' : ''}`} role="status">
            {tail.open ? 'Live' : live ? 'Connecting …' : 'Held'}
          </span>
          <Button onClick={() => setLive(!live)} aria-pressed={!live}>
            {live ? 'Hold' : 'Go on'}
          </Button>
        </>
      }
    >
      <Filters filters={filters} change={change} narrowed={narrowed} />
      <Card flush>
        <RequestTable
          {...list}
          rows={rows}
          failure={list.failure ?? tail.failure}
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

/** What arrived since the page was opened, newest first. The stream comes back by itself after a broken connection. */
const useTail = (key: string, query: ListRequestsQuery, wanted: boolean): { rows: readonly RequestRecord[]; open: boolean; failure: Failure | undefined } => {
  const [state, setState] = useState<{ key: string; rows: readonly RequestRecord[]; open: boolean; failure?: Failure }>({ key, rows: [], open: false });
  useEffect(() => {
    if (!wanted) {
      setState((before) => ({ ...before, open: false }));
      return;
    }
    const end = new AbortController();
    setState((before) => ({ key, rows: before.key === key ? before.rows : [], open: true }));
    const listen = async (): Promise<void> => {
      try {
        for await (const one of ks.requests.stream(query, { signal: end.signal })) {
          setState((before) => ({ ...before, open: true, rows: [one, ...before.rows.filter(({ id }) => id !== one.id)].slice(0, MOST_LIVE) }));
        }
      } catch (error) {
        if (!end.signal.aborted) setState((before) => ({ ...before, open: false, failure: failureOf(error) }));
      }
    };
    void listen();
    return () => end.abort(new Error('the page was left'));
    // The key says everything that the query does.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [key, wanted]);
  return { rows: state.key === key ? state.rows : [], open: state.open, failure: state.failure };
};

interface FiltersProps {
  filters: URLSearchParams;
  change: (changes: Record<string, string | undefined>) => void;
  narrowed: boolean;
}

const Filters = ({ filters, change, narrowed }: FiltersProps) => {
  const agents = useQuery('agents/palette', async () => ks.agents.list({ limit: 100 }));
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
