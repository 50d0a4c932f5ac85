//! What the server does by itself, without being asked: one loop, one job after the other. A job that fails is logged and tried
//! again at its next turn; none of them decides about a request. What waits for a mail server has a loop of its own
//! ([`waiting`]).

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use keystore_core::ids::OrgId;
use keystore_store::{idempotency, requests, uses};
use keystore_wire::Code;

use crate::access_requests;
use crate::api::idempotency::KEPT_FOR;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::audit::{notary, payloads, retention};
use crate::billing::{close, promos};
use crate::events;
use crate::mail::waiting;
use crate::payments::auto;
use crate::pool_uses;
use crate::reminders;
use crate::rotations;
use crate::webhooks::{secrets, sending};

/// How often the loop turns.
pub(crate) const TURN: Duration = Duration::from_secs(60);

/// How far back uses are noted at a start, in requests: what the last process may not have got to.
const LOOK_BACK: i64 = 100_000;

/// Runs the jobs until the server stops.
pub(crate) async fn run(app: Arc<App>) {
    let mut noted = None;
    while app.next_turn(TURN, pending()).await {
        // What failed is logged.
        let _ = turn(&app, &mut noted).await;
    }
}

impl App {
    /// Does at once what the server otherwise does by itself within a minute.
    ///
    /// # Errors
    /// The store's.
    pub async fn do_jobs(&self) -> Result<(), ApiError> {
        turn(self, &mut None).await?;
        rotations::turn(self).await?;
        auto::turn(self).await?;
        events::write(self).await?;
        notary::turn(self, true).await?;
        waiting::deliver(self).await?;
        sending::send_all(self).await
    }
}

/// Gives every job its turn, whatever became of the others; the first error.
async fn turn(app: &App, noted: &mut Option<i64>) -> ApiResult<()> {
    let done = [
        ("answers are forgotten", forget_answers(app).await),
        ("access requests end", access_requests::forget(app).await),
        ("uses are noted", note_uses(app, noted).await),
        ("reminders are noted", reminders::note(app).await),
        ("uses of pools are noted", pool_uses::write(app).await),
        ("the audit log's payloads are sealed", payloads::keep(app).await),
        ("secrets of webhooks are moved", secrets::follow_all(app).await),
        ("deliveries are tidied", sending::tidy(app).await),
        ("the audit log is pruned", retention::prune(app).await),
        ("promotions end", promos::end(app).await),
        ("months are closed", close::run(app).await),
    ];
    for (job, done) in &done {
        if let Err(error) = done {
            tracing::warn!(%error, "the job by which {job} failed; it is tried again in a minute");
        }
    }
    done.into_iter().try_for_each(|(_, done)| done)
}

/// What a job goes on with after one organization: its KMS may not answer, and holds none of the others up.
///
/// # Errors
/// The store's, which concerns them all.
pub(crate) fn go_on_after(org: OrgId, done: ApiResult<()>, what: &str) -> ApiResult<()> {
    match done {
        Err(error) if error.code() == Code::StoreUnavailable => Err(error),
        Err(error) => {
            tracing::warn!(%org, %error, "{what}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Writes when credentials and tokens were last used, from the requests since the last turn. `noted` is the newest of those.
async fn note_uses(app: &App, noted: &mut Option<i64>) -> ApiResult<()> {
    let mut conn = app.store.read().await?;
    let newest = requests::newest(&mut conn).await?;
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

/// Forgets the answers of idempotency keys that are too old to be repeated.
async fn forget_answers(app: &App) -> ApiResult<()> {
    let before = app.clock.now().minus(KEPT_FOR);
    if idempotency::old(&mut app.store.read().await?, before).await? == 0 {
        return Ok(());
    }
    let mut tx = app.store.begin().await?;
    idempotency::forget(&mut tx, before).await?;
    Ok(tx.commit().await?)
}
