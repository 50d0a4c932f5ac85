//! Failed sign-ins, counted per subject (an address, a network), for throttling. What follows from a count is the control
//! plane's rule.

use keystore_core::Micros;

use crate::db::{Conn, Tx, execute, fetch_one, fetch_optional, row, sql};
use crate::error::StoreError;

row! {
    /// The failures of one subject.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct LoginAttempts {
        /// Failures since the last success or the last quiet time.
        pub failures: u32,
        /// The newest.
        pub last_at: Micros,
    }
}

sql! {
    GET = "SELECT failures, last_at FROM login_attempts WHERE subject = $1";
    FAIL = "INSERT INTO login_attempts (subject, failures, last_at) VALUES ($1, 1, $2) \
        ON CONFLICT (subject) DO UPDATE SET \
            failures = CASE WHEN login_attempts.last_at < $3 THEN 1 ELSE login_attempts.failures + 1 END, \
            last_at = excluded.last_at \
        RETURNING failures, last_at";
    TAKE_BACK_LAST = "DELETE FROM login_attempts WHERE subject = $1 AND failures <= 1";
    TAKE_BACK = "UPDATE login_attempts SET failures = failures - 1, \
        last_at = CASE WHEN last_at = $2 THEN $3 ELSE last_at END WHERE subject = $1";
    CLEAR = "DELETE FROM login_attempts WHERE subject = $1";
    DELETE_OLD = "DELETE FROM login_attempts WHERE last_at < $1";
}

/// The failures of a subject.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, subject: &str) -> Result<Option<LoginAttempts>, StoreError> {
    Ok(fetch_optional!(conn, LoginAttempts, GET, subject)?)
}

/// Counts a failure; begins at 1 again when the last one was before `quiet_since`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn fail(
    tx: &mut Tx,
    subject: &str,
    now: Micros,
    quiet_since: Micros,
) -> Result<LoginAttempts, StoreError> {
    Ok(fetch_one!(tx, LoginAttempts, FAIL, subject, now, quiet_since)?)
}

/// Takes one failure back that was counted `at`. Where it is the newest still, the newest is again the one `before` it.
///
/// # Errors
///
/// `Unavailable`.
pub async fn take_back(tx: &mut Tx, subject: &str, at: Micros, before: Micros) -> Result<(), StoreError> {
    execute!(tx, TAKE_BACK_LAST, subject)?;
    execute!(tx, TAKE_BACK, subject, at, before)?;
    Ok(())
}

/// Forgets the failures of a subject.
///
/// # Errors
///
/// `Unavailable`.
pub async fn clear(tx: &mut Tx, subject: &str) -> Result<(), StoreError> {
    execute!(tx, CLEAR, subject)?;
    Ok(())
}

/// Forgets everything older than `before`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete_old(tx: &mut Tx, before: Micros) -> Result<u64, StoreError> {
    Ok(execute!(tx, DELETE_OLD, before)?)
}
