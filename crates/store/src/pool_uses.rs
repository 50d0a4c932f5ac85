//! How the operator's pools are used, by hours: who got a key, who waited, who got none, and how much of a vendor's limits was used.
//!
//! The data plane counts; what it counted is added here every minute. What the last minute before a crash had is lost: these are reports,
//! and no money hangs on them.

use keystore_core::Micros;
use keystore_core::ids::{CredentialId, OrgId};
use uuid::Uuid;

use crate::column::Bind as _;
use crate::db::{Conn, Tx, fetch_all, row, sql};
use crate::error::StoreError;
use crate::rows::insert_rows;

const HOUR_S: i64 = 3_600;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Use {
    /// Calls that got a key.
    pub granted: u64,
    /// Those of them that waited for it.
    pub waited: u64,
    /// How long these waited, together, in milliseconds.
    pub waited_ms: u64,
    /// Calls that got none: the pool was full, or had no key that works.
    pub refused: u64,
    /// Calls that went on with another key.
    pub failed_over: u64,
    /// The largest share of the vendor's own limit that was used, in thousandths, as far as the vendor said it.
    pub most_used: u64,
}

/// Of what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Of {
    /// The hour since 1970-01-01 UTC.
    pub hour: i64,
    /// The provider's slug.
    pub provider: String,
    /// The customer.
    pub org: OrgId,
    /// The key; `None` where there was none.
    pub credential: Option<CredentialId>,
}

/// The hour in which a time is.
pub const fn hour(at: Micros) -> i64 {
    at.seconds().div_euclid(HOUR_S)
}

/// What sums are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The provider.
    Provider,
    /// The customer.
    Org,
    /// The pooled credential.
    Credential,
    /// The UTC day.
    Day,
    /// The hour.
    Hour,
}

row! {
    /// A sum. The columns that were not grouped by are `None`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct PoolUse {
        /// The provider's slug.
        pub provider: Option<String>,
        /// The customer.
        pub org: Option<OrgId>,
        /// The pooled credential; of zeros where there was none.
        pub credential: Option<CredentialId>,
        /// The hour since 1970-01-01 UTC, or the first of the day.
        pub hour: Option<i64>,
        /// Calls that got a key.
        pub granted: u64,
        /// Those of them that waited for it.
        pub waited: u64,
        /// How long these waited, together, in milliseconds.
        pub waited_ms: u64,
        /// Calls that got none.
        pub refused: u64,
        /// Calls that went on with another key.
        pub failed_over: u64,
        /// The largest share of the vendor's own limit that was used, in thousandths.
        pub most_used: u64,
    }
}

sql! {
    GROUPED = "SELECT CASE WHEN CAST($1 AS BIGINT) = 1 THEN provider END AS provider, \
            CASE WHEN CAST($2 AS BIGINT) = 1 THEN org END AS org, \
            CASE WHEN CAST($3 AS BIGINT) = 1 THEN credential END AS credential, \
            CASE CAST($4 AS BIGINT) WHEN 1 THEN hour WHEN 24 THEN hour - hour % 24 END AS hour, \
            CAST(SUM(granted) AS BIGINT) AS granted, CAST(SUM(waited) AS BIGINT) AS waited, \
            CAST(SUM(waited_ms) AS BIGINT) AS waited_ms, CAST(SUM(refused) AS BIGINT) AS refused, \
            CAST(SUM(failed_over) AS BIGINT) AS failed_over, MAX(most_used) AS most_used \
        FROM pool_uses WHERE hour >= $5 AND hour <= $6 AND provider = COALESCE($7, provider) \
        GROUP BY 1, 2, 3, 4 ORDER BY 4, 1, 2, 3 LIMIT $8";
}

/// Adds what was counted.
///
/// # Errors
///
/// `Unavailable`.
pub async fn add(tx: &mut Tx, counted: &[(Of, Use)]) -> Result<(), StoreError> {
    insert_rows!(
        tx,
        counted,
        "INSERT INTO pool_uses (hour, provider, org, credential, granted, waited, waited_ms, refused, failed_over, most_used) ",
        |values, (of, used)| {
            values
                .push_bind(of.hour)
                .push_bind(of.provider.clone())
                .push_bind(of.org.raw())
                .push_bind(of.credential.map_or(Uuid::nil(), CredentialId::uuid))
                .push_bind(used.granted.raw())
                .push_bind(used.waited.raw())
                .push_bind(used.waited_ms.raw())
                .push_bind(used.refused.raw())
                .push_bind(used.failed_over.raw())
                .push_bind(used.most_used.raw());
        },
        " ON CONFLICT (hour, provider, org, credential) DO UPDATE SET granted = pool_uses.granted + excluded.granted, \
            waited = pool_uses.waited + excluded.waited, waited_ms = pool_uses.waited_ms + excluded.waited_ms, \
            refused = pool_uses.refused + excluded.refused, failed_over = pool_uses.failed_over + excluded.failed_over, \
            most_used = CASE WHEN pool_uses.most_used > excluded.most_used THEN pool_uses.most_used ELSE excluded.most_used END"
    );
    Ok(())
}

/// The sums of the hours from that of `since` to that of `until`, of one provider or all, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn grouped(
    conn: &mut Conn,
    by: &[By],
    (since, until): (Micros, Micros),
    provider: Option<&str>,
    limit: u32,
) -> Result<Vec<PoolUse>, StoreError> {
    let groups = |column: By| i64::from(by.contains(&column));
    let hours = match (by.contains(&By::Hour), by.contains(&By::Day)) {
        (true, _) => 1_i64,
        (_, true) => 24,
        _ => 0,
    };
    Ok(fetch_all!(
        conn,
        PoolUse,
        GROUPED,
        groups(By::Provider),
        groups(By::Org),
        groups(By::Credential),
        hours,
        hour(since),
        hour(until),
        provider,
        limit
    )?)
}
