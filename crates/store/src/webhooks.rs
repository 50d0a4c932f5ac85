//! Webhooks: addresses that an organization's events are told to. What is on its way to them is in [`crate::deliveries`].
//!
//! Secrets are sealed, and bound to the address, by the vault: this crate opens nothing.

use keystore_core::Micros;
use keystore_core::ids::{KekId, OrgId, WebhookId};
use keystore_core::webhook::Health;

use crate::column::named;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_one, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

/// Whether events are sent to a webhook, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookState {
    /// They are.
    Active,
    /// Somebody turned it off.
    Disabled,
    /// It took nothing for too long.
    Failing,
    /// It said that it wants no more.
    Gone,
    /// Its secret was destroyed with the organization's keys.
    Lost,
}

named!(WebhookState { Active = "active", Disabled = "disabled", Failing = "failing", Gone = "gone", Lost = "lost" });

row! {
    /// A webhook.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Webhook {
        /// Its id.
        pub id: WebhookId,
        /// Whose it is.
        pub org: OrgId,
        /// A name, unique in the organization.
        pub name: Option<String>,
        /// The address.
        pub url: String,
        /// What it is told of, as [`keystore_core::webhook::wants`] reads it.
        pub events: Vec<String>,
        /// What it is for.
        pub description: String,
        /// Whether events are sent to it.
        pub state: WebhookState,
        /// The secret, sealed.
        pub secret: Vec<u8>,
        /// The one before it, sealed.
        pub previous: Option<Vec<u8>>,
        /// Until when that one signs, too.
        pub previous_until: Option<Micros>,
        /// The KEK that both are sealed under.
        pub kek: KekId,
        /// Failures one after the other.
        pub failures: u32,
        /// Since when it has taken nothing.
        pub failing_since: Option<Micros>,
        /// When it was last tried; 0 before.
        pub tried_at: Micros,
        /// Until when it is left alone.
        pub next_at: Micros,
        /// When it was made.
        pub created_at: Micros,
        /// When it was last changed.
        pub updated_at: Micros,
    }
}

impl Webhook {
    /// How it does.
    pub fn health(&self) -> Health {
        Health {
            failures: self.failures,
            failing_since: self.failing_since,
            next_at: self.next_at,
        }
    }
}

sql! {
    INSERT = "INSERT INTO webhooks (id, org, name, url, events, description, state, secret, previous, previous_until, kek, \
            failures, failing_since, tried_at, next_at, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
    UPDATE = "UPDATE webhooks SET name = $3, url = $4, events = $5, description = $6, state = $7, secret = $8, previous = $9, \
            previous_until = $10, kek = $11, failures = $12, failing_since = $13, next_at = $14, updated_at = $15 \
        WHERE org = $1 AND id = $2";
    GET = "SELECT * FROM webhooks WHERE org = $1 AND id = $2";
    BY_ID = "SELECT * FROM webhooks WHERE id = $1";
    BY_NAME = "SELECT * FROM webhooks WHERE org = $1 AND name = $2";
    LIST = "SELECT * FROM webhooks WHERE org = $1 AND id > $2 ORDER BY id LIMIT $3";
    ACTIVE = "SELECT * FROM webhooks WHERE org = $1 AND state = 'active' ORDER BY id";
    COUNT = "SELECT COUNT(*) FROM webhooks WHERE org = $1";
    DELETE = "DELETE FROM webhooks WHERE org = $1 AND id = $2";
    READY = "SELECT w.id, w.org FROM webhooks w WHERE w.state = 'active' AND w.next_at <= $1 \
        AND EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.webhook = w.id AND d.state = 'pending' AND d.next_at <= $1) \
        ORDER BY w.tried_at, w.id LIMIT $2";
    TRIED = "UPDATE webhooks SET state = $2, failures = $3, failing_since = $4, next_at = $5, tried_at = $6 \
        WHERE id = $1 AND state = 'active'";
    UNDER = "SELECT * FROM webhooks WHERE org = $1 AND kek = $2 ORDER BY id";
    MOVED = "SELECT w.org FROM webhooks w JOIN keks k ON k.org = w.org AND k.state = 'active' \
        WHERE w.kek <> k.id AND w.org > $1 GROUP BY w.org ORDER BY w.org LIMIT $2";
    RESEAL = "UPDATE webhooks SET secret = $4, previous = $5, kek = $6 WHERE org = $1 AND id = $2 AND secret = $3";
}

