// The check of the audit log in the browser: its parts against known answers, and all of it against the log of a running server, whole and
// with a byte of it changed.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { api, axe, launch, open, show, signedIn, world } from './world.mjs';
import { load } from './unit.mjs';

let browser;
let audit;
before(async () => {
  [browser, audit] = await Promise.all([launch(), load('lib/audit/bytes.ts', 'lib/audit/tree.ts', 'lib/audit/note.ts', 'lib/audit/cbor.ts', 'lib/audit/leaf.ts', 'lib/audit/check.ts')]);
});
after(() => browser.close());

const bytes = (hex) => Uint8Array.from(Buffer.from(hex, 'hex'));

/** The hash of a tree by its definition (RFC 6962, 2.1), and the proofs by theirs. */
const split = (size) => 2 ** Math.floor(Math.log2(size - 1));
const node = (left, right) => audit.sha256(new Uint8Array([1]), left, right);
const rootOf = async (leaves) => (leaves.length === 0 ? audit.sha256() : leaves.length === 1 ? leaves[0] : node(await rootOf(leaves.slice(0, split(leaves.length))), await rootOf(leaves.slice(split(leaves.length)))));
const pathOf = async (index, leaves) => {
  if (leaves.length === 1) return [];
  const at = split(leaves.length);
  return index < at ? [...(await pathOf(index, leaves.slice(0, at))), await rootOf(leaves.slice(at))] : [...(await pathOf(index - at, leaves.slice(at))), await rootOf(leaves.slice(0, at))];
};
const goingOn = async (old, leaves, whole = true) => {
  if (old === leaves.length) return whole ? [] : [await rootOf(leaves)];
  const at = split(leaves.length);
  return old <= at ? [...(await goingOn(old, leaves.slice(0, at), whole)), await rootOf(leaves.slice(at))] : [...(await goingOn(old - at, leaves.slice(at), false)), await rootOf(leaves.slice(0, at))];
};

test('the known answers of certificate transparency', async () => {
  const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
  const hashes = await Promise.all(leaves.map((leaf) => audit.leafHash(bytes(leaf))));
  assert.equal(audit.hex(hashes[0]), '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d');
  const root = bytes('5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328');
  assert.deepEqual(Buffer.from(await rootOf(hashes)), Buffer.from(root));
  assert.ok(await audit.isIncluded(hashes[5], 5, { size: 8, root }, await pathOf(5, hashes)));
});

test('every proof of small trees holds, and none with something else in it', async () => {
  const leaves = await Promise.all(Array.from({ length: 17 }, (_, at) => audit.leafHash(new Uint8Array([at]))));
  const changed = (hash) => Uint8Array.from(hash, (byte, at) => (at === 7 ? byte ^ 4 : byte));
  for (let size = 1; size <= leaves.length; size += 1) {
    const now = leaves.slice(0, size);
    const tree = { size, root: await rootOf(now) };
    for (let at = 0; at < size; at += 1) {
      const proof = await pathOf(at, now);
      assert.ok(await audit.isIncluded(leaves[at], at, tree, proof), `leaf ${at} of ${size}`);
      assert.ok(!(await audit.isIncluded(changed(leaves[at]), at, tree, proof)));
      assert.ok(!(await audit.isIncluded(leaves[at], at, { ...tree, root: changed(tree.root) }, proof)));
      assert.ok(!(await audit.isIncluded(leaves[at], at, tree, [...proof, leaves[0]])));
      if (proof.length > 0) assert.ok(!(await audit.isIncluded(leaves[at], at, tree, proof.slice(1))));
      if (size > 1) assert.ok(!(await audit.isIncluded(leaves[at], (at + 1) % size, tree, proof)), 'in another place');
    }
    for (let old = 1; old < size; old += 1) {
      const older = { size: old, root: await rootOf(leaves.slice(0, old)) };
      const proof = await goingOn(old, now);
      assert.ok(await audit.goesOn(older, tree, proof), `${size} goes on from ${old}`);
      assert.ok(!(await audit.goesOn({ ...older, root: changed(older.root) }, tree, proof)));
      assert.ok(!(await audit.goesOn(older, { ...tree, root: changed(tree.root) }, proof)));
      assert.ok(!(await audit.goesOn(older, tree, proof.slice(0, -1))));
    }
  }
});

test('what is no record is not taken for one', () => {
  for (const wrong of ['', 'a1', '9f00ff', '8200', '1bffffffffffffffff', '0000', 'f97e00', '5b7fffffffffffffff', 'a10361ff']) {
    assert.throws(() => audit.readLeaf(bytes(wrong)), audit.Wrong, wrong);
  }
});

/** Of the server's own log: an old checkpoint, the export that goes on from it, and what it is checked with. */
const real = async () => {
  const [{ key }, { data }, me] = await Promise.all(['audit/key', 'audit/checkpoints?limit=500', 'auth/me'].map(api));
  const verifier = await audit.verifierOf(key);
  const older = await audit.openNote(data.at(-1).note, verifier);
  const answer = await fetch(`${world.apiUrl}/v1/audit/export?format=ndjson&from=${older.size}`, { headers: { authorization: `Bearer ${world.apiKey}` } });
  return { verifier, older, org: me.org.id, text: await answer.text(), note: data.at(-1).note, key };
};

