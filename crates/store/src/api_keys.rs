//! Management keys of the control plane, found by the SHA-256 of their `ksm_` value.

use keystore_core::Micros;
use keystore_core::ids::{ApiKeyId, OrgId, ProjectId, UserId};

use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::{StoreError, unique};
use crate::members::Role;

row! {
    /// A management key.
    #[derive(Clone)]
    pub struct ApiKey {
        /// Its id.
        pub id: ApiKeyId,
        /// SHA-256 of the `ksm_` value.
        pub hash: [u8; 32],
        /// The organization it acts in.
        pub org: OrgId,
        /// The one project it is bound to, if it is.
        pub project: Option<ProjectId>,
        /// Its name; unique among the organization's keys that are not revoked.
        pub name: String,
        /// What it may do.
        pub role: Role,
        /// Who made it.
        pub created_by: Option<UserId>,
        /// When it was made.
        pub created_at: Micros,
        /// When it ends.
        pub expires_at: Option<Micros>,
        /// When it was revoked.
        pub revoked_at: Option<Micros>,
        /// When it was last used, to the minute or so.
        pub last_used_at: Option<Micros>,
    }
}

sql! {
    INSERT = "INSERT INTO api_keys (id, hash, org, project, name, role, created_by, created_at, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    BY_HASH = "SELECT id, hash, org, project, name, role, created_by, created_at, expires_at, revoked_at, last_used_at \
        FROM api_keys WHERE hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";
    GET = "SELECT id, hash, org, project, name, role, created_by, created_at, expires_at, revoked_at, last_used_at \
        FROM api_keys WHERE org = $1 AND id = $2";
    LIST = "SELECT id, hash, org, project, name, role, created_by, created_at, expires_at, revoked_at, last_used_at \
        FROM api_keys WHERE org = $1 AND id > $2 ORDER BY id LIMIT $3";
    REVOKE = "UPDATE api_keys SET revoked_at = $3 WHERE org = $1 AND id = $2 AND revoked_at IS NULL";
    TOUCH = "UPDATE api_keys SET last_used_at = $2 WHERE id = $1";
}

/// Adds a key. `revoked_at` and `last_used_at` are not written.
///
/// # Errors
///
/// `Conflict` when the name is taken.
pub async fn insert(tx: &mut Tx, new: &ApiKey) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        new.id,
        new.hash,
        new.org,
        new.project,
        new.name,
        new.role,
        new.created_by,
        new.created_at,
        new.expires_at
    )
    .map_err(unique("an API key with this name"))?;
    Ok(())
}

/// The key with this hash, unless it expired or was revoked.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn by_hash(conn: &mut Conn, hash: &[u8; 32], now: Micros) -> Result<Option<ApiKey>, StoreError> {
    Ok(fetch_optional!(conn, ApiKey, BY_HASH, hash, now)?)
}

/// The key, whatever its state.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
    Ok(fetch_optional!(conn, ApiKey, GET, org, id)?)
}

/// The keys of an organization, oldest first, from after `after` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    after: Option<ApiKeyId>,
    limit: u32,
) -> Result<Vec<ApiKey>, StoreError> {
    let after = after.unwrap_or(ApiKeyId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(conn, ApiKey, LIST, org, after, limit)?)
}

/// Revokes a key. `false` when there is none that is not revoked.
///
/// # Errors
///
/// `Unavailable`.
pub async fn revoke(tx: &mut Tx, org: OrgId, id: ApiKeyId, at: Micros) -> Result<bool, StoreError> {
    Ok(execute!(tx, REVOKE, org, id, at)? == 1)
}

/// Notes a use.
///
/// # Errors
///
/// `Unavailable`.
pub async fn touch(tx: &mut Tx, id: ApiKeyId, now: Micros) -> Result<(), StoreError> {
    execute!(tx, TOUCH, id, now)?;
    Ok(())
}
