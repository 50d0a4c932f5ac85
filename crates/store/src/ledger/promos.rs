//! Credit that was given away, and when it ends.

use keystore_core::ids::{OrgId, TransactionId};
use keystore_core::ledger::Grant;
use keystore_core::{Micros, NanoUsd};

use crate::db::{Conn, Tx, execute, fetch_all, row, sql};
use crate::error::StoreError;

row! {
    /// A grant.
    struct GrantRow {
        /// The transaction that gave it.
        pub id: TransactionId,
        /// How much it was.
        pub amount: NanoUsd,
        /// When it ends.
        pub expires_at: Option<Micros>,
        /// What the customer had been charged when it was given.
        pub charged_before: NanoUsd,
        /// The same when it ended.
        pub charged_at_end: Option<NanoUsd>,
    }
}

row! {
    /// A grant that has come to its end.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct DueGrant {
        /// The customer.
        pub org: OrgId,
        /// The transaction that gave it.
        pub id: TransactionId,
    }
}

sql! {
    INSERT = "INSERT INTO promo_grants (org, id, amount, expires_at, charged_before) VALUES ($1, $2, $3, $4, $5)";
    LIST = "SELECT id, amount, expires_at, charged_before, charged_at_end FROM promo_grants WHERE org = $1 ORDER BY id";
    DUE = "SELECT org, id FROM promo_grants WHERE charged_at_end IS NULL AND expires_at <= $1 ORDER BY expires_at, id LIMIT $2";
    END = "UPDATE promo_grants SET charged_at_end = $3 WHERE org = $1 AND id = $2 AND charged_at_end IS NULL";
}

/// Notes credit that was given away, beside the transaction that gives it.
///
/// # Errors
///
/// `Unavailable`.
pub async fn insert_grant(tx: &mut Tx, org: OrgId, grant: &Grant) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        org,
        grant.id,
        grant.amount,
        grant.expires_at,
        grant.charged_before
    )?;
    Ok(())
}

/// Everything that was ever given to an organization, oldest first.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn grants(conn: &mut Conn, org: OrgId) -> Result<Vec<Grant>, StoreError> {
    let rows = fetch_all!(conn, GrantRow, LIST, org)?;
    let grants = rows.into_iter().map(|row| Grant {
        id: row.id,
        amount: row.amount,
        expires_at: row.expires_at,
        charged_before: row.charged_before,
        charged_at_end: row.charged_at_end,
    });
    Ok(grants.collect())
}

/// Grants of all organizations that last and should have ended by `now`, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn ended_by(conn: &mut Conn, now: Micros, limit: u32) -> Result<Vec<DueGrant>, StoreError> {
    Ok(fetch_all!(conn, DueGrant, DUE, now, limit)?)
}

/// Notes that a grant ends when its customer has been charged `charged`. `false` when it had ended already.
///
/// # Errors
///
/// `Unavailable`.
pub async fn end_grant(tx: &mut Tx, due: DueGrant, charged: NanoUsd) -> Result<bool, StoreError> {
    Ok(execute!(tx, END, due.org, due.id, charged)? == 1)
}