test('the log of the server holds, and no byte of it can be another', async () => {
  const { verifier, older, org, text, note, key } = await real();
  const check = (lines) => audit.checkExport(lines.join('\n'), verifier, org, older, () => undefined);
  const lines = text.trimEnd().split('\n');
  const done = await check(lines);
  assert.equal(done.records, lines.length - 2);
  assert.ok(done.records > 10 && done.lastChange > 5 && done.checkpoint.size >= older.size);
  const flipped = (base64) => Buffer.from(Buffer.from(base64, 'base64').map((byte, at) => (at === 9 ? byte ^ 1 : byte))).toString('base64');
  const withLine = (at, change) => lines.map((line, number) => (number === at ? JSON.stringify(change(JSON.parse(line))) : line));
  const wrong = async (what, words) => assert.rejects(check(what), (error) => error instanceof audit.Wrong && words.test(error.message), String(words));
  for (const at of [1, 5, lines.length - 2]) {
    await wrong(withLine(at, (one) => ({ ...one, leaf: flipped(one.leaf) })), /not in the log that was signed|not the form|length|cut off/);
    await wrong(withLine(at, (one) => ({ ...one, proof: [flipped(one.proof[0]), ...one.proof.slice(1)] })), /not in the log/);
    await wrong(withLine(at, (one) => ({ ...one, index: one.index + 0.5 })), /not in the log/);
    await wrong(withLine(at, () => ({})), /comes after|form of one/);
    await wrong(withLine(at, (one) => ({ ...one, record: { ...one.record, at: '2020-01-01T00:00:00.000Z' } })), /say something else/);
  }
  const change = lines.findIndex((line) => line.includes('"payload"'));
  await wrong(withLine(change, (one) => ({ ...one, payload: one.payload.replace('{', '{ ') })), /commits to/);
  await wrong(lines.filter((_, at) => at !== 3), /missing|cut off/);
  await wrong(lines.slice(0, -1), /cut off/);
  await wrong(withLine(0, (head) => ({ ...head, checkpoint: head.checkpoint.replace(/^time \d/m, 'time 9') })), /signature/);
  await wrong(withLine(0, (head) => ({ ...head, consistency: (head.consistency ?? []).map(flipped), from: older.size + 1 })), /does not go on/);
  await assert.rejects(audit.openNote(note.replace(/\n\d+\n/, '\n1\n'), verifier), /signature/);
  await assert.rejects(audit.verifierOf(key.replace(/\+[0-9a-f]{8}\+/, '+00000000+')), /does not fit/);
});

test('the pages say what was checked, and that a changed byte is wrong', async () => {
  const { page, nothingWrong } = await open(browser);
  await signedIn(page);
  const sent = (await api('requests')).data.find(({ attemptId }) => attemptId);
  await show(page, `requests/${sent.id}`);
  const verify = page.getByRole('button', { name: 'Verify in this browser' });
  await verify.click();
  await page.getByText('Verified by this browser').waitFor();
  await page.getByText('how it ended, what it used and cost').waitFor();
  assert.deepEqual(await axe(page), []);
  await page.route('**/v1/audit/proofs/*', async (route) => {
    const proof = await (await route.fetch()).json();
    proof.records[0].leaf = `${proof.records[0].leaf.slice(0, 40)}${proof.records[0].leaf[40] === 'A' ? 'B' : 'A'}${proof.records[0].leaf.slice(41)}`;
    await route.fulfill({ json: proof });
  });
  await verify.click();
  await page.getByText('The check has failed').waitFor();
  assert.equal(await page.getByText('Verified by this browser').count(), 0);
  assert.deepEqual(await axe(page), []);

  await show(page, 'audit');
  await verify.click();
  await page.getByText('This browser had kept no checkpoint').waitFor();
  await verify.click();
  await page.getByText('that this browser has kept').first().waitFor();
  await page.getByText('Changes are numbered without a gap').waitFor();
  assert.deepEqual(await axe(page), []);
  // A server with another key is found out by what was kept.
  await page.route('**/v1/audit/key', (route) => route.fulfill({ json: { key: 'keystore/other+5d2f5d2f+AU6G77VZnao+w8Cc1+WHVgeD0q/YnadssxCfct9cu33A' } }));
  await verify.click();
  await page.getByText('another verifier key than the one that this browser has kept').waitFor();
  nothingWrong();
});

test('a browser that cannot check says so, and claims nothing', async () => {
  const lacks = {
    'no cryptography for pages without TLS': () => Object.defineProperty(crypto, 'subtle', { value: undefined }),
    'does not know Ed25519': () => Object.defineProperty(SubtleCrypto.prototype, 'importKey', { value: () => Promise.reject(new DOMException('no', 'NotSupportedError')) }),
  };
  for (const [words, without] of Object.entries(lacks)) {
    const { page, context } = await open(browser);
    await page.addInitScript(without);
    await signedIn(page);
    await show(page, 'audit');
    await page.getByRole('button', { name: 'Verify in this browser' }).click();
    await page.getByText(words).waitFor();
    await page.getByText('Not checked.').waitFor();
    assert.equal(await page.getByText('Verified by this browser').count(), 0);
    assert.equal(await page.evaluate(() => localStorage.getItem('keystore-audit')), null, 'nothing is kept that was not checked');
    await context.close();
  }
});
