//! Payments that customers began with a payment provider, and what it told of them.

use keystore_core::ids::{OrgId, PaymentId, TransactionId};
use keystore_core::{Micros, NanoUsd};

use crate::db::{Conn, Tx, execute, fetch_optional, row, sql};
use crate::error::StoreError;

row! {
    /// A payment.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Payment {
        /// Its id.
        pub id: PaymentId,
        /// Who pays.
        pub org: OrgId,
        /// How much was asked for.
        pub amount: NanoUsd,
        /// The provider's name for it, once it has one.
        pub session: Option<String>,
        /// The top-up, once the money is there.
        pub transaction_id: Option<TransactionId>,
        /// When it was begun.
        pub created_at: Micros,
    }
}

sql! {
    INSERT = "INSERT INTO payments (id, org, amount, created_at) VALUES ($1, $2, $3, $4)";
    OPEN = "UPDATE payments SET session = $2 WHERE id = $1 AND session IS NULL";
    GET = "SELECT id, org, amount, session, transaction_id, created_at FROM payments WHERE id = $1";
    PAID = "UPDATE payments SET transaction_id = $2 WHERE id = $1 AND transaction_id IS NULL";
    TOLD = "INSERT INTO payment_events (id, at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
}

/// Begins a payment.
///
/// # Errors
///
/// `Unavailable`.
pub async fn insert(tx: &mut Tx, new: &Payment) -> Result<(), StoreError> {
    execute!(tx, INSERT, new.id, new.org, new.amount, new.created_at)?;
    Ok(())
}

/// Notes the provider's name for a payment. `false` when it has one.
///
/// # Errors
///
/// `Unavailable`.
pub async fn open(tx: &mut Tx, id: PaymentId, session: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, OPEN, id, session)? == 1)
}

/// The payment with this id.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, id: PaymentId) -> Result<Option<Payment>, StoreError> {
    Ok(fetch_optional!(conn, Payment, GET, id)?)
}

/// Notes that the money of a payment is there. `false` when it was.
///
/// # Errors
///
/// `Unavailable`.
pub async fn paid(tx: &mut Tx, id: PaymentId, top_up: TransactionId) -> Result<bool, StoreError> {
    Ok(execute!(tx, PAID, id, top_up)? == 1)
}

/// Notes that the provider told this. `false` when it had.
///
/// # Errors
///
/// `Unavailable`.
pub async fn told(tx: &mut Tx, event: &str, at: Micros) -> Result<bool, StoreError> {
    Ok(execute!(tx, TOLD, event, at)? == 1)
}
