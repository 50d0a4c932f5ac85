//! `/v1/operator/pool-use`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use keystore_core::Micros;
use keystore_store::pool_uses::{self as rows, By};
use keystore_wire::pool_uses::{PoolUse, PoolUseQuery, PoolUseReport};

use super::extract::Query;
use super::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::auth::require::{Operate, Require};
use crate::pool_uses;

/// The most sums of an answer.
const MOST: u32 = 100_000;

/// What a report is of where nothing is said.
const DAY: Duration = Duration::from_secs(86_400);

/// How the pools were used: calls that got a key, waited, got none or went on with another key, and how much of the vendors' limits was used.
#[utoipa::path(get, path = "/v1/operator/pool-use", tag = "operator", params(PoolUseQuery),
    responses((status = 200, body = PoolUseReport)))]
pub(super) async fn get_pool_use(
    State(app): State<Arc<App>>,
    _caller: Require<Operate>,
    Query(query): Query<PoolUseQuery>,
) -> ApiResult<Json<PoolUseReport>> {
    let by = groups(query.by.as_deref().unwrap_or("provider,credential"))?;
    let now = app.clock.now();
    let since = query.since.map_or_else(|| now.minus(DAY), Micros::from);
    let until = query.until.map_or(now, Micros::from);
    if since > until {
        return Err(ApiError::field("?since", "must be before `until`"));
    }
    pool_uses::write(&app).await?;
    let mut conn = app.store.read().await?;
    let provider = query.provider.as_deref();
    let found = rows::grouped(&mut conn, &by, (since, until), provider, MOST).await?;
    let rows: Vec<_> = found.into_iter().map(pool_uses::shown).collect();
    Ok(Json(PoolUseReport {
        since: since.into(),
        until: until.into(),
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
        "hour" => Ok(By::Hour),
        _ => Err(ApiError::field(
            "?by",
            "expected some of `provider`, `org`, `credential`, `day` and `hour`, with commas",
        )),
    };
    text.split(',').map(one).collect()
}

fn total(rows: &[PoolUse]) -> PoolUse {
    let sum = |of: fn(&PoolUse) -> u64| rows.iter().map(of).fold(0_u64, u64::saturating_add);
    PoolUse {
        granted: sum(|row| row.granted),
        waited: sum(|row| row.waited),
        waited_ms: sum(|row| row.waited_ms),
        refused: sum(|row| row.refused),
        failed_over: sum(|row| row.failed_over),
        most_used_permille: rows.iter().map(|row| row.most_used_permille).max().unwrap_or(0),
        ..PoolUse::default()
    }
}
