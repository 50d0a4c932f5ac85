//! `/v1/access-requests`: what agents ask for, and what a person decides. Agents file theirs with the tool `request_access` of `/mcp`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keystore_core::ids::AccessRequestId;
use keystore_store::access_requests::{self as rows, AccessRequest as Row};
use keystore_wire::Page;
use keystore_wire::access_requests::{
    AccessRequest, ApproveAccessRequest, DenyAccessRequest, ListAccessRequests,
};

use super::agents::names;
use super::extract::{Body, Query};
use super::page::Slice;
use super::problem::ApiResult;
use crate::access_requests::{self, shown};
use crate::app::App;
use crate::auth::require::{ManageAgents, Require, SeeAgents, Target};

/// What agents asked for, newest first.
#[utoipa::path(get, path = "/v1/access-requests", tag = "access requests", params(ListAccessRequests),
    responses((status = 200, body = Page<AccessRequest>)))]
pub(super) async fn list_access_requests(
    State(app): State<Arc<App>>,
    caller: Require<SeeAgents>,
    Query(query): Query<ListAccessRequests>,
) -> ApiResult<Json<Page<AccessRequest>>> {
    let slice = Slice::<AccessRequestId>::of(query.limit, query.after.as_deref())?;
    let mut conn = app.store.read().await?;
    let filter = access_requests::filter(&app, &mut conn, &caller, &query).await?;
    let found = rows::list(&mut conn, caller.org, &filter, slice.after, slice.read()).await?;
    let names = names(&mut conn, caller.org, found.iter().map(|row| row.agent)).await?;
    let now = app.clock.now();
    Ok(Json(slice.page(
        found,
        |row| row.id.to_string(),
        |row| {
            let name = names.get(&row.agent).map_or("", String::as_str);
            shown(row, name, now)
        },
    )))
}

/// The request.
#[utoipa::path(get, path = "/v1/access-requests/{accessRequest}", tag = "access requests",
    params(("accessRequest" = String, Path, description = "Id")), responses((status = 200, body = AccessRequest)))]
pub(super) async fn get_access_request(
    State(app): State<Arc<App>>,
    target: Target<SeeAgents, Row>,
) -> ApiResult<Json<AccessRequest>> {
    let (mut conn, row) = target.read(&app).await?;
    let names = names(&mut conn, target.org, std::iter::once(row.agent)).await?;
    let name = names.get(&row.agent).map_or("", String::as_str);
    Ok(Json(shown(row, name, app.clock.now())))
}

/// Grants what was asked for, or the part of it that the body names, with every check of a grant that is made by hand. When this
/// returns, the agent's next call passes, with the token that it has.
#[utoipa::path(post, path = "/v1/access-requests/{accessRequest}/approve", tag = "access requests",
    request_body = ApproveAccessRequest,
    params(("accessRequest" = String, Path, description = "Id")), responses((status = 200, body = AccessRequest)))]
pub(super) async fn approve_access_request(
    State(app): State<Arc<App>>,
    target: Target<ManageAgents, Row>,
    Body(body): Body<ApproveAccessRequest>,
) -> ApiResult<Json<AccessRequest>> {
    let (mut tx, row) = target.change(&app).await?;
    let decided = access_requests::approve(&app, &mut tx, &target, row, body).await?;
    tx.commit().await?;
    Ok(Json(decided))
}

/// Refuses what was asked for, and tells the agent why.
#[utoipa::path(post, path = "/v1/access-requests/{accessRequest}/deny", tag = "access requests",
    request_body = DenyAccessRequest,
    params(("accessRequest" = String, Path, description = "Id")), responses((status = 200, body = AccessRequest)))]
pub(super) async fn deny_access_request(
    State(app): State<Arc<App>>,
    target: Target<ManageAgents, Row>,
    Body(body): Body<DenyAccessRequest>,
) -> ApiResult<Json<AccessRequest>> {
    let (mut tx, row) = target.change(&app).await?;
    let decided = access_requests::deny(&app, &mut tx, &target, row, body).await?;
    tx.commit().await?;
    Ok(Json(decided))
}
