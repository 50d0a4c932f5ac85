//! The operator's pools: which credentials serve the marketplace. As with agents, a policy's canonical bytes and their MAC decide.

use keystore_core::Micros;
use keystore_core::ids::{CredentialId, OrgId};
use keystore_core::policy::PoolPolicy;

use crate::changes::Change;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::{StoreError, unique};
use crate::policies::LoadedCredential;

row! {
    /// A credential in a pool.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct PoolCredential {
        /// The credential.
        pub credential: CredentialId,
        /// The operator's organization.
        pub org: OrgId,
        /// The provider's slug.
        pub provider: String,
        /// The policy's canonical bytes.
        pub policy: Vec<u8>,
        /// Their MAC.
        pub mac: Vec<u8>,
        /// When it was added.
        pub created_at: Micros,
        /// When it was last changed.
        pub updated_at: Micros,
    }
}

impl PoolCredential {
    /// The policy. It counts only if the MAC over [`PoolCredential::policy`] is right, which is the vault's to say.
    ///
    /// # Errors
    ///
    /// `Damaged`.
    pub fn decode(&self) -> Result<PoolPolicy, StoreError> {
        minicbor::decode(&self.policy).map_err(|error| StoreError::damaged(error.to_string()))
    }
}

sql! {
    INSERT = "INSERT INTO pool_credentials (credential, org, provider, policy, mac, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $6)";
    UPDATE = "UPDATE pool_credentials SET policy = $3, mac = $4, updated_at = $5 WHERE org = $1 AND credential = $2";
    GET = "SELECT credential, org, provider, policy, mac, created_at, updated_at FROM pool_credentials \
        WHERE org = $1 AND credential = $2";
    LIST = "SELECT credential, org, provider, policy, mac, created_at, updated_at FROM pool_credentials \
        WHERE org = $1 AND provider = COALESCE($2, provider) ORDER BY credential";
    DELETE = "DELETE FROM pool_credentials WHERE org = $1 AND credential = $2";
    OF_PROVIDER = "SELECT credential, org, provider, policy, mac, created_at, updated_at FROM pool_credentials \
        WHERE provider = $1 ORDER BY credential";
    CREDENTIALS = "SELECT c.id, v.version, c.provider, c.name, c.source, c.status, c.params, c.expires_at, c.labels, v.sealed, \
            v.policy, v.kek, v.kek_generation, k.wrapped AS kek_wrapped, k.customer AS kek_customer, c.agreements \
        FROM pool_credentials p JOIN credentials c ON c.id = p.credential AND c.org = p.org \
            JOIN credential_versions v ON v.credential = c.id AND v.version = c.current_version \
            JOIN keks k ON k.id = v.kek AND k.org = c.org \
        WHERE p.provider = $1 AND c.source = 'marketplace' ORDER BY c.id";
    PROVIDERS = "SELECT DISTINCT provider FROM pool_credentials ORDER BY provider";
}

/// Adds a credential to its provider's pool. `mac` is over `policy.canonical()`.
///
/// # Errors
///
/// `Conflict` when it is in one already.
pub async fn insert(tx: &mut Tx, policy: &PoolPolicy, mac: &[u8], at: Micros) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        policy.credential,
        policy.org,
        policy.provider,
        policy.canonical(),
        mac,
        at
    )
    .map_err(unique("the credential in a pool"))?;
    tx.changed(Change::Market);
    Ok(())
}

/// Writes another policy. `false` when the credential is in no pool.
///
/// # Errors
///
/// `Unavailable`.
pub async fn update(tx: &mut Tx, policy: &PoolPolicy, mac: &[u8], at: Micros) -> Result<bool, StoreError> {
    let rows = execute!(
        tx,
        UPDATE,
        policy.org,
        policy.credential,
        policy.canonical(),
        mac,
        at
    )?;
    tx.changed(Change::Market);
    Ok(rows == 1)
}

/// A credential of a pool.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(
    conn: &mut Conn,
    org: OrgId,
    credential: CredentialId,
) -> Result<Option<PoolCredential>, StoreError> {
    Ok(fetch_optional!(conn, PoolCredential, GET, org, credential)?)
}

/// All credentials of the operator's pools, or of one pool, oldest first.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    provider: Option<&str>,
) -> Result<Vec<PoolCredential>, StoreError> {
    Ok(fetch_all!(conn, PoolCredential, LIST, org, provider)?)
}

/// Takes a credential out of its pool. The credential itself stays.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete(tx: &mut Tx, org: OrgId, credential: CredentialId) -> Result<bool, StoreError> {
    let rows = execute!(tx, DELETE, org, credential)?;
    tx.changed(Change::Market);
    Ok(rows == 1)
}

/// The slugs of the providers that have a pool.
///
/// # Errors
///
/// `Unavailable`.
pub async fn providers(conn: &mut Conn) -> Result<Vec<String>, StoreError> {
    let rows = fetch_all!(conn, (String,), PROVIDERS)?;
    Ok(rows.into_iter().map(|(provider,)| provider).collect())
}

/// The pool of a provider, for the request path: its rows, and their credentials in their current versions. Nothing here is checked.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn load(
    conn: &mut Conn,
    provider: &str,
) -> Result<(Vec<PoolCredential>, Vec<LoadedCredential>), StoreError> {
    let rows = fetch_all!(conn, PoolCredential, OF_PROVIDER, provider)?;
    let credentials = fetch_all!(conn, LoadedCredential, CREDENTIALS, provider)?;
    Ok((rows, credentials))
}
