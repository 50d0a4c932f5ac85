//! The versions of a credential: what is sealed, and where it may go. What is in the sealed bytes is the vault's matter.

use std::collections::BTreeMap;

use keystore_core::Micros;
use keystore_core::ids::{CredentialId, KekId, OrgId};
use keystore_core::policy::Source;

use super::{CredentialStatus, get};
use crate::changes::Change;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_one, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

row! {
    /// One version of a credential, sealed.
    #[derive(Clone)]
    pub struct CredentialVersion {
        /// The credential.
        pub credential: CredentialId,
        /// Counts from 1.
        pub version: u32,
        /// The sealed field map.
        pub sealed: Vec<u8>,
        /// The canonical destination policy that it is bound to.
        pub policy: Vec<u8>,
        /// The KEK that wraps its data key.
        pub kek: KekId,
        /// The generation of that KEK.
        pub kek_generation: u32,
        /// When it was sealed.
        pub created_at: Micros,
    }
}

sql! {
    INSERT_VERSION = "INSERT INTO credential_versions \
        (credential, org, version, sealed, policy, kek, kek_generation, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    TAKES = "UPDATE keks SET state = state WHERE org = $1 AND id = $2 AND state IN ('active', 'retiring')";
    POLICIES = "SELECT c.id, v.policy FROM credentials c \
        JOIN credential_versions v ON v.credential = c.id AND v.version = c.current_version \
        WHERE c.org = $1 AND c.id >= $2 AND c.id <= $3";
    VERSION = "SELECT v.credential, v.version, v.sealed, v.policy, v.kek, v.kek_generation, v.created_at \
        FROM credential_versions v WHERE v.org = $1 AND v.credential = $2 AND v.version = $3";
    CURRENT = "SELECT v.credential, v.version, v.sealed, v.policy, v.kek, v.kek_generation, v.created_at \
        FROM credentials c JOIN credential_versions v ON v.credential = c.id AND v.version = c.current_version \
        WHERE c.org = $1 AND c.id = $2";
    PROMOTE = "UPDATE credentials SET current_version = $3, status = $4, updated_at = $5 \
        WHERE org = $1 AND id = $2 AND current_version = $6 AND current_version < $3";
    DELETE_VERSIONS = "DELETE FROM credential_versions WHERE org = $1 AND credential = $2 AND version < $3";
    REPLACE = "UPDATE credential_versions SET sealed = $5, kek = $6, kek_generation = $7 \
        WHERE org = $1 AND credential = $2 AND version = $3 AND sealed = $4";
    SEALED = "SELECT v.credential, v.version, v.sealed, v.policy, v.kek, v.kek_generation, v.created_at, c.provider, c.source \
        FROM credential_versions v JOIN credentials c ON c.id = v.credential AND c.org = v.org \
        WHERE v.org = $1 AND v.kek <> $2 AND (v.credential > $3 OR (v.credential = $3 AND v.version > $4)) \
        ORDER BY v.credential, v.version LIMIT $5";
    NOT_UNDER_KEK = "SELECT COUNT(*) FROM credential_versions WHERE org = $1 AND kek <> $2";
    UNDER_KEK = "SELECT COUNT(*) FROM credential_versions WHERE org = $1 AND kek = $2";
}

pub(super) async fn insert_version(
    tx: &mut Tx,
    org: OrgId,
    version: &CredentialVersion,
) -> Result<(), StoreError> {
    takes(tx, org, version.kek).await?;
    execute!(
        tx,
        INSERT_VERSION,
        version.credential,
        org,
        version.version,
        version.sealed,
        version.policy,
        version.kek,
        version.kek_generation,
        version.created_at
    )
    .map_err(unique("this version of the credential"))?;
    Ok(())
}

/// That versions may be sealed under the KEK. Locks its row: whoever retires the generation waits, and then counts what was sealed.
async fn takes(tx: &mut Tx, org: OrgId, kek: KekId) -> Result<(), StoreError> {
    match execute!(tx, TAKES, org, kek)? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict {
            what: "a newer key-encryption key; try again",
        }),
    }
}

/// Adds a version and makes it current in the place of version `from`, in one step. `false` when there is no such credential.
///
/// # Errors
///
/// `Conflict` when another rotation was quicker.
pub async fn rotate(
    tx: &mut Tx,
    org: OrgId,
    (from, version): (u32, &CredentialVersion),
    status: CredentialStatus,
) -> Result<bool, StoreError> {
    if get(tx, org, version.credential).await?.is_none() {
        return Ok(false);
    }
    insert_version(tx, org, version).await?;
    let rows = execute!(
        tx,
        PROMOTE,
        org,
        version.credential,
        version.version,
        status,
        version.created_at,
        from
    )?;
    if rows != 1 {
        return Err(StoreError::Conflict {
            what: "another version of the credential",
        });
    }
    tx.changed(Change::Credential(version.credential));
    Ok(true)
}

