//! The Merkle tree over the audit log and the journal: how far it is, what its leaves are, its hashes, and what is signed of it.
//!
//! A projection of its own, with watermarks that never go back: what was signed once is not made anew. Nothing is hashed here; who
//! takes leaves in reads what is not taken yet ([`journal_after`], [`untaken`]) and appends what it made of it, on the condition
//! that nobody did before.

use keystore_core::Micros;
use keystore_core::ids::OrgId;
use keystore_core::merkle::{Hash, Tile};

use crate::db::{Conn, Tx, execute, fetch_all, fetch_one, fetch_optional, row, sql};
use crate::error::StoreError;
use crate::journal::batch;

row! {
    /// How far the tree is.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Taken {
        /// Its leaves.
        pub size: u64,
        /// The newest journal row among them.
        pub journal: i64,
    }
}

row! {
    /// What leaves beside each other are.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Span {
        /// The index of the first leaf.
        pub first: u64,
        /// How many, at least 1.
        pub count: u64,
        /// Whose entries; none for records of the journal.
        pub org: Option<OrgId>,
        /// The first entry, or journal row.
        pub since: i64,
        /// The last one.
        pub until: i64,
        /// The time of the first one.
        pub at: Micros,
    }
}

row! {
    /// A row of the journal.
    #[derive(Debug, Clone)]
    pub struct JournalRow {
        /// Its number: 1, 2, 3, … without gaps.
        pub seq: i64,
        /// When it was written.
        pub at: Micros,
        /// Its records.
        pub body: Vec<u8>,
    }
}

row! {
    /// An organization whose newest entries are not in the tree.
    #[derive(Debug, Clone)]
    pub struct Untaken {
        /// The organization.
        pub org: OrgId,
        /// The newest entry that is in the tree; 0 without any.
        pub taken: i64,
    }
}

row! {
    /// A leaf of an organization's log.
    #[derive(Debug, Clone)]
    pub struct EntryLeaf {
        /// Its place in that log.
        pub seq: i64,
        /// When.
        pub at: Micros,
        /// Its bytes.
        pub leaf: Vec<u8>,
    }
}

row! {
    /// A signed note.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Checkpoint {
        /// Leaves that it is about.
        pub size: u64,
        /// When it was signed.
        pub at: Micros,
        /// The note.
        pub note: String,
    }
}

