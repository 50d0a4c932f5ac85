//! `/v1/operator/pool-tenants` and `/v1/operator/pool-rules`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keystore_wire::pool_tenants::{
    ListPoolTenants, PoolRule, PoolRules, PoolTenant, PoolTenants, SetPoolRule, SetPoolTenant,
};

use super::extract::{Body, Query};
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::require::{Operate, Require};
use crate::pool_tenants;

/// What the operator says of customers inside the pools.
#[utoipa::path(get, path = "/v1/operator/pool-tenants", tag = "operator", params(ListPoolTenants),
    responses((status = 200, body = PoolTenants)))]
pub(super) async fn get_pool_tenants(
    State(app): State<Arc<App>>,
    _caller: Require<Operate>,
    Query(query): Query<ListPoolTenants>,
) -> ApiResult<Json<PoolTenants>> {
    let mut conn = app.store.read().await?;
    let data = pool_tenants::list(&app, &mut conn, query.provider.as_deref()).await?;
    Ok(Json(PoolTenants { data }))
}

/// Changes a customer's share and cap inside a pool, pauses it there, or lets it go on. In force on its next call; calls that run end.
#[utoipa::path(post, path = "/v1/operator/pool-tenants", tag = "operator", request_body = SetPoolTenant,
    responses((status = 200, body = PoolTenant)))]
pub(super) async fn set_pool_tenant(
    State(app): State<Arc<App>>,
    caller: Require<Operate>,
    Body(body): Body<SetPoolTenant>,
) -> ApiResult<Json<PoolTenant>> {
    Ok(Json(pool_tenants::set(&app, &caller, body).await?))
}

/// The rules by which customers are paused for what vendors hold to be abuse.
#[utoipa::path(get, path = "/v1/operator/pool-rules", tag = "operator", responses((status = 200, body = PoolRules)))]
pub(super) async fn get_pool_rules(
    State(app): State<Arc<App>>,
    _caller: Require<Operate>,
) -> ApiResult<Json<PoolRules>> {
    let data = pool_tenants::rules(&app, &mut app.store.read().await?).await?;
    Ok(Json(PoolRules { data }))
}

/// Sets the rule of a pool, in place of the one before.
#[utoipa::path(post, path = "/v1/operator/pool-rules", tag = "operator", request_body = SetPoolRule,
    responses((status = 200, body = PoolRule)))]
pub(super) async fn set_pool_rule(
    State(app): State<Arc<App>>,
    caller: Require<Operate>,
    Body(body): Body<SetPoolRule>,
) -> ApiResult<Json<PoolRule>> {
    Ok(Json(pool_tenants::set_rule(&app, &caller, body).await?))
}
