// One request: the way it took as far as it is recorded, what was used, and the proof that it is in the log.
import type { RequestRecord } from '@keystore/sdk';
import { ProofCard } from '../components/audit-proof.tsx';
import { Card, Facts, Failed, Named, Page, Skeleton } from '../components/parts.tsx';
import { RefusalHelp } from '../components/refusal.tsx';
import { Limits, Way } from '../components/request-way.tsx';
import { OutcomeBadge } from '../components/status.tsx';
import { ks } from '../lib/api.ts';
import { bytes, count, exactly, money, words } from '../lib/format.ts';
import { useQuery } from '../lib/query.ts';
import { to } from '../lib/router.tsx';

export const RequestPage = ({ id }: { id: string }) => {
  const query = useQuery(`request/${id}`, () => ks.requests.get(id));
  const one = query.data;
  if (!one) return query.failure ? <Failed failure={query.failure} again={query.again} /> : <Skeleton height={320} />;
  return (
    <Page
      title={
        <span className="row">
          {one.provider} <OutcomeBadge of={one} />
        </span>
      }
      about={<span className="mono">{one.id}</span>}
      actions={<a className="button" href={to(['requests'], { agent: one.agentId })}>Requests of this agent</a>}
    >
      <RefusalHelp of={one} />
      <div className="grid-2">
        <Card title="The way it took">
          <Way one={one} />
        </Card>
        <Card title="What it was">
          <Facts
            of={[
              ['When', exactly(one.at)],
              ['Agent', <a href={to(['agents', one.agentId])}><Named name={one.agentName} id={one.agentId} /></a>],
              ['Token', <span className="mono">{one.tokenId}</span>],
              ['Operation', one.operation ?? '–'],
              ['Path', <span className="mono">{one.method ?? ''} <Named name={one.path} /></span>],
              ['Model asked for', <Named name={one.model} />],
              ['Model served', <Named name={one.servedModel} />],
              ['End user', <Named name={one.endUser} />],
              ['Key', one.credentialId ? one.source === 'byok' ? <a href={to(['credentials', one.credentialId])}>own, version {one.credentialVersion ?? '?'}</a> : 'marketplace' : '–'],
              ['Sent', bytes(one.requestBytes)],
              ['Answered', bytes(one.responseBytes)],
              ...(one.count > 1 ? [['Stands for', `${count(one.count)} like requests`] as const] : []),
            ]}
          />
        </Card>
      </div>
      <div className="grid-2">
        <Card title="What it used and cost">
          <Used one={one} />
        </Card>
        <ProofCard id={one.id} />
      </div>
      <Limits one={one} />
    </Page>
  );
};

const FLAGS: Record<string, string> = {
  estimated: 'The vendor reported no usage: it was estimated.',
  external: 'The vendor bills this in another way.',
  overHold: 'The vendor reported more than was held.',
  unpriced: 'There was no price for it.',
};

const Used = ({ one }: { one: RequestRecord }) => {
  const buckets = Object.entries(one.usage);
  const flags = Object.entries(one.flags).filter(([, set]) => set === true);
  return (
    <div className="stack">
      <Facts of={[['Cost', <strong>{money(one.cost)}</strong>], ['Exactly', <span className="mono">${one.cost}</span>], ...buckets.map(([name, units]) => [words(name), <span className="number">{count(units)}</span>] as const)]} />
      {buckets.length === 0 && <p className="quiet">No usage was metered.</p>}
      {flags.map(([name]) => (
        <p key={name} className="notice warn">
          {FLAGS[name] ?? words(name)}
        </p>
      ))}
    </div>
  );
};
