// Everything that was told of: the same events that webhooks and mails are made of, each with its cause.
import { EVENT_KINDS, EventLines } from '../components/events.tsx';
import { FilterSelect } from '../components/fields.tsx';
import { Button, Card, Empty, Failed, Page, Skeleton } from '../components/parts.tsx';
import { ks } from '../lib/api.ts';
import { useList } from '../lib/list.ts';
import { useFilters } from '../lib/router.tsx';

export const Events = () => {
  const [filters, change] = useFilters();
  const kind = filters.get('kind') ?? '';
  const list = useList(`events/list/${kind}`, () => ks.events.list({ limit: 50, ...(kind && { kind }) }), 10_000);
  return (
    <Page title="Events" about="What wants to be known: budgets that fill up, keys that are refused, agents that ask or misbehave. Webhooks and mails tell of the same.">
      <div className="filters" role="search" aria-label="Filter events">
        <FilterSelect label="Kind" data-filter="" value={kind} onChange={(event) => change({ kind: event.target.value || undefined })}>
          <option value="">Every kind</option>
          {EVENT_KINDS.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </FilterSelect>
      </div>
      <Card>
        {list.failure && !list.rows ? (
          <Failed failure={list.failure} again={list.again} />
        ) : !list.rows ? (
          <Skeleton height={320} />
        ) : list.rows.length === 0 && list.more ? (
          <Empty title="Nothing in the latest ones" actions={<Button small onClick={list.more} busy={list.busy}>Look further</Button>}>
            There are older ones that were not looked at yet.
          </Empty>
        ) : list.rows.length === 0 ? (
          <Empty title="Nothing of this kind" actions={<a className="button" href="#/webhooks">Have a program told</a>}>
            A webhook is told of events as they happen, signed, and again until it takes them.
          </Empty>
        ) : (
          <div className="stack">
            {list.failure && <Failed failure={list.failure} again={list.again} />}
            <EventLines events={list.rows} />
            {list.more && (
              <div className="row">
                <Button small onClick={list.more} busy={list.busy}>
                  Show more
                </Button>
                {list.failure && <span className="wrong">{list.failure.words}</span>}
              </div>
            )}
          </div>
        )}
      </Card>
    </Page>
  );
};
