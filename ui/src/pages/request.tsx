// One request: the way it took as far as it is recorded, what was used, and the proof that it is in the log.
import type { RequestRecord } from '@keystore/sdk';
import { ProofCard } from '../components/audit-proof.tsx';
import { Card, Facts, Failed, Named, Page, Skeleton } from '../components/parts.tsx';
import { RefusalHelp } from '../components/refusal.tsx';
import { OutcomeBadge } from '../components/status.tsx';
import { ks } from '../lib/api.ts';
import { bytes, count, duration, exactly, money, words } from '../lib/format.ts';
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
    </Page>
  );
};

interface Stage {
  readonly title: string;
  readonly more: string;
  readonly tone?: 'bad' | 'off';
}

/** Only what was recorded: a stage that was not reached is left out. */
const stagesOf = (one: RequestRecord): Stage[] => {
  const began: Stage = { title: 'Arrived and was authenticated', more: exactly(one.at) };
  if (!one.attemptId) return [began, { title: `Refused: ${words(one.code ?? 'unknown')}`, more: `Answered ${one.status}. Nothing was sent to ${one.provider}, and nothing was charged.`, tone: 'bad' }];
  const failed = one.code !== undefined && one.code !== null;
  return [
    began,
    { title: 'Admitted', more: 'Grant, rates and budgets allow it; what it may cost at most was held, and the intent written before the first byte was sent.' },
    { title: one.firstByteUs > 0 ? `${one.provider} began to answer` : `${one.provider} gave no body`, more: one.firstByteUs > 0 ? `after ${duration(one.firstByteUs)}` : `status ${one.status || 'none'}`, ...(one.firstByteUs > 0 ? {} : { tone: 'off' as const }) },
    { title: one.ending === 'complete' ? 'Complete' : `Ended: ${words(one.ending ?? 'unknown')}`, more: `after ${duration(one.totalUs)}, status ${one.status || 'none'}${failed ? `, ${words(one.code ?? '')}` : ''}`, ...(one.ending === 'complete' && !failed ? {} : { tone: 'bad' as const }) },
    { title: 'Settled', more: `${money(one.cost)} charged, the hold given back.` },
  ];
};

const Way = ({ one }: { one: RequestRecord }) => (
  <ol className="steps">
    {stagesOf(one).map(({ title, more, tone }) => (
      <li key={title} className={tone}>
        <strong>{title}</strong>
        <p className="quiet">{more}</p>
      </li>
    ))}
  </ol>
);

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
