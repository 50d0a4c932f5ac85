//! Events on their way to webhooks. Each delivery is written in the transaction that writes its event, and waits here until its
//! receiver has taken it, or it is given up. How often it is tried is the control plane's rule.

use keystore_core::Micros;
use keystore_core::ids::{DeliveryId, EventId, OrgId, WebhookId};

use crate::column::named;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_one, fetch_optional, row, sql};
use crate::error::StoreError;
use crate::events::Event;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is tried, or tried again.
    Pending,
    /// The receiver took it.
    Delivered,
    /// It was given up.
    Dead,
}

named!(DeliveryState { Pending = "pending", Delivered = "delivered", Dead = "dead" });

row! {
    /// An event on its way to a webhook.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Delivery {
        /// Its id; ids ascend with time.
        pub id: DeliveryId,
        /// The webhook.
        pub webhook: WebhookId,
        /// The event.
        pub event: EventId,
        /// The event's kind.
        pub kind: String,
        /// Where it stands.
        pub state: DeliveryState,
        /// How often it was tried since `made_at`.
        pub attempts: u32,
        /// When it was made, or redelivered.
        pub made_at: Micros,
        /// When it is tried next.
        pub next_at: Micros,
        /// When it is given up.
        pub give_up_at: Micros,
        /// When it was last tried.
        pub tried_at: Option<Micros>,
        /// The status of the last answer.
        pub status: Option<u16>,
        /// How the last answer began.
        pub answer: Option<String>,
        /// Why it was not taken.
        pub error: Option<String>,
    }
}

sql! {
    INSERT = "INSERT INTO webhook_deliveries (id, webhook, event, state, attempts, made_at, next_at, give_up_at) \
        VALUES ($1, $2, $3, 'pending', 0, $4, $4, $5)";
    GET = "SELECT d.*, e.kind FROM webhook_deliveries d JOIN events e ON e.id = d.event JOIN webhooks w ON w.id = d.webhook \
        WHERE w.org = $1 AND d.id = $2";
    LIST = "SELECT d.*, e.kind FROM webhook_deliveries d JOIN events e ON e.id = d.event \
        WHERE d.webhook = $1 AND d.id < $2 AND d.state = COALESCE($3, d.state) ORDER BY d.id DESC LIMIT $4";
    DUE = "SELECT d.*, e.kind FROM webhook_deliveries d JOIN events e ON e.id = d.event \
        WHERE d.webhook = $1 AND d.state = 'pending' AND d.next_at <= $2 ORDER BY d.next_at, d.id LIMIT $3";
    EVENT = "SELECT id, org, project, kind, subject, at, data FROM events WHERE id = $1";
    TRIED = "UPDATE webhook_deliveries SET state = $2, attempts = $3, next_at = $4, tried_at = $5, status = $6, answer = $7, \
        error = $8 WHERE id = $1 AND state = 'pending' AND made_at = $9";
    AGAIN = "UPDATE webhook_deliveries SET state = 'pending', attempts = 0, made_at = $2, next_at = $2, give_up_at = $3 WHERE id = $1";
    BACKLOG = "SELECT COUNT(*), MIN(d.made_at), \
        MIN(CASE WHEN w.state = 'active' AND w.next_at <= $1 AND d.next_at <= $1 THEN d.next_at END) \
        FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook WHERE d.state = 'pending'";
    LATE = "SELECT COUNT(*) FROM webhook_deliveries WHERE state = 'pending' AND give_up_at <= $1";
    GIVE_UP = "UPDATE webhook_deliveries SET state = 'dead', error = COALESCE(error, $2) WHERE state = 'pending' AND give_up_at <= $1";
    OLD = "SELECT COUNT(*) FROM webhook_deliveries WHERE state <> 'pending' AND made_at < $1";
    DELETE_OLD = "DELETE FROM webhook_deliveries WHERE state <> 'pending' AND made_at < $1";
}

