//! A threshold that was reached, and a budget that refuses.

use keystore_core::budget::{Notice, Noticed};
use keystore_store::{Tx, budgets};
use keystore_wire::Time;
use keystore_wire::events::Kind;
use serde_json::json;

use super::New;
use crate::api::problem::ApiResult;
use crate::app::App;
use crate::budgets::load;

/// The event of a notice. A budget that was deleted meanwhile has nothing to tell.
pub(super) async fn event(app: &App, tx: &mut Tx, notice: &Notice) -> ApiResult<Option<New>> {
    let Some(row) = budgets::by_id(tx, notice.budget).await? else {
        return Ok(None);
    };
    let policy = load(app, row)?.policy;
    let (kind, threshold) = match notice.what {
        Noticed::Threshold(percent) => (Kind::UsageThreshold, Some(percent)),
        Noticed::Exceeded => (Kind::BudgetExceeded, None),
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
    let (counter, start) = (notice.counter, notice.window_start.0);
    Ok(Some(New {
        org: policy.org,
        project: policy.project,
        kind,
        subject: policy.budget.to_string(),
        data,
        once: Some(format!("{counter}:{start}:{}", threshold.unwrap_or_default())),
        // There may be as many as end users.
        mailed: policy.end_user.as_deref() != Some("*"),
    }))
}
