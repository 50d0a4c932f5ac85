// Moving agents between own keys and the marketplace: what and where to, then what it would do with the figures of the last 30 days, then
// the move, which can be undone.
import { useState } from 'react';
import type { CreateMigration, Migration, Source } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { count, exactly, money } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { all, PAGE, useAllListings } from '../lib/look-ups.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { Dialog, Form } from './dialog.tsx';
import { SelectField } from './fields.tsx';
import { Ago, Badge, Button, Card, Empty, Named } from './parts.tsx';
import { Table } from './table.tsx';
import { say, sayFailure } from './toasts.tsx';

const SIDES: Record<Source, string> = { marketplace: 'the marketplace', byok: 'own keys' };

const HINTS: Record<Source, string> = {
  marketplace: 'The operator’s accounts serve, one invoice, from your credit.',
  byok: 'The vendor bills you, under your agreement and your quota.',
};

const moved = (): void => refresh('agents/', 'agent/', 'migrations/', 'credentials/');

/** `true` when it was undone; what keeps it from being undone is said. */
const undo = async (id: string): Promise<boolean> => {
  try {
    await ks.migrations.undo(id);
    say('Moved back.');
    return true;
  } catch (error) {
    sayFailure(error);
    return false;
  } finally {
    moved();
  }
};

interface Props {
  /** What it begins with; absent where it is to be chosen. */
  provider?: string;
  to: Source;
  /** The own key to move to. */
  credential?: string;
  onClose: () => void;
}

export const MoveAgents = ({ provider: first = '', to: side, credential, onClose }: Props) => {
  const [provider, setProvider] = useState(first);
  const [to, setTo] = useState<Source>(side);
  const [key, setKey] = useState(credential ?? '');
  const [left, setLeft] = useState<readonly string[]>([]);
  const [dry, setDry] = useState<Migration>();
  const [done, setDone] = useState<Migration>();
  if (done) return <Done of={done} onClose={onClose} />;
  const chosen = dry?.agents.filter((agent) => !left.includes(agent.id)) ?? [];
  const blocked = chosen.some((agent) => (agent.obstacles?.length ?? 0) > 0);
  // The first asks for all of them; what is left out then changes the figures, so they are asked for again.
  const stale = dry !== undefined && left.some((id) => dry.agents.some((agent) => agent.id === id));
  const asked = (): CreateMigration => ({
    provider,
    to,
    ...(to === 'byok' && key && { credential: key }),
    ...(dry && left.length > 0 && { agents: chosen.map(({ id }) => id) }),
  });
  const restart = (change: () => void): void => {
    change();
    setDry(undefined);
    setLeft([]);
  };
  return (
    <Dialog title="Move agents" onClose={onClose}>
      <Form
        submit={dry && !stale ? `Move to ${SIDES[to]}` : 'What would it do?'}
        disabled={provider === '' || (dry !== undefined && (chosen.length === 0 || (blocked && !stale)))}
        onCancel={onClose}
        onSubmit={async () => {
          if (!dry || stale) {
            setDry(await ks.migrations.create({ ...asked(), dryRun: true }));
            setLeft([]);
            return;
          }
          setDone(await ks.migrations.create({ ...asked(), agents: dry.agents.map(({ id }) => id) }));
          moved();
        }}
      >
        {() => (
          <>
            {first === '' && <ProviderField value={provider} onChange={(slug) => restart(() => { setProvider(slug); setKey(''); })} />}
            <SelectField label="Where to" value={to} onChange={(event) => restart(() => setTo(event.target.value as Source))} hint={`${HINTS[to]} The tokens stay: no agent has to be told.`}>
              <option value="marketplace">the marketplace</option>
              <option value="byok">own keys</option>
            </SelectField>
            {to === 'byok' && provider && <KeyField provider={provider} value={key} onChange={(id) => restart(() => setKey(id))} />}
            {dry && <Effect of={dry} left={left} onLeave={setLeft} />}
            {stale && <p className="notice warn">Others move now: ask once more what it would do.</p>}
          </>
        )}
      </Form>
    </Dialog>
  );
};

/** What somebody has a key of, or has enabled. */
const ProviderField = ({ value, onChange }: { value: string; onChange: (slug: string) => void }) => {
  const keys = useQuery('credentials/all', () => all(ks.credentials.list({ limit: PAGE })));
  const sold = useAllListings();
  const slugs = [...new Set([...(keys.data?.data ?? []).map((one) => one.provider), ...(sold.data?.data ?? []).filter((one) => one.enabled).map((one) => one.provider)])].sort();
  return (
    <SelectField label="Of which provider" value={value} onChange={(event) => onChange(event.target.value)}>
      <option value="">choose …</option>
      {slugs.map((slug) => (
        <option key={slug}>{slug}</option>
      ))}
    </SelectField>
  );
};

