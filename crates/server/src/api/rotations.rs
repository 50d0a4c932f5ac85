//! `/v1/operator/rotations`, and the plans of pooled keys. A key goes in and never comes out.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keystore_core::ids::RotationId;
use keystore_core::rotation::{Act, Seen};
use keystore_store::key_plans::{self, KeyPlan as PlanRow};
use keystore_store::rotations::{self as stored, Rotation as Row};
use keystore_wire::Page;
use keystore_wire::page::PageQuery;
use keystore_wire::rotations::{CreateRotation, GiveKey, KeyPlan, Rotation, SetKeyPlan, WaitsFor};

use super::extract::{Body, Query};
use super::page::Slice;
use super::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::auth::require::{Operate, Require, Resource as _, Target};
use crate::pools::Member;
use crate::rotations;

/// How the key is renewed.
#[utoipa::path(get, path = "/v1/operator/pool/{pooled}/plan", tag = "operator",
    params(("pooled" = String, Path, description = "Id")), responses((status = 200, body = KeyPlan)))]
pub(super) async fn get_key_plan(
    State(app): State<Arc<App>>,
    target: Target<Operate, Member>,
) -> ApiResult<Json<KeyPlan>> {
    let (mut conn, member) = target.read(&app).await?;
    let plan = key_plans::get(&mut conn, target.org, member.credential.id).await?;
    let plan = plan.ok_or_else(|| ApiError::not_found("plan of the key"))?;
    Ok(Json(plan_wire(&plan)))
}

/// Sets how the key is renewed, in place of what was set before.
#[utoipa::path(post, path = "/v1/operator/pool/{pooled}/plan", tag = "operator", request_body = SetKeyPlan,
    params(("pooled" = String, Path, description = "Id")), responses((status = 200, body = KeyPlan)))]
pub(super) async fn set_key_plan(
    State(app): State<Arc<App>>,
    target: Target<Operate, Member>,
    Body(body): Body<SetKeyPlan>,
) -> ApiResult<Json<KeyPlan>> {
    let (mut tx, member) = target.change(&app).await?;
    let plan = rotations::set_plan(&app, &mut tx, &target, &member, body).await?;
    tx.commit().await?;
    Ok(Json(plan_wire(&plan)))
}

/// The rotations, newest first.
#[utoipa::path(get, path = "/v1/operator/rotations", tag = "operator", params(PageQuery),
    responses((status = 200, body = Page<Rotation>)))]
pub(super) async fn list_rotations(
    State(app): State<Arc<App>>,
    caller: Require<Operate>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<Rotation>>> {
    let slice = Slice::<RotationId>::of(query.limit, query.after.as_deref())?;
    let mut conn = app.store.read().await?;
    let found = stored::list(&mut conn, caller.org, slice.after, slice.read()).await?;
    Ok(Json(slice.page(
        found,
        |row| row.id.to_string(),
        |row| wire(&row),
    )))
}

/// Begins to renew the key of a pooled credential, by its plan; without one the operator makes the keys. It goes on by itself.
#[utoipa::path(post, path = "/v1/operator/rotations", tag = "operator", request_body = CreateRotation,
    responses((status = 201, body = Rotation)))]
pub(super) async fn create_rotation(
    State(app): State<Arc<App>>,
    caller: Require<Operate>,
    Body(body): Body<CreateRotation>,
) -> ApiResult<(StatusCode, Json<Rotation>)> {
    let mut tx = app.store.begin().await?;
    let member = Member::find(&app, &mut tx, &caller, &body.credential).await?;
    let row = rotations::begin(&app, &mut tx, &caller, &member).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(wire(&row))))
}

/// A rotation.
#[utoipa::path(get, path = "/v1/operator/rotations/{rotation}", tag = "operator",
    params(("rotation" = String, Path, description = "Id")), responses((status = 200, body = Rotation)))]
pub(super) async fn get_rotation(
    State(app): State<Arc<App>>,
    target: Target<Operate, Row>,
) -> ApiResult<Json<Rotation>> {
    let (_, row) = target.read(&app).await?;
    Ok(Json(wire(&row)))
}

/// Gives a rotation the key that it waits for.
#[utoipa::path(post, path = "/v1/operator/rotations/{rotation}/key", tag = "operator", request_body = GiveKey,
    params(("rotation" = String, Path, description = "Id")), responses((status = 200, body = Rotation)))]
pub(super) async fn give_rotation_key(
    State(app): State<Arc<App>>,
    target: Target<Operate, Row>,
    Body(body): Body<GiveKey>,
) -> ApiResult<Json<Rotation>> {
    let (_, row) = target.read(&app).await?;
    let row = rotations::give(&app, &target, row, body.secret).await?;
    Ok(Json(wire(&row)))
}

/// Says that the old key is revoked at the vendor.
#[utoipa::path(post, path = "/v1/operator/rotations/{rotation}/revoked", tag = "operator",
    params(("rotation" = String, Path, description = "Id")), responses((status = 200, body = Rotation)))]
pub(super) async fn confirm_rotation_revoked(
    State(app): State<Arc<App>>,
    target: Target<Operate, Row>,
) -> ApiResult<Json<Rotation>> {
    let (_, row) = target.read(&app).await?;
    let row = rotations::revoked(&app, &target, row).await?;
    Ok(Json(wire(&row)))
}

/// Undoes a rotation while the old key still serves: the new one is revoked.
#[utoipa::path(post, path = "/v1/operator/rotations/{rotation}/undo", tag = "operator",
    params(("rotation" = String, Path, description = "Id")), responses((status = 200, body = Rotation)))]
pub(super) async fn undo_rotation(
    State(app): State<Arc<App>>,
    target: Target<Operate, Row>,
) -> ApiResult<Json<Rotation>> {
    let (_, row) = target.read(&app).await?;
    let row = rotations::undo(&app, &target, row).await?;
    Ok(Json(wire(&row)))
}

/// A plan as clients and the audit log see it.
pub(crate) fn plan_wire(plan: &PlanRow) -> KeyPlan {
    KeyPlan {
        credential: plan.credential,
        driver: plan.driver,
        admin: plan.admin,
        account: plan.account.clone(),
        vendor_key: plan.vendor_key.clone(),
        every_days: plan.every_days,
        overlap_seconds: plan.overlap_s,
        due_at: plan.due_at.map(Into::into),
    }
}

/// A rotation as clients and the audit log see it.
pub(crate) fn wire(row: &Row) -> Rotation {
    let waits_for = match row.state().next(&Seen {
        now: row.not_before,
        // Where there is an API, what it lists is not asked for here.
        keys: row.admin.map(|_| [].as_slice()),
        new: None,
        running: 0,
    }) {
        Act::AskForKey => Some(WaitsFor::Key),
        Act::AskToRevoke => Some(WaitsFor::Revocation),
        _ => None,
    };
    Rotation {
        id: row.id,
        provider: row.provider.clone(),
        old: row.old,
        new: row.new,
        driver: row.driver,
        step: row.step,
        since: row.since.into(),
        waits_for,
        failures: row.failures,
        problem: row.problem.clone(),
        retry_at: (row.failures > 0).then(|| row.not_before.into()),
        key_name: row.key_name(),
        old_key: row.old_key.clone(),
        new_key: row.new_key.clone(),
        created_at: row.created_at.into(),
        ended_at: row.ended_at.map(Into::into),
    }
}
