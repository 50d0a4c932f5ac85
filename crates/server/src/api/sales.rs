//! `/v1/operator/sales` and `/v1/operator/reconciliations`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keystore_core::time::utc_day;
use keystore_core::window::Window;
use keystore_core::{Micros, NanoUsd};
use keystore_store::sales::{self as rows, By};
use keystore_wire::sales::{Reconcile, Reconciliation, Sale, SalesQuery, SalesReport};

use super::extract::{Body, Query};
use super::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::auth::require::{Operate, Require};
use crate::{providers, sales};

/// What was sold of pooled keys, what it cost, and the margin.
#[utoipa::path(get, path = "/v1/operator/sales", tag = "operator", params(SalesQuery),
    responses((status = 200, body = SalesReport)))]
pub(super) async fn get_sales(
    State(app): State<Arc<App>>,
    _caller: Require<Operate>,
    Query(query): Query<SalesQuery>,
) -> ApiResult<Json<SalesReport>> {
    let by = groups(query.by.as_deref().unwrap_or("provider"))?;
    let now = app.clock.now();
    let month = || Window::Month.bounds(now, &jiff::tz::TimeZone::UTC).start;
    let since = query.since.map_or_else(month, Micros::from);
    let until = query.until.map_or(now, Micros::from);
    if since > until {
        return Err(ApiError::field("?since", "must be before `until`"));
    }
    app.store.project_now().await?;
    let mut conn = app.store.read().await?;
    let provider = query.provider.as_deref();
    let found = rows::grouped(&mut conn, &by, (since, until), provider, sales::MOST).await?;
    let rows: Vec<_> = found.into_iter().map(sales::shown).collect();
    Ok(Json(SalesReport {
        since: sales::day(utc_day(since)),
        until: sales::day(utc_day(until)),
        total: total(&rows),
        rows,
    }))
}

fn groups(text: &str) -> ApiResult<Vec<By>> {
    let one = |name: &str| match name {
        "provider" => Ok(By::Provider),
        "org" => Ok(By::Org),
        "credential" => Ok(By::Credential),
        "day" => Ok(By::Day),
        _ => Err(ApiError::field(
            "?by",
            "expected some of `provider`, `org`, `credential` and `day`, with commas",
        )),
    };
    text.split(',').map(one).collect()
}

fn total(rows: &[Sale]) -> Sale {
    let sum = |of: fn(&Sale) -> i64| rows.iter().map(of).fold(0_i64, i64::saturating_add);
    Sale {
        calls: rows.iter().map(|row| row.calls).sum(),
        failed_over: rows.iter().map(|row| row.failed_over).sum(),
        sold: NanoUsd(sum(|row| row.sold.0)),
        vendor_cost: NanoUsd(sum(|row| row.vendor_cost.0)),
        margin: NanoUsd(sum(|row| row.margin.0)),
        ..Sale::default()
    }
}

/// Compares what a vendor says it bills with what its calls were thought to cost, day by day; posts the difference where that is asked for.
#[utoipa::path(post, path = "/v1/operator/reconciliations", tag = "operator", request_body = Reconcile,
    responses((status = 200, body = Reconciliation)))]
pub(super) async fn reconcile(
    State(app): State<Arc<App>>,
    caller: Require<Operate>,
    Body(body): Body<Reconcile>,
) -> ApiResult<Json<Reconciliation>> {
    providers::catalog(&body.provider, app.settings.dev)?;
    let billed = sales::read_report(&body.report)?;
    app.store.project_now().await?;
    let compared = match body.post {
        true => sales::post(&app, &caller, &body.provider, &billed).await?,
        false => {
            let mut conn = app.store.read().await?;
            sales::compare(&mut conn, caller.org, &body.provider, &billed).await?
        }
    };
    Ok(Json(compared))
}
