//! What organizations may spend at the marketplace. As with agents, the policy's canonical bytes and their MAC decide.

use keystore_core::Micros;
use keystore_core::ids::OrgId;
use keystore_core::policy::CreditPolicy;

use crate::changes::Change;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::StoreError;

row! {
    /// The stored credit of an organization.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Credit {
        /// Its organization.
        pub org: OrgId,
        /// The policy's canonical bytes.
        pub policy: Vec<u8>,
        /// Their MAC.
        pub mac: Vec<u8>,
    }
}

impl Credit {
    /// The policy. It counts only if the MAC over [`Credit::policy`] is right, which is the vault's to say.
    ///
    /// # Errors
    ///
    /// `Damaged`.
    pub fn decode(&self) -> Result<CreditPolicy, StoreError> {
        minicbor::decode(&self.policy).map_err(|error| StoreError::damaged(error.to_string()))
    }
}

sql! {
    PUT = "INSERT INTO credits (org, policy, mac, updated_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (org) DO UPDATE SET policy = excluded.policy, mac = excluded.mac, updated_at = excluded.updated_at";
    GET = "SELECT org, policy, mac FROM credits WHERE org = $1";
    LIST = "SELECT org, policy, mac FROM credits WHERE org > $1 ORDER BY org LIMIT $2";
}

/// Writes the credit of an organization. `mac` is over `policy.canonical()`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn put(tx: &mut Tx, policy: &CreditPolicy, mac: &[u8], at: Micros) -> Result<(), StoreError> {
    execute!(tx, PUT, policy.org, policy.canonical(), mac, at)?;
    tx.changed(Change::Org(policy.org));
    Ok(())
}

/// The credit of an organization; `None` while it never had any.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId) -> Result<Option<Credit>, StoreError> {
    Ok(fetch_optional!(conn, Credit, GET, org)?)
}

/// The credits of all organizations that ever had any, by id, from after `after` on.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(conn: &mut Conn, after: Option<OrgId>, limit: u32) -> Result<Vec<Credit>, StoreError> {
    let after = after.unwrap_or(OrgId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(conn, Credit, LIST, after, limit)?)
}
