//! What is in the ledger.

use keystore_core::ids::{OrgId, TransactionId};
use keystore_core::ledger::{About, Account, Balances, Entry, Kind, Transaction};
use keystore_core::{Micros, Month, NanoUsd};

use crate::column::Column;
use crate::db::{Conn, fetch_all, fetch_one, row, sql};
use crate::error::StoreError;

row! {
    /// An entry with its transaction.
    struct Posted {
        /// Whose books.
        pub org: OrgId,
        /// The transaction.
        pub id: TransactionId,
        /// When it counts.
        pub at: Micros,
        /// Which business it records.
        pub kind: Kind,
        /// What it belongs to.
        pub subject: String,
        /// A remark.
        pub memo: String,
        /// The transaction that it rules on, undoes or pays back.
        pub regards: Option<TransactionId>,
        /// The entry's account.
        pub account: Account,
        /// The entry's amount.
        pub amount: NanoUsd,
    }
}

sql! {
    GET = "SELECT t.org, t.id, t.at, t.kind, t.subject, t.memo, t.regards, e.account, e.amount \
        FROM ledger_transactions t JOIN ledger_entries e ON e.org = t.org AND e.id = t.id WHERE t.org = $1 AND t.id = $2";
    LIST = "SELECT t.org, t.id, t.at, t.kind, t.subject, t.memo, t.regards, e.account, e.amount FROM \
        (SELECT org, id, at, kind, subject, memo, regards FROM ledger_transactions WHERE org = $1 AND id < $2 ORDER BY id DESC LIMIT $3) t \
        JOIN ledger_entries e ON e.org = t.org AND e.id = t.id ORDER BY t.id DESC";
    LIST_OF_KIND = "SELECT t.org, t.id, t.at, t.kind, t.subject, t.memo, t.regards, e.account, e.amount FROM \
        (SELECT org, id, at, kind, subject, memo, regards FROM ledger_transactions WHERE org = $1 AND id < $2 \
            AND kind <> 'usage' AND kind = $4 ORDER BY id DESC LIMIT $3) t \
        JOIN ledger_entries e ON e.org = t.org AND e.id = t.id ORDER BY t.id DESC";
    CORRECTIONS = "SELECT t.org, t.id, t.at, t.kind, t.subject, t.memo, t.regards, e.account, e.amount \
        FROM ledger_transactions t JOIN ledger_entries e ON e.org = t.org AND e.id = t.id \
        WHERE t.org = $1 AND t.kind <> 'usage' AND t.at >= $2 AND t.at < $3 ORDER BY t.id";
    CRASHES = "SELECT t.org, t.id, t.at, t.kind, t.subject, t.memo, t.regards, e.account, e.amount FROM \
        (SELECT org, id, at, kind, subject, memo, regards FROM ledger_transactions c WHERE kind = 'crash' AND id > $1 \
            AND NOT EXISTS (SELECT 1 FROM ledger_transactions r WHERE r.kind IN ('crash_ruling', 'reversal') AND r.regards = c.id) \
            ORDER BY id LIMIT $2) t \
        JOIN ledger_entries e ON e.org = t.org AND e.id = t.id ORDER BY t.id";
    PAID_BACK = "SELECT CAST(COALESCE(SUM(e.amount), 0) AS BIGINT) FROM ledger_transactions t \
        JOIN ledger_entries e ON e.org = t.org AND e.id = t.id AND e.account = 'customer_credit' \
        WHERE t.org = $1 AND t.kind <> 'usage' AND t.regards = $2";
    BALANCES = "SELECT account, CAST(SUM(amount) AS BIGINT) FROM ledger_balances \
        WHERE org = $1 AND month >= $2 AND month <= $3 GROUP BY account";
    BALANCES_OF_ALL = "SELECT account, CAST(SUM(amount) AS BIGINT) FROM ledger_balances GROUP BY account";
    CHARGED = "SELECT CAST(COALESCE(SUM(charged), 0) AS BIGINT) FROM ledger_charged WHERE org = $1";
}

/// Before the first and after the last month.
const ALL_MONTHS: (i64, i64) = (i64::MIN, i64::MAX);

/// The transaction of an organization with this id.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, id: TransactionId) -> Result<Option<Transaction>, StoreError> {
    let rows = fetch_all!(conn, Posted, GET, org, id)?;
    Ok(together(rows)?.pop())
}

