//! `/v1/operator/exposure`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use keystore_wire::exposure::{ExposureQuery, Exposures};

use super::extract::Query;
use super::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::auth::require::{Operate, Require};
use crate::exposure;

/// When a bill is overdue, in days, where nothing is said; and the most that can be said.
const OVERDUE_AFTER: u32 = 30;
const MOST_DAYS: u32 = 365;

/// What the operator may lose with each customer, those with the most at risk first.
#[utoipa::path(get, path = "/v1/operator/exposure", tag = "operator", params(ExposureQuery),
    responses((status = 200, body = Exposures)))]
pub(super) async fn get_exposure(
    State(app): State<Arc<App>>,
    _caller: Require<Operate>,
    Query(query): Query<ExposureQuery>,
) -> ApiResult<Json<Exposures>> {
    let days = query.overdue_after_days.unwrap_or(OVERDUE_AFTER);
    if days > MOST_DAYS {
        return Err(ApiError::field(
            "?overdueAfterDays",
            format!("expected 0 to {MOST_DAYS}"),
        ));
    }
    let terms = Duration::from_secs(u64::from(days) * 86_400);
    Ok(Json(exposure::of_all(&app, terms).await?))
}
