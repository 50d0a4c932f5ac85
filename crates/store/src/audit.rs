//! The audit log: who changed what, one numbered entry a change and organization.
//!
//! A transaction collects its entries ([`Tx::audit`](crate::Tx::audit)) and its commit writes them, so an entry is there if and only if the
//! change is. Rows are never changed nor deleted; the database itself refuses it. What requests did stands in the journal, not here.

use std::collections::BTreeSet;

use keystore_core::Micros;
use keystore_core::audit::Entry as Leaf;
use keystore_core::ids::{OrgId, ProjectId, RequestId};

use crate::db::{Conn, execute, fetch_all, fetch_one, row, sql};
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
    /// The address that the request came from.
    pub address: Option<String>,
    /// The request of the control plane.
    pub request: Option<RequestId>,
    /// What it was before and is now, as JSON, with a salt.
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
        /// What it was before and is now; none once erased.
        pub payload: Option<String>,
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
    INSERT = "INSERT INTO audit_log (org, seq, at, action, actor, subject, project, leaf, payload) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    LIST = "SELECT seq, leaf, payload FROM audit_log \
        WHERE org = $1 AND seq < $2 AND COALESCE($3, project) IS NOT DISTINCT FROM project \
            AND action = COALESCE($4, action) AND actor = COALESCE($5, actor) AND subject = COALESCE($6, subject) \
            AND at >= $7 AND at < $8 \
        ORDER BY seq DESC LIMIT $9";
}

/// Writes the entries of one transaction, each behind the newest of its organization.
pub(crate) async fn append(conn: &mut Conn, entries: Vec<NewEntry>, at: Micros) -> Result<(), StoreError> {
    // Transactions that touch several organizations lock their heads in one order.
    let orgs: BTreeSet<OrgId> = entries.iter().map(|entry| entry.org).collect();
    for org in orgs {
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
                address: entry.address.clone(),
                request: entry.request,
                payload_sha256: entry.payload_sha256,
            };
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
                entry.payload
            )?;
        }
    }
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
