//! Credentials: a provider's secret, sealed, in versions. A version is never changed except to be wrapped anew, or where the vendor
//! itself gives a part of it anew (a refresh token); the destination policy is stored with the version it was sealed for.

pub(crate) mod versions;

use std::collections::BTreeMap;

use keystore_core::Micros;
use keystore_core::ids::{CredentialId, OrgId, ProjectId};
use keystore_core::policy::Source;
use uuid::Uuid;

use crate::changes::Change;
use crate::column::named;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

pub use versions::{
    CredentialVersion, Replacement, SealedVersion, current, delete_versions, not_under_kek, policies,
    replace_sealed, rotate, sealed, under_kek, version,
};

/// What is known about whether the vendor takes the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialStatus {
    /// Not tried yet.
    Untested,
    /// The vendor took it.
    Active,
    /// The vendor refused it.
    Invalid,
    /// Switched off by a person: not used.
    Disabled,
}

impl CredentialStatus {
    /// The name in the API and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Untested => "untested",
            Self::Active => "active",
            Self::Invalid => "invalid",
            Self::Disabled => "disabled",
        }
    }
}

named!(CredentialStatus {
    Untested = "untested",
    Active = "active",
    Invalid = "invalid",
    Disabled = "disabled"
});

row! {
    /// A credential without its secret.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Credential {
        /// Its id.
        pub id: CredentialId,
        /// Its organization.
        pub org: OrgId,
        /// Its project.
        pub project: ProjectId,
        /// The provider's slug.
        pub provider: String,
        /// Its name; unique in the project for its provider.
        pub name: String,
        /// Whose it is.
        pub source: Source,
        /// What is known about it.
        pub status: CredentialStatus,
        /// The version in use; counts from 1.
        pub current_version: u32,
        /// URL parameters by name.
        pub params: BTreeMap<String, String>,
        /// The base URL of a self-hosted provider.
        pub base_url: Option<String>,
        /// Labels.
        pub labels: Vec<String>,
        /// Agreements with the vendor (`dpa`, `baa`) as the API gave them; opaque here.
        pub agreements: serde_json::Value,
        /// From this time on it is not used.
        pub expires_at: Option<Micros>,
        /// From this time on it should be rotated.
        pub rotate_after: Option<Micros>,
        /// When it was last used, to the minute or so.
        pub last_used_at: Option<Micros>,
        /// When it was last tried at the vendor.
        pub tested_at: Option<Micros>,
        /// When it was made.
        pub created_at: Micros,
        /// When it was last changed.
        pub updated_at: Micros,
    }
}

sql! {
    INSERT = "INSERT INTO credentials (id, org, project, provider, name, source, status, current_version, params, \
        base_url, labels, agreements, expires_at, rotate_after, last_used_at, tested_at, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
    GET = "SELECT * FROM credentials WHERE org = $1 AND id = $2";
    BY_NAME = "SELECT * FROM credentials WHERE org = $1 AND project = $2 AND provider = $3 AND name = $4";
    OF_PROVIDER = "SELECT * FROM credentials WHERE org = $1 AND project = $2 AND provider = $3 ORDER BY id";
    LIST = "SELECT * FROM credentials WHERE org = $1 AND project = COALESCE($2, project) \
        AND provider = COALESCE($3, provider) AND id > $4 ORDER BY id LIMIT $5";
    DUE = "SELECT * FROM credentials WHERE org = $1 AND project = COALESCE($2, project) \
        AND provider = COALESCE($3, provider) AND id > $4 AND (expires_at <= $6 OR rotate_after <= $6) ORDER BY id LIMIT $5";
    ALL_DUE = "SELECT * FROM credentials WHERE expires_at <= $1 OR rotate_after <= $1 ORDER BY id";
    SET_STATUS = "UPDATE credentials SET status = $3, tested_at = $4, updated_at = $4 WHERE org = $1 AND id = $2";
    TESTED = "UPDATE credentials SET status = $4, tested_at = $5, updated_at = $5 \
        WHERE org = $1 AND id = $2 AND current_version = $3";
    REFUSED = "UPDATE credentials SET status = $4, updated_at = $5 \
        WHERE org = $1 AND id = $2 AND current_version = $3 AND status <> $4 AND status <> 'disabled'";
    UPDATE = "UPDATE credentials SET name = $3, labels = $4, agreements = $5, expires_at = $6, rotate_after = $7, \
        updated_at = $8 WHERE org = $1 AND id = $2";
    TOUCH = "UPDATE credentials SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
    DELETE = "DELETE FROM credentials WHERE org = $1 AND id = $2";
    VERSIONS = "SELECT id, current_version FROM credentials WHERE id > $1 ORDER BY id LIMIT $2";
    USERS = "SELECT g.agent FROM agent_grants g WHERE g.org = $1 AND g.credential = $2 ORDER BY g.agent LIMIT $3";
}

row! {
    /// At which version a credential stands.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Standing {
        /// The credential.
        pub id: CredentialId,
        /// Its version.
        pub current_version: u32,
    }
}

/// At which version each credential of the deployment stands, by id, from behind `after` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn current_versions(
    conn: &mut Conn,
    after: Option<CredentialId>,
    limit: u32,
) -> Result<Vec<Standing>, StoreError> {
    let after = after.unwrap_or(CredentialId::new(Uuid::nil()));
    Ok(fetch_all!(conn, Standing, VERSIONS, after, limit)?)
}

