//! `/v1/labels`: what labels allow.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keystore_wire::Page;
use keystore_wire::labels::{LabelRule, SetLabelRule, UnsetLabelRule};
use keystore_wire::page::PageQuery;

use super::extract::{Body, Query};
use super::page::Slice;
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::require::{ManageOrg, Require, SeeOrg};
use crate::labels;

/// What each label allows, those included that hold without anybody having set them.
#[utoipa::path(get, path = "/v1/labels", tag = "labels", params(PageQuery),
    responses((status = 200, body = Page<LabelRule>)))]
pub(super) async fn list_label_rules(
    State(app): State<Arc<App>>,
    caller: Require<SeeOrg>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<LabelRule>>> {
    let slice = Slice::<String>::of(query.limit, query.after.as_deref())?;
    let rules = labels::list(&app, &mut app.store.read().await?, &caller).await?;
    Ok(Json(slice.of_all(rules, |rule| rule.label.clone(), |rule| rule)))
}

/// Sets what a label allows. In force on the next request.
#[utoipa::path(post, path = "/v1/labels", tag = "labels", request_body = SetLabelRule,
    responses((status = 200, body = LabelRule)))]
pub(super) async fn set_label_rule(
    State(app): State<Arc<App>>,
    caller: Require<ManageOrg>,
    Body(body): Body<SetLabelRule>,
) -> ApiResult<Json<LabelRule>> {
    let mut tx = app.store.begin().await?;
    let rule = labels::set(&app, &mut tx, &caller, body).await?;
    tx.commit().await?;
    Ok(Json(rule))
}

/// Takes the rule of a label away.
#[utoipa::path(post, path = "/v1/labels/unset", tag = "labels", request_body = UnsetLabelRule,
    responses((status = 204)))]
pub(super) async fn unset_label_rule(
    State(app): State<Arc<App>>,
    caller: Require<ManageOrg>,
    Body(body): Body<UnsetLabelRule>,
) -> ApiResult<StatusCode> {
    let mut tx = app.store.begin().await?;
    labels::unset(&app, &mut tx, &caller, &body.label).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