/// Adds a webhook.
///
/// # Errors
///
/// `Conflict` when the name is taken.
pub async fn insert(tx: &mut Tx, new: &Webhook) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        new.id,
        new.org,
        new.name,
        new.url,
        new.events,
        new.description,
        new.state,
        new.secret,
        new.previous,
        new.previous_until,
        new.kek,
        new.failures,
        new.failing_since,
        new.tried_at,
        new.next_at,
        new.created_at,
        new.updated_at
    )
    .map_err(unique("a webhook with this name"))?;
    Ok(())
}

/// Writes everything that may change. `false` when it is gone.
///
/// # Errors
///
/// `Conflict` when the name is taken.
pub async fn update(tx: &mut Tx, row: &Webhook) -> Result<bool, StoreError> {
    let rows = execute!(
        tx,
        UPDATE,
        row.org,
        row.id,
        row.name,
        row.url,
        row.events,
        row.description,
        row.state,
        row.secret,
        row.previous,
        row.previous_until,
        row.kek,
        row.failures,
        row.failing_since,
        row.next_at,
        row.updated_at
    )
    .map_err(unique("a webhook with this name"))?;
    Ok(rows == 1)
}

/// The webhook.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
    Ok(fetch_optional!(conn, Webhook, GET, org, id)?)
}

/// The webhook, whosever it is.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn by_id(conn: &mut Conn, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
    Ok(fetch_optional!(conn, Webhook, BY_ID, id)?)
}

/// The webhook with this name.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn by_name(conn: &mut Conn, org: OrgId, name: &str) -> Result<Option<Webhook>, StoreError> {
    Ok(fetch_optional!(conn, Webhook, BY_NAME, org, name)?)
}

/// The webhooks of an organization, oldest first, from after `after` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    after: Option<WebhookId>,
    limit: u32,
) -> Result<Vec<Webhook>, StoreError> {
    let after = after.unwrap_or(WebhookId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(conn, Webhook, LIST, org, after, limit)?)
}

/// The webhooks of an organization to which events are sent.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn active(conn: &mut Conn, org: OrgId) -> Result<Vec<Webhook>, StoreError> {
    Ok(fetch_all!(conn, Webhook, ACTIVE, org)?)
}

/// How many there are.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn count(conn: &mut Conn, org: OrgId) -> Result<usize, StoreError> {
    let (count,) = fetch_one!(conn, (i64,), COUNT, org)?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Deletes a webhook with its deliveries. `false` when there is none.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete(tx: &mut Tx, org: OrgId, id: WebhookId) -> Result<bool, StoreError> {
    Ok(execute!(tx, DELETE, org, id)? == 1)
}

/// The webhooks that something waits for which may be sent now, those first that were tried longest ago, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn ready(conn: &mut Conn, now: Micros, limit: u32) -> Result<Vec<(WebhookId, OrgId)>, StoreError> {
    let rows = fetch_all!(conn, (uuid::Uuid, uuid::Uuid), READY, now, limit)?;
    let ids = |(id, org)| (WebhookId::new(id), OrgId::new(org));
    Ok(rows.into_iter().map(ids).collect())
}

/// Notes how a webhook does after an attempt, unless it was disabled meanwhile.
///
/// # Errors
///
/// `Unavailable`.
pub async fn tried(
    tx: &mut Tx,
    id: WebhookId,
    state: WebhookState,
    health: Health,
    at: Micros,
) -> Result<bool, StoreError> {
    let Health {
        failures,
        failing_since,
        next_at,
    } = health;
    Ok(execute!(tx, TRIED, id, state, failures, failing_since, next_at, at)? == 1)
}

/// The webhooks whose secrets are sealed under a KEK: it cannot be retired while there are some.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn under(conn: &mut Conn, org: OrgId, kek: KekId) -> Result<Vec<Webhook>, StoreError> {
    Ok(fetch_all!(conn, Webhook, UNDER, org, kek)?)
}

/// Organizations after `after` with secrets that are not under their active KEK, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn moved(conn: &mut Conn, after: Option<OrgId>, limit: u32) -> Result<Vec<OrgId>, StoreError> {
    let after = after.unwrap_or(OrgId::new(uuid::Uuid::nil()));
    let rows = fetch_all!(conn, (uuid::Uuid,), MOVED, after, limit)?;
    Ok(rows.into_iter().map(|(org,)| OrgId::new(org)).collect())
}

/// Writes the secrets of `after`, which are sealed under another KEK, unless they were replaced meanwhile. `false` when they were.
///
/// # Errors
///
/// `Unavailable`.
pub async fn reseal(tx: &mut Tx, before: &Webhook, after: &Webhook) -> Result<bool, StoreError> {
    let rows = execute!(
        tx,
        RESEAL,
        before.org,
        before.id,
        before.secret,
        after.secret,
        after.previous,
        after.kek
    )?;
    Ok(rows == 1)
}