/// Transactions of an organization, newest first, of one kind or all, from before `before` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    kind: Option<Kind>,
    before: Option<TransactionId>,
    limit: u32,
) -> Result<Vec<Transaction>, StoreError> {
    let before = before.unwrap_or(TransactionId::new(uuid::Uuid::max()));
    together(match kind {
        // Nearly all are of calls.
        None | Some(Kind::Usage) => fetch_all!(conn, Posted, LIST, org, before, limit)?,
        Some(kind) => fetch_all!(conn, Posted, LIST_OF_KIND, org, before, limit, kind)?,
    })
}

/// The transactions of an organization in a month that are not of served calls.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn corrections(conn: &mut Conn, org: OrgId, month: Month) -> Result<Vec<Transaction>, StoreError> {
    together(fetch_all!(
        conn,
        Posted,
        CORRECTIONS,
        org,
        month.start(),
        month.end()
    )?)
}

/// Calls of all organizations that were open when the process died and that nobody has ruled on, oldest first, from after `after` on, at
/// most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn crashes(
    conn: &mut Conn,
    after: Option<TransactionId>,
    limit: u32,
) -> Result<Vec<Transaction>, StoreError> {
    let after = after.unwrap_or(TransactionId::new(uuid::Uuid::nil()));
    together(fetch_all!(conn, Posted, CRASHES, after, limit)?)
}

/// How much of a top-up went back to its payer, or was undone.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn paid_back(conn: &mut Conn, org: OrgId, top_up: TransactionId) -> Result<NanoUsd, StoreError> {
    let (amount,) = fetch_one!(conn, (i64,), PAID_BACK, org, top_up)?;
    Ok(NanoUsd(amount))
}

/// The balances of an organization.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn balances(conn: &mut Conn, org: OrgId) -> Result<Balances, StoreError> {
    let (first, last) = ALL_MONTHS;
    sums(fetch_all!(conn, (String, i64), BALANCES, org, first, last)?)
}

/// The balances of an organization at the end of a month.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn balances_until(conn: &mut Conn, org: OrgId, month: Month) -> Result<Balances, StoreError> {
    let (first, _) = ALL_MONTHS;
    sums(fetch_all!(conn, (String, i64), BALANCES, org, first, month)?)
}

/// What a month has changed in the balances of an organization.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn balances_in(conn: &mut Conn, org: OrgId, month: Month) -> Result<Balances, StoreError> {
    sums(fetch_all!(conn, (String, i64), BALANCES, org, month, month)?)
}

/// The balances of all organizations together.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn balances_of_all(conn: &mut Conn) -> Result<Balances, StoreError> {
    sums(fetch_all!(conn, (String, i64), BALANCES_OF_ALL)?)
}

/// What the calls of an organization were charged, ever.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn charged(conn: &mut Conn, org: OrgId) -> Result<NanoUsd, StoreError> {
    let (amount,) = fetch_one!(conn, (i64,), CHARGED, org)?;
    Ok(NanoUsd(amount))
}

fn sums(rows: Vec<(String, i64)>) -> Result<Balances, StoreError> {
    let mut balances = Balances::default();
    for (account, amount) in rows {
        let account = Account::from_raw(account).map_err(StoreError::damaged)?;
        balances.set(account, NanoUsd(amount));
    }
    Ok(balances)
}

/// Entries put together to the transactions they belong to, in their order.
fn together(rows: Vec<Posted>) -> Result<Vec<Transaction>, StoreError> {
    let mut made = Vec::new();
    let mut rows = rows.into_iter().peekable();
    while let Some(first) = rows.next() {
        let mut entries = vec![first.entry()];
        while let Some(next) = rows.next_if(|next| next.id == first.id) {
            entries.push(next.entry());
        }
        entries.sort_by_key(|entry| entry.account);
        let about = About {
            id: first.id,
            org: first.org,
            at: first.at,
            subject: first.subject,
            memo: first.memo,
        };
        let transaction = Transaction::stored(about, first.kind, first.regards, entries);
        made.push(transaction.map_err(StoreError::damaged)?);
    }
    Ok(made)
}

impl Posted {
    const fn entry(&self) -> Entry {
        Entry {
            account: self.account,
            amount: self.amount,
        }
    }
}
