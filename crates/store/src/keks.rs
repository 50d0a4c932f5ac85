//! Key-encryption keys of the organizations, wrapped by the root key, in generations. What is being done to them is in
//! [`crate::kek_jobs`].

use keystore_core::Micros;
use keystore_core::ids::{KekId, OrgId};

use crate::changes::Change;
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
    /// The key is gone, and with it what was sealed under it.
    Destroyed,
}

named!(KekState { Active = "active", Retiring = "retiring", Retired = "retired", Destroyed = "destroyed" });

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
        /// The key, wrapped; nothing once it was destroyed.
        pub wrapped: Vec<u8>,
        /// The organization's own key that wraps inside of the root key.
        pub customer: Option<String>,
        /// What it is still used for.
        pub state: KekState,
        /// How often it may have wrapped: never less than it has.
        pub wraps: u64,
        /// Whether a customer made the key.
        pub imported: bool,
        /// When it was last seen that nothing is sealed under it and that everything of the organization opens.
        pub verified_at: Option<Micros>,
        /// When it was made.
        pub created_at: Micros,
    }
}

sql! {
    INSERT = "INSERT INTO keks (id, org, generation, wrapped, customer, state, wraps, imported, verified_at, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    GET = "SELECT * FROM keks WHERE org = $1 AND id = $2";
    ACTIVE = "SELECT * FROM keks WHERE org = $1 AND state = 'active'";
    LIST = "SELECT * FROM keks WHERE org = $1 ORDER BY generation";
    ALL = "SELECT * FROM keks WHERE id > $1 ORDER BY id LIMIT $2";
    DUE = "SELECT * FROM keks WHERE state = 'active' AND (wraps >= $1 OR created_at <= $2) ORDER BY id";
    REWRAP = "UPDATE keks SET wrapped = $2 WHERE id = $1 AND wrapped = $3";
    PUT_UNDER = "UPDATE keks SET wrapped = $3, customer = $4 WHERE org = $1 AND id = $2 AND wrapped = $5";
    COUNT_WRAPS = "UPDATE keks SET wraps = wraps + $3 WHERE org = $1 AND id = $2";
    SET_STATE = "UPDATE keks SET state = $3 WHERE org = $1 AND id = $2";
    DESTROY = "UPDATE keks SET state = 'destroyed', wrapped = $3 WHERE org = $1 AND id = $2";
    VERIFIED = "UPDATE keks SET verified_at = $2 WHERE org = $1 AND state = 'retiring' \
        AND NOT EXISTS (SELECT 1 FROM credential_versions v WHERE v.org = keks.org AND v.kek = keks.id)";
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
        new.customer,
        new.state,
        new.wraps,
        new.imported,
        new.verified_at,
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

/// The active KEKs that have wrapped so often, or were made by then: it is time for another generation.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn due(conn: &mut Conn, wraps: u64, made_by: Micros) -> Result<Vec<Kek>, StoreError> {
    Ok(fetch_all!(conn, Kek, DUE, wraps, made_by)?)
}

/// Writes the key as wrapped by another root key, if it is still as `from`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn rewrap(tx: &mut Tx, kek: &Kek, wrapped: &[u8]) -> Result<bool, StoreError> {
    tx.changed(Change::Org(kek.org));
    Ok(execute!(tx, REWRAP, kek.id, wrapped, kek.wrapped)? == 1)
}

/// Writes the key as wrapped with another key of the organization's own inside, or with none, if it is still as `from`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn put_under(
    tx: &mut Tx,
    from: &Kek,
    wrapped: &[u8],
    customer: Option<&str>,
) -> Result<bool, StoreError> {
    tx.changed(Change::Org(from.org));
    let customer = customer.map(str::to_owned);
    Ok(execute!(tx, PUT_UNDER, from.org, from.id, wrapped, customer, from.wrapped)? == 1)
}

/// Counts wraps that are about to be made.
///
/// # Errors
///
/// `Unavailable`.
pub async fn count_wraps(tx: &mut Tx, org: OrgId, id: KekId, wraps: u64) -> Result<(), StoreError> {
    execute!(tx, COUNT_WRAPS, org, id, wraps)?;
    Ok(())
}

/// Writes the state.
///
/// # Errors
///
/// `Conflict` when another generation is active.
pub async fn set_state(tx: &mut Tx, org: OrgId, id: KekId, state: KekState) -> Result<bool, StoreError> {
    Ok(execute!(tx, SET_STATE, org, id, state).map_err(unique("an active KEK"))? == 1)
}

/// Deletes the key itself; the row stays to tell of it.
///
/// # Errors
///
/// `Unavailable`.
pub async fn destroy(tx: &mut Tx, org: OrgId, id: KekId) -> Result<bool, StoreError> {
    tx.changed(Change::Org(org));
    Ok(execute!(tx, DESTROY, org, id, Vec::<u8>::new())? == 1)
}

/// Notes of the retiring generations under which nothing is sealed any more that everything was seen to open.
///
/// # Errors
///
/// `Unavailable`.
pub async fn set_verified(tx: &mut Tx, org: OrgId, at: Micros) -> Result<u64, StoreError> {
    Ok(execute!(tx, VERIFIED, org, at)?)
}
