// Checks a proof, and an export of the log, with nothing but what they hold and the verifier key. It says what was checked, or throws what
// is wrong. That records were left out shows in the numbers of changes alone; calls that were left out do not show (docs/audit.md).
import type { AuditProof, ProvenRecord } from '@keystore/sdk';
import { equal, fromBase64, sha256, utf8, Wrong } from './bytes.ts';
import { readLeaf, says, type Leaf } from './leaf.ts';
import { openNote, type Checkpoint, type Verifier } from './note.ts';
import { goesOn, isIncluded, leafHash } from './tree.ts';

/** A record that is in the log of the checkpoint and says what it says. */
const checkRecord = async (proven: ProvenRecord, checkpoint: Checkpoint): Promise<Leaf> => {
  if (typeof proven.leaf !== 'string' || !Array.isArray(proven.proof)) throw new Wrong('what should be a record has not the form of one');
  const bytes = fromBase64(proven.leaf);
  const where = `Record ${proven.index}: `;
  if (!(await isIncluded(await leafHash(bytes), proven.index, checkpoint, proven.proof.map(fromBase64)))) throw new Wrong(`${where}it is not in the log that was signed`);
  const leaf = readLeaf(bytes);
  if (!says(leaf, proven.record)) throw new Wrong(`${where}the words beside its bytes say something else`);
  if (proven.payload != null && !(leaf.payload && equal(await sha256(utf8(proven.payload)), leaf.payload))) throw new Wrong(`${where}what was before and after is not what it commits to`);
  return leaf;
};

export interface CheckedProof {
  readonly checkpoint: Checkpoint;
  readonly leaves: readonly Leaf[];
}

/** A proof that the call with this request's id, or the refusal of it, is in the log. */
export const checkProof = async (proof: AuditProof, verifier: Verifier, requestId: string): Promise<CheckedProof> => {
  if (proof.format !== 'keystore-audit-proof/v1') throw new Wrong('it is no proof that is known here');
  const checkpoint = await openNote(proof.checkpoint, verifier);
  const leaves: Leaf[] = [];
  for (const proven of proof.records) leaves.push(await checkRecord(proven, checkpoint));
  const attempts = new Set(leaves.filter(({ kind }) => kind === 'call').map(({ words }) => words['attemptId']));
  const isAbout = ({ kind, words }: Leaf): boolean => (kind === 'outcome' || kind === 'hold' ? attempts.has(words['attemptId']) : words['requestId'] === requestId);
  if (leaves.length === 0 || !leaves.every(isAbout)) throw new Wrong('it proves something else than this request');
  return { checkpoint, leaves };
};

interface Head {
  readonly format?: string;
  readonly checkpoint?: string;
  readonly orgId?: string;
  readonly from?: number;
  readonly consistency?: readonly string[];
}

export interface CheckedExport {
  readonly checkpoint: Checkpoint;
  readonly note: string;
  /** Records in it. */
  readonly records: number;
  /** The number of the newest change. */
  readonly lastChange: number;
}

const parsed = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch {
    throw new Wrong('a line of the export is no JSON');
  }
};

const checkHead = async (head: Head, verifier: Verifier, older: Checkpoint | undefined): Promise<Checkpoint> => {
  if (head.format !== 'keystore-audit-export/v1' || !head.checkpoint) throw new Wrong('the first line is not that of an export');
  const now = await openNote(head.checkpoint, verifier);
  if (!older) return now;
  const proves = head.from === older.size && older.at <= now.at && (await goesOn(older, now, (head.consistency ?? []).map(fromBase64)));
  if (!proves) throw new Wrong('the log does not go on from the checkpoint that this browser has kept: what was signed then was changed since');
  return now;
};

/** A whole export of an organization as lines of JSON. `older`: a checkpoint that the log must go on from. `onRecord` hears how far it is. */
export const checkExport = async (text: string, verifier: Verifier, orgId: string, older: Checkpoint | undefined, onRecord: (done: number) => void): Promise<CheckedExport> => {
  const lines = text.split('\n').filter((line) => line !== '');
  const head = parsed(lines[0] ?? '') as Head;
  const checkpoint = await checkHead(head, verifier, older);
  if (head.orgId !== orgId) throw new Wrong('the export is of another organization');
  const attempts = new Set<unknown>();
  let [lastIndex, lastChange] = [-1, 0];
  const records = lines.slice(1, -1);
  for (const [done, line] of records.entries()) {
    const proven = parsed(line) as ProvenRecord;
    if (!(proven.index > lastIndex)) throw new Wrong(`Record ${proven.index}: it comes after a later one`);
    const { kind, words } = await checkRecord(proven, checkpoint);
    if (kind === 'call') attempts.add(words['attemptId']);
    const isOwn = kind === 'outcome' || kind === 'hold' ? attempts.has(words['attemptId']) : words['orgId'] === orgId;
    if (!isOwn) throw new Wrong(`Record ${proven.index}: it belongs to another organization, or its call is missing`);
    if (kind === 'change') {
      const seq = Number(words['seq']);
      if (lastChange !== 0 && seq !== lastChange + 1) throw new Wrong(`Record ${proven.index}: change ${lastChange + 1} is missing before it`);
      lastChange = seq;
    }
    lastIndex = proven.index;
    if (done % 100 === 0) onRecord(done);
  }
  const end = parsed(lines.at(-1) ?? '') as { records?: number };
  if (lines.length < 2 || end.records !== records.length) throw new Wrong('the export is cut off');
  return { checkpoint, note: head.checkpoint ?? '', records: records.length, lastChange };
};
