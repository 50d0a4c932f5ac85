//! What requests with an `Idempotency-Key` were answered. A claim is made before the request is carried out and the answer
//! kept after it, so that of any number of repeats one has an effect. What an answer tells once is never kept: the caller of
//! [`keep`] takes it out.

use keystore_core::Micros;
use keystore_core::ids::OrgId;
use uuid::Uuid;

use crate::db::{Conn, Tx, execute, fetch_one, fetch_optional, row, sql};
use crate::error::StoreError;

/// A request that wants to be carried out once.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The caller's organization.
    pub org: OrgId,
    /// The caller: the person or the management key.
    pub caller: Uuid,
    /// The key that the caller chose.
    pub key: String,
    /// What the request is recognised by: a keyed digest of its path and body.
    pub request: [u8; 32],
    /// When it came.
    pub at: Micros,
}

row! {
    /// What is known of a key.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Claimed {
        /// What its request is recognised by.
        pub request: [u8; 32],
        /// The status that it was answered with; `None` while it runs, and for good where its end is not known.
        pub status: Option<u16>,
        /// The body of that answer; `None` where it may not be kept.
        pub answer: Option<String>,
        /// When it came.
        pub created_at: Micros,
    }
}

sql! {
    CLAIM = "INSERT INTO idempotency_keys (org, caller, idem_key, request, created_at) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (org, caller, idem_key) DO UPDATE SET request = $4, status = NULL, answer = NULL, created_at = $5 \
        WHERE idempotency_keys.created_at < $6";
    GET = "SELECT request, status, answer, created_at FROM idempotency_keys \
        WHERE org = $1 AND caller = $2 AND idem_key = $3";
    KEEP = "UPDATE idempotency_keys SET status = $5, answer = $6 \
        WHERE org = $1 AND caller = $2 AND idem_key = $3 AND created_at = $4 AND status IS NULL";
    RELEASE = "DELETE FROM idempotency_keys \
        WHERE org = $1 AND caller = $2 AND idem_key = $3 AND created_at = $4 AND status IS NULL";
    OLD = "SELECT COUNT(*) FROM idempotency_keys WHERE created_at < $1";
    FORGET = "DELETE FROM idempotency_keys WHERE created_at < $1";
}

/// Claims the key, unless it was claimed since `forgotten_before`. `false` when somebody else has it.
///
/// # Errors
///
/// `Unavailable`.
pub async fn claim(tx: &mut Tx, claim: &Claim, forgotten_before: Micros) -> Result<bool, StoreError> {
    let rows = execute!(
        tx,
        CLAIM,
        claim.org,
        claim.caller,
        claim.key,
        claim.request,
        claim.at,
        forgotten_before
    )?;
    Ok(rows == 1)
}

/// What is known of the key of `claim`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, claim: &Claim) -> Result<Option<Claimed>, StoreError> {
    Ok(fetch_optional!(
        conn,
        Claimed,
        GET,
        claim.org,
        claim.caller,
        claim.key
    )?)
}

/// Keeps what the request was answered.
///
/// # Errors
///
/// `Unavailable`.
pub async fn keep(tx: &mut Tx, claim: &Claim, status: u16, answer: Option<&str>) -> Result<(), StoreError> {
    execute!(
        tx,
        KEEP,
        claim.org,
        claim.caller,
        claim.key,
        claim.at,
        status,
        answer
    )?;
    Ok(())
}

/// Gives the key back: the request had no effect and may be sent again, corrected or not.
///
/// # Errors
///
/// `Unavailable`.
pub async fn release(tx: &mut Tx, claim: &Claim) -> Result<(), StoreError> {
    execute!(tx, RELEASE, claim.org, claim.caller, claim.key, claim.at)?;
    Ok(())
}

/// How many keys were claimed before `before`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn old(conn: &mut Conn, before: Micros) -> Result<u64, StoreError> {
    let (count,) = fetch_one!(conn, (i64,), OLD, before)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Forgets the keys that were claimed before `before`. Gives how many.
///
/// # Errors
///
/// `Unavailable`.
pub async fn forget(tx: &mut Tx, before: Micros) -> Result<u64, StoreError> {
    Ok(execute!(tx, FORGET, before)?)
}
