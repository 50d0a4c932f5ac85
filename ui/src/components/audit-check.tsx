// Whether the log is whole: checked by this browser against what it has kept, or by the server; checkpoints and exports to be taken away.
import { useState } from 'react';
import type { AuditCheckpoint, AuditKey, AuditVerified } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { checkExport } from '../lib/audit/check.ts';
import { forgetKept, keep, keptFor } from '../lib/audit/kept.ts';
import { openNote, verifierOf } from '../lib/audit/note.ts';
import { count, exactly } from '../lib/format.ts';
import { useQuery } from '../lib/query.ts';
import { saveAs } from '../lib/save.ts';
import { useSession } from '../lib/session.tsx';
import { AuditFound, type Found } from './audit-found.tsx';
import { TextArea, TextField } from './fields.tsx';
import { Ago, Button, Card, Facts, Failed, Skeleton } from './parts.tsx';
import { say, sayFailure } from './toasts.tsx';

/** What somebody kept elsewhere and typed in, in place of what the server and this browser have. */
interface Own {
  readonly key: string;
  readonly note: string;
}

const when = (micros: number): string => exactly(new Date(micros / 1000).toISOString());

/** Fetches the organization's part of the log and checks it here. */
const checkedLog = async (orgId: string, own: Own, onRecord: (done: number) => void): Promise<Found> => {
  try {
    const key = own.key.trim() || (await ks.audit.getKey()).key;
    const note = own.note || (own.key.trim() ? undefined : keptFor(key));
    const verifier = await verifierOf(key);
    const older = note ? await openNote(`${note.trimEnd()}\n`, verifier) : undefined;
    const file = await ks.audit.export({ format: 'ndjson', ...(older && { from: older.size }) });
    const done = await checkExport(await (await file.blob()).text(), verifier, orgId, older, onRecord);
    if (!own.key.trim()) keep(key, done.note);
    return {
      checked: [
        `The checkpoint over ${count(done.checkpoint.size)} records of ${when(done.checkpoint.at)} is signed by ${verifier.name} (Ed25519).`,
        older
          ? `The log goes on, unchanged, from the checkpoint over ${count(older.size)} records of ${when(older.at)} that ${own.note ? 'you gave' : 'this browser has kept'}.`
          : 'This browser had kept no checkpoint: it has one now, and the next check shows whether the log goes on from it.',
        `Each of your ${count(done.records)} records is in the tree with the signed root (SHA-256, RFC 6962), and says what its bytes say.`,
        `Changes are numbered without a gap, up to ${count(done.lastChange)}.`,
      ],
    };
  } catch (error) {
    return { error };
  }
};

