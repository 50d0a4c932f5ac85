//! Proofs out of the tree's tiles: that a record is in the log that a checkpoint is about, and that this log goes on from an older one.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use keystore_core::merkle::{Hash, Node, consistency_nodes, inclusion_nodes, join};
use keystore_store::audit_tree as rows;
use keystore_store::{Conn, StoreError};
use keystore_vault::commitment::sha256;

/// Tiles that are kept in memory, 8 KiB each.
const KEPT: usize = 512;

/// The tree's hashes, read as they are asked for.
#[derive(Default)]
pub(crate) struct Hashes {
    tiles: HashMap<(u32, u64), Vec<Hash>>,
    /// The size that all proofs are for. Tiles at the edge of a tree that grows are good for it as long as they reach so far.
    size: u64,
}

impl Hashes {
    /// Those of the tree of this size.
    pub(crate) fn of(size: u64) -> Self {
        Self {
            size,
            ..Self::default()
        }
    }

    /// The proof that the leaf is in the tree. None where it is not.
    ///
    /// # Errors
    /// The store's; `Damaged` where hashes are missing.
    pub(crate) async fn inclusion(
        &mut self,
        conn: &mut Conn,
        index: u64,
    ) -> Result<Option<Vec<Hash>>, StoreError> {
        match inclusion_nodes(index, self.size) {
            Some(steps) => self.steps(conn, steps).await.map(Some),
            None => Ok(None),
        }
    }

    /// The proof that the tree goes on from that of `old` leaves. None where it is smaller.
    ///
    /// # Errors
    /// As [`Hashes::inclusion`].
    pub(crate) async fn consistency(
        &mut self,
        conn: &mut Conn,
        old: u64,
    ) -> Result<Option<Vec<Hash>>, StoreError> {
        match consistency_nodes(old, self.size) {
            Some(steps) => self.steps(conn, steps).await.map(Some),
            None => Ok(None),
        }
    }

    async fn steps(&mut self, conn: &mut Conn, steps: Vec<Vec<Node>>) -> Result<Vec<Hash>, StoreError> {
        let mut proof = Vec::with_capacity(steps.len());
        for nodes in steps {
            let mut hashes = Vec::with_capacity(nodes.len());
            for node in nodes {
                hashes.push(self.hash(conn, node).await?);
            }
            proof.push(join(sha256, &hashes));
        }
        Ok(proof)
    }

    async fn hash(&mut self, conn: &mut Conn, node: Node) -> Result<Hash, StoreError> {
        let (level, index) = node.tile();
        if !self.tiles.contains_key(&(level, index)) {
            if self.tiles.len() >= KEPT {
                self.tiles.clear();
            }
            let tile = rows::tile(conn, level, index).await?.unwrap_or_default();
            self.tiles.insert((level, index), tile);
        }
        let hash = self
            .tiles
            .get(&(level, index))
            .and_then(|tile| node.hash_in(sha256, tile));
        hash.ok_or_else(|| StoreError::damaged("the audit tree has lost hashes; see `ks audit verify`"))
    }
}

/// The text form of a proof.
pub(crate) fn to_text(proof: &[Hash]) -> Vec<String> {
    proof.iter().map(|hash| BASE64.encode(hash)).collect()
}

/// A proof from its text form; none where it is no such.
pub(crate) fn from_text(proof: &[String]) -> Option<Vec<Hash>> {
    proof
        .iter()
        .map(|hash| BASE64.decode(hash).ok()?.try_into().ok())
        .collect()
}