/// The destination policies that the credentials from `first` to `last` are sealed for.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn policies(
    conn: &mut Conn,
    org: OrgId,
    first: CredentialId,
    last: CredentialId,
) -> Result<BTreeMap<CredentialId, Vec<u8>>, StoreError> {
    let rows = fetch_all!(conn, (uuid::Uuid, Vec<u8>), POLICIES, org, first, last)?;
    Ok(rows
        .into_iter()
        .map(|(id, policy)| (CredentialId::new(id), policy))
        .collect())
}

/// One version.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn version(
    conn: &mut Conn,
    org: OrgId,
    id: CredentialId,
    version: u32,
) -> Result<Option<CredentialVersion>, StoreError> {
    Ok(fetch_optional!(
        conn,
        CredentialVersion,
        VERSION,
        org,
        id,
        version
    )?)
}

/// The version in use.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn current(
    conn: &mut Conn,
    org: OrgId,
    id: CredentialId,
) -> Result<Option<CredentialVersion>, StoreError> {
    Ok(fetch_optional!(conn, CredentialVersion, CURRENT, org, id)?)
}

/// Deletes the versions below `below`. Gives how many.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete_versions(
    tx: &mut Tx,
    org: OrgId,
    id: CredentialId,
    below: u32,
) -> Result<u64, StoreError> {
    Ok(execute!(tx, DELETE_VERSIONS, org, id, below)?)
}

/// Other sealed bytes of the same version.
pub struct Replacement<'a> {
    /// The credential.
    pub credential: CredentialId,
    /// The version, which stays.
    pub version: u32,
    /// What is replaced.
    pub from: &'a [u8],
    /// What it is replaced by.
    pub sealed: &'a [u8],
    /// The KEK that wraps its data key.
    pub kek: KekId,
    /// The generation of that KEK.
    pub kek_generation: u32,
}

/// Puts other sealed bytes in the place of those that were read: what a vendor gave for the credential itself, such as the next refresh
/// token, or the same with its data key wrapped by another KEK. `false` when they are not what is stored any more.
///
/// # Errors
///
/// `Unavailable`; `Conflict` when nothing is sealed under the KEK any more.
pub async fn replace_sealed(tx: &mut Tx, org: OrgId, by: &Replacement<'_>) -> Result<bool, StoreError> {
    takes(tx, org, by.kek).await?;
    let rows = execute!(
        tx,
        REPLACE,
        org,
        by.credential,
        by.version,
        by.from,
        by.sealed,
        by.kek,
        by.kek_generation
    )?;
    tx.changed(Change::Credential(by.credential));
    Ok(rows == 1)
}

row! {
    /// A version with all that it is sealed for.
    #[derive(Clone)]
    pub struct SealedVersion {
        /// The credential.
        pub credential: CredentialId,
        /// Counts from 1.
        pub version: u32,
        /// The sealed field map.
        pub sealed: Vec<u8>,
        /// The canonical destination policy that it is bound to.
        pub policy: Vec<u8>,
        /// The KEK that wraps its data key.
        pub kek: KekId,
        /// The generation of that KEK.
        pub kek_generation: u32,
        /// When it was sealed.
        pub created_at: Micros,
        /// The provider's slug.
        pub provider: String,
        /// Whose it is.
        pub source: Source,
    }
}

/// Versions of an organization that are not under the KEK `but`, in an order, from after `after` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn sealed(
    conn: &mut Conn,
    org: OrgId,
    but: Option<KekId>,
    (credential, version): (CredentialId, u32),
    limit: u32,
) -> Result<Vec<SealedVersion>, StoreError> {
    let but = but.unwrap_or(KekId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(
        conn,
        SealedVersion,
        SEALED,
        org,
        but,
        credential,
        version,
        limit
    )?)
}

/// How many versions of an organization are not under the KEK `but`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn not_under_kek(conn: &mut Conn, org: OrgId, but: Option<KekId>) -> Result<u64, StoreError> {
    let but = but.unwrap_or(KekId::new(uuid::Uuid::nil()));
    let (count,) = fetch_one!(conn, (i64,), NOT_UNDER_KEK, org, but)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// How many versions are wrapped by this KEK: it may be retired at 0.
///
/// # Errors
///
/// `Unavailable`.
pub async fn under_kek(conn: &mut Conn, org: OrgId, kek: KekId) -> Result<u64, StoreError> {
    let (count,) = fetch_one!(conn, (i64,), UNDER_KEK, org, kek)?;
    Ok(u64::try_from(count).unwrap_or(0))
}