export const AuditCheck = () => {
  const { me } = useSession();
  const checkpoints = useQuery('audit-checkpoints', async () => ks.audit.listCheckpoints({ limit: 8 }), 30_000);
  const key = useQuery('audit-key', () => ks.audit.getKey());
  const [own, setOwn] = useState<Own>({ key: '', note: '' });
  const [found, setFound] = useState<Found>();
  const [byServer, setByServer] = useState<AuditVerified>();
  const [busy, setBusy] = useState<string>();
  const [done, setDone] = useState(0);
  const doing = async (name: string, act: () => Promise<void>): Promise<void> => {
    setBusy(name);
    try {
      await act();
    } catch (error) {
      sayFailure(error);
    } finally {
      setBusy(undefined);
    }
  };
  const here = (): Promise<void> =>
    doing('here', async () => {
      setDone(0);
      setFound(await checkedLog(me.org.id, own, setDone));
    });
  const download = (format: 'ndjson' | 'csv'): Promise<void> =>
    doing(format, async () => {
      const file = await ks.audit.export({ format });
      saveAs(`audit.${format}`, await file.blob(), file.contentType);
    });
  return (
    <Card
      title="Is it whole?"
      actions={
        <>
          <Button small kind="main" onClick={() => void here()} busy={busy === 'here'}>
            {busy === 'here' ? `Checking record ${count(done)} …` : 'Verify in this browser'}
          </Button>
          <Button small onClick={() => void doing('server', async () => setByServer(await ks.audit.verify({})))} busy={busy === 'server'}>
            {busy === 'server' ? 'Checking every record …' : 'Ask the server'}
          </Button>
          <Button small onClick={() => void download('ndjson')} busy={busy === 'ndjson'}>
            Export with proofs
          </Button>
          <Button small onClick={() => void download('csv')} busy={busy === 'csv'}>
            Export CSV
          </Button>
        </>
      }
    >
      <div className="stack">
        {found && <AuditFound found={found} />}
        {byServer && <ByServer of={byServer} />}
        {checkpoints.failure && !checkpoints.data ? (
          <Failed failure={checkpoints.failure} again={checkpoints.again} />
        ) : !checkpoints.data ? (
          <Skeleton height={48} />
        ) : (
          <Checkpoints rows={checkpoints.data.data} verifier={key.data} />
        )}
        <Elsewhere own={own} onChange={setOwn} />
        <p className="quiet">
          Checked here: the signature, that the log goes on from what was kept, and that each record is in it. Not checked: whether calls of yours were left out. A page comes from
          the server that it checks; who does not trust it keeps the key and a checkpoint elsewhere and runs <code>ks audit verify</code>.
        </p>
      </div>
    </Card>
  );
};

const ByServer = ({ of }: { of: AuditVerified }) =>
  of.ok ? (
    <p className="notice ok" role="status">
      The server says: {count(of.records)} records of yours were looked at, under a checkpoint over {count(of.size)}: nothing is wrong.
    </p>
  ) : (
    <p className="notice bad" role="alert">
      The server says: record {of.firstBadIndex ?? '?'} is wrong: {of.problem}
    </p>
  );

const Checkpoints = ({ rows, verifier }: { rows: readonly AuditCheckpoint[]; verifier: AuditKey | undefined }) => {
  const last = rows[0];
  return (
    <div className="stack-small">
      <Facts
        of={[
          [
            'Verifier key',
            <span className="row">
              <span className="mono break">{verifier?.key ?? '…'}</span>
              {verifier && (
                <Button small onClick={() => saveAs('audit.key', `${verifier.key}\n`, 'text/plain')}>
                  Download the key
                </Button>
              )}
            </span>,
          ],
          [
            'Last checkpoint',
            last ? (
              <span className="row">
                over {count(last.size)} records, signed <Ago time={last.at} />
                <Button small onClick={() => saveAs(`checkpoint-${last.size}.txt`, last.note, 'text/plain')}>
                  Download it
                </Button>
              </span>
            ) : (
              'none is signed yet'
            ),
          ],
        ]}
      />
      {rows.length > 1 && (
        <details>
          <summary>Older checkpoints</summary>
          <ul className="row">
            {rows.slice(1).map((one) => (
              <li key={one.size}>
                <Button small onClick={() => saveAs(`checkpoint-${one.size}.txt`, one.note, 'text/plain')}>
                  over {count(one.size)}, {exactly(one.at)}
                </Button>
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
};

const Elsewhere = ({ own, onChange }: { own: Own; onChange: (own: Own) => void }) => (
  <details>
    <summary>Check against a key and a checkpoint that you kept</summary>
    <div className="stack">
      <TextField label="Key" className="input mono" placeholder="as the server and this browser have it" value={own.key} onChange={(event) => onChange({ ...own, key: event.target.value })} />
      <TextArea label="Checkpoint" rows={6} value={own.note} onChange={(event) => onChange({ ...own, note: event.target.value })} hint="The whole signed note, as it was downloaded." />
      <div>
        <Button
          small
          onClick={() => {
            forgetKept();
            say('Forgotten. The next check begins anew.');
          }}
        >
          Forget what this browser has kept
        </Button>
      </div>
    </div>
  </details>
);
