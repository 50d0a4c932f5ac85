//! Key-encryption keys of the organizations, wrapped by the root key, in generations.

use keystore_core::Micros;
use keystore_core::ids::{KekId, OrgId};

use crate::column::named;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

/// What a generation is still used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KekState {
    /// New credential versions are sealed under it. One per organization.
    Active,
    /// Opens what was sealed under it before.
    Retiring,
    /// Nothing is sealed under it any more.
    Retired,
}

named!(KekState { Active = "active", Retiring = "retiring", Retired = "retired" });

row! {
    /// A generation of an organization's KEK.
    #[derive(Clone)]
    pub struct Kek {
        /// Its id, part of everything sealed under it.
        pub id: KekId,
        /// The organization.
        pub org: OrgId,
        /// Counts from 1 in the organization.
        pub generation: u32,
        /// The key, wrapped.
        pub wrapped: Vec<u8>,
        /// What it is still used for.
        pub state: KekState,
        /// When it was made.
        pub created_at: Micros,
    }
}

sql! {
    INSERT = "INSERT INTO keks (id, org, generation, wrapped, state, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    GET = "SELECT id, org, generation, wrapped, state, created_at FROM keks WHERE org = $1 AND id = $2";
    ACTIVE = "SELECT id, org, generation, wrapped, state, created_at FROM keks WHERE org = $1 AND state = 'active'";
    LIST = "SELECT id, org, generation, wrapped, state, created_at FROM keks WHERE org = $1 ORDER BY generation";
    ALL = "SELECT id, org, generation, wrapped, state, created_at FROM keks WHERE id > $1 ORDER BY id LIMIT $2";
    REWRAP = "UPDATE keks SET wrapped = $2 WHERE id = $1";
    SET_STATE = "UPDATE keks SET state = $3 WHERE org = $1 AND id = $2";
}

/// Adds a generation. The one that was active must be retiring before.
///
/// # Errors
///
/// `Conflict` when the generation exists or another one is active.
pub async fn insert(tx: &mut Tx, new: &Kek) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        new.id,
        new.org,
        new.generation,
        new.wrapped,
        new.state,
        new.created_at
    )
    .map_err(unique("an active KEK or a KEK of this generation"))?;
    Ok(())
}

/// The KEK.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, id: KekId) -> Result<Option<Kek>, StoreError> {
    Ok(fetch_optional!(conn, Kek, GET, org, id)?)
}

/// The KEK under which new versions are sealed.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn active(conn: &mut Conn, org: OrgId) -> Result<Option<Kek>, StoreError> {
    Ok(fetch_optional!(conn, Kek, ACTIVE, org)?)
}

/// All generations of an organization, the oldest first.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(conn: &mut Conn, org: OrgId) -> Result<Vec<Kek>, StoreError> {
    Ok(fetch_all!(conn, Kek, LIST, org)?)
}

/// The KEKs of all organizations from after `after` on, at most `limit`: for a new root key.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn all(conn: &mut Conn, after: Option<KekId>, limit: u32) -> Result<Vec<Kek>, StoreError> {
    let after = after.unwrap_or(KekId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(conn, Kek, ALL, after, limit)?)
}

/// Writes the key as wrapped by another root key.
///
/// # Errors
///
/// `Unavailable`.
pub async fn rewrap(tx: &mut Tx, id: KekId, wrapped: &[u8]) -> Result<bool, StoreError> {
    Ok(execute!(tx, REWRAP, id, wrapped)? == 1)
}

/// Writes the state.
///
/// # Errors
///
/// `Conflict` when another generation is active.
pub async fn set_state(tx: &mut Tx, org: OrgId, id: KekId, state: KekState) -> Result<bool, StoreError> {
    Ok(execute!(tx, SET_STATE, org, id, state).map_err(unique("an active KEK"))? == 1)
}
