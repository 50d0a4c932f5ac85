//! The ledger: transactions and their entries, which the database keeps balanced and unchanged, and the sums by account and month.
//!
//! Entries are written first and their transaction after them: a trigger refuses one whose entries do not sum to zero, and a deferred
//! foreign key entries without one. Sums are written in the same transaction.

pub(crate) mod promos;
pub(crate) mod read;

use std::collections::BTreeMap;

use keystore_core::ids::OrgId;
use keystore_core::ledger::{Account, Transaction};
use keystore_core::{Month, NanoUsd};

use crate::column::Bind;
use crate::db::{Conn, Tx, execute, fetch_one, sql};
use crate::error::{StoreError, unique};
use crate::rows::insert_rows;

pub use promos::{DueGrant, end_grant, ended_by, grants, insert_grant};
pub use read::{
    balances, balances_in, balances_of_all, balances_until, charged, corrections, crashes, get, list,
    paid_back,
};

sql! {
    TRANSACTION = "INSERT INTO ledger_transactions (org, id, at, kind, subject, memo, regards) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    MARK = "SELECT seq FROM ledger_mark";
    ADVANCE = "UPDATE ledger_mark SET seq = $1";
}

/// Posts a transaction.
///
/// # Errors
///
/// `Conflict` when a crash is ruled on, a transaction reversed, or a month invoiced a second time.
pub async fn post(tx: &mut Tx, transaction: &Transaction) -> Result<(), StoreError> {
    insert_entries(tx, std::slice::from_ref(transaction)).await?;
    let about = transaction.about();
    execute!(
        tx,
        TRANSACTION,
        about.org,
        about.id,
        about.at,
        transaction.kind(),
        about.subject,
        about.memo,
        transaction.regards()
    )
    .map_err(unique("a posting for it"))?;
    add_up(tx, std::slice::from_ref(transaction)).await
}

/// Posts the transactions of a chunk of the journal, whose last row is `mark`.
pub(crate) async fn post_charges(
    conn: &mut Conn,
    transactions: &[Transaction],
    mark: i64,
) -> Result<(), StoreError> {
    insert_entries(conn, transactions).await?;
    insert_rows!(
        conn,
        transactions,
        "INSERT INTO ledger_transactions (org, id, at, kind, subject, memo) ",
        |values, transaction| {
            let about = transaction.about();
            values
                .push_bind(about.org.raw())
                .push_bind(about.id.raw())
                .push_bind(about.at.raw())
                .push_bind(transaction.kind().as_str())
                .push_bind(about.subject.as_str())
                .push_bind(about.memo.as_str());
        },
        ""
    );
    add_up(conn, transactions).await?;
    execute!(conn, ADVANCE, mark)?;
    Ok(())
}

/// Up to which row of the journal calls are in the ledger.
pub(crate) async fn mark(conn: &mut Conn) -> Result<i64, StoreError> {
    let (seq,) = fetch_one!(conn, (i64,), MARK)?;
    Ok(seq)
}

async fn insert_entries(conn: &mut Conn, transactions: &[Transaction]) -> Result<(), StoreError> {
    insert_rows!(
        conn,
        transactions.iter().flat_map(|transaction| transaction
            .entries()
            .iter()
            .map(|entry| (transaction.about(), entry))),
        "INSERT INTO ledger_entries (org, id, account, amount) ",
        |values, (about, entry)| {
            values
                .push_bind(about.org.raw())
                .push_bind(about.id.raw())
                .push_bind(entry.account.as_str())
                .push_bind(entry.amount.raw());
        },
        ""
    );
    Ok(())
}

/// Adds transactions to the sums by account and to what was charged.
async fn add_up(conn: &mut Conn, transactions: &[Transaction]) -> Result<(), StoreError> {
    let mut sums: BTreeMap<(OrgId, Account, Month), NanoUsd> = BTreeMap::new();
    let mut charged: BTreeMap<OrgId, NanoUsd> = BTreeMap::new();
    let overflow = || StoreError::damaged("the sums of the ledger leave their range");
    for transaction in transactions {
        let (org, month) = (transaction.about().org, Month::of(transaction.about().at));
        for entry in transaction.entries() {
            let sum = sums.entry((org, entry.account, month)).or_default();
            *sum = sum.checked_add(entry.amount).ok_or_else(overflow)?;
        }
        if transaction.kind().is_charge() {
            let charge = transaction.owed().map_err(StoreError::damaged)?;
            let sum = charged.entry(org).or_default();
            *sum = sum.checked_add(charge).ok_or_else(overflow)?;
        }
    }
    insert_rows!(
        conn,
        &sums,
        "INSERT INTO ledger_balances (org, account, month, amount) ",
        |values, ((org, account, month), amount)| {
            values
                .push_bind(org.raw())
                .push_bind(account.as_str())
                .push_bind(month.raw())
                .push_bind(amount.raw());
        },
        " ON CONFLICT (org, account, month) DO UPDATE SET amount = ledger_balances.amount + excluded.amount"
    );
    insert_rows!(
        conn,
        &charged,
        "INSERT INTO ledger_charged (org, charged) ",
        |values, (org, charge)| {
            values.push_bind(org.raw()).push_bind(charge.raw());
        },
        " ON CONFLICT (org) DO UPDATE SET charged = ledger_charged.charged + excluded.charged"
    );
    Ok(())
}
