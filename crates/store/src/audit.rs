//! The audit log: who changed what, one numbered entry a change and organization.
//!
//! A transaction collects its entries ([`Tx::audit`](crate::Tx::audit)) and its commit writes them, so an entry is there if and only if the
//! change is. Leaves are never changed, and removed by the retention alone; the database itself refuses it. The payload is sealed for the
//! organization where it has a key for it (`audit_keys`). What requests did stands in the journal, not here.

use std::collections::BTreeSet;

use keystore_core::Micros;
use keystore_core::audit::Entry as Leaf;
use keystore_core::ids::{OrgId, ProjectId, RequestId};

use crate::audit_keys::{self, Sealer};
use crate::db::{Conn, Tx, execute, fetch_all, fetch_one, fetch_optional, row, sql};
use crate::error::StoreError;

/// A change to be recorded.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// The organization whose log it belongs in.
    pub org: OrgId,
    /// The operation's name in the API.
    pub action: &'static str,
    /// The id of a person or a management key, `system`, or `anonymous`.
    pub actor: String,
    /// The id of what was changed.
    pub subject: String,
    /// The project that this belongs to.
    pub project: Option<ProjectId>,
    /// The request of the control plane.
    pub request: Option<RequestId>,
    /// What it was before and is now, and from where it came, as JSON, with a salt.
    pub payload: String,
    /// SHA-256 of the payload.
    pub payload_sha256: [u8; 32],
}

row! {
    /// A recorded change.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Stored {
        /// Its place in the log of its organization.
        pub seq: u64,
        /// The canonical bytes of the entry.
        pub leaf: Vec<u8>,
        /// What it was before and is now; none once sealed or erased.
        pub payload: Option<String>,
        /// The payload, sealed for the organization.
        pub sealed: Option<Vec<u8>>,
    }
}

row! {
    /// All of a row, for who checks it.
    #[derive(Debug, Clone)]
    pub struct EntryRow {
        /// Its place in the log of its organization.
        pub seq: i64,
        /// The column beside the leaf, as the others are.
        pub at: Micros,
        /// What was done.
        pub action: String,
        /// Who did it.
        pub actor: String,
        /// To what.
        pub subject: String,
        /// In which project.
        pub project: Option<ProjectId>,
        /// The canonical bytes of the entry.
        pub leaf: Vec<u8>,
        /// The payload, where it is not sealed.
        pub payload: Option<String>,
        /// The payload, sealed.
        pub sealed: Option<Vec<u8>>,
    }
}

row! {
    /// How far the retention has gone.
    #[derive(Debug, Clone)]
    pub struct Pruned {
        /// The number of the last entry whose leaf and payload it removed.
        pub seq: i64,
        /// The signed note that says so; none of a removal from before there were any.
        pub note: Option<String>,
    }
}

impl Stored {
    /// The entry.
    ///
    /// # Errors
    ///
    /// `Damaged`.
    pub fn entry(&self) -> Result<Leaf, StoreError> {
        minicbor::decode(&self.leaf).map_err(|error| StoreError::damaged(error.to_string()))
    }
}

/// Which entries.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this project alone.
    pub project: Option<ProjectId>,
    /// Of this operation alone.
    pub action: Option<String>,
    /// By this actor alone.
    pub actor: Option<String>,
    /// On this subject alone.
    pub subject: Option<String>,
    /// From this time on.
    pub since: Option<Micros>,
    /// Before this time.
    pub until: Option<Micros>,
}

sql! {
    NEXT = "INSERT INTO audit_heads (org, seq) VALUES ($1, 1) \
        ON CONFLICT (org) DO UPDATE SET seq = audit_heads.seq + 1 RETURNING seq";
    INSERT = "INSERT INTO audit_log (org, seq, at, action, actor, subject, project, leaf, payload, sealed) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    ROWS = "SELECT seq, at, action, actor, subject, project, leaf, payload, sealed FROM audit_log \
        WHERE org = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    STRAYS = "SELECT (SELECT COUNT(*) FROM audit_log WHERE seq < 1) + (SELECT COUNT(*) FROM journal WHERE seq < 1)";
    PRUNED = "SELECT seq, note FROM audit_pruned WHERE org = $1";
    PRUNABLE = "SELECT t.org, COALESCE(p.seq, 0) AS pruned, t.seq AS taken FROM audit_taken t \
        LEFT JOIN audit_pruned p ON p.org = t.org JOIN audit_log l ON l.org = t.org AND l.seq = COALESCE(p.seq, 0) + 1 \
        WHERE l.at < $1 AND t.org > $2 ORDER BY t.org LIMIT $3";
    MARK_PRUNED = "INSERT INTO audit_pruned (org, seq, note) VALUES ($1, $2, $3) \
        ON CONFLICT (org) DO UPDATE SET seq = excluded.seq, note = excluded.note";
    REMOVE = "DELETE FROM audit_log WHERE org = $1 AND seq <= $2";
    LIST = "SELECT seq, leaf, payload, sealed FROM audit_log \
        WHERE org = $1 AND seq < $2 AND COALESCE($3, project) IS NOT DISTINCT FROM project \
            AND action = COALESCE($4, action) AND actor = COALESCE($5, actor) AND subject = COALESCE($6, subject) \
            AND at >= $7 AND at < $8 \
        ORDER BY seq DESC LIMIT $9";
}

