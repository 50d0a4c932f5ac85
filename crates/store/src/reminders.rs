//! Reminders of credentials that end or should be rotated: each is noted once, and its mails wait here until a mail server has
//! taken them. When a reminder is due, and how long a mail is tried, is the control plane's rule.

use keystore_core::Micros;
use keystore_core::ids::{CredentialId, UserId};

use crate::column::named;
use crate::credentials::Credential;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_one, row, sql};
use crate::error::StoreError;

/// Which of a credential's two dates a reminder is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueKind {
    /// `expires_at`.
    Expiry,
    /// `rotate_after`.
    Rotation,
}

named!(DueKind {
    Expiry = "expiry",
    Rotation = "rotation"
});

/// One reminder of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reminder {
    /// Which date.
    pub kind: DueKind,
    /// The date.
    pub due_at: Micros,
    /// How many days before the date, at most.
    pub days: u32,
}

row! {
    /// A mail that waits to be sent: a reminder for one person, with what it says.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ReminderMail {
        /// The credential.
        pub credential: CredentialId,
        /// Which date.
        pub kind: DueKind,
        /// The date.
        pub due_at: Micros,
        /// How many days before the date, at most.
        pub days: u32,
        /// The person.
        pub user_id: UserId,
        /// Their address.
        pub email: String,
        /// Since when it waits.
        pub made_at: Micros,
        /// The credential's provider.
        pub provider: String,
        /// The credential's name.
        pub name: String,
        /// The slug of its project.
        pub project: String,
        /// The name of its organization.
        pub org_name: String,
    }
}

sql! {
    ALL_DUE = "SELECT * FROM credentials WHERE expires_at <= $1 OR rotate_after <= $1 ORDER BY id";
    IS_NOTED = "SELECT COUNT(*) FROM credential_reminders \
        WHERE credential = $1 AND kind = $2 AND due_at = $3 AND days = $4";
    NOTE = "INSERT INTO credential_reminders (org, credential, kind, due_at, days, noted_at) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    QUEUE = "INSERT INTO reminder_mails (credential, kind, due_at, days, user_id, made_at, next_at) \
        SELECT $2, $3, $4, $5, user_id, $6, $6 FROM members WHERE org = $1 AND role IN ('owner', 'admin')";
    WAITING = "SELECT r.credential, r.kind, r.due_at, r.days, r.user_id, u.email, r.made_at, \
            c.provider, c.name, p.slug AS project, o.name AS org_name \
        FROM reminder_mails r JOIN credentials c ON c.id = r.credential \
        JOIN projects p ON p.id = c.project JOIN orgs o ON o.id = c.org JOIN users u ON u.id = r.user_id \
        JOIN members m ON m.org = c.org AND m.user_id = r.user_id AND m.role IN ('owner', 'admin') \
        WHERE r.next_at <= $1 AND r.due_at = CASE r.kind WHEN 'expiry' THEN c.expires_at ELSE c.rotate_after END \
        ORDER BY r.made_at, r.credential, r.user_id LIMIT $2";
    SENT = "DELETE FROM reminder_mails \
        WHERE credential = $1 AND kind = $2 AND due_at = $3 AND days = $4 AND user_id = $5";
    PUT_OFF = "UPDATE reminder_mails SET next_at = $6 \
        WHERE credential = $1 AND kind = $2 AND due_at = $3 AND days = $4 AND user_id = $5";
    OLD = "SELECT COUNT(*) FROM reminder_mails WHERE made_at < $1";
    DELETE_OLD = "DELETE FROM reminder_mails WHERE made_at < $1";
}

/// The credentials of every organization that end or should be rotated by `by`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn all_due(conn: &mut Conn, by: Micros) -> Result<Vec<Credential>, StoreError> {
    Ok(fetch_all!(conn, Credential, ALL_DUE, by)?)
}

/// Whether somebody was reminded.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn is_noted(
    conn: &mut Conn,
    credential: CredentialId,
    reminder: Reminder,
) -> Result<bool, StoreError> {
    let Reminder { kind, due_at, days } = reminder;
    let (count,) = fetch_one!(conn, (i64,), IS_NOTED, credential, kind, due_at, days)?;
    Ok(count > 0)
}

/// Notes that somebody was reminded. `false` when they had been.
///
/// # Errors
///
/// `Unavailable`.
pub async fn note(
    tx: &mut Tx,
    credential: &Credential,
    reminder: Reminder,
    at: Micros,
) -> Result<bool, StoreError> {
    let Reminder { kind, due_at, days } = reminder;
    let rows = execute!(tx, NOTE, credential.org, credential.id, kind, due_at, days, at)?;
    Ok(rows == 1)
}

/// Lets a mail of a reminder that was just noted wait for each owner and admin of the organization.
///
/// # Errors
///
/// `Unavailable`.
pub async fn queue(
    tx: &mut Tx,
    credential: &Credential,
    reminder: Reminder,
    at: Micros,
) -> Result<(), StoreError> {
    let Reminder { kind, due_at, days } = reminder;
    execute!(tx, QUEUE, credential.org, credential.id, kind, due_at, days, at)?;
    Ok(())
}

/// The mails whose time has come, the oldest first, at most `limit`: those whose credential still has the date, and whose person
/// still is an owner or an admin.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn waiting(conn: &mut Conn, now: Micros, limit: u32) -> Result<Vec<ReminderMail>, StoreError> {
    Ok(fetch_all!(conn, ReminderMail, WAITING, now, limit)?)
}

/// A mail was taken by the mail server: it waits no more.
///
/// # Errors
///
/// `Unavailable`.
pub async fn sent(tx: &mut Tx, mail: &ReminderMail) -> Result<(), StoreError> {
    execute!(
        tx,
        SENT,
        mail.credential,
        mail.kind,
        mail.due_at,
        mail.days,
        mail.user_id
    )?;
    Ok(())
}

/// A mail was not taken: it waits until `next_at`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn put_off(tx: &mut Tx, mail: &ReminderMail, next_at: Micros) -> Result<(), StoreError> {
    execute!(
        tx,
        PUT_OFF,
        mail.credential,
        mail.kind,
        mail.due_at,
        mail.days,
        mail.user_id,
        next_at
    )?;
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
