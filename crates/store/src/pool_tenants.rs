//! Customers inside the operator's pools, and the rules of the pools. As with agents, a policy's canonical bytes and their MAC decide.

use keystore_core::Micros;
use keystore_core::ids::OrgId;
use keystore_core::policy::{PoolRule, TenantPolicy};

use crate::changes::Change;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::StoreError;

row! {
    /// What was said of a customer inside a pool.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct PoolTenant {
        /// The provider's slug.
        pub provider: String,
        /// The customer.
        pub org: OrgId,
        /// The policy's canonical bytes.
        pub policy: Vec<u8>,
        /// Their MAC.
        pub mac: Vec<u8>,
        /// When it was last said.
        pub updated_at: Micros,
    }
}

row! {
    /// The rule of a pool.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct StoredRule {
        /// The provider's slug.
        pub provider: String,
        /// The rule's canonical bytes.
        pub policy: Vec<u8>,
        /// Their MAC.
        pub mac: Vec<u8>,
    }
}

impl PoolTenant {
    /// The policy. It counts only if the MAC over [`PoolTenant::policy`] is right, which is the vault's to say.
    ///
    /// # Errors
    ///
    /// `Damaged`.
    pub fn decode(&self) -> Result<TenantPolicy, StoreError> {
        minicbor::decode(&self.policy).map_err(|error| StoreError::damaged(error.to_string()))
    }
}

impl StoredRule {
    /// The rule. It counts only if the MAC over [`StoredRule::policy`] is right, which is the vault's to say.
    ///
    /// # Errors
    ///
    /// `Damaged`.
    pub fn decode(&self) -> Result<PoolRule, StoreError> {
        minicbor::decode(&self.policy).map_err(|error| StoreError::damaged(error.to_string()))
    }
}

sql! {
    PUT = "INSERT INTO pool_tenants (provider, org, policy, mac, updated_at) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (provider, org) DO UPDATE SET policy = excluded.policy, mac = excluded.mac, updated_at = excluded.updated_at";
    GET = "SELECT provider, org, policy, mac, updated_at FROM pool_tenants WHERE provider = $1 AND org = $2";
    LIST = "SELECT provider, org, policy, mac, updated_at FROM pool_tenants WHERE provider = COALESCE($1, provider) ORDER BY provider, org";
    PUT_RULE = "INSERT INTO pool_rules (provider, policy, mac, updated_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (provider) DO UPDATE SET policy = excluded.policy, mac = excluded.mac, updated_at = excluded.updated_at";
    RULES = "SELECT provider, policy, mac FROM pool_rules WHERE provider = COALESCE($1, provider) ORDER BY provider";
}

/// Says something of a customer inside a pool. `mac` is over `policy.canonical()`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn put(tx: &mut Tx, policy: &TenantPolicy, mac: &[u8], at: Micros) -> Result<(), StoreError> {
    execute!(tx, PUT, policy.provider, policy.org, policy.canonical(), mac, at)?;
    tx.changed(Change::Market);
    Ok(())
}

/// What was said of a customer inside a pool; `None` where nothing was.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, provider: &str, org: OrgId) -> Result<Option<PoolTenant>, StoreError> {
    Ok(fetch_optional!(conn, PoolTenant, GET, provider, org)?)
}

/// All of it, or that of one pool.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(conn: &mut Conn, provider: Option<&str>) -> Result<Vec<PoolTenant>, StoreError> {
    Ok(fetch_all!(conn, PoolTenant, LIST, provider)?)
}

/// Sets the rule of a pool. `mac` is over `rule.canonical()`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn put_rule(tx: &mut Tx, rule: &PoolRule, mac: &[u8], at: Micros) -> Result<(), StoreError> {
    execute!(tx, PUT_RULE, rule.provider, rule.canonical(), mac, at)?;
    tx.changed(Change::Market);
    Ok(())
}

/// The rules of all pools, or that of one.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn rules(conn: &mut Conn, provider: Option<&str>) -> Result<Vec<StoredRule>, StoreError> {
    Ok(fetch_all!(conn, StoredRule, RULES, provider)?)
}
