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
        /// The person who answers for it: who made it, or made the key that made it.
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
        FROM api_keys WHERE org = $1 AND COALESCE($2, project) IS NOT DISTINCT FROM project AND id > $3 ORDER BY id LIMIT $4";
    OF_CREATOR = "SELECT id, hash, org, project, name, role, created_by, created_at, expires_at, revoked_at, last_used_at \
        FROM api_keys WHERE org = $1 AND created_by = $2 AND revoked_at IS NULL ORDER BY id";
    RENAME = "UPDATE api_keys SET name = $3 WHERE org = $1 AND id = $2";
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

/// The keys of an organization, or those bound to one project, oldest first, from after `after` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    project: Option<ProjectId>,
    after: Option<ApiKeyId>,
    limit: u32,
) -> Result<Vec<ApiKey>, StoreError> {
    let after = after.unwrap_or(ApiKeyId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(conn, ApiKey, LIST, org, project, after, limit)?)
}

/// The keys that a person answers for and that are not revoked.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn of_creator(conn: &mut Conn, org: OrgId, user: UserId) -> Result<Vec<ApiKey>, StoreError> {
    Ok(fetch_all!(conn, ApiKey, OF_CREATOR, org, user)?)
}

/// Writes another name. `false` when there is no such key.
///
/// # Errors
///
/// `Conflict` when the name is taken.
pub async fn rename(tx: &mut Tx, org: OrgId, id: ApiKeyId, name: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, RENAME, org, id, name).map_err(unique("an API key with this name"))? == 1)
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
