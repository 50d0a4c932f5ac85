//! What is billed: the lines of a month, which months are closed, invoices, and the terms of organizations.

use keystore_core::ids::{OrgId, ProjectId};
use keystore_core::{Micros, Month, NanoUsd};

use crate::db::{Conn, Tx, execute, fetch_all, fetch_one, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

row! {
    /// A sum of what was used of the operator's credentials in a month.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct BillingLine {
        /// The project.
        pub project: ProjectId,
        /// The provider's slug.
        pub provider: String,
        /// The model; empty where none was named.
        pub model: String,
        /// The name of the bucket; `held` where nobody knows what was used.
        pub bucket: String,
        /// How much of it.
        pub units: u64,
        /// What it costs.
        pub amount: NanoUsd,
        /// In how many calls.
        pub calls: u64,
    }
}

row! {
    /// An invoice.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct InvoiceRow {
        /// Its number.
        pub number: String,
        /// Who is billed.
        pub org: OrgId,
        /// For which month.
        pub month: Month,
        /// What it is over.
        pub total: NanoUsd,
        /// What was left to be paid.
        pub due: NanoUsd,
        /// When it was made.
        pub created_at: Micros,
        /// Its JSON: `core::invoice::Invoice`.
        pub body: String,
    }
}

sql! {
    LINES = "SELECT project, provider, model, bucket, units, amount, calls FROM billing_lines WHERE org = $1 AND month = $2 \
        ORDER BY project, provider, model, bucket";
    CLOSED = "SELECT month, seq FROM closed_months ORDER BY month";
    CLOSE = "INSERT INTO closed_months (month, seq, closed_at) VALUES ($1, $2, $3) ON CONFLICT (month) DO NOTHING";
    FIRST = "SELECT MIN(month) FROM (SELECT MIN(month) AS month FROM billing_lines UNION ALL SELECT MIN(month) AS month FROM ledger_balances) m";
    UNBILLED = "SELECT o.org FROM (SELECT org FROM billing_lines WHERE month = $1 UNION SELECT org FROM ledger_balances \
            WHERE month = $1 AND account IN ('revenue', 'refund')) o \
        WHERE o.org > $2 AND NOT EXISTS (SELECT 1 FROM invoices i WHERE i.org = o.org AND i.month = $1) ORDER BY o.org LIMIT $3";
    NUMBER = "INSERT INTO invoice_numbers (year, last) VALUES ($1, 1) \
        ON CONFLICT (year) DO UPDATE SET last = invoice_numbers.last + 1 RETURNING last";
    INSERT = "INSERT INTO invoices (number, org, month, total, due, created_at, body) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    GET = "SELECT number, org, month, total, due, created_at, body FROM invoices WHERE org = $1 AND number = $2";
    LIST = "SELECT number, org, month, total, due, created_at, body FROM invoices WHERE org = $1 AND number < $2 ORDER BY number DESC LIMIT $3";
    LIST_OF_ALL = "SELECT number, org, month, total, due, created_at, body FROM invoices WHERE number < $1 ORDER BY number DESC LIMIT $2";
    DUE_SINCE = "SELECT CAST(COALESCE(SUM(due), 0) AS BIGINT) FROM invoices WHERE org = $1 AND created_at >= $2";
    TERMS = "SELECT body FROM billing_terms WHERE org = $1";
    PUT_TERMS = "INSERT INTO billing_terms (org, body, updated_at) VALUES ($1, $2, $3) \
        ON CONFLICT (org) DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at";
}

/// What an organization used of the operator's credentials in a month.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn lines(conn: &mut Conn, org: OrgId, month: Month) -> Result<Vec<BillingLine>, StoreError> {
    Ok(fetch_all!(conn, BillingLine, LINES, org, month)?)
}

/// The months that are closed, in order, each with the last row of the journal that belongs to it.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn closed_months(conn: &mut Conn) -> Result<Vec<(Month, i64)>, StoreError> {
    let rows = fetch_all!(conn, (i64, i64), CLOSED)?;
    rows.into_iter()
        .map(|(number, seq)| Ok((month(number)?, seq)))
        .collect()
}

