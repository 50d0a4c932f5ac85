//! Payments of customers, begun by themselves on a page of the payment provider's or by a rule of theirs, and what was told of them.

use keystore_core::ids::{OrgId, PaymentId, TransactionId};
use keystore_core::policy::CardCharge;
use keystore_core::{Micros, NanoUsd};

use crate::column::named;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_one, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

/// Where the money of a payment comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Somebody pays on a page of the provider's.
    Page,
    /// The same, and the card is saved.
    SavingPage,
    /// A saved card is charged.
    Card,
    /// The operator sees to it.
    Operator,
}

named!(Way { Page = "page", SavingPage = "saving_page", Card = "card", Operator = "operator" });

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
        /// Where it comes from.
        pub way: Way,
        /// What is charged, in canonical bytes, where that is a saved card.
        pub charge: Option<Vec<u8>>,
        /// Their MAC.
        pub mac: Option<Vec<u8>>,
        /// The provider's name for it, once it has one.
        pub session: Option<String>,
        /// The top-up, once the money is there.
        pub transaction_id: Option<TransactionId>,
        /// How often a saved card was asked for it.
        pub asks: u32,
        /// When it came to nothing. Money may come all the same.
        pub failed_at: Option<Micros>,
        /// When it was begun.
        pub created_at: Micros,
    }
}

sql! {
    INSERT = "INSERT INTO payments (id, org, amount, way, charge, mac, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    OPEN = "UPDATE payments SET session = $2 WHERE id = $1 AND session IS NULL";
    GET = "SELECT id, org, amount, way, charge, mac, session, transaction_id, asks, failed_at, created_at FROM payments WHERE id = $1";
    DUE = "SELECT id, org, amount, way, charge, mac, session, transaction_id, asks, failed_at, created_at FROM payments \
        WHERE way = 'card' AND transaction_id IS NULL AND failed_at IS NULL AND not_before <= $1 ORDER BY not_before, id LIMIT $2";
    WAITING = "SELECT id, org, amount, way, charge, mac, session, transaction_id, asks, failed_at, created_at FROM payments \
        WHERE way IN ('card', 'operator') AND transaction_id IS NULL AND failed_at IS NULL AND id > $1 ORDER BY id LIMIT $2";
    OPEN_OF = "SELECT id, org, amount, way, charge, mac, session, transaction_id, asks, failed_at, created_at FROM payments \
        WHERE way IN ('card', 'operator') AND transaction_id IS NULL AND failed_at IS NULL AND org = $1";
    BY_ITSELF = "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM payments \
        WHERE org = $1 AND way IN ('card', 'operator') AND created_at >= $2 AND (transaction_id IS NOT NULL OR failed_at IS NULL)";
    ASKED = "UPDATE payments SET asks = asks + 1, not_before = $2 WHERE id = $1 AND transaction_id IS NULL AND failed_at IS NULL";
    FAIL = "UPDATE payments SET failed_at = $2 WHERE id = $1 AND transaction_id IS NULL AND failed_at IS NULL";
    PAID = "UPDATE payments SET transaction_id = $2 WHERE id = $1 AND transaction_id IS NULL";
    TOLD = "INSERT INTO payment_events (id, at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
}

impl Payment {
    /// What is charged, where that is a saved card. It counts only if the MAC over [`Payment::charge`] is right, which is the vault's to say.
    ///
    /// # Errors
    ///
    /// `Damaged`.
    pub fn decode_charge(&self) -> Result<Option<CardCharge>, StoreError> {
        let decode = |bytes| minicbor::decode(bytes).map_err(|error| StoreError::damaged(error.to_string()));
        self.charge.as_deref().map(decode).transpose()
    }
}

/// Begins a payment.
///
/// # Errors
///
/// `Conflict` when one that began by itself is open already.
pub async fn insert(tx: &mut Tx, new: &Payment) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        new.id,
        new.org,
        new.amount,
        new.way,
        new.charge,
        new.mac,
        new.created_at
    )
    .map_err(unique("an open payment of the organization"))?;
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

/// Open payments from saved cards that may be asked for at `now`, those that waited longest first.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn due(conn: &mut Conn, now: Micros, limit: u32) -> Result<Vec<Payment>, StoreError> {
    Ok(fetch_all!(conn, Payment, DUE, now, limit)?)
}

/// All open payments that began by themselves, oldest first, from after `after` on.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn waiting(
    conn: &mut Conn,
    after: Option<PaymentId>,
    limit: u32,
) -> Result<Vec<Payment>, StoreError> {
    let after = after.unwrap_or(PaymentId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(conn, Payment, WAITING, after, limit)?)
}

/// The open payment of an organization that began by itself: there is one at most.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn open_of(conn: &mut Conn, org: OrgId) -> Result<Option<Payment>, StoreError> {
    Ok(fetch_optional!(conn, Payment, OPEN_OF, org)?)
}

/// What began by itself from `since` on and did not come to nothing.
///
/// # Errors
///
/// `Unavailable`.
pub async fn by_itself(conn: &mut Conn, org: OrgId, since: Micros) -> Result<NanoUsd, StoreError> {
    let (sum,) = fetch_one!(conn, (i64,), BY_ITSELF, org, since)?;
    Ok(NanoUsd(sum))
}

/// Notes that a saved card is asked for an open payment, and from when on it may be asked again. `false` when it is not open any more.
///
/// # Errors
///
/// `Unavailable`.
pub async fn asked(tx: &mut Tx, id: PaymentId, not_before: Micros) -> Result<bool, StoreError> {
    Ok(execute!(tx, ASKED, id, not_before)? == 1)
}

/// Notes that an open payment came to nothing. `false` when it is not open any more.
///
/// # Errors
///
/// `Unavailable`.
pub async fn fail(tx: &mut Tx, id: PaymentId, at: Micros) -> Result<bool, StoreError> {
    Ok(execute!(tx, FAIL, id, at)? == 1)
}
