//! Second factors of people: the key for one-time codes by time, and recovery codes. Keys are sealed by the vault, codes are hashes.

use keystore_core::Micros;
use keystore_core::ids::UserId;

use crate::db::{Conn, Tx, execute, fetch_one, fetch_optional, row, sql};
use crate::error::StoreError;
use crate::passkeys;

row! {
    /// The key that a person shares with an app.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Totp {
        /// Whose it is.
        pub user_id: UserId,
        /// The key, sealed.
        pub sealed: Vec<u8>,
        /// The step of time whose code was taken last.
        pub last_step: i64,
        /// When it was made.
        pub created_at: Micros,
        /// When a code confirmed it: nothing counts before.
        pub confirmed_at: Option<Micros>,
    }
}

sql! {
    TOTP = "SELECT user_id, sealed, last_step, created_at, confirmed_at FROM totp WHERE user_id = $1";
    PUT_TOTP = "INSERT INTO totp (user_id, sealed, last_step, created_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, last_step = excluded.last_step, \
        created_at = excluded.created_at WHERE totp.confirmed_at IS NULL";
    CONFIRM_TOTP = "UPDATE totp SET confirmed_at = $2 WHERE user_id = $1 AND confirmed_at IS NULL";
    TAKE_STEP = "UPDATE totp SET last_step = $2 WHERE user_id = $1 AND last_step < $2";
    DELETE_TOTP = "DELETE FROM totp WHERE user_id = $1";
    ADD_CODE = "INSERT INTO recovery_codes (user_id, hash) VALUES ($1, $2)";
    TAKE_CODE = "DELETE FROM recovery_codes WHERE user_id = $1 AND hash = $2";
    COUNT_CODES = "SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1";
    DELETE_CODES = "DELETE FROM recovery_codes WHERE user_id = $1";
    REQUIRED_OF = "SELECT COUNT(*) FROM members JOIN orgs ON orgs.id = members.org \
        WHERE members.user_id = $1 AND orgs.second_factor_required";
}

/// The key of a person, confirmed or not.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn totp(conn: &mut Conn, user: UserId) -> Result<Option<Totp>, StoreError> {
    Ok(fetch_optional!(conn, Totp, TOTP, user)?)
}

/// Puts a key that waits for its first code, in place of one that waits. `false` when there is one that was confirmed.
///
/// # Errors
///
/// `Unavailable`.
pub async fn put_totp(tx: &mut Tx, new: &Totp) -> Result<bool, StoreError> {
    Ok(execute!(
        tx,
        PUT_TOTP,
        new.user_id,
        new.sealed,
        new.last_step,
        new.created_at
    )? == 1)
}

/// Notes that a code confirmed the key. `false` when one did before, or there is none.
///
/// # Errors
///
/// `Unavailable`.
pub async fn confirm_totp(tx: &mut Tx, user: UserId, at: Micros) -> Result<bool, StoreError> {
    Ok(execute!(tx, CONFIRM_TOTP, user, at)? == 1)
}

/// Uses the code of a step up. `false` when it or a later one was used before: of any number at the same time one gets `true`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn take_step(tx: &mut Tx, user: UserId, step: i64) -> Result<bool, StoreError> {
    Ok(execute!(tx, TAKE_STEP, user, step)? == 1)
}

/// Deletes the key of a person, confirmed or not. `false` when there is none.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete_totp(tx: &mut Tx, user: UserId) -> Result<bool, StoreError> {
    Ok(execute!(tx, DELETE_TOTP, user)? == 1)
}

/// Puts recovery codes in the place of all that a person has.
///
/// # Errors
///
/// `Unavailable`.
pub async fn set_recovery_codes(tx: &mut Tx, user: UserId, hashes: &[[u8; 32]]) -> Result<(), StoreError> {
    execute!(tx, DELETE_CODES, user)?;
    for hash in hashes {
        execute!(tx, ADD_CODE, user, hash)?;
    }
    Ok(())
}

/// Uses a recovery code up. `false` when it is none, or was used.
///
/// # Errors
///
/// `Unavailable`.
pub async fn take_recovery_code(tx: &mut Tx, user: UserId, hash: &[u8; 32]) -> Result<bool, StoreError> {
    Ok(execute!(tx, TAKE_CODE, user, hash)? == 1)
}

/// How many recovery codes a person has left.
///
/// # Errors
///
/// `Unavailable`.
pub async fn recovery_codes_left(conn: &mut Conn, user: UserId) -> Result<u64, StoreError> {
    let (count,) = fetch_one!(conn, (i64,), COUNT_CODES, user)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Takes every factor of a person away, passkeys and recovery codes included. `false` when they had none.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete_all(tx: &mut Tx, user: UserId) -> Result<bool, StoreError> {
    let keys = execute!(tx, DELETE_TOTP, user)?;
    let codes = execute!(tx, DELETE_CODES, user)?;
    Ok(keys + codes + passkeys::delete_of(tx, user).await? > 0)
}

/// Whether an organization that the person belongs to requires a second factor.
///
/// # Errors
///
/// `Unavailable`.
pub async fn required_of(conn: &mut Conn, user: UserId) -> Result<bool, StoreError> {
    let (count,) = fetch_one!(conn, (i64,), REQUIRED_OF, user)?;
    Ok(count > 0)
}
