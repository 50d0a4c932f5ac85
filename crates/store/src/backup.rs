//! A copy of a database while it is used, and whether a database that nobody uses is consistent.

use std::path::Path;
use std::str::FromStr as _;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::db::{Conn, fetch_one, sql};
use crate::error::{OpenError, StoreError};

/// Copies the SQLite database at `url` into the empty file `to`, as it is at one instant. A server may be using it, and is not held up:
/// it is one reader more.
///
/// # Errors
///
/// `Url` when it is none of SQLite's; `Unavailable`, `Corrupt`.
pub async fn copy(url: &str, to: &Path) -> Result<(), OpenError> {
    let wrong = |_| OpenError::Url("the database's URL".to_owned());
    let options = SqliteConnectOptions::from_str(url).map_err(wrong)?;
    let mut connection = options.create_if_missing(false).connect().await?;
    let copied = sqlx::query("VACUUM INTO $1")
        .bind(to.to_string_lossy().into_owned())
        .execute(&mut connection)
        .await;
    connection.close().await?;
    copied?;
    let options = SqliteConnectOptions::new().filename(to).create_if_missing(false);
    let mut connection = options.connect().await?;
    let verdict = quick_check(&mut connection).await;
    connection.close().await?;
    match verdict?.as_str() {
        "ok" => Ok(()),
        detail => Err(OpenError::Corrupt {
            path: to.display().to_string(),
            detail: detail.to_owned(),
        }),
    }
}

async fn quick_check(connection: &mut SqliteConnection) -> sqlx::Result<String> {
    sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await
}

sql! {
    OPEN = "SELECT COUNT(*) FROM open_intents";
    BEHIND = "SELECT COALESCE((SELECT MAX(seq) FROM journal), 0) - (SELECT MIN(seq) FROM watermarks)";
    HOLES = "SELECT COALESCE(MAX(seq), 0) - COUNT(*) FROM journal";
    UNBALANCED = "SELECT COUNT(*) FROM (SELECT id FROM ledger_entries GROUP BY org, id HAVING SUM(amount) <> 0) u";
    EMPTY = "SELECT COUNT(*) FROM ledger_transactions t \
        WHERE NOT EXISTS (SELECT 1 FROM ledger_entries e WHERE e.org = t.org AND e.id = t.id)";
    BALANCES = "SELECT COUNT(*) FROM (SELECT org, account, SUM(amount) AS amount FROM ledger_entries GROUP BY org, account) e \
        LEFT JOIN (SELECT org, account, SUM(amount) AS amount FROM ledger_balances GROUP BY org, account) b \
            ON b.org = e.org AND b.account = e.account \
        WHERE COALESCE(b.amount, 0) <> e.amount";
}

/// What is not as it must be in a database that was recovered and is not used: calls that are open, projections that are behind, rows of
/// the journal that are missing, a ledger that does not sum to zero.
///
/// # Errors
///
/// `Unavailable`.
pub async fn inconsistencies(conn: &mut Conn) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    let (open,): (i64,) = fetch_one!(conn, (i64,), OPEN)?;
    let (behind,): (i64,) = fetch_one!(conn, (i64,), BEHIND)?;
    let (holes,): (i64,) = fetch_one!(conn, (i64,), HOLES)?;
    let (unbalanced,): (i64,) = fetch_one!(conn, (i64,), UNBALANCED)?;
    let (empty,): (i64,) = fetch_one!(conn, (i64,), EMPTY)?;
    let (balances,): (i64,) = fetch_one!(conn, (i64,), BALANCES)?;
    for (count, what) in [
        (open, "calls are not settled"),
        (behind, "rows of the journal are not in the projections"),
        (holes, "rows of the journal are missing"),
        (unbalanced, "transactions of the ledger do not sum to zero"),
        (empty, "transactions of the ledger have no entries"),
        (
            balances,
            "balances of the ledger are not the sums of their entries",
        ),
    ] {
        if count != 0 {
            found.push(format!("{count} {what}"));
        }
    }
    Ok(found)
}
