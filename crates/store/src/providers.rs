//! Providers that an organization defined for itself. What a definition says is opaque here.

use keystore_core::Micros;
use keystore_core::ids::{AgentId, CredentialId, OrgId, ProviderId};
use keystore_core::policy::ProviderPolicy;

use crate::changes::Change;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_one, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

row! {
    /// A stored provider. Its policy counts only if the MAC over it is right, which is the vault's to say.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct CustomProvider {
        /// Its id.
        pub id: ProviderId,
        /// Its organization.
        pub org: OrgId,
        /// Its slug; unique in the organization.
        pub slug: String,
        /// The policy's canonical bytes.
        pub policy: Vec<u8>,
        /// Their MAC.
        pub mac: Vec<u8>,
        /// When it was defined.
        pub created_at: Micros,
        /// When it was last changed.
        pub updated_at: Micros,
    }
}

impl CustomProvider {
    /// The policy.
    ///
    /// # Errors
    ///
    /// `Damaged`.
    pub fn decode(&self) -> Result<ProviderPolicy, StoreError> {
        minicbor::decode(&self.policy).map_err(|error| StoreError::damaged(error.to_string()))
    }
}

sql! {
    INSERT = "INSERT INTO custom_providers (id, org, slug, policy, mac, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $6)";
    UPDATE = "UPDATE custom_providers SET policy = $3, mac = $4, updated_at = $5 WHERE org = $1 AND id = $2";
    BY_SLUG = "SELECT id, org, slug, policy, mac, created_at, updated_at FROM custom_providers \
        WHERE org = $1 AND slug = $2";
    LIST = "SELECT id, org, slug, policy, mac, created_at, updated_at FROM custom_providers \
        WHERE org = $1 ORDER BY slug";
    COUNT = "SELECT COUNT(*) FROM custom_providers WHERE org = $1";
    DELETE = "DELETE FROM custom_providers WHERE org = $1 AND id = $2";
    CREDENTIALS = "SELECT id FROM credentials WHERE org = $1 AND provider = $2 ORDER BY id LIMIT $3";
    AGENTS = "SELECT agent FROM agent_grants WHERE org = $1 AND provider = $2 ORDER BY agent LIMIT $3";
}

/// Adds a provider.
///
/// # Errors
///
/// `Conflict` when the organization has one with this slug.
pub async fn insert(tx: &mut Tx, policy: &ProviderPolicy, mac: &[u8], at: Micros) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        policy.provider,
        policy.org,
        policy.slug,
        policy.canonical(),
        mac,
        at
    )
    .map_err(unique("a provider with this name"))?;
    // Agents may hold a grant of this name from before: they were made without the provider and know no id of it.
    tx.changed(Change::Org(policy.org));
    Ok(())
}

/// Writes another definition. `false` when there is no such provider.
///
/// # Errors
///
/// `Unavailable`.
pub async fn update(
    tx: &mut Tx,
    policy: &ProviderPolicy,
    mac: &[u8],
    at: Micros,
) -> Result<bool, StoreError> {
    let rows = execute!(
        tx,
        UPDATE,
        policy.org,
        policy.provider,
        policy.canonical(),
        mac,
        at
    )?;
    tx.changed(Change::Provider(policy.provider));
    Ok(rows == 1)
}

/// The organization's provider with this slug.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn by_slug(conn: &mut Conn, org: OrgId, slug: &str) -> Result<Option<CustomProvider>, StoreError> {
    Ok(fetch_optional!(conn, CustomProvider, BY_SLUG, org, slug)?)
}

/// All providers of the organization, by slug. There are few.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(conn: &mut Conn, org: OrgId) -> Result<Vec<CustomProvider>, StoreError> {
    Ok(fetch_all!(conn, CustomProvider, LIST, org)?)
}

/// How many the organization has.
///
/// # Errors
///
/// `Unavailable`.
pub async fn count(conn: &mut Conn, org: OrgId) -> Result<u64, StoreError> {
    let (count,) = fetch_one!(conn, (i64,), COUNT, org)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Deletes a provider. Credentials and grants stay; requests under them are refused.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete(tx: &mut Tx, org: OrgId, id: ProviderId) -> Result<bool, StoreError> {
    let rows = execute!(tx, DELETE, org, id)?;
    tx.changed(Change::Provider(id));
    Ok(rows == 1)
}

/// What uses the provider with this slug: credentials and agents of the organization, at most `limit` of each.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn users(
    conn: &mut Conn,
    org: OrgId,
    slug: &str,
    limit: u32,
) -> Result<(Vec<CredentialId>, Vec<AgentId>), StoreError> {
    let credentials = fetch_all!(conn, (uuid::Uuid,), CREDENTIALS, org, slug, limit)?;
    let agents = fetch_all!(conn, (uuid::Uuid,), AGENTS, org, slug, limit)?;
    Ok((
        credentials
            .into_iter()
            .map(|(id,)| CredentialId::new(id))
            .collect(),
        agents.into_iter().map(|(id,)| AgentId::new(id)).collect(),
    ))
}
