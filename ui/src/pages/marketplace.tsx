// What the operator sells: providers by category with what a call costs, and which of them the organization has enabled.
import { useState } from 'react';
import type { Listing } from '@keystore/sdk';
import { Confirm, Dialog, Form } from '../components/dialog.tsx';
import { FilterSelect, SelectField } from '../components/fields.tsx';
import { Badge, Button, Card, Empty, Failed, Named, Page, Skeleton } from '../components/parts.tsx';
import { Table, type Column } from '../components/table.tsx';
import { say, sayFailure } from '../components/toasts.tsx';
import { failureOf, ks, type Failure } from '../lib/api.ts';
import { count, exactly, money, words } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { useFilters } from '../lib/router.tsx';
import { useMay } from '../lib/session.tsx';
import type { Migration, Source } from '@keystore/sdk';

type Open = { act: 'prices' | 'disable' | 'move'; listing: Listing } | undefined;

export const Marketplace = () => {
  const [filters, change] = useFilters();
  const [search, category] = [filters.get('search') ?? '', filters.get('category') ?? ''];
  const list = useList(`marketplace/list/${search}/${category}`, () => ks.marketplace.list({ limit: 50, ...(search && { search }), ...(category && { category }) }));
  const all = useQuery('marketplace/picker', async () => ks.marketplace.list({ limit: 100 }));
  const may = useMay('marketplace');
  const [open, setOpen] = useState<Open>();
  const [busy, setBusy] = useState<string>();
  const close = (): void => setOpen(undefined);
  const enable = async (listing: Listing): Promise<void> => {
    setBusy(listing.provider);
    try {
      await ks.marketplace.enable(listing.provider);
      say(`Agents may be granted ${listing.name} from the marketplace now.`);
      refresh('marketplace/');
    } catch (error) {
      sayFailure(error);
    } finally {
      setBusy(undefined);
    }
  };
  const columns: Column<Listing>[] = [
    {
      title: 'Provider',
      lead: true,
      cell: (one) => (
        <button type="button" className="button small bare" onClick={() => setOpen({ act: 'prices', listing: one })}>
          {one.name}
        </button>
      ),
    },
    { title: 'Category', cell: (one) => words(one.category) },
    { title: 'A typical call', right: true, cell: (one) => (one.typicalCall ? money(one.typicalCall.cost) : <span className="quiet">no price</span>) },
    { title: 'Priced', right: true, cell: (one) => count(one.models) },
    {
      title: 'State',
      cell: (one) => (
        <span className="row">
          <Badge tone={one.enabled ? 'ok' : 'off'}>{one.enabled ? 'enabled' : 'not enabled'}</Badge>
          {!one.available && <Badge tone="warn">no key in the pool</Badge>}
        </span>
      ),
    },
    {
      title: 'Acts',
      right: true,
      cell: (one) =>
        may && (
          <span className="row">
            {one.enabled && (
              <Button small onClick={() => setOpen({ act: 'move', listing: one })}>
                Move agents
              </Button>
            )}
            {one.enabled ? (
              <Button small kind="danger" onClick={() => setOpen({ act: 'disable', listing: one })}>
                Disable
              </Button>
            ) : (
              <Button small busy={busy === one.provider} onClick={() => void enable(one)}>
                Enable
              </Button>
            )}
          </span>
        ),
    },
  ];
  return (
    <Page title="Marketplace" about="Providers that the operator’s accounts serve: no key of your own, and one invoice. Whose key serves is chosen for each agent and provider.">
      <div className="filters" role="search" aria-label="Filter providers">
        <input className="input slim" type="search" data-filter="" aria-label="Search providers" placeholder="Search providers" defaultValue={search} onChange={(event) => change({ search: event.target.value.trim() || undefined })} />
        <FilterSelect label="Category" value={category} onChange={(event) => change({ category: event.target.value || undefined })}>
          <option value="">Every category</option>
          {[...new Set((all.data?.data ?? []).map((one) => one.category))].sort().map((one) => (
            <option key={one} value={one}>
              {words(one)}
            </option>
          ))}
        </FilterSelect>
      </div>
      <Card flush>
        <Table
          label="Providers of the marketplace"
          {...list}
          columns={columns}
          id={(one) => one.provider}
          empty={
            search || category ? (
              <Empty title="Nothing that is sold is like this" actions={<Button onClick={() => change({ search: undefined, category: undefined })}>Show all of it</Button>}>
                Your own keys serve every provider of the catalog.
              </Empty>
            ) : (
              <Empty title="Nothing is sold here">The operator of this deployment has published no provider. Your own keys serve every provider of the catalog.</Empty>
            )
          }
        />
      </Card>
      {open?.act === 'prices' && <Prices listing={open.listing} onClose={close} />}
      {open?.act === 'move' && <Move listing={open.listing} onClose={close} />}
      {open?.act === 'disable' && (
        <Confirm
          title={`Disable ${open.listing.name}`}
          submit="Disable it"
          onClose={close}
          onConfirm={async () => {
            await ks.marketplace.disable(open.listing.provider);
            say(`${open.listing.name} is disabled.`);
            refresh('marketplace/');
            close();
          }}
        >
          <p>Calls that are granted from the marketplace are refused from the next request on. The grants stay, and serve again when it is enabled.</p>
        </Confirm>
      )}
    </Page>
  );
};

