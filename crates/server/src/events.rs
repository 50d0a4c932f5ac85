//! What the data plane notices of budgets becomes events: written once each, and told in the log.

use std::sync::Arc;
use std::time::Duration;

use keystore_core::budget::{Notice, Noticed};
use keystore_core::ids::EventId;
use keystore_store::events::{self, Event};
use keystore_store::{Tx, budgets};
use keystore_wire::Time;
use serde_json::json;

use crate::api::problem::ApiResult;
use crate::app::App;
use crate::budgets::load;

/// How often it is asked what was noticed.
const TURN: Duration = Duration::from_secs(1);

/// Writes events until the server stops. What cannot be written waits.
pub(crate) async fn run(app: Arc<App>) {
    let mut waiting = Vec::new();
    loop {
        let stops = tokio::select! {
            () = app.stop.cancelled() => true,
            () = tokio::time::sleep(TURN) => false,
        };
        if let Err(error) = write(&app, &mut waiting).await {
            tracing::warn!(%error, "events were not written; they are tried again in a second");
        }
        if stops {
            return;
        }
    }
}

/// Writes what was noticed since the last time, and what waits.
///
/// # Errors
/// The store's; everything waits on then.
pub(crate) async fn write(app: &App, waiting: &mut Vec<Notice>) -> ApiResult<()> {
    waiting.extend(app.proxy.counters().take_notices());
    if waiting.is_empty() {
        return Ok(());
    }
    let mut tx = app.store.begin().await?;
    for notice in waiting.iter() {
        raise(app, &mut tx, notice).await?;
    }
    tx.commit().await?;
    waiting.clear();
    Ok(())
}

async fn raise(app: &App, tx: &mut Tx, notice: &Notice) -> ApiResult<()> {
    // A budget that was deleted meanwhile has nothing to tell.
    let Some(row) = budgets::by_id(tx, notice.budget).await? else {
        return Ok(());
    };
    let policy = load(app, row)?.policy;
    let (kind, threshold) = match notice.what {
        Noticed::Threshold(percent) => ("usage.threshold", Some(percent)),
        Noticed::Exceeded => ("agent.budget_exceeded", None),
    };
    let mut data = json!({
        "spent": policy.unit.show(notice.settled),
        "limit": policy.unit.show(notice.limit),
        "unit": policy.unit.as_str(),
        "windowStart": Time::from(notice.window_start),
    });
    if let Some(percent) = threshold {
        data["threshold"] = percent.into();
    }
    let event = Event {
        id: EventId::new(app.ids.next()),
        org: policy.org,
        project: policy.project,
        kind: kind.to_owned(),
        subject: policy.budget.to_string(),
        at: app.clock.now(),
        data,
    };
    let once = format!(
        "{}:{}:{}",
        notice.counter,
        notice.window_start.0,
        threshold.unwrap_or_default()
    );
    if events::raise(tx, &event, &once).await? {
        tracing::warn!(kind, budget = %policy.budget, data = %event.data, "a budget");
    }
    Ok(())
}
