//! What happened that somebody may want to hear of, once each: a budget's threshold, a key that its vendor refuses, a reminder.
//!
//! An event has a name of its own for what must not be told twice; the second one of that name is not written.

use keystore_core::Micros;
use keystore_core::ids::{EventId, OrgId, ProjectId};

use crate::db::{Conn, Tx, execute, fetch_all, fetch_one, row, sql};
use crate::error::StoreError;

row! {
    /// Something that happened.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Event {
        /// Its id; ids ascend with time.
        pub id: EventId,
        /// Whose it is.
        pub org: OrgId,
        /// The project that it belongs to, if it belongs to one.
        pub project: Option<ProjectId>,
        /// What happened, such as `usage.threshold`.
        pub kind: String,
        /// The id of what it happened to.
        pub subject: String,
        /// When it was noticed.
        pub at: Micros,
        /// The facts.
        pub data: serde_json::Value,
    }
}

sql! {
    INSERT = "INSERT INTO events (id, org, project, kind, subject, once, at, data) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
        ON CONFLICT (org, kind, once) DO NOTHING";
    IS_RAISED = "SELECT COUNT(*) FROM events WHERE org = $1 AND kind = $2 AND once = $3";
    LIST = "SELECT id, org, project, kind, subject, at, data FROM events \
        WHERE org = $1 AND id < $2 AND COALESCE($3, project) IS NOT DISTINCT FROM project AND kind = COALESCE($4, kind) \
        ORDER BY id DESC LIMIT $5";
}

/// Writes an event. `false` when one of this kind and the name `once` is there already.
///
/// # Errors
///
/// `Unavailable`.
pub async fn raise(tx: &mut Tx, event: &Event, once: &str) -> Result<bool, StoreError> {
    let rows = execute!(
        tx,
        INSERT,
        event.id,
        event.org,
        event.project,
        event.kind,
        event.subject,
        once,
        event.at,
        event.data
    )?;
    Ok(rows == 1)
}

/// Whether there is an event of this kind and the name `once`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn is_raised(conn: &mut Conn, org: OrgId, kind: &str, once: &str) -> Result<bool, StoreError> {
    let (count,) = fetch_one!(conn, (i64,), IS_RAISED, org, kind, once)?;
    Ok(count > 0)
}

/// The events of an organization, newest first, of one project or all, of one kind or all, from before `before` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    project: Option<ProjectId>,
    kind: Option<&str>,
    before: Option<EventId>,
    limit: u32,
) -> Result<Vec<Event>, StoreError> {
    let before = before.unwrap_or(EventId::new(uuid::Uuid::max()));
    Ok(fetch_all!(conn, Event, LIST, org, before, project, kind, limit)?)
}