/// Lets an event that was just written wait for a webhook, until `give_up_at` at most.
///
/// # Errors
///
/// `Unavailable`.
pub async fn insert(
    tx: &mut Tx,
    id: DeliveryId,
    webhook: WebhookId,
    event: &Event,
    give_up_at: Micros,
) -> Result<(), StoreError> {
    execute!(tx, INSERT, id, webhook, event.id, event.at, give_up_at)?;
    Ok(())
}

/// The delivery, if its webhook is the organization's.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
    Ok(fetch_optional!(conn, Delivery, GET, org, id)?)
}

/// The deliveries to a webhook, newest first, in one state or all, from before `before` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    webhook: WebhookId,
    state: Option<DeliveryState>,
    before: Option<DeliveryId>,
    limit: u32,
) -> Result<Vec<Delivery>, StoreError> {
    let before = before.unwrap_or(DeliveryId::new(uuid::Uuid::max()));
    Ok(fetch_all!(conn, Delivery, LIST, webhook, before, state, limit)?)
}

/// The deliveries to a webhook whose time has come, the most due first, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn due(
    conn: &mut Conn,
    webhook: WebhookId,
    now: Micros,
    limit: u32,
) -> Result<Vec<Delivery>, StoreError> {
    Ok(fetch_all!(conn, Delivery, DUE, webhook, now, limit)?)
}

/// The event of a delivery.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn event(conn: &mut Conn, delivery: &Delivery) -> Result<Option<Event>, StoreError> {
    Ok(fetch_optional!(conn, Event, EVENT, delivery.event)?)
}

/// Notes what an attempt came to: `tried` as it is now. Not, and `false`, where it was redelivered or given up meanwhile.
///
/// # Errors
///
/// `Unavailable`.
pub async fn tried(tx: &mut Tx, tried: &Delivery) -> Result<bool, StoreError> {
    let noted = execute!(
        tx,
        TRIED,
        tried.id,
        tried.state,
        tried.attempts,
        tried.next_at,
        tried.tried_at,
        tried.status,
        tried.answer,
        tried.error,
        tried.made_at
    )?;
    Ok(noted > 0)
}

/// Lets a delivery wait anew from `at` on, until `give_up_at` at most.
///
/// # Errors
///
/// `Unavailable`.
pub async fn again(tx: &mut Tx, id: DeliveryId, at: Micros, give_up_at: Micros) -> Result<(), StoreError> {
    execute!(tx, AGAIN, id, at, give_up_at)?;
    Ok(())
}

/// Gives up what waited until its end, for `error` where nothing else was wrong. Gives how many.
///
/// # Errors
///
/// `Unavailable`.
pub async fn give_up(tx: &mut Tx, now: Micros, error: &str) -> Result<u64, StoreError> {
    Ok(execute!(tx, GIVE_UP, now, error)?)
}

/// How many wait beyond their end.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn late(conn: &mut Conn, now: Micros) -> Result<u64, StoreError> {
    let (count,) = fetch_one!(conn, (i64,), LATE, now)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// What waits for webhooks of the whole deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// How many messages.
    pub pending: u64,
    /// When the oldest of them was made.
    pub oldest: Option<Micros>,
    /// Since when one of them could have been sent: its own pause is over, and that of its webhook.
    pub due: Option<Micros>,
}

/// What waits, now.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn backlog(conn: &mut Conn, now: Micros) -> Result<Backlog, StoreError> {
    let row = fetch_one!(conn, (i64, Option<i64>, Option<i64>), BACKLOG, now)?;
    let (pending, oldest, due) = row;
    Ok(Backlog {
        pending: u64::try_from(pending).unwrap_or(0),
        oldest: oldest.map(Micros),
        due: due.map(Micros),
    })
}

/// How many ended that were made before `before`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn old(conn: &mut Conn, before: Micros) -> Result<u64, StoreError> {
    let (count,) = fetch_one!(conn, (i64,), OLD, before)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Forgets those. Gives how many.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete_old(tx: &mut Tx, before: Micros) -> Result<u64, StoreError> {
    Ok(execute!(tx, DELETE_OLD, before)?)
}