sql! {
    GET = "SELECT size, journal FROM audit_tree WHERE one = 1";
    ADVANCE = "UPDATE audit_tree SET size = $3, journal = $4 WHERE one = 1 AND size = $1 AND journal = $2";
    JOURNAL = "SELECT seq, at, body FROM journal WHERE seq > $1 ORDER BY seq LIMIT $2";
    UNTAKEN = "SELECT h.org, COALESCE(t.seq, 0) AS taken FROM audit_heads h LEFT JOIN audit_taken t ON t.org = h.org \
        WHERE h.seq > COALESCE(t.seq, 0) ORDER BY h.org LIMIT $1";
    BEHIND = "SELECT CASE WHEN EXISTS (SELECT 1 FROM journal WHERE seq > (SELECT journal FROM audit_tree WHERE one = 1)) \
        OR EXISTS (SELECT 1 FROM audit_heads h LEFT JOIN audit_taken t ON t.org = h.org WHERE h.seq > COALESCE(t.seq, 0)) \
        THEN 1 ELSE 0 END + $1";
    ENTRIES = "SELECT seq, at, leaf FROM audit_log WHERE org = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    TAKEN = "SELECT org, seq FROM audit_taken";
    TAKE = "INSERT INTO audit_taken (org, seq) VALUES ($1, $2) ON CONFLICT (org) DO UPDATE SET seq = excluded.seq";
    ADD_SPAN = "INSERT INTO audit_spans (first, count, org, since, until, at) VALUES ($1, $2, $3, $4, $5, $6)";
    SPANS = "SELECT first, count, org, since, until, at FROM audit_spans WHERE first >= $1 ORDER BY first LIMIT $2";
    SPAN_OF_LEAF = "SELECT first, count, org, since, until, at FROM audit_spans WHERE first <= $1 ORDER BY first DESC LIMIT 1";
    SPAN_OF_ENTRY = "SELECT first, count, org, since, until, at FROM audit_spans \
        WHERE org = $1 AND since <= $2 ORDER BY since DESC LIMIT 1";
    FIRST_ENTRY = "SELECT COALESCE(MIN(seq), 0) FROM audit_log WHERE org = $1 \
        AND seq > (SELECT COALESCE(MAX(seq), 0) FROM audit_log WHERE org = $1 AND at < $2)";
    LAST_ENTRY = "SELECT COALESCE(MAX(seq), 0) FROM audit_log WHERE org = $1 AND at < $2";
    SPANS_OF_JOURNAL = "SELECT first, count, org, since, until, at FROM audit_spans \
        WHERE org IS NULL AND first >= $1 AND first < $2 ORDER BY first LIMIT $3";
    LEAF_AT = "SELECT first FROM audit_spans WHERE org IS NULL AND at <= $1 ORDER BY at DESC LIMIT 1";
    PUT_TILE = "INSERT INTO audit_tiles (level, tile, hashes) VALUES ($1, $2, $3) \
        ON CONFLICT (level, tile) DO UPDATE SET hashes = excluded.hashes";
    TILE = "SELECT hashes FROM audit_tiles WHERE level = $1 AND tile = $2";
    TILES = "SELECT tile, hashes FROM audit_tiles WHERE level = $1 AND tile >= $2 ORDER BY tile LIMIT $3";
    PUT_CHECKPOINT = "INSERT INTO audit_checkpoints (size, at, note) VALUES ($1, $2, $3) \
        ON CONFLICT (size) DO UPDATE SET at = excluded.at, note = excluded.note";
    NEWEST = "SELECT size, at, note FROM audit_checkpoints ORDER BY size DESC LIMIT 1";
    CHECKPOINTS = "SELECT size, at, note FROM audit_checkpoints WHERE size < $1 ORDER BY size DESC LIMIT $2";
    CHECKPOINTS_FROM = "SELECT size, at, note FROM audit_checkpoints WHERE size > $1 ORDER BY size LIMIT $2";
    SIGNER = "SELECT sealed FROM audit_signer WHERE one = 1";
    PUT_SIGNER = "INSERT INTO audit_signer (one, sealed, created_at) VALUES (1, $1, $2) ON CONFLICT (one) DO NOTHING";
}

/// How far the tree is.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn taken(conn: &mut Conn) -> Result<Taken, StoreError> {
    fetch_optional!(conn, Taken, GET)?.ok_or_else(|| StoreError::damaged("the audit tree's row is gone"))
}

/// Journal rows after row `seq`, in order, at most `limit`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn journal_after(conn: &mut Conn, seq: i64, limit: u32) -> Result<Vec<JournalRow>, StoreError> {
    Ok(fetch_all!(conn, JournalRow, JOURNAL, seq, limit)?)
}

/// The bytes of each record of a journal row: its leaves, in order; nothing after the first that is cut. What they say is not looked at.
pub fn leaves_of(body: &[u8]) -> impl Iterator<Item = Result<&[u8], StoreError>> {
    batch::frames(body).map(|frame| frame.map(batch::bytes))
}

/// Whether something is recorded that is not in the tree.
///
/// # Errors
///
/// `Unavailable`.
pub async fn is_behind(conn: &mut Conn) -> Result<bool, StoreError> {
    let found = fetch_optional!(conn, (i64,), BEHIND, 0_i64)?;
    Ok(found.is_some_and(|(behind,)| behind != 0))
}

/// Organizations with entries that are not in the tree, at most `limit`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn untaken(conn: &mut Conn, limit: u32) -> Result<Vec<Untaken>, StoreError> {
    Ok(fetch_all!(conn, Untaken, UNTAKEN, limit)?)
}

/// The newest entry of each organization that is in the tree.
///
/// # Errors
///
/// `Unavailable`.
pub async fn taken_entries(conn: &mut Conn) -> Result<Vec<(OrgId, i64)>, StoreError> {
    let rows = fetch_all!(conn, (uuid::Uuid, i64), TAKEN)?;
    Ok(rows
        .into_iter()
        .map(|(org, seq)| (OrgId::new(org), seq))
        .collect())
}

