//! Signed-in sessions of the control plane, found by the SHA-256 of their `kss_` value. A session that ended is deleted.

use keystore_core::Micros;
use keystore_core::ids::{OrgId, SessionId, UserId};

use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::StoreError;

row! {
    /// A session.
    #[derive(Clone)]
    pub struct Session {
        /// Its id.
        pub id: SessionId,
        /// SHA-256 of the `kss_` value.
        pub hash: [u8; 32],
        /// Whose it is.
        pub user_id: UserId,
        /// The organization it acts in.
        pub org: OrgId,
        /// When it began.
        pub created_at: Micros,
        /// When it ends.
        pub expires_at: Micros,
        /// When it was last used, to the minute or so.
        pub last_seen_at: Micros,
        /// The program in which it began, in a few words.
        pub client: Option<String>,
        /// The address from which it began.
        pub address: Option<String>,
        /// Whether a second factor was proven in it.
        pub second_factor: bool,
    }
}

sql! {
    INSERT = "INSERT INTO sessions (id, hash, user_id, org, created_at, expires_at, last_seen_at, client, address, second_factor) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    BY_HASH = "SELECT id, hash, user_id, org, created_at, expires_at, last_seen_at, client, address, second_factor \
        FROM sessions WHERE hash = $1 AND expires_at > $2";
    LIST = "SELECT id, hash, user_id, org, created_at, expires_at, last_seen_at, client, address, second_factor \
        FROM sessions WHERE user_id = $1 AND expires_at > $2 AND id > $3 ORDER BY id LIMIT $4";
    TAKE = "DELETE FROM sessions WHERE user_id = $1 AND id = $2 \
        RETURNING id, hash, user_id, org, created_at, expires_at, last_seen_at, client, address, second_factor";
    TOUCH = "UPDATE sessions SET last_seen_at = $2, expires_at = $3 WHERE id = $1";
    REPLACE = "UPDATE sessions SET hash = $2, expires_at = $3, last_seen_at = $4 WHERE id = $1";
    SET_SECOND_FACTOR = "UPDATE sessions SET second_factor = $2 WHERE id = $1";
    SET_ORG = "UPDATE sessions SET org = $2 WHERE id = $1";
    DELETE = "DELETE FROM sessions WHERE id = $1";
    DELETE_OF_USER = "DELETE FROM sessions WHERE user_id = $1";
    DELETE_OTHERS = "DELETE FROM sessions WHERE user_id = $1 AND id <> $2";
    DELETE_OF_MEMBER = "DELETE FROM sessions WHERE user_id = $1 AND org = $2";
    DELETE_EXPIRED = "DELETE FROM sessions WHERE expires_at <= $1";
}

/// Adds a session.
///
/// # Errors
///
/// `Unavailable`.
pub async fn insert(tx: &mut Tx, new: &Session) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        new.id,
        new.hash,
        new.user_id,
        new.org,
        new.created_at,
        new.expires_at,
        new.last_seen_at,
        new.client,
        new.address,
        new.second_factor
    )?;
    Ok(())
}

/// The session with this hash, unless it expired.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn by_hash(conn: &mut Conn, hash: &[u8; 32], now: Micros) -> Result<Option<Session>, StoreError> {
    Ok(fetch_optional!(conn, Session, BY_HASH, hash, now)?)
}

/// The sessions of a user that have not ended, the oldest first, from after `after` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    user: UserId,
    now: Micros,
    after: Option<SessionId>,
    limit: u32,
) -> Result<Vec<Session>, StoreError> {
    let after = after.unwrap_or(SessionId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(conn, Session, LIST, user, now, after, limit)?)
}

/// Ends a session of this user; gives what it was.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn take(tx: &mut Tx, user: UserId, id: SessionId) -> Result<Option<Session>, StoreError> {
    Ok(fetch_optional!(tx, Session, TAKE, user, id)?)
}

/// Notes a use and moves the end.
///
/// # Errors
///
/// `Unavailable`.
pub async fn touch(tx: &mut Tx, id: SessionId, now: Micros, expires_at: Micros) -> Result<bool, StoreError> {
    Ok(execute!(tx, TOUCH, id, now, expires_at)? == 1)
}

/// Puts another value in place of the session's, for `refresh`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn replace(
    tx: &mut Tx,
    id: SessionId,
    hash: &[u8; 32],
    expires_at: Micros,
    now: Micros,
) -> Result<bool, StoreError> {
    Ok(execute!(tx, REPLACE, id, hash, expires_at, now)? == 1)
}

/// Moves the session to another organization of its user.
///
/// # Errors
///
/// `Unavailable`.
pub async fn set_org(tx: &mut Tx, id: SessionId, org: OrgId) -> Result<bool, StoreError> {
    Ok(execute!(tx, SET_ORG, id, org)? == 1)
}

/// Notes whether a second factor was proven in the session.
///
/// # Errors
///
/// `Unavailable`.
pub async fn set_second_factor(tx: &mut Tx, id: SessionId, proven: bool) -> Result<(), StoreError> {
    execute!(tx, SET_SECOND_FACTOR, id, proven)?;
    Ok(())
}

/// Ends a session.
///
/// # Errors
///
/// `Unavailable`.
pub async fn revoke(tx: &mut Tx, id: SessionId) -> Result<bool, StoreError> {
    Ok(execute!(tx, DELETE, id)? == 1)
}

/// Ends all sessions of a user but `keep`. Gives how many.
///
/// # Errors
///
/// `Unavailable`.
pub async fn revoke_all(tx: &mut Tx, user: UserId, keep: Option<SessionId>) -> Result<u64, StoreError> {
    Ok(match keep {
        Some(keep) => execute!(tx, DELETE_OTHERS, user, keep)?,
        None => execute!(tx, DELETE_OF_USER, user)?,
    })
}

/// Ends the sessions of a user that act in this organization. Gives how many.
///
/// # Errors
///
/// `Unavailable`.
pub async fn revoke_in(tx: &mut Tx, user: UserId, org: OrgId) -> Result<u64, StoreError> {
    Ok(execute!(tx, DELETE_OF_MEMBER, user, org)?)
}

/// Deletes the sessions that ended by themselves. Gives how many.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete_expired(tx: &mut Tx, now: Micros) -> Result<u64, StoreError> {
    Ok(execute!(tx, DELETE_EXPIRED, now)?)
}
