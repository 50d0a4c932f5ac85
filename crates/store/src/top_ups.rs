//! How organizations' credit is topped up by itself. As with agents, a policy's canonical bytes and their MAC decide.

use keystore_core::Micros;
use keystore_core::ids::OrgId;
use keystore_core::policy::TopUpPolicy;

use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::StoreError;

row! {
    /// How the credit of an organization is topped up.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct TopUps {
        /// The organization.
        pub org: OrgId,
        /// The policy's canonical bytes.
        pub policy: Vec<u8>,
        /// Their MAC.
        pub mac: Vec<u8>,
        /// How often in a row it was refused.
        pub failures: u32,
        /// Before this time nothing is tried.
        pub not_before: Micros,
    }
}

impl TopUps {
    /// The policy. It counts only if the MAC over [`TopUps::policy`] is right, which is the vault's to say.
    ///
    /// # Errors
    ///
    /// `Damaged`.
    pub fn decode(&self) -> Result<TopUpPolicy, StoreError> {
        minicbor::decode(&self.policy).map_err(|error| StoreError::damaged(error.to_string()))
    }
}

sql! {
    PUT = "INSERT INTO top_ups (org, policy, mac, updated_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (org) DO UPDATE SET policy = excluded.policy, mac = excluded.mac, failures = 0, not_before = 0, \
            updated_at = excluded.updated_at";
    GET = "SELECT org, policy, mac, failures, not_before FROM top_ups WHERE org = $1";
    READY = "SELECT org, policy, mac, failures, not_before FROM top_ups \
        WHERE org > $1 AND failures < $2 AND not_before <= $3 ORDER BY org LIMIT $4";
    FAILED = "UPDATE top_ups SET failures = failures + 1, not_before = $2 WHERE org = $1";
    WORKED = "UPDATE top_ups SET failures = 0, not_before = 0 WHERE org = $1";
    DELETE = "DELETE FROM top_ups WHERE org = $1";
}

/// Writes how the credit of an organization is topped up, and forgets what was refused. `mac` is over `policy.canonical()`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn put(tx: &mut Tx, policy: &TopUpPolicy, mac: &[u8], at: Micros) -> Result<(), StoreError> {
    execute!(tx, PUT, policy.org, policy.canonical(), mac, at)?;
    Ok(())
}

/// How the credit of an organization is topped up; `None` while nobody has said it and no card is saved.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId) -> Result<Option<TopUps>, StoreError> {
    Ok(fetch_optional!(conn, TopUps, GET, org)?)
}

/// Those of all organizations that were refused less than `most` times in a row and may be tried at `now`, by id, from after `after` on.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn ready(
    conn: &mut Conn,
    (most, now): (u32, Micros),
    after: Option<OrgId>,
    limit: u32,
) -> Result<Vec<TopUps>, StoreError> {
    let after = after.unwrap_or(OrgId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(conn, TopUps, READY, after, most, now, limit)?)
}

/// Counts a refusal; nothing is tried before `not_before`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn failed(tx: &mut Tx, org: OrgId, not_before: Micros) -> Result<(), StoreError> {
    execute!(tx, FAILED, org, not_before)?;
    Ok(())
}

/// Forgets what was refused.
///
/// # Errors
///
/// `Unavailable`.
pub async fn worked(tx: &mut Tx, org: OrgId) -> Result<(), StoreError> {
    execute!(tx, WORKED, org)?;
    Ok(())
}

/// Forgets how the credit of an organization is topped up. `false` when nobody had said it.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete(tx: &mut Tx, org: OrgId) -> Result<bool, StoreError> {
    Ok(execute!(tx, DELETE, org)? == 1)
}