/// The leaves of an organization's log after `seq`, in order, at most `limit`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn entries_after(
    conn: &mut Conn,
    org: OrgId,
    seq: i64,
    limit: u32,
) -> Result<Vec<EntryLeaf>, StoreError> {
    Ok(fetch_all!(conn, EntryLeaf, ENTRIES, org, seq, limit)?)
}

/// Appends leaves that are these spans to the tree that is as far as `before`, with the tiles that changed by it. `false` when it is
/// not as far, or farther.
///
/// # Errors
///
/// `Unavailable`; `Damaged` where a tile would lose what it holds.
pub async fn append(tx: &mut Tx, before: Taken, spans: &[Span], tiles: &[Tile]) -> Result<bool, StoreError> {
    let added: u64 = spans.iter().map(|span| span.count).sum();
    let of_journal = spans.iter().filter(|span| span.org.is_none());
    let journal = of_journal.map(|span| span.until).max().unwrap_or(before.journal);
    let size = before.size + added;
    if execute!(tx, ADVANCE, before.size, before.journal, size, journal)? != 1 {
        return Ok(false);
    }
    for span in spans {
        let Span {
            first,
            count,
            org,
            since,
            until,
            at,
        } = span;
        execute!(tx, ADD_SPAN, first, count, org, since, until, at)?;
        if let Some(org) = org {
            execute!(tx, TAKE, org, until)?;
        }
    }
    for tile in tiles {
        execute!(tx, PUT_TILE, tile.level, tile.index, tile.hashes.concat())?;
    }
    Ok(true)
}

/// The hashes of a tile; none where there is no such tile.
///
/// # Errors
///
/// `Unavailable`; `Damaged` where it is not made of whole hashes.
pub async fn tile(conn: &mut Conn, level: u32, index: u64) -> Result<Option<Vec<Hash>>, StoreError> {
    match fetch_optional!(conn, (Vec<u8>,), TILE, level, index)? {
        Some((hashes,)) => hashes_of(&hashes).map(Some),
        None => Ok(None),
    }
}

/// The tiles of a level from one on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`; `Damaged` where one is not made of whole hashes.
pub async fn tiles(conn: &mut Conn, level: u32, from: u64, limit: u32) -> Result<Vec<Tile>, StoreError> {
    let rows = fetch_all!(conn, (i64, Vec<u8>), TILES, level, from, limit)?;
    let tile = |(index, hashes): (i64, Vec<u8>)| {
        Ok(Tile {
            level,
            index: index.unsigned_abs(),
            hashes: hashes_of(&hashes)?,
        })
    };
    rows.into_iter().map(tile).collect()
}

fn hashes_of(bytes: &[u8]) -> Result<Vec<Hash>, StoreError> {
    match bytes.as_chunks::<32>() {
        (hashes, []) => Ok(hashes.to_vec()),
        _ => Err(StoreError::damaged(
            "a tile of the audit tree is not made of whole hashes",
        )),
    }
}

/// Spans from the leaf `first` on, in order, at most `limit`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn spans(conn: &mut Conn, first: u64, limit: u32) -> Result<Vec<Span>, StoreError> {
    let found = fetch_all!(conn, Span, SPANS, first, limit)?;
    // Nobody who walks over the leaves would get past it.
    match found.iter().any(|span| span.count == 0) {
        true => Err(StoreError::damaged("a span of the audit tree holds no leaf")),
        false => Ok(found),
    }
}

/// The span that a leaf is in, if the tree has it.
///
/// # Errors
///
/// `Unavailable`.
pub async fn span_of_leaf(conn: &mut Conn, index: u64) -> Result<Option<Span>, StoreError> {
    let span = fetch_optional!(conn, Span, SPAN_OF_LEAF, index)?;
    Ok(span.filter(|span| index - span.first < span.count))
}

