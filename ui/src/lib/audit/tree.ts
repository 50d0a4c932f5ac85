// The Merkle tree of RFC 6962: whether a leaf is in it, and whether one tree goes on from another (RFC 9162, 2.1.3.2 and 2.1.4.2).
// Sizes are counts of records, far below 2^53: they are halved and never shifted, because shifts are of 32 bits.
import { equal, sha256, type Bytes } from './bytes.ts';

const LEAF = new Uint8Array([0]);
const NODE = new Uint8Array([1]);

export const leafHash = (leaf: Uint8Array): Promise<Bytes> => sha256(LEAF, leaf);

const nodeHash = (left: Uint8Array, right: Uint8Array): Promise<Bytes> => sha256(NODE, left, right);

const isOdd = (value: number): boolean => value % 2 === 1;
const half = (value: number): number => Math.floor(value / 2);

const isPowerOfTwo = (value: number): boolean => {
  let rest = value;
  while (rest > 1 && !isOdd(rest)) rest = half(rest);
  return rest === 1;
};

export interface Tree {
  /** How many leaves. */
  readonly size: number;
  readonly root: Uint8Array;
}

/** Whether the leaf with this hash stands at `index` of the tree. */
export const isIncluded = async (hash: Uint8Array, index: number, tree: Tree, proof: readonly Uint8Array[]): Promise<boolean> => {
  if (!Number.isSafeInteger(index) || index < 0 || index >= tree.size) return false;
  let [node, last, now] = [index, tree.size - 1, hash];
  for (const step of proof) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      now = await nodeHash(step, now);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      now = await nodeHash(now, step);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && equal(now, tree.root);
};

/** Whether the `newer` tree begins with all of the `older` one. */
export const goesOn = async (older: Tree, newer: Tree, proof: readonly Uint8Array[]): Promise<boolean> => {
  if (older.size === 0) return proof.length === 0 && equal(older.root, await sha256());
  if (older.size >= newer.size) return older.size === newer.size && proof.length === 0 && equal(older.root, newer.root);
  let [node, last] = [older.size - 1, newer.size - 1];
  while (isOdd(node)) [node, last] = [half(node), half(last)];
  // Where the older tree is complete, the proof leaves its root out.
  const [start, ...steps] = isPowerOfTwo(older.size) ? [older.root, ...proof] : proof;
  if (!start) return false;
  let [from, to] = [start, start];
  for (const step of steps) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      [from, to] = [await nodeHash(step, from), await nodeHash(step, to)];
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      to = await nodeHash(to, step);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && equal(from, older.root) && equal(to, newer.root);
};