fn month(number: i64) -> Result<Month, StoreError> {
    crate::column::Column::from_raw(number).map_err(|error: String| StoreError::damaged(error))
}

/// Notes that a month is closed with row `seq` of the journal. `false` when it was already.
pub(crate) async fn close(conn: &mut Conn, month: Month, seq: i64, at: Micros) -> Result<bool, StoreError> {
    Ok(execute!(conn, CLOSE, month, seq, at)? == 1)
}

/// The first month in which anything was charged or posted.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn first_month(conn: &mut Conn) -> Result<Option<Month>, StoreError> {
    let (number,) = fetch_one!(conn, (Option<i64>,), FIRST)?;
    number.map(month).transpose()
}

/// Organizations with something to bill in a month and no invoice for it, by id, from after `after` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn unbilled(
    conn: &mut Conn,
    month: Month,
    after: Option<OrgId>,
    limit: u32,
) -> Result<Vec<OrgId>, StoreError> {
    let after = after.unwrap_or(OrgId::new(uuid::Uuid::nil()));
    let rows = fetch_all!(conn, (uuid::Uuid,), UNBILLED, month, after, limit)?;
    Ok(rows.into_iter().map(|(org,)| OrgId::new(org)).collect())
}

/// The next number of a year's invoices. It is given back when the transaction does not commit, and whoever wants the one after it waits
/// until then: there are no gaps.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn next_number(tx: &mut Tx, year: i64) -> Result<i64, StoreError> {
    let (last,) = fetch_one!(tx, (i64,), NUMBER, year)?;
    Ok(last)
}

/// Keeps an invoice.
///
/// # Errors
///
/// `Conflict` when the organization has one for the month.
pub async fn insert(tx: &mut Tx, new: &InvoiceRow) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        new.number,
        new.org,
        new.month,
        new.total,
        new.due,
        new.created_at,
        new.body
    )
    .map_err(unique("an invoice for this month"))?;
    Ok(())
}

/// The invoice of an organization with this number.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, number: &str) -> Result<Option<InvoiceRow>, StoreError> {
    Ok(fetch_optional!(conn, InvoiceRow, GET, org, number)?)
}

/// Above every number.
const LAST: &str = "~";

/// The invoices of an organization, newest first, from before the number `before` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    before: Option<&str>,
    limit: u32,
) -> Result<Vec<InvoiceRow>, StoreError> {
    Ok(fetch_all!(
        conn,
        InvoiceRow,
        LIST,
        org,
        before.unwrap_or(LAST),
        limit
    )?)
}

/// The invoices of all organizations, newest first, from before the number `before` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list_of_all(
    conn: &mut Conn,
    before: Option<&str>,
    limit: u32,
) -> Result<Vec<InvoiceRow>, StoreError> {
    Ok(fetch_all!(
        conn,
        InvoiceRow,
        LIST_OF_ALL,
        before.unwrap_or(LAST),
        limit
    )?)
}

/// What the invoices of an organization since a time were to be paid, together.
///
/// # Errors
///
/// `Unavailable`.
pub async fn due_since(conn: &mut Conn, org: OrgId, since: Micros) -> Result<NanoUsd, StoreError> {
    let (due,) = fetch_one!(conn, (i64,), DUE_SINCE, org, since)?;
    Ok(NanoUsd(due))
}

/// The terms under which an organization is billed, as JSON.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn terms(conn: &mut Conn, org: OrgId) -> Result<Option<String>, StoreError> {
    let row = fetch_optional!(conn, (String,), TERMS, org)?;
    Ok(row.map(|(body,)| body))
}

/// Sets them.
///
/// # Errors
///
/// `Unavailable`.
pub async fn put_terms(tx: &mut Tx, org: OrgId, body: &str, at: Micros) -> Result<(), StoreError> {
    execute!(tx, PUT_TERMS, org, body, at)?;
    Ok(())
}