/// Writes the entries of one transaction, each behind the newest of its organization.
pub(crate) async fn append(
    conn: &mut Conn,
    entries: Vec<NewEntry>,
    at: Micros,
    sealer: Option<&dyn Sealer>,
) -> Result<(), StoreError> {
    // Transactions that touch several organizations lock their heads in one order.
    let orgs: BTreeSet<OrgId> = entries.iter().map(|entry| entry.org).collect();
    for org in orgs {
        let key = audit_keys::newest(conn, org).await?;
        for entry in entries.iter().filter(|entry| entry.org == org) {
            let (seq,) = fetch_one!(conn, (i64,), NEXT, org)?;
            let leaf = Leaf {
                org,
                seq: seq.unsigned_abs(),
                at,
                action: entry.action.to_owned(),
                actor: entry.actor.clone(),
                subject: entry.subject.clone(),
                project: entry.project,
                // An address may be a person's: it stands in the payload, which can be erased.
                address: None,
                request: entry.request,
                payload_sha256: entry.payload_sha256,
            };
            let sealed = match (&key, sealer) {
                (Some(key), Some(sealer)) => Some(sealer.seal(key, &entry.payload, &entry.payload_sha256)?),
                _ => None,
            };
            let payload = sealed.is_none().then_some(entry.payload.as_str());
            execute!(
                conn,
                INSERT,
                org,
                seq,
                at,
                entry.action,
                entry.actor,
                entry.subject,
                entry.project,
                leaf.canonical(),
                payload,
                sealed
            )?;
        }
    }
    Ok(())
}

/// The rows of an organization after `seq`, oldest first, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn rows_after(
    conn: &mut Conn,
    org: OrgId,
    seq: i64,
    limit: u32,
) -> Result<Vec<EntryRow>, StoreError> {
    Ok(fetch_all!(conn, EntryRow, ROWS, org, seq, limit)?)
}

/// Rows of the log and of the journal whose number no row has.
///
/// # Errors
///
/// `Unavailable`.
pub async fn strays(conn: &mut Conn) -> Result<i64, StoreError> {
    let (strays,) = fetch_one!(conn, (i64,), STRAYS)?;
    Ok(strays)
}

/// How far the retention has gone in the log of an organization; `None` when it removed nothing.
///
/// # Errors
///
/// `Unavailable`.
pub async fn pruned(conn: &mut Conn, org: OrgId) -> Result<Option<Pruned>, StoreError> {
    Ok(fetch_optional!(conn, Pruned, PRUNED, org)?)
}

/// Organizations after `after` whose first entry is from before `before`: with the numbers up to which entries were removed and are in the
/// tree. At most `limit`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn prunable(
    conn: &mut Conn,
    before: Micros,
    after: Option<OrgId>,
    limit: u32,
) -> Result<Vec<(OrgId, i64, i64)>, StoreError> {
    let after = after.unwrap_or(OrgId::new(uuid::Uuid::nil()));
    let rows = fetch_all!(conn, (uuid::Uuid, i64, i64), PRUNABLE, before, after, limit)?;
    Ok(rows
        .into_iter()
        .map(|(org, pruned, taken)| (OrgId::new(org), pruned, taken))
        .collect())
}

/// Removes the entries of an organization up to this number. Their hashes stay in the tree. `note` is signed, and says so.
///
/// # Errors
///
/// `Unavailable`.
pub async fn prune(tx: &mut Tx, org: OrgId, to: i64, note: &str) -> Result<(), StoreError> {
    execute!(tx, MARK_PRUNED, org, to, note)?;
    execute!(tx, REMOVE, org, to)?;
    Ok(())
}

/// The entries of an organization, newest first, from before `before` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    filter: &Filter,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<Stored>, StoreError> {
    Ok(fetch_all!(
        conn,
        Stored,
        LIST,
        org,
        before.unwrap_or(u64::MAX),
        filter.project,
        filter.action,
        filter.actor,
        filter.subject,
        filter.since.unwrap_or(Micros(i64::MIN)),
        filter.until.unwrap_or(Micros(i64::MAX)),
        limit
    )?)
}
