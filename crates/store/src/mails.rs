//! Mails about events, which wait here until a mail server has taken them. What a mail says, and how long it is tried, is the control
//! plane's rule.

use keystore_core::Micros;
use keystore_core::ids::{EventId, OrgId, UserId};

use crate::db::{Conn, Tx, execute, fetch_all, fetch_one, row, sql};
use crate::error::StoreError;
use crate::events::Event;

row! {
    /// A mail that waits to be sent: an event for one person.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Waiting {
        /// The event.
        pub event: EventId,
        /// Whose it is.
        pub org: OrgId,
        /// The organization's name.
        pub org_name: String,
        /// What happened, such as `usage.threshold`.
        pub kind: String,
        /// The id of what it happened to.
        pub subject: String,
        /// The facts.
        pub data: serde_json::Value,
        /// The slug of the project that it belongs to, if it belongs to one.
        pub project: Option<String>,
        /// The person.
        pub user_id: UserId,
        /// Their address.
        pub email: String,
        /// Since when it waits.
        pub made_at: Micros,
    }
}

sql! {
    QUEUE = "INSERT INTO event_mails (event, user_id, made_at, next_at) \
        SELECT $1, m.user_id, $3, $3 FROM members m JOIN orgs o ON o.id = m.org \
        WHERE m.org = $2 AND m.role IN ('owner', 'admin') AND o.event_mails";
    WAITING = "SELECT w.event, e.org, o.name AS org_name, e.kind, e.subject, e.data, p.slug AS project, w.user_id, u.email, w.made_at \
        FROM event_mails w JOIN events e ON e.id = w.event JOIN orgs o ON o.id = e.org JOIN users u ON u.id = w.user_id \
        JOIN members m ON m.org = e.org AND m.user_id = w.user_id AND m.role IN ('owner', 'admin') \
        LEFT JOIN projects p ON p.org = e.org AND p.id = e.project \
        WHERE w.next_at <= $1 ORDER BY w.made_at, w.event, w.user_id LIMIT $2";
    DONE = "DELETE FROM event_mails WHERE event = $1 AND user_id = $2";
    PUT_OFF = "UPDATE event_mails SET next_at = $3 WHERE event = $1 AND user_id = $2";
    OLD = "SELECT COUNT(*) FROM event_mails WHERE made_at < $1";
    DELETE_OLD = "DELETE FROM event_mails WHERE made_at < $1";
}

/// Lets a mail about an event that was just written wait for each owner and admin of its organization, where that wants mails.
///
/// # Errors
///
/// `Unavailable`.
pub async fn queue(tx: &mut Tx, event: &Event) -> Result<(), StoreError> {
    execute!(tx, QUEUE, event.id, event.org, event.at)?;
    Ok(())
}

/// The mails whose time has come, the oldest first, at most `limit`: those whose person still is an owner or an admin.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn waiting(conn: &mut Conn, now: Micros, limit: u32) -> Result<Vec<Waiting>, StoreError> {
    Ok(fetch_all!(conn, Waiting, WAITING, now, limit)?)
}

/// A mail waits no more: the mail server has taken it, or it is not worth sending.
///
/// # Errors
///
/// `Unavailable`.
pub async fn done(tx: &mut Tx, mail: &Waiting) -> Result<(), StoreError> {
    execute!(tx, DONE, mail.event, mail.user_id)?;
    Ok(())
}

/// A mail was not taken: it waits until `next_at`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn put_off(tx: &mut Tx, mail: &Waiting, next_at: Micros) -> Result<(), StoreError> {
    execute!(tx, PUT_OFF, mail.event, mail.user_id, next_at)?;
    Ok(())
}

/// How many mails wait since before `before`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn old(conn: &mut Conn, before: Micros) -> Result<u64, StoreError> {
    let (count,) = fetch_one!(conn, (i64,), OLD, before)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Gives those up that wait since before `before`, whether they could not be sent or need not be any more. Gives how many.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete_old(tx: &mut Tx, before: Micros) -> Result<u64, StoreError> {
    Ok(execute!(tx, DELETE_OLD, before)?)
}