/// Adds a credential and its version 1 (`current_version` must be that of `version`).
///
/// # Errors
///
/// `Conflict` when the name is taken.
pub async fn insert(tx: &mut Tx, new: &Credential, version: &CredentialVersion) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        new.id,
        new.org,
        new.project,
        new.provider,
        new.name,
        new.source,
        new.status,
        new.current_version,
        new.params,
        new.base_url,
        new.labels,
        new.agreements,
        new.expires_at,
        new.rotate_after,
        new.last_used_at,
        new.tested_at,
        new.created_at,
        new.updated_at
    )
    .map_err(unique("a credential of this provider with this name"))?;
    versions::insert_version(tx, new.org, version).await?;
    tx.changed(Change::Credential(new.id));
    Ok(())
}

/// The credential.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, id: CredentialId) -> Result<Option<Credential>, StoreError> {
    Ok(fetch_optional!(conn, Credential, GET, org, id)?)
}

/// The credential of a provider with this name.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn by_name(
    conn: &mut Conn,
    org: OrgId,
    project: ProjectId,
    provider: &str,
    name: &str,
) -> Result<Option<Credential>, StoreError> {
    Ok(fetch_optional!(
        conn, Credential, BY_NAME, org, project, provider, name
    )?)
}

/// All credentials of a provider in a project, oldest first: for choosing one when a grant is made.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn of_provider(
    conn: &mut Conn,
    org: OrgId,
    project: ProjectId,
    provider: &str,
) -> Result<Vec<Credential>, StoreError> {
    Ok(fetch_all!(conn, Credential, OF_PROVIDER, org, project, provider)?)
}

/// The credentials, oldest first, of one project or all, of one provider or all, from after `after` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    project: Option<ProjectId>,
    provider: Option<&str>,
    after: Option<CredentialId>,
    limit: u32,
) -> Result<Vec<Credential>, StoreError> {
    let after = after.unwrap_or(CredentialId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(
        conn, Credential, LIST, org, project, provider, after, limit
    )?)
}

/// As [`list`], those only that end or should be rotated by `by`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn due(
    conn: &mut Conn,
    org: OrgId,
    project: Option<ProjectId>,
    provider: Option<&str>,
    (after, limit): (Option<CredentialId>, u32),
    by: Micros,
) -> Result<Vec<Credential>, StoreError> {
    let after = after.unwrap_or(CredentialId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(
        conn, Credential, DUE, org, project, provider, after, limit, by
    )?)
}

/// The credentials of every organization that end or should be rotated by `by`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn all_due(conn: &mut Conn, by: Micros) -> Result<Vec<Credential>, StoreError> {
    Ok(fetch_all!(conn, Credential, ALL_DUE, by)?)
}

/// Writes what a test at the vendor, or a person, found. `false` when there is no such credential.
///
/// # Errors
///
/// `Unavailable`.
pub async fn set_status(
    tx: &mut Tx,
    org: OrgId,
    id: CredentialId,
    status: CredentialStatus,
    at: Micros,
) -> Result<bool, StoreError> {
    let rows = execute!(tx, SET_STATUS, org, id, status, at)?;
    tx.changed(Change::Credential(id));
    Ok(rows == 1)
}

/// Writes what a test of this version of the credential found. `false` when another version is in use by now, of which it says nothing.
///
/// # Errors
///
/// `Unavailable`.
pub async fn tested(
    tx: &mut Tx,
    (org, id): (OrgId, CredentialId),
    version: u32,
    status: CredentialStatus,
    at: Micros,
) -> Result<bool, StoreError> {
    let is_current = execute!(tx, TESTED, org, id, version, status, at)? == 1;
    if is_current {
        tx.changed(Change::Credential(id));
    }
    Ok(is_current)
}

/// Writes that the vendor refused this version of the credential in the traffic. `false` when that is known, when another version is in use by
/// now, and when the credential is disabled.
///
/// # Errors
///
/// `Unavailable`.
pub async fn refused(
    tx: &mut Tx,
    org: OrgId,
    id: CredentialId,
    version: u32,
    at: Micros,
) -> Result<bool, StoreError> {
    let is_news = execute!(tx, REFUSED, org, id, version, CredentialStatus::Invalid, at)? == 1;
    if is_news {
        tx.changed(Change::Credential(id));
    }
    Ok(is_news)
}

/// Writes name, labels, agreements, `expires_at` and `rotate_after` of `changed`. `false` when there is no such credential.
///
/// # Errors
///
/// `Conflict` when the name is taken.
pub async fn update(tx: &mut Tx, changed: &Credential) -> Result<bool, StoreError> {
    let rows = execute!(
        tx,
        UPDATE,
        changed.org,
        changed.id,
        changed.name,
        changed.labels,
        changed.agreements,
        changed.expires_at,
        changed.rotate_after,
        changed.updated_at
    )
    .map_err(unique("a credential of this provider with this name"))?;
    tx.changed(Change::Credential(changed.id));
    Ok(rows == 1)
}

/// Notes a use. No cache hears of it.
///
/// # Errors
///
/// `Unavailable`.
pub async fn touch(tx: &mut Tx, id: CredentialId, at: Micros) -> Result<(), StoreError> {
    execute!(tx, TOUCH, id, at)?;
    Ok(())
}

/// Deletes the credential with all its versions. Grants that name it stay and are refused with `credential_missing`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete(tx: &mut Tx, org: OrgId, id: CredentialId) -> Result<bool, StoreError> {
    let rows = execute!(tx, DELETE, org, id)?;
    tx.changed(Change::Credential(id));
    Ok(rows == 1)
}

/// Agents that are granted this credential, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn users(
    conn: &mut Conn,
    org: OrgId,
    id: CredentialId,
    limit: u32,
) -> Result<Vec<keystore_core::ids::AgentId>, StoreError> {
    let rows = fetch_all!(conn, (uuid::Uuid,), USERS, org, id, limit)?;
    Ok(rows
        .into_iter()
        .map(|(agent,)| keystore_core::ids::AgentId::new(agent))
        .collect())
}
