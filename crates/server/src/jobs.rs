//! What the server does by itself, without being asked: one loop, one job after the other. A job that fails is logged and tried
//! again at its next turn; none of them decides about a request.

use std::sync::Arc;
use std::time::Duration;

use keystore_store::idempotency;

use crate::api::idempotency::KEPT_FOR;
use crate::api::problem::ApiResult;
use crate::app::App;

/// How often the loop turns.
const TURN: Duration = Duration::from_secs(60);

/// Runs the jobs until the server stops.
pub(crate) async fn run(app: Arc<App>) {
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(TURN) => {}
        }
        if let Err(error) = turn(&app).await {
            tracing::warn!(%error, "a job failed; it is tried again in a minute");
        }
    }
}

async fn turn(app: &App) -> ApiResult<()> {
    forget_answers(app).await
}

/// Forgets the answers of idempotency keys that are too old to be repeated.
async fn forget_answers(app: &App) -> ApiResult<()> {
    let mut tx = app.store.begin().await?;
    idempotency::forget(&mut tx, app.clock.now().minus(KEPT_FOR)).await?;
    Ok(tx.commit().await?)
}
