//! Takes what was recorded into the Merkle tree of the deployment: journal rows and entries of the audit log that are not leaves yet.
//!
//! The hashes are made here, away from the request path, and written with the watermarks in one transaction, so that each record is a
//! leaf exactly once whatever ends the process. What is taken in first comes first; the spans say what each leaf is.

use keystore_core::merkle::{Tile, Tree, leaf_hash};
use keystore_store::audit_tree::{self as rows, JournalRow, Span, Taken};
use keystore_store::{Conn, Store, StoreError};
use keystore_vault::commitment::sha256;

/// Journal rows that are read at a time.
const ROWS: u32 = 128;

/// Bytes of journal after which a transaction ends: the journal waits for it on SQLite.
const CHUNK_BYTES: usize = 256 << 10;

/// Entries of one organization, and organizations, that are taken at a time.
const ENTRIES: u32 = 256;
const ORGS: u32 = 64;

/// The tree in memory: its edge, and how far it is.
pub(super) struct Grown {
    pub(super) tree: Tree,
    taken: Taken,
}

/// What a transaction adds.
#[derive(Default)]
struct Added {
    spans: Vec<Span>,
    filled: Vec<Tile>,
}

impl Grown {
    /// The tree as it is kept.
    ///
    /// # Errors
    /// The store's; `Damaged` where its edge is not what its size says.
    pub(super) async fn read(conn: &mut Conn) -> Result<Self, StoreError> {
        let taken = rows::taken(conn).await?;
        let mut edge = Vec::new();
        for level in 0..u32::try_from(Tree::levels(taken.size)).unwrap_or(0) {
            let tile = rows::tile(conn, level, taken.size >> (8 * level) >> 8).await?;
            edge.push(tile.unwrap_or_default());
        }
        let tree = Tree::of(taken.size, edge);
        let tree =
            tree.ok_or_else(|| StoreError::damaged("the audit tree has lost hashes; see `ks audit verify`"))?;
        Ok(Self { tree, taken })
    }

    /// Takes in everything that is recorded now, and not what comes meanwhile: that has no end. Gives how many leaves came.
    ///
    /// # Errors
    /// The store's; what is in memory is of no use afterwards.
    pub(super) async fn catch_up(&mut self, store: &Store) -> Result<u64, StoreError> {
        let before = self.taken.size;
        let recorded = store.journal_head().await?;
        while self.taken.journal < recorded && self.take_journal(store).await? {}
        while self.take_entries(store).await? {}
        Ok(self.taken.size - before)
    }

    async fn take_journal(&mut self, store: &Store) -> Result<bool, StoreError> {
        let found = journal_chunk(&mut store.read().await?, self.taken.journal).await?;
        let (Some(first), Some(last)) = (found.first(), found.last()) else {
            return Ok(false);
        };
        if first.seq != self.taken.journal + 1 {
            return Err(StoreError::damaged(
                "a row of the journal is missing; see `ks audit verify`",
            ));
        }
        let (mut added, before) = (Added::default(), self.tree.size());
        for row in &found {
            for leaf in rows::leaves_of(&row.body) {
                self.take(leaf?, &mut added);
            }
        }
        added.spans.push(Span {
            first: before,
            count: self.tree.size() - before,
            org: None,
            since: first.seq,
            until: last.seq,
            at: first.at,
        });
        self.write(store, added).await?;
        Ok(true)
    }

    async fn take_entries(&mut self, store: &Store) -> Result<bool, StoreError> {
        let mut conn = store.read().await?;
        let mut added = Added::default();
        for untaken in rows::untaken(&mut conn, ORGS).await? {
            let found = rows::entries_after(&mut conn, untaken.org, untaken.taken, ENTRIES).await?;
            let (Some(first), Some(last)) = (found.first(), found.last()) else {
                continue;
            };
            let span = Span {
                first: self.tree.size(),
                count: found.len() as u64,
                org: Some(untaken.org),
                since: first.seq,
                until: last.seq,
                at: first.at,
            };
            if span.since != untaken.taken + 1 || span.until - span.since + 1 != found.len() as i64 {
                return Err(StoreError::damaged(
                    "an entry of the audit log is missing; see `ks audit verify`",
                ));
            }
            for entry in &found {
                self.take(&entry.leaf, &mut added);
            }
            added.spans.push(span);
        }
        drop(conn);
        if added.spans.is_empty() {
            return Ok(false);
        }
        self.write(store, added).await?;
        Ok(true)
    }

    fn take(&mut self, leaf: &[u8], added: &mut Added) {
        self.tree.push(sha256, leaf_hash(sha256, leaf), &mut added.filled);
    }

    async fn write(&mut self, store: &Store, added: Added) -> Result<(), StoreError> {
        let Added { spans, filled } = added;
        let tiles: Vec<Tile> = filled.into_iter().chain(self.tree.edge()).collect();
        let mut tx = store.begin().await?;
        if !rows::append(&mut tx, self.taken, &spans, &tiles).await? {
            return Err(StoreError::damaged("somebody else grows the audit tree"));
        }
        tx.commit().await?;
        let of_journal = spans.iter().rfind(|span| span.org.is_none());
        self.taken = Taken {
            size: self.tree.size(),
            journal: of_journal.map_or(self.taken.journal, |span| span.until),
        };
        Ok(())
    }
}

/// The next rows of the journal. Rows without records are no leaves: they come together with one that has some, or not yet.
async fn journal_chunk(conn: &mut Conn, after: i64) -> Result<Vec<JournalRow>, StoreError> {
    let (mut found, mut bytes, mut last) = (Vec::new(), 0, after);
    loop {
        let next = rows::journal_after(conn, last, ROWS).await?;
        let is_end = next.is_empty();
        for row in next {
            last = row.seq;
            bytes += row.body.len();
            found.push(row);
            if bytes >= CHUNK_BYTES {
                return Ok(found);
            }
        }
        let has_records = found.iter().any(|row: &JournalRow| row.body.len() > 1);
        match (has_records, is_end) {
            (true, _) => return Ok(found),
            (false, true) => return Ok(Vec::new()),
            (false, false) => {}
        }
    }
}