const KeyField = ({ provider, value, onChange }: { provider: string; value: string; onChange: (id: string) => void }) => {
  const keys = useQuery(`credentials/movable/${provider}`, () => all(ks.credentials.list({ provider, limit: PAGE })));
  const rows = keys.data?.data ?? [];
  if (rows.length === 0) return keys.data ? <p className="notice warn">No key of {provider} is stored: add one first.</p> : null;
  if (rows.length === 1) return null;
  return (
    <SelectField label="To which key" value={value} onChange={(event) => onChange(event.target.value)}>
      <option value="">the one named “default”</option>
      {rows.map((one) => (
        <option key={one.id} value={one.id}>
          {one.name}
        </option>
      ))}
    </SelectField>
  );
};

const Effect = ({ of, left, onLeave }: { of: Migration; left: readonly string[]; onLeave: (left: readonly string[]) => void }) => {
  const { agents, effect } = of;
  if (agents.length === 0) return <p className="notice">No agent would move: none is granted the provider from the other side.</p>;
  return (
    <div className="stack-small" role="status">
      <fieldset className="stack-small">
        <legend className="legend">{agents.length === 1 ? 'One agent would move' : `${count(agents.length)} agents would move`}</legend>
        {agents.map((agent) => (
          <div key={agent.id}>
            <label className="check">
              <input type="checkbox" checked={!left.includes(agent.id)} onChange={(event) => onLeave(event.target.checked ? left.filter((id) => id !== agent.id) : [...left, agent.id])} />
              <Named name={agent.name} />
            </label>
            {agent.obstacles?.map((words) => (
              <p key={words} className="notice warn">
                {words}
              </p>
            ))}
          </div>
        ))}
      </fieldset>
      {effect && (
        <div className="notice stack-small">
          <p>
            Their {count(effect.calls)} calls of the last 30 days cost <strong>{money(effect.cost)}</strong>; there, they would have cost <strong>{effect.costThere ? money(effect.costThere) : 'an amount that is not known'}</strong>.
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

const Done = ({ of, onClose }: { of: Migration; onClose: () => void }) => (
  <Dialog title="Moved" onClose={onClose}>
    <p className="notice ok" role="status">
      {of.agents.length === 1 ? 'One agent' : `${count(of.agents.length)} agents`} moved{of.at ? ` at ${exactly(of.at)}` : ''}. The tokens stay, and calls that ran ended where they began.
    </p>
    <div className="dialog-foot">
      {of.id && <Button onClick={() => void undo(of.id ?? '').then((gone) => gone && onClose())}>Move back</Button>}
      <Button kind="main" onClick={onClose}>
        Done
      </Button>
    </div>
  </Dialog>
);

/** The moves that were made, each of which can be undone where no agent was changed since. */
export const Moves = ({ may }: { may: boolean }) => {
  const list = useList('migrations/list', () => ks.migrations.list({ limit: 10 }), 30_000);
  const [busy, setBusy] = useState<string>();
  if (!list.rows?.length && !list.failure) return null;
  const back = async (id: string): Promise<void> => {
    setBusy(id);
    await undo(id);
    setBusy(undefined);
  };
  return (
    <Card title="Agents that moved" flush>
      <Table
        label="Agents that moved"
        {...list}
        id={(one) => one.id ?? one.at ?? one.provider}
        columns={[
          { title: 'Move', lead: true, cell: (one) => `${one.provider} to ${SIDES[one.to]}` },
          { title: 'Agents', cell: (one) => <Named name={one.agents.map(({ name }) => name).join(', ')} /> },
          { title: 'When', cell: (one) => <Ago time={one.at} /> },
          { title: 'State', cell: (one) => <Badge tone={one.undoneAt ? 'off' : 'ok'}>{one.undoneAt ? 'moved back' : 'in force'}</Badge> },
          {
            title: 'Acts',
            right: true,
            cell: (one) =>
              may && one.id && !one.undoneAt ? (
                <Button small busy={busy === one.id} onClick={() => void back(one.id ?? '')}>
                  Move back
                </Button>
              ) : null,
          },
        ]}
        empty={<Empty title="None has moved">Agents move between own keys and the marketplace without another token.</Empty>}
      />
    </Card>
  );
};
