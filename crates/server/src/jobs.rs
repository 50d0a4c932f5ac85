//! What the server does by itself, without being asked: one loop, one job after the other. A job that fails is logged and tried
//! again at its next turn; none of them decides about a request.

use std::sync::Arc;
use std::time::Duration;

use keystore_store::credentials::{self, DueKind};
use keystore_store::{idempotency, uses};

use crate::api::idempotency::KEPT_FOR;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;

/// How often the loop turns.
const TURN: Duration = Duration::from_secs(60);

/// How far back uses are noted at a start, in requests: what the last process may not have got to.
const LOOK_BACK: i64 = 100_000;

/// The days before a credential's end or rotation on which somebody is reminded.
const REMIND_DAYS: [u32; 4] = [0, 1, 7, 14];

/// Runs the jobs until the server stops.
pub(crate) async fn run(app: Arc<App>) {
    let mut noted = None;
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(TURN) => {}
        }
        if let Err(error) = turn(&app, &mut noted).await {
            tracing::warn!(%error, "a job failed; it is tried again in a minute");
        }
    }
}

impl App {
    /// Does at once what the server otherwise does by itself within a minute.
    ///
    /// # Errors
    /// The store's.
    pub async fn do_jobs(&self) -> Result<(), ApiError> {
        turn(self, &mut None).await
    }
}

async fn turn(app: &App, noted: &mut Option<i64>) -> ApiResult<()> {
    forget_answers(app).await?;
    note_uses(app, noted).await?;
    remind(app).await
}

/// Writes when credentials and tokens were last used, from the requests since the last turn. `noted` is the newest of those.
async fn note_uses(app: &App, noted: &mut Option<i64>) -> ApiResult<()> {
    let mut conn = app.store.read().await?;
    let newest = uses::newest(&mut conn).await?;
    let from = noted.unwrap_or(newest - LOOK_BACK).max(0);
    if newest > from {
        let uses = uses::read(&mut conn, from, newest).await?;
        drop(conn);
        let mut tx = app.store.begin().await?;
        uses::note(&mut tx, &uses).await?;
        tx.commit().await?;
    }
    *noted = Some(newest);
    Ok(())
}

/// Reminds of credentials that end or should be rotated, once for each of [`REMIND_DAYS`], by a line in the log.
async fn remind(app: &App) -> ApiResult<()> {
    let now = app.clock.now();
    let horizon = now.plus(days(REMIND_DAYS[3]));
    let due = credentials::all_due(&mut app.store.read().await?, horizon).await?;
    if due.is_empty() {
        return Ok(());
    }
    let mut tx = app.store.begin().await?;
    for credential in &due {
        let dates = [
            (DueKind::Expiry, credential.expires_at),
            (DueKind::Rotation, credential.rotate_after),
        ];
        for (kind, at) in dates {
            let Some(at) = at.filter(|at| *at <= horizon) else {
                continue;
            };
            let Some(stage) = stage(at.since(now)) else {
                continue;
            };
            if credentials::remind(&mut tx, credential, kind, (at, stage), now).await? {
                tracing::warn!(
                    org = %credential.org,
                    credential = %credential.id,
                    provider = credential.provider,
                    name = credential.name,
                    %at,
                    within_days = stage,
                    "{}",
                    match kind {
                        DueKind::Expiry => "a credential ends",
                        DueKind::Rotation => "a credential should be rotated",
                    }
                );
            }
        }
    }
    Ok(tx.commit().await?)
}

/// Which reminder is due so long before a date: the last one whose time has come.
fn stage(left: Duration) -> Option<u32> {
    REMIND_DAYS.into_iter().find(|stage| left <= days(*stage))
}

fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}

/// Forgets the answers of idempotency keys that are too old to be repeated.
async fn forget_answers(app: &App) -> ApiResult<()> {
    let mut tx = app.store.begin().await?;
    idempotency::forget(&mut tx, app.clock.now().minus(KEPT_FOR)).await?;
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
