// The proof that a request is in the log: checked by this browser, and to be taken away.
import { useState } from 'react';
import type { AuditProof } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { checkProof } from '../lib/audit/check.ts';
import { keep, keptFor } from '../lib/audit/kept.ts';
import { verifierOf } from '../lib/audit/note.ts';
import { count, exactly } from '../lib/format.ts';
import { saveAs } from '../lib/save.ts';
import { useMay } from '../lib/session.tsx';
import { AuditFound, type Found } from './audit-found.tsx';
import { Button, Card } from './parts.tsx';
import { sayFailure } from './toasts.tsx';

const KINDS = { change: 'the change', call: 'who calls what, written before the first byte was sent', outcome: 'how it ended, what it used and cost', refusal: 'the refusal', hold: 'more that was held while it ran' } as const;

/** Asks for proof and key, and says what was checked. */
const checked = async (id: string): Promise<Found> => {
  try {
    const [proof, { key }] = await Promise.all([ks.audit.getProof(id), ks.audit.getKey()]);
    keptFor(key);
    const verifier = await verifierOf(key);
    const { checkpoint, leaves } = await checkProof(proof, verifier, id);
    keep(key);
    return {
      checked: [
        `The checkpoint over ${count(checkpoint.size)} records of ${exactly(new Date(checkpoint.at / 1000).toISOString())} is signed by ${verifier.name} (Ed25519).`,
        ...leaves.map(({ kind }, at) => `Record ${count(proof.records[at]?.index ?? 0)} is in the tree with the signed root (SHA-256, RFC 6962): ${KINDS[kind]}.`),
        'Its bytes name this request, and say what the words beside them say.',
      ],
    };
  } catch (error) {
    return { error };
  }
};

export const ProofCard = ({ id }: { id: string }) => {
  const may = useMay('audit');
  const [busy, setBusy] = useState<'check' | 'save'>();
  const [found, setFound] = useState<Found>();
  const check = async (): Promise<void> => {
    setBusy('check');
    setFound(await checked(id));
    setBusy(undefined);
  };
  const download = async (): Promise<void> => {
    setBusy('save');
    try {
      const proof: AuditProof = await ks.audit.getProof(id);
      saveAs(`proof-${id}.json`, JSON.stringify(proof, null, 2), 'application/json');
    } catch (error) {
      sayFailure(error);
    } finally {
      setBusy(undefined);
    }
  };
  return (
    <Card title="Audit proof">
      <div className="stack">
        <p>The intent and the outcome are leaves of the deployment’s signed log. The proof leads from them to a signed checkpoint; to check it takes nothing of this server but its key.</p>
        {found && <AuditFound found={found} />}
        {may ? (
          <div className="row">
            <Button onClick={() => void check()} busy={busy === 'check'}>
              {busy === 'check' ? 'Checking …' : 'Verify in this browser'}
            </Button>
            <Button onClick={() => void download()} busy={busy === 'save'}>
              Download the proof
            </Button>
          </div>
        ) : (
          <p className="quiet">Your role does not see the audit log.</p>
        )}
      </div>
    </Card>
  );
};
