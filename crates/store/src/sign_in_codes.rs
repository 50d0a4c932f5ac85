//! Codes of sign-in and reset links: found by their SHA-256, good for one use, for a short time.

use keystore_core::Micros;
use keystore_core::ids::UserId;

use crate::column::named;
use crate::db::{Conn, Tx, execute, fetch_optional, sql};
use crate::error::StoreError;

/// What a code is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Signing in by a link.
    SignIn,
    /// Setting a new password.
    ResetPassword,
    /// Proving an address.
    VerifyEmail,
    /// The second step of a sign-in.
    SecondFactor,
    /// Nothing: it is the challenge of a passkey that was used.
    PasskeyUsed,
}

named!(Purpose { SignIn = "sign_in", ResetPassword = "reset_password", VerifyEmail = "verify_email", SecondFactor = "second_factor", PasskeyUsed = "passkey_used" });

sql! {
    INSERT = "INSERT INTO sign_in_codes (hash, user_id, purpose, expires_at) VALUES ($1, $2, $3, $4)";
    MARK = "INSERT INTO sign_in_codes (hash, user_id, purpose, expires_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (hash) DO NOTHING";
    TAKE = "DELETE FROM sign_in_codes WHERE hash = $1 AND purpose = $2 AND expires_at > $3 RETURNING user_id";
    HOLDER = "SELECT user_id FROM sign_in_codes WHERE hash = $1 AND purpose = $2 AND expires_at > $3";
    DELETE_OF_USER = "DELETE FROM sign_in_codes WHERE user_id = $1 AND purpose = $2";
    DELETE_EXPIRED = "DELETE FROM sign_in_codes WHERE expires_at <= $1";
}

/// Adds a code by its hash.
///
/// # Errors
///
/// `Unavailable`.
pub async fn insert(
    tx: &mut Tx,
    hash: &[u8; 32],
    user: UserId,
    purpose: Purpose,
    expires_at: Micros,
) -> Result<(), StoreError> {
    execute!(tx, INSERT, hash, user, purpose, expires_at)?;
    Ok(())
}

/// As [`insert`], unless there is one with this hash: then `false`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn mark(
    tx: &mut Tx,
    hash: &[u8; 32],
    user: UserId,
    purpose: Purpose,
    expires_at: Micros,
) -> Result<bool, StoreError> {
    Ok(execute!(tx, MARK, hash, user, purpose, expires_at)? == 1)
}

/// Whether a code holds. It is not used up.
///
/// # Errors
///
/// `Unavailable`.
pub async fn holds(
    conn: &mut Conn,
    hash: &[u8; 32],
    purpose: Purpose,
    now: Micros,
) -> Result<bool, StoreError> {
    Ok(holder(conn, hash, purpose, now).await?.is_some())
}

/// Whose code this is, if it holds. It is not used up.
///
/// # Errors
///
/// `Unavailable`.
pub async fn holder(
    conn: &mut Conn,
    hash: &[u8; 32],
    purpose: Purpose,
    now: Micros,
) -> Result<Option<UserId>, StoreError> {
    let row = fetch_optional!(conn, (uuid::Uuid,), HOLDER, hash, purpose, now)?;
    Ok(row.map(|(user,)| UserId::new(user)))
}

/// Uses a code up; gives whose it was. Nobody can use it a second time once the transaction commits.
///
/// # Errors
///
/// `Unavailable`.
pub async fn take(
    tx: &mut Tx,
    hash: &[u8; 32],
    purpose: Purpose,
    now: Micros,
) -> Result<Option<UserId>, StoreError> {
    let row = fetch_optional!(tx, (uuid::Uuid,), TAKE, hash, purpose, now)?;
    Ok(row.map(|(user,)| UserId::new(user)))
}

/// Forgets a person's codes for this purpose: only the newest link holds, and none once one was used.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete_of(tx: &mut Tx, user: UserId, purpose: Purpose) -> Result<u64, StoreError> {
    Ok(execute!(tx, DELETE_OF_USER, user, purpose)?)
}

/// Deletes the codes that were not used in time.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete_expired(tx: &mut Tx, now: Micros) -> Result<u64, StoreError> {
    Ok(execute!(tx, DELETE_EXPIRED, now)?)
}
