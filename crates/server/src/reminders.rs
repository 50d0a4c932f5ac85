//! Reminders of credentials that end or should be rotated: events, two weeks, a week and a day before and on the day.

use std::time::Duration;

use keystore_core::Micros;
use keystore_store::credentials::{self, Credential};
use keystore_store::events as rows;
use keystore_wire::Time;
use keystore_wire::events::Kind;
use serde_json::json;

use crate::api::problem::ApiResult;
use crate::app::App;
use crate::events::{self, New};

/// The days before a credential's end or rotation on which somebody is reminded.
const DAYS: [u32; 4] = [0, 1, 7, 14];

/// Gives the reminders whose time has come, once for each of [`DAYS`].
///
/// # Errors
/// The store's.
pub(crate) async fn note(app: &App) -> ApiResult<()> {
    let now = app.clock.now();
    let horizon = now.plus(days(DAYS[3]));
    let mut conn = app.store.read().await?;
    let mut fresh = Vec::new();
    for credential in credentials::all_due(&mut conn, horizon).await? {
        for reminder in due(&credential, now) {
            let once = reminder.once.as_deref().unwrap_or_default();
            if !rows::is_raised(&mut conn, reminder.org, reminder.kind.as_str(), once).await? {
                fresh.push(reminder);
            }
        }
    }
    drop(conn);
    if fresh.is_empty() {
        return Ok(());
    }
    let mut tx = app.store.begin().await?;
    for reminder in fresh {
        events::raise(app, &mut tx, reminder).await?;
    }
    tx.commit().await?;
    app.mails_wait.notify_one();
    Ok(())
}

/// The reminders of a credential whose time has come.
fn due(credential: &Credential, now: Micros) -> impl Iterator<Item = New> {
    let dates = [
        (Kind::CredentialExpiring, credential.expires_at),
        (Kind::CredentialRotationDue, credential.rotate_after),
    ];
    dates.into_iter().filter_map(move |(kind, at)| {
        let due_at = at?;
        let days = stage(due_at.since(now))?;
        Some(New {
            org: credential.org,
            project: Some(credential.project),
            kind,
            subject: credential.id.to_string(),
            data: json!({
                "provider": credential.provider,
                "name": credential.name,
                "dueAt": Time::from(due_at),
                "withinDays": days,
            }),
            once: Some(format!("{}:{}:{days}", credential.id, due_at.0)),
            mailed: true,
        })
    })
}

/// Which reminder is due so long before a date: the last one whose time has come.
fn stage(left: Duration) -> Option<u32> {
    DAYS.into_iter().find(|stage| left <= days(*stage))
}

fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
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
