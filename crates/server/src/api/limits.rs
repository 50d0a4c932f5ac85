//! `/v1/org/limits`, `/v1/projects/{project}/limits`: ceilings over all of an organization or a project.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keystore_core::ids::{OrgId, ProjectId};
use keystore_core::rate::RateLimits;
use keystore_store::Tx;
use keystore_store::projects::Project;
use keystore_wire::limits::{Limits, UpdateLimits};

use super::extract::Body;
use super::problem::{ApiResult, Fields};
use crate::agents::check_rates;
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::auth::require::{Administer, Require, SeeOrg, Target};
use crate::scopes;

/// What all calls of the organization together may not pass.
#[utoipa::path(get, path = "/v1/org/limits", tag = "orgs", responses((status = 200, body = Limits)))]
pub(super) async fn get_org_limits(
    State(app): State<Arc<App>>,
    caller: Require<SeeOrg>,
) -> ApiResult<Json<Limits>> {
    let scope = scopes::get(&app, &mut app.store.read().await?, caller.org, None).await?;
    Ok(Json(wire(scope.ceiling)))
}

/// Changes what is named: what is absent stays, `null` lifts a limit. In force on the next request.
#[utoipa::path(patch, path = "/v1/org/limits", tag = "orgs", request_body = UpdateLimits,
    responses((status = 200, body = Limits)))]
pub(super) async fn update_org_limits(
    State(app): State<Arc<App>>,
    caller: Require<Administer>,
    Body(body): Body<UpdateLimits>,
) -> ApiResult<Json<Limits>> {
    let org = caller.whole_org()?;
    let mut tx = app.store.begin().await?;
    let changed = change(&app, &mut tx, &caller, (org, None), body).await?;
    tx.commit().await?;
    Ok(Json(changed))
}

/// What all calls of the project together may not pass.
#[utoipa::path(get, path = "/v1/projects/{project}/limits", tag = "projects",
    params(("project" = String, Path, description = "Id or slug")), responses((status = 200, body = Limits)))]
pub(super) async fn get_project_limits(
    State(app): State<Arc<App>>,
    target: Target<SeeOrg, Project>,
) -> ApiResult<Json<Limits>> {
    let (mut conn, project) = target.read(&app).await?;
    let scope = scopes::get(&app, &mut conn, project.org, Some(project.id)).await?;
    Ok(Json(wire(scope.ceiling)))
}

/// Changes what is named: what is absent stays, `null` lifts a limit. In force on the next request.
#[utoipa::path(patch, path = "/v1/projects/{project}/limits", tag = "projects", request_body = UpdateLimits,
    params(("project" = String, Path, description = "Id or slug")), responses((status = 200, body = Limits)))]
pub(super) async fn update_project_limits(
    State(app): State<Arc<App>>,
    target: Target<Administer, Project>,
    Body(body): Body<UpdateLimits>,
) -> ApiResult<Json<Limits>> {
    let (mut tx, project) = target.change(&app).await?;
    target.whole_org()?;
    let changed = change(&app, &mut tx, &target, (project.org, Some(project.id)), body).await?;
    tx.commit().await?;
    Ok(Json(changed))
}

async fn change(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    (org, project): (OrgId, Option<ProjectId>),
    change: UpdateLimits,
) -> ApiResult<Limits> {
    let mut scope = scopes::get(app, tx, org, project).await?;
    let before = wire(scope.ceiling);
    let old = scope.ceiling;
    scope.ceiling = RateLimits {
        rpm: change.rpm_limit.apply(old.rpm),
        rpd: change.rpd_limit.apply(old.rpd),
        tpm: change.tpm_limit.apply(old.tpm),
        concurrency: change.max_concurrency.apply(old.concurrency),
    };
    let RateLimits {
        rpm,
        rpd,
        tpm,
        concurrency,
    } = scope.ceiling;
    let mut fields = Fields::default();
    check_rates(&mut fields, [rpm, rpd, tpm, concurrency]);
    fields.check()?;
    scopes::put(app, tx, &scope).await?;
    let after = wire(scope.ceiling);
    let event = match project {
        Some(project) => Event::new("update_project_limits", &project).within(project),
        None => Event::new("update_org_limits", &org),
    };
    event.before(&before)?.after(&after)?.by(tx, caller)?;
    Ok(after)
}

fn wire(limits: RateLimits) -> Limits {
    Limits {
        rpm_limit: limits.rpm,
        rpd_limit: limits.rpd,
        tpm_limit: limits.tpm,
        max_concurrency: limits.concurrency,
    }
}
