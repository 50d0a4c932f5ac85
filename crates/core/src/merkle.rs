//! The Merkle tree of RFC 6962 over the audit log: appending, roots, proofs that a leaf is in a tree and that a tree continues
//! another one, and the verification of both.
//!
//! Pure: it is handed SHA-256 and hashes and gives hashes back. What a leaf is, and where hashes are kept, is not its matter; they
//! are kept as tiles of 256 (the layout of C2SP tlog-tiles), of which [`Tree`] holds those that are not full yet.

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// SHA-256 over the parts, one after the other. This crate does no cryptography of its own.
pub type Sha256 = fn(&[&[u8]]) -> Hash;

/// Hashes in a full tile.
pub const TILE: usize = 256;

/// Levels of the tree that a tile spans.
const HEIGHT: u32 = 8;

/// What a leaf counts as (RFC 6962, 2.1).
pub fn leaf_hash(sha: Sha256, leaf: &[u8]) -> Hash {
    sha(&[&[0], leaf])
}

fn node_hash(sha: Sha256, left: &Hash, right: &Hash) -> Hash {
    // In one piece: putting it together costs less than hashing parts.
    let mut node = [1; 65];
    node[1..33].copy_from_slice(left);
    node[33..].copy_from_slice(right);
    sha(&[&node])
}

/// A complete subtree: that over the leaves from `index << level` to before `(index + 1) << level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// 0 for a leaf.
    pub level: u32,
    /// Its place among those of its level.
    pub index: u64,
}

/// Up to 256 hashes of nodes that stand beside each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// The hashes are of nodes of the level `8 * level`.
    pub level: u32,
    /// Its place among those of its level.
    pub index: u64,
    /// The hashes, from the left.
    pub hashes: Vec<Hash>,
}

impl Node {
    /// The tile that says its hash: the level and the index.
    pub const fn tile(self) -> (u32, u64) {
        let down = self.level % HEIGHT;
        (self.level / HEIGHT, (self.index << down) / TILE as u64)
    }

    /// Its hash by the hashes of its tile; none where the tile does not reach so far.
    pub fn hash_in(self, sha: Sha256, tile: &[Hash]) -> Option<Hash> {
        let down = self.level % HEIGHT;
        let first = usize::try_from((self.index << down) % TILE as u64).ok()?;
        Some(complete(sha, tile.get(first..first + (1 << down))?))
    }
}

/// The root over a power of two of hashes.
fn complete(sha: Sha256, hashes: &[Hash]) -> Hash {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        for at in 0..row.len() / 2 {
            row[at] = node_hash(sha, &row[2 * at], &row[2 * at + 1]);
        }
        row.truncate(row.len() / 2);
    }
    row[0]
}

/// The root over subtrees that stand beside each other from the left, each smaller than the one before; SHA-256 of nothing where
/// there are none.
pub fn join(sha: Sha256, parts: &[Hash]) -> Hash {
    let mut parts = parts.iter().rev();
    match parts.next() {
        None => sha(&[]),
        Some(last) => parts.fold(*last, |right, left| node_hash(sha, left, &right)),
    }
}

/// The complete subtrees that make up the leaves from `begin` to before `end`, from the left. `begin` is a multiple of the largest of
/// them, as it is in every proof.
fn range(begin: u64, end: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut at = begin;
    while at < end {
        let level = (end - at).ilog2();
        nodes.push(Node {
            level,
            index: at >> level,
        });
        at += 1 << level;
    }
    nodes
}

/// The subtrees whose hashes, [joined](join), are the root of the tree of `size` leaves.
pub fn root_nodes(size: u64) -> Vec<Node> {
    range(0, size)
}

/// The steps of the proof that the leaf `index` is in the tree of `size` leaves (RFC 6962, 2.1.1), from the leaf up: each is the
/// [join] of these nodes. None where the leaf is not in it.
pub fn inclusion_nodes(index: u64, size: u64) -> Option<Vec<Vec<Node>>> {
    if index >= size {
        return None;
    }
    let (mut begin, mut end, mut steps) = (0, size, Vec::new());
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if index < middle {
            steps.push(range(middle, end));
            end = middle;
        } else {
            steps.push(range(begin, middle));
            begin = middle;
        }
    }
    steps.reverse();
    Some(steps)
}

