//! What was sold of the operator's credentials, by UTC day: projected from the journal, and grouped sums over it.

use keystore_core::ids::{CredentialId, OrgId};
use keystore_core::{Micros, NanoUsd};

use crate::db::{Conn, fetch_all, row, sql};
use crate::error::StoreError;
use keystore_core::time::utc_day;

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
}

row! {
    /// A sum. The columns that were not grouped by are `None`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Sale {
        /// The provider's slug.
        pub provider: Option<String>,
        /// The customer.
        pub org: Option<OrgId>,
        /// The pooled credential.
        pub credential: Option<CredentialId>,
        /// Days since 1970-01-01.
        pub day: Option<i64>,
        /// Calls that ended with it.
        pub calls: u64,
        /// Calls that began with it and went on with another one.
        pub failed_over: u64,
        /// What customers were charged.
        pub cost: NanoUsd,
        /// What the operator pays the vendor.
        pub vendor_cost: NanoUsd,
    }
}

sql! {
    GROUPED = "SELECT CASE WHEN CAST($1 AS BIGINT) = 1 THEN provider END AS provider, \
            CASE WHEN CAST($2 AS BIGINT) = 1 THEN org END AS org, \
            CASE WHEN CAST($3 AS BIGINT) = 1 THEN credential END AS credential, \
            CASE WHEN CAST($4 AS BIGINT) = 1 THEN day END AS day, \
            CAST(SUM(calls) AS BIGINT) AS calls, CAST(SUM(failed_over) AS BIGINT) AS failed_over, \
            CAST(SUM(cost) AS BIGINT) AS cost, CAST(SUM(vendor_cost) AS BIGINT) AS vendor_cost \
        FROM pool_sales WHERE day >= $5 AND day <= $6 AND provider = COALESCE($7, provider) \
        GROUP BY 1, 2, 3, 4 ORDER BY 4, 1, 2, 3 LIMIT $8";
}

/// The sums of the UTC days from that of `since` to that of `until`, of one provider or all, at most `limit`.
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
) -> Result<Vec<Sale>, StoreError> {
    let groups = |column: By| i64::from(by.contains(&column));
    Ok(fetch_all!(
        conn,
        Sale,
        GROUPED,
        groups(By::Provider),
        groups(By::Org),
        groups(By::Credential),
        groups(By::Day),
        utc_day(since),
        utc_day(until),
        provider,
        limit
    )?)
}
