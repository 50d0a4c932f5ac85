//! Grants that were moved between customers' own credentials and the pool, with what they were before: for the record, and to undo it.

use keystore_core::Micros;
use keystore_core::ids::{MoveId, OrgId};
use keystore_core::policy::Source;

use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::StoreError;

row! {
    /// A move.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Move {
        /// Its id.
        pub id: MoveId,
        /// Its organization.
        pub org: OrgId,
        /// The provider's slug.
        pub provider: String,
        /// Where to.
        pub target: Source,
        /// The agents with their grants before and after, as the server writes them; opaque here.
        pub body: serde_json::Value,
        /// When it was made.
        pub at: Micros,
        /// When it was undone.
        pub undone_at: Option<Micros>,
    }
}

sql! {
    INSERT = "INSERT INTO moves (id, org, provider, target, body, at, undone_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    GET = "SELECT id, org, provider, target, body, at, undone_at FROM moves WHERE org = $1 AND id = $2";
    LIST = "SELECT id, org, provider, target, body, at, undone_at FROM moves WHERE org = $1 AND id < $2 \
        ORDER BY id DESC LIMIT $3";
    UNDO = "UPDATE moves SET undone_at = $3 WHERE org = $1 AND id = $2 AND undone_at IS NULL";
}

/// Records a move.
///
/// # Errors
///
/// `Unavailable`.
pub async fn insert(tx: &mut Tx, new: &Move) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        new.id,
        new.org,
        new.provider,
        new.target,
        new.body,
        new.at,
        new.undone_at
    )?;
    Ok(())
}

/// The move.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, id: MoveId) -> Result<Option<Move>, StoreError> {
    Ok(fetch_optional!(conn, Move, GET, org, id)?)
}

/// The moves, newest first, from before `before` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    before: Option<MoveId>,
    limit: u32,
) -> Result<Vec<Move>, StoreError> {
    let before = before.unwrap_or(MoveId::new(uuid::Uuid::max()));
    Ok(fetch_all!(conn, Move, LIST, org, before, limit)?)
}

/// Notes that it was undone. `false` when it is not there, or was undone before.
///
/// # Errors
///
/// `Unavailable`.
pub async fn undo(tx: &mut Tx, org: OrgId, id: MoveId, at: Micros) -> Result<bool, StoreError> {
    Ok(execute!(tx, UNDO, org, id, at)? == 1)
}