/// The leaf that an organization's entry is, once it is in the tree.
///
/// # Errors
///
/// `Unavailable`.
pub async fn leaf_of_entry(conn: &mut Conn, org: OrgId, seq: u64) -> Result<Option<u64>, StoreError> {
    let span = fetch_optional!(conn, Span, SPAN_OF_ENTRY, org, seq)?;
    let leaf = |span: Span| {
        let behind = seq.checked_sub(span.since.unsigned_abs())?;
        (behind < span.count).then_some(span.first + behind)
    };
    Ok(span.and_then(leaf))
}

/// The number of an organization's first entry behind all from before `since`; 0 when there is none.
///
/// # Errors
///
/// `Unavailable`.
pub async fn first_entry(conn: &mut Conn, org: OrgId, since: Micros) -> Result<u64, StoreError> {
    let (seq,) = fetch_one!(conn, (i64,), FIRST_ENTRY, org, since)?;
    Ok(seq.unsigned_abs())
}

/// The number of an organization's last entry from before `until`; 0 when there is none.
///
/// # Errors
///
/// `Unavailable`.
pub async fn last_entry(conn: &mut Conn, org: OrgId, until: Micros) -> Result<u64, StoreError> {
    let (seq,) = fetch_one!(conn, (i64,), LAST_ENTRY, org, until)?;
    Ok(seq.unsigned_abs())
}

/// Spans of the journal among the leaves from `first` to before `end`, in order, at most `limit`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn journal_spans(
    conn: &mut Conn,
    first: u64,
    end: u64,
    limit: u32,
) -> Result<Vec<Span>, StoreError> {
    Ok(fetch_all!(conn, Span, SPANS_OF_JOURNAL, first, end, limit)?)
}

/// The first leaf of the last span of the journal that begins at this time or before: where to look for what was written then.
///
/// # Errors
///
/// `Unavailable`.
pub async fn leaf_at(conn: &mut Conn, at: Micros) -> Result<u64, StoreError> {
    let first = fetch_optional!(conn, (i64,), LEAF_AT, at)?;
    Ok(first.map_or(0, |(first,)| first.unsigned_abs()))
}

/// Keeps a signed note; one of the same size makes way.
///
/// # Errors
///
/// `Unavailable`.
pub async fn put_checkpoint(tx: &mut Tx, new: &Checkpoint) -> Result<(), StoreError> {
    execute!(tx, PUT_CHECKPOINT, new.size, new.at, new.note)?;
    Ok(())
}

/// The newest signed note.
///
/// # Errors
///
/// `Unavailable`.
pub async fn newest_checkpoint(conn: &mut Conn) -> Result<Option<Checkpoint>, StoreError> {
    Ok(fetch_optional!(conn, Checkpoint, NEWEST)?)
}

/// Signed notes of trees smaller than `before`, the largest first, at most `limit`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn checkpoints(
    conn: &mut Conn,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<Checkpoint>, StoreError> {
    Ok(fetch_all!(
        conn,
        Checkpoint,
        CHECKPOINTS,
        before.unwrap_or(u64::MAX),
        limit
    )?)
}

/// Signed notes of trees larger than `after`, the smallest first, at most `limit`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn checkpoints_after(
    conn: &mut Conn,
    after: Option<u64>,
    limit: u32,
) -> Result<Vec<Checkpoint>, StoreError> {
    let after = after.map_or(-1, |after| i64::try_from(after).unwrap_or(i64::MAX));
    Ok(fetch_all!(conn, Checkpoint, CHECKPOINTS_FROM, after, limit)?)
}

/// The signing key, sealed, once it is made.
///
/// # Errors
///
/// `Unavailable`.
pub async fn signer(conn: &mut Conn) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(fetch_optional!(conn, (Vec<u8>,), SIGNER)?.map(|(sealed,)| sealed))
}

/// Keeps the signing key. `false` when there is one already.
///
/// # Errors
///
/// `Unavailable`.
pub async fn put_signer(tx: &mut Tx, sealed: &[u8], at: Micros) -> Result<bool, StoreError> {
    Ok(execute!(tx, PUT_SIGNER, sealed, at)? == 1)
}
