// What the operator sells: providers by category with what a call costs, and which of them the organization has enabled.
import { useState } from 'react';
import type { Listing } from '@keystore/sdk';
import { Confirm, Dialog } from '../components/dialog.tsx';
import { FilterSelect } from '../components/fields.tsx';
import { MoveAgents } from '../components/move-agents.tsx';
import { Badge, Button, Card, Empty, Failed, Named, Page, Skeleton } from '../components/parts.tsx';
import { Table, type Column } from '../components/table.tsx';
import { say, sayFailure } from '../components/toasts.tsx';
import { ks } from '../lib/api.ts';
import { count, money, words } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { useAllListings } from '../lib/look-ups.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { useFilters } from '../lib/router.tsx';
import { useMay } from '../lib/session.tsx';

type Open = { act: 'prices' | 'disable' | 'move'; listing: Listing } | undefined;

export const Marketplace = () => {
  const [filters, change] = useFilters();
  const [search, category] = [filters.get('search') ?? '', filters.get('category') ?? ''];
  const list = useList(`marketplace/list/${search}/${category}`, () => ks.marketplace.list({ limit: 50, ...(search && { search }), ...(category && { category }) }));
  const all = useAllListings();
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
      {open?.act === 'move' && <MoveAgents provider={open.listing.provider} to="marketplace" onClose={close} />}
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
