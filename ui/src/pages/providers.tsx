// Vendors that can be called: those of the catalog, and those that the organization defined for itself.
import { useState } from 'react';
import type { Provider, ProviderSummary } from '@keystore/sdk';
import { Confirm } from '../components/dialog.tsx';
import { FilterSelect } from '../components/fields.tsx';
import { OwnPrices } from '../components/own-prices.tsx';
import { Badge, Button, Card, Empty, Facts, Failed, Named, Page, Skeleton } from '../components/parts.tsx';
import { ChangeProvider, DefineProvider } from '../components/provider-form.tsx';
import { Table, type Column } from '../components/table.tsx';
import { say } from '../components/toasts.tsx';
import { ks } from '../lib/api.ts';
import { count, words } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { go, to, useFilters } from '../lib/router.tsx';
import { useMay } from '../lib/session.tsx';

const COLUMNS: readonly Column<ProviderSummary>[] = [
  { title: 'Provider', lead: true, cell: (one) => <Named name={one.name} /> },
  { title: 'In paths', cell: (one) => <span className="mono">{one.slug}</span> },
  { title: 'Category', cell: (one) => words(one.category) },
  { title: 'Defined', cell: (one) => <Badge tone={one.custom ? 'accent' : 'plain'}>{one.custom ? 'by you' : 'in the catalog'}</Badge> },
];

export const Providers = () => {
  const [filters, change] = useFilters();
  const [search, own] = [filters.get('search') ?? '', filters.get('own') === 'true'];
  const list = useList(`providers/list/${search}/${String(own)}`, () => ks.providers.list({ limit: 50, ...(search && { search }), ...(own && { custom: true }) }));
  const may = useMay('credentials');
  const [open, setOpen] = useState(false);
  const define = may && (
    <Button kind="main" onClick={() => setOpen(true)}>
      Define a provider
    </Button>
  );
  return (
    <Page title="Providers" about="Every vendor’s API that agents can be granted. What the catalog lacks, you define for your organization." actions={define}>
      <div className="filters" role="search" aria-label="Filter providers">
        <input className="input slim" type="search" data-filter="" aria-label="Search providers" placeholder="Search providers" defaultValue={search} onChange={(event) => change({ search: event.target.value.trim() || undefined })} />
        <FilterSelect label="Whose" value={own ? 'own' : ''} onChange={(event) => change({ own: event.target.value ? 'true' : undefined })}>
          <option value="">All of them</option>
          <option value="own">Defined by you</option>
        </FilterSelect>
      </div>
      <Card flush>
        <Table
          label="Providers"
          {...list}
          columns={COLUMNS}
          id={(one) => one.slug}
          href={(one) => to(['providers', one.slug])}
          empty={
            <Empty title={own && !search ? 'None is defined yet' : 'No provider is like this'} actions={define}>
              An API that takes a key in a header, in the query or by Basic is defined in a minute: its name, its address, and where the key goes.
            </Empty>
          }
        />
      </Card>
      {open && <DefineProvider onClose={() => setOpen(false)} onDone={(made) => go(to(['providers', made.slug]))} />}
    </Page>
  );
};

export const ProviderPage = ({ slug }: { slug: string }) => {
  const query = useQuery(`provider/${slug}`, () => ks.providers.get(slug));
  const may = useMay('credentials');
  const [open, setOpen] = useState<'change' | 'delete'>();
  const one = query.data;
  if (!one) return query.failure ? <Failed failure={query.failure} again={query.again} /> : <Skeleton height={320} />;
  const actions = may && (
    <>
      <a className="button main" href={to(['credentials'], { add: slug })}>
        Add a key
      </a>
      {one.custom && (
        <>
          <Button onClick={() => setOpen('change')}>Change</Button>
          <Button kind="danger" onClick={() => setOpen('delete')}>
            Delete
          </Button>
        </>
      )}
    </>
  );
  return (
    <Page title={<Named name={one.name} />} about={<span className="mono">{one.slug}</span>} actions={actions}>
      <div className="grid-2">
        <Card title="What is known of it">
          <Known one={one} />
        </Card>
        <Card title="Operations that are known by name">
          <Operations one={one} />
        </Card>
      </div>
      <OwnPrices provider={one} />
      {one.definition && (
        <Card title="Definition">
          <pre className="code" tabIndex={0}>
            {JSON.stringify(one.definition, null, 2)}
          </pre>
        </Card>
      )}
      {open === 'change' && <ChangeProvider provider={one} onClose={() => setOpen(undefined)} />}
      {open === 'delete' && <Delete one={one} onClose={() => setOpen(undefined)} />}
    </Page>
  );
};

const Known = ({ one }: { one: Provider }) => (
  <Facts
    of={[
      ['Category', words(one.category)],
      ['Base URL', <span className="mono">{one.baseUrl ?? 'given with the key'}</span>],
      ['Further hosts', one.hosts.map(({ alias, url }) => `${one.slug}~${alias}: ${url}`).join(', ') || 'none'],
      ['The key goes', one.auth?.join(', ') || '–'],
      ['With the key', [...one.fields.map(({ label }) => label), ...one.params.map(({ name }) => name)].join(', ')],
      ['Priced', `${count(one.pricedModels)} models or things`],
      ['A key can be tried', one.testable ? 'yes' : 'no'],
      ['Its SDKs read', <span className="mono break">{[...(one.env.key ?? []), ...(one.env.baseUrl ?? [])].join(', ') || '–'}</span>],
      ['Documentation', one.docsUrl ? <span className="mono break">{one.docsUrl}</span> : '–'],
      ['Not confirmed with the vendor', one.unverified.join(', ') || 'nothing'],
    ]}
  />
);

const Operations = ({ one }: { one: Provider }) => {
  if (one.operations.length === 0) return <p className="quiet">None: every path is one operation, read or write by its method.</p>;
  return (
    <ul className="stack-small">
      {one.operations.slice(0, 30).map((operation) => (
        <li key={operation.name} className="mono break">
          {operation.name}
        </li>
      ))}
      {one.operations.length > 30 && <li className="quiet">and {count(one.operations.length - 30)} more</li>}
    </ul>
  );
};

const Delete = ({ one, onClose }: { one: Provider; onClose: () => void }) => {
  const [force, setForce] = useState(false);
  return (
    <Confirm
      title="Delete the provider"
      submit="Delete it"
      typed={one.slug}
      onClose={onClose}
      onConfirm={async () => {
        await ks.providers.delete(one.slug, { force });
        say(`${one.name} is gone.`);
        refresh('providers/', 'credentials/', 'agents/');
        go(to(['providers']));
      }}
    >
      <p>While keys or agents use it, the server refuses to delete it.</p>
      <label className="check">
        <input type="checkbox" checked={force} onChange={(event) => setForce(event.target.checked)} />
        Delete its keys with it, and leave grants of it that open nothing
      </label>
    </Confirm>
  );
};