/// The steps of the proof that the tree of `new` leaves continues that of `old` ones (RFC 6962, 2.1.2). None where it cannot; empty
/// where they are one, or the old one is empty.
pub fn consistency_nodes(old: u64, new: u64) -> Option<Vec<Vec<Node>>> {
    if old > new {
        return None;
    }
    if old == 0 || old == new {
        return Some(Vec::new());
    }
    let (mut begin, mut end, mut steps, mut is_whole) = (0, new, Vec::new(), true);
    while old < end {
        let middle = begin + split(end - begin);
        if old <= middle {
            steps.push(range(middle, end));
            end = middle;
        } else {
            steps.push(range(begin, middle));
            begin = middle;
            is_whole = false;
        }
    }
    if !is_whole {
        steps.push(range(begin, end));
    }
    steps.reverse();
    Some(steps)
}

/// The largest power of two below `size`, which is at least 2.
const fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// Whether `proof` shows that the leaf with this hash stands at `index` in the tree of `size` leaves with this root (RFC 9162,
/// 2.1.3.2).
pub fn verify_inclusion(
    sha: Sha256,
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for step in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sha, step, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(sha, &hash, step);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree of the `new` size and root begins with that of the `old` ones (RFC 9162, 2.1.4.2). An
/// empty tree is the beginning of each.
pub fn verify_consistency(
    sha: Sha256,
    (old, old_root): (u64, &Hash),
    (new, new_root): (u64, &Hash),
    proof: &[Hash],
) -> bool {
    if old == 0 {
        return proof.is_empty() && *old_root == sha(&[]);
    }
    if old >= new {
        return old == new && proof.is_empty() && old_root == new_root;
    }
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    // Where the old tree is complete, the proof leaves its root out.
    let mut steps = proof.iter();
    let start = match old.is_power_of_two() {
        true => Some(old_root),
        false => steps.next(),
    };
    let Some(start) = start else { return false };
    let (mut from, mut to) = (*start, *start);
    for step in steps {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            from = node_hash(sha, step, &from);
            to = node_hash(sha, step, &to);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            to = node_hash(sha, &to, step);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && from == *old_root && to == *new_root
}

/// A tree that grows: its size, and its tiles that are not full.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// One a level of tiles, the lowest first; each with fewer than 256 hashes.
    edge: Vec<Vec<Hash>>,
}

impl Tree {
    /// The tree of `size` leaves with these tiles at its edge, the lowest level first. None where they are not as many hashes as
    /// the size says.
    pub fn of(size: u64, edge: Vec<Vec<Hash>>) -> Option<Self> {
        let fits = |(level, tile): (usize, &Vec<Hash>)| Self::width(size, level) == Some(tile.len());
        let is_whole = Self::levels(size) == edge.len() && edge.iter().enumerate().all(fits);
        is_whole.then_some(Self { size, edge })
    }

    /// Levels of tiles in a tree of `size` leaves.
    pub const fn levels(size: u64) -> usize {
        match size.checked_ilog2() {
            None => 0,
            Some(log) => (log / HEIGHT) as usize + 1,
        }
    }

    /// Hashes in the tile at the edge of a level.
    fn width(size: u64, level: usize) -> Option<usize> {
        let shifted = size.checked_shr(u32::try_from(level).ok()? * HEIGHT)?;
        usize::try_from(shifted % TILE as u64).ok()
    }

    /// How many leaves it has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Takes another leaf in. Tiles that it makes full go to `filled`.
    pub fn push(&mut self, sha: Sha256, leaf: Hash, filled: &mut Vec<Tile>) {
        let (mut level, mut hash) = (0_u32, leaf);
        self.size += 1;
        loop {
            let at = level as usize;
            if self.edge.len() == at {
                self.edge.push(Vec::new());
            }
            self.edge[at].push(hash);
            if self.edge[at].len() < TILE {
                return;
            }
            let hashes = std::mem::take(&mut self.edge[at]);
            hash = complete(sha, &hashes);
            let index = (self.size >> (level * HEIGHT)) / TILE as u64 - 1;
            filled.push(Tile { level, index, hashes });
            level += 1;
        }
    }

    /// The tiles at its edge that hold something.
    pub fn edge(&self) -> impl Iterator<Item = Tile> + '_ {
        let tiles = self.edge.iter().zip(0_u32..);
        tiles
            .filter(|(hashes, _)| !hashes.is_empty())
            .map(|(hashes, level)| Tile {
                level,
                index: (self.size >> (level * HEIGHT)) / TILE as u64,
                hashes: hashes.clone(),
            })
    }

    /// Its root.
    pub fn root(&self, sha: Sha256) -> Hash {
        let mut parts = Vec::new();
        for tile in self.edge.iter().rev() {
            let mut at = 0;
            while at < tile.len() {
                let width = 1 << (tile.len() - at).ilog2();
                parts.push(complete(sha, &tile[at..at + width]));
                at += width;
            }
        }
        join(sha, &parts)
    }
}

#[cfg(test)]
mod tests;
