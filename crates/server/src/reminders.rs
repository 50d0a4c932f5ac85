//! Reminders of credentials that end or should be rotated: a line in the log, and a mail to each owner and admin of the
//! organization where there is a mail server.
//!
//! A reminder is noted and its mails begin to wait in one transaction, so none is given twice, whenever the server stops. A mail
//! waits until the mail server has taken it. Only a stop between that and the note of it sends a mail again.

use std::sync::Arc;
use std::time::Duration;

use keystore_core::Micros;
use keystore_store::credentials::Credential;
use keystore_store::reminders::{self, DueKind, Reminder, ReminderMail};

use crate::api::problem::ApiResult;
use crate::app::App;
use crate::jobs::TURN;
use crate::mail;

/// The days before a credential's end or rotation on which somebody is reminded.
const DAYS: [u32; 4] = [0, 1, 7, 14];

/// The longest pause between two attempts to send a mail.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How long a mail is tried. By then the next reminder is near.
const GIVE_UP: Duration = Duration::from_secs(3 * 86_400);

/// How many mails are read at once.
const BATCH: u32 = 100;

/// Gives the reminders whose time has come, once for each of [`DAYS`].
///
/// # Errors
/// The store's.
pub(crate) async fn note(app: &App) -> ApiResult<()> {
    let now = app.clock.now();
    let horizon = now.plus(days(DAYS[3]));
    let mut conn = app.store.read().await?;
    let mut fresh = Vec::new();
    for credential in reminders::all_due(&mut conn, horizon).await? {
        for reminder in due(&credential, now) {
            if !reminders::is_noted(&mut conn, credential.id, reminder).await? {
                fresh.push((credential.clone(), reminder));
            }
        }
    }
    drop(conn);
    if fresh.is_empty() {
        return Ok(());
    }
    let mut tx = app.store.begin().await?;
    for (credential, reminder) in &fresh {
        if reminders::note(&mut tx, credential, *reminder, now).await? {
            log(credential, *reminder);
            if app.mailer.delivers() {
                reminders::queue(&mut tx, credential, *reminder, now).await?;
            }
        }
    }
    Ok(tx.commit().await?)
}

/// The reminders of a credential whose time has come.
fn due(credential: &Credential, now: Micros) -> impl Iterator<Item = Reminder> {
    let dates = [
        (DueKind::Expiry, credential.expires_at),
        (DueKind::Rotation, credential.rotate_after),
    ];
    dates.into_iter().filter_map(move |(kind, at)| {
        let due_at = at?;
        let days = stage(due_at.since(now))?;
        Some(Reminder { kind, due_at, days })
    })
}

/// Which reminder is due so long before a date: the last one whose time has come.
fn stage(left: Duration) -> Option<u32> {
    DAYS.into_iter().find(|stage| left <= days(*stage))
}

fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}

fn log(credential: &Credential, reminder: Reminder) {
    tracing::warn!(
        org = %credential.org,
        credential = %credential.id,
        provider = credential.provider,
        name = credential.name,
        at = %reminder.due_at,
        within_days = reminder.days,
        "{}",
        match reminder.kind {
            DueKind::Expiry => "a credential ends",
            DueKind::Rotation => "a credential should be rotated",
        }
    );
}

/// Sends the mails that wait, until the server stops. Beside the other jobs: a mail server that is slow to answer holds none of
/// them up.
pub(crate) async fn run(app: Arc<App>) {
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(TURN) => {}
        }
        if let Err(error) = deliver(&app).await {
            tracing::warn!(%error, "reminders were not mailed; they are tried again in a minute");
        }
    }
}

/// Sends every mail whose time has come. One that is not taken waits as long again as it has waited, an hour at most.
///
/// # Errors
/// The store's.
pub(crate) async fn deliver(app: &App) -> ApiResult<()> {
    give_up(app).await?;
    loop {
        let waiting = reminders::waiting(&mut app.store.read().await?, app.clock.now(), BATCH).await?;
        for mail in &waiting {
            if app.stop.is_cancelled() {
                return Ok(());
            }
            send(app, mail).await?;
        }
        if waiting.is_empty() {
            return Ok(());
        }
    }
}

async fn send(app: &App, reminder: &ReminderMail) -> ApiResult<()> {
    let sent = app
        .mailer
        .send(mail::reminder(&app.settings.api_url, reminder))
        .await;
    let mut tx = app.store.begin().await?;
    match sent {
        Ok(()) => reminders::sent(&mut tx, reminder).await?,
        Err(error) => {
            let now = app.clock.now();
            let pause = now.since(reminder.made_at).clamp(TURN, LONGEST_PAUSE);
            tracing::error!(%error, credential = %reminder.credential, ?pause, "a reminder was not mailed; it is tried again");
            reminders::put_off(&mut tx, reminder, now.plus(pause)).await?;
        }
    }
    Ok(tx.commit().await?)
}

/// Gives up what waited too long, or is not worth sending any more.
async fn give_up(app: &App) -> ApiResult<()> {
    let before = app.clock.now().minus(GIVE_UP);
    if reminders::old(&mut app.store.read().await?, before).await? == 0 {
        return Ok(());
    }
    let mut tx = app.store.begin().await?;
    reminders::delete_old(&mut tx, before).await?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reminder_comes_two_weeks_a_week_and_a_day_before_and_on_the_day() {
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        for (left, expected) in [
            (hours(14 * 24 + 1), None),
            (hours(14 * 24), Some(14)),
            (hours(8 * 24), Some(14)),
            (hours(7 * 24), Some(7)),
            (hours(25), Some(7)),
            (hours(24), Some(1)),
            (hours(1), Some(1)),
            (hours(0), Some(0)),
        ] {
            assert_eq!(stage(left), expected, "{left:?}");
        }
    }
}