const Prices = ({ listing, onClose }: { listing: Listing; onClose: () => void }) => {
  const query = useQuery(`marketplace/prices/${listing.provider}`, () => ks.marketplace.get(listing.provider));
  return (
    <Dialog title={`What ${listing.name} costs`} onClose={onClose}>
      {query.failure && !query.data ? (
        <Failed failure={query.failure} again={query.again} />
      ) : !query.data ? (
        <Skeleton height={160} />
      ) : (
        <>
          <p className="quiet">Dollars for a million units, by version {query.data.priceVersion} of the price book.</p>
          <ul className="bars">
            {query.data.prices.map((price) => (
              <li key={price.model}>
                <div>
                  <strong className="break">
                    <Named name={price.model} />
                  </strong>
                  <span />
                  {Object.entries(price.units).map(([unit, dollars]) => (
                    <span key={unit} style={{ display: 'contents' }}>
                      <span className="quiet">{words(unit)}</span>
                      <span className="number">{money(dollars)}</span>
                    </span>
                  ))}
                </div>
              </li>
            ))}
          </ul>
        </>
      )}
    </Dialog>
  );
};

/** Moving grants between own keys and the pool: first what it would do, with the figures of the last 30 days, then the move. */
const Move = ({ listing, onClose }: { listing: Listing; onClose: () => void }) => {
  const [to, setTo] = useState<Source>('marketplace');
  const [dry, setDry] = useState<Migration>();
  const [failure, setFailure] = useState<Failure>();
  const blocked = dry?.agents.filter((agent) => (agent.obstacles?.length ?? 0) > 0) ?? [];
  const undo = async (id: string): Promise<void> => {
    try {
      await ks.migrations.undo(id);
      say('Moved back.');
      refresh('agents/', 'agent/');
    } catch (error) {
      setFailure(failureOf(error));
    }
  };
  const [done, setDone] = useState<Migration>();
  if (done) {
    return (
      <Dialog title="Moved" onClose={onClose}>
        <p className="notice ok" role="status">
          {done.agents.length === 1 ? 'One agent' : `${count(done.agents.length)} agents`} moved{done.at ? ` at ${exactly(done.at)}` : ''}. The tokens stay, and calls that ran ended where they began.
        </p>
        {failure && <Failed failure={failure} />}
        <div className="dialog-foot">
          {done.id && <Button onClick={() => void undo(done.id ?? '')}>Move back</Button>}
          <Button kind="main" onClick={onClose}>
            Done
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title={`Move agents of ${listing.name}`} onClose={onClose}>
      <Form
        submit={dry ? (to === 'marketplace' ? 'Move to the marketplace' : 'Move to own keys') : 'What would it do?'}
        disabled={dry !== undefined && (dry.agents.length === 0 || blocked.length > 0)}
        onCancel={onClose}
        onSubmit={async () => {
          const asked = { provider: listing.provider, to };
          if (!dry) {
            setDry(await ks.migrations.create({ ...asked, dryRun: true }));
            return;
          }
          setDone(await ks.migrations.create(asked));
          refresh('agents/', 'agent/');
        }}
      >
        {() => (
          <>
            <SelectField
              label="Where to"
              value={to}
              onChange={(event) => {
                setTo(event.target.value as Source);
                setDry(undefined);
              }}
            >
              <option value="marketplace">the marketplace</option>
              <option value="byok">own keys</option>
            </SelectField>
            {dry && <Effect of={dry} />}
          </>
        )}
      </Form>
    </Dialog>
  );
};

const Effect = ({ of }: { of: Migration }) => {
  const { agents, effect } = of;
  if (agents.length === 0) return <p className="notice">No agent would move: none is granted the provider from the other side.</p>;
  return (
    <div className="stack-small">
      <p>
        {agents.length === 1 ? 'One agent would move:' : `${count(agents.length)} agents would move:`}
      </p>
      <ul className="stack-small">
        {agents.map((agent) => (
          <li key={agent.id}>
            <Named name={agent.name} />
            {agent.obstacles?.map((words) => (
              <p key={words} className="notice warn">
                {words}
              </p>
            ))}
          </li>
        ))}
      </ul>
      {effect && (
        <div className="notice stack-small">
          <p>
            Their {count(effect.calls)} calls of the last 30 days cost {money(effect.cost)}; there, they would have cost {effect.costThere ? money(effect.costThere) : 'an amount that is not known'}.
          </p>
          {effect.unpriced.length > 0 && <p>Without a price there: {effect.unpriced.join(', ')}</p>}
          {effect.notes.map((note) => (
            <p key={note} className="quiet">
              {note}
            </p>
          ))}
        </div>
      )}
    </div>
  );
};
