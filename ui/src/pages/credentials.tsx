// The keys that are stored: what is known of each, never a value.
import { useState } from 'react';
import type { Credential } from '@keystore/sdk';
import { AddCredential } from '../components/add-credential.tsx';
import { MoveAgents, Moves } from '../components/move-agents.tsx';
import { Ago, Badge, Button, Card, Empty, Named, Page } from '../components/parts.tsx';
import { CredentialBadge } from '../components/status.tsx';
import { Table, type Column } from '../components/table.tsx';
import { ks } from '../lib/api.ts';
import { useList } from '../lib/list.ts';
import { to, useFilters } from '../lib/router.tsx';
import { useMay } from '../lib/session.tsx';

const COLUMNS: readonly Column<Credential>[] = [
  { title: 'Provider', lead: true, cell: (one) => one.provider },
  { title: 'Name', cell: (one) => <Named name={one.name} /> },
  {
    title: 'State',
    cell: (one) => (
      <span className="row">
        <CredentialBadge status={one.status} />
        {one.resealNeeded && <Badge tone="warn">reseal needed</Badge>}
      </span>
    ),
  },
  { title: 'Version', right: true, cell: (one) => one.version },
  { title: 'Last used', cell: (one) => <Ago time={one.lastUsedAt} /> },
  { title: 'Added', cell: (one) => <Ago time={one.createdAt} /> },
  { title: 'Ends', cell: (one) => (one.expiresAt ? <Ago time={one.expiresAt} /> : <span className="quiet">not known</span>) },
];

export const Credentials = () => {
  const [filters, change] = useFilters();
  const may = useMay('credentials');
  const list = useList('credentials/list', () => ks.credentials.list({ limit: 50 }), 30_000);
  const adding = filters.get('add');
  const [added, setAdded] = useState<Credential>();
  const mayMove = useMay('marketplace');
  const [moving, setMoving] = useState(false);
  const add = may && (
    <Button kind="main" onClick={() => change({ add: '1' })}>
      Add a key
    </Button>
  );
  return (
    <Page title="Credentials" about="Vendors’ keys, each sealed under a key of its own. Nobody sees a value again: not here, not in the API, not in a log." actions={<>{mayMove && <Button onClick={() => setMoving(true)}>Move agents</Button>}{add}</>}>
      {added && (
        <p className="notice ok" role="status">
          The key of {added.provider} is stored as “<Named name={added.name} />”. <a href={to(['agents', 'new'])}>Create an agent that may use it</a>.
        </p>
      )}
      <Card flush>
        <Table
          label="Credentials"
          {...list}
          columns={COLUMNS}
          id={(one) => one.id}
          href={(one) => to(['credentials', one.id])}
          empty={
            <Empty title="No key is stored" actions={add}>
              Add the key that your vendor gave you. Agents then call the vendor with a token of their own, and never hold the key.
            </Empty>
          }
        />
      </Card>
      <Moves may={mayMove} />
      {moving && <MoveAgents to="marketplace" onClose={() => setMoving(false)} />}
      {may && adding && (
        <AddCredential
          slug={adding === '1' ? '' : adding}
          onClose={() => change({ add: undefined })}
          onAdded={(one) => {
            setAdded(one);
            change({ add: undefined });
          }}
        />
      )}
    </Page>
  );
};
