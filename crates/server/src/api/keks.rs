//! `/v1/kek`: the organization's key-encryption keys. A key goes in wrapped and never comes out.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keystore_store::kek_jobs::{KekJob as JobRow, KekStep};
use keystore_store::keks::{Kek, KekState};
use keystore_wire::keks::{
    DestroyKek, FinishImport, Generation, GenerationState, JobStep, KekImport, KekJob, KekStatus, RetireKek,
    SetCustomerKey, ShredKeks, Shredded,
};

use super::extract::Body;
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::require::{Administer, ManageOrg, Require};
use crate::keks;

/// The organization's keys, and what is being done to them.
#[utoipa::path(get, path = "/v1/kek", tag = "keks", responses((status = 200, body = KekStatus)))]
pub(super) async fn get_kek_status(
    State(app): State<Arc<App>>,
    caller: Require<Administer>,
) -> ApiResult<Json<KekStatus>> {
    Ok(Json(keks::status(&app, caller.whole_org()?).await?))
}

/// Makes another generation. New versions are sealed under it at once; the others move to it in the background.
#[utoipa::path(post, path = "/v1/kek/rotate", tag = "keks", responses((status = 200, body = KekStatus)))]
pub(super) async fn rotate_kek(
    State(app): State<Arc<App>>,
    caller: Require<Administer>,
) -> ApiResult<Json<KekStatus>> {
    let org = caller.whole_org()?;
    keks::rotate(&app, Some(&caller), org, None).await?;
    Ok(Json(keks::status(&app, org).await?))
}

/// Begins to move what older generations hold to the active one; verification follows.
#[utoipa::path(post, path = "/v1/kek/rewrap", tag = "keks", responses((status = 200, body = KekStatus)))]
pub(super) async fn rewrap_keks(
    State(app): State<Arc<App>>,
    caller: Require<Administer>,
) -> ApiResult<Json<KekStatus>> {
    keks::begin(&app, &caller, KekStep::Rewrap).await?;
    Ok(Json(keks::status(&app, caller.org).await?))
}

/// Begins to open every credential version once, to see that it opens.
#[utoipa::path(post, path = "/v1/kek/verify", tag = "keks", responses((status = 200, body = KekStatus)))]
pub(super) async fn verify_keks(
    State(app): State<Arc<App>>,
    caller: Require<Administer>,
) -> ApiResult<Json<KekStatus>> {
    keks::begin(&app, &caller, KekStep::Verify).await?;
    Ok(Json(keks::status(&app, caller.org).await?))
}

/// Ends the use of a generation under which nothing is sealed any more, once that was verified.
#[utoipa::path(post, path = "/v1/kek/retire", tag = "keks", request_body = RetireKek,
    responses((status = 200, body = KekStatus)))]
pub(super) async fn retire_kek(
    State(app): State<Arc<App>>,
    caller: Require<Administer>,
    Body(body): Body<RetireKek>,
) -> ApiResult<Json<KekStatus>> {
    keks::retire(&app, &caller, body.generation).await?;
    Ok(Json(keks::status(&app, caller.org).await?))
}

/// Deletes the key of a retired generation, for good.
#[utoipa::path(post, path = "/v1/kek/destroy", tag = "keks", request_body = DestroyKek,
    responses((status = 200, body = KekStatus)))]
pub(super) async fn destroy_kek(
    State(app): State<Arc<App>>,
    caller: Require<ManageOrg>,
    Body(body): Body<DestroyKek>,
) -> ApiResult<Json<KekStatus>> {
    keks::destroy(&app, &caller, body.generation, body.confirm).await?;
    Ok(Json(keks::status(&app, caller.org).await?))
}

/// Deletes all keys of the organization: none of its credentials can be opened any more. Backups are not reached.
#[utoipa::path(post, path = "/v1/kek/shred", tag = "keks", request_body = ShredKeks,
    responses((status = 200, body = Shredded)))]
pub(super) async fn shred_keks(
    State(app): State<Arc<App>>,
    caller: Require<ManageOrg>,
    Body(body): Body<ShredKeks>,
) -> ApiResult<Json<Shredded>> {
    Ok(Json(keks::shred(&app, &caller, &body.confirm).await?))
}

/// Puts the organization's keys under a key that it holds itself, or takes that away. The key is tried first.
#[utoipa::path(post, path = "/v1/kek/customer-key", tag = "keks", request_body = SetCustomerKey,
    responses((status = 200, body = KekStatus)))]
pub(super) async fn set_customer_key(
    State(app): State<Arc<App>>,
    caller: Require<ManageOrg>,
    Body(body): Body<SetCustomerKey>,
) -> ApiResult<Json<KekStatus>> {
    keks::set_customer_key(&app, &caller, body.key.as_deref()).await?;
    Ok(Json(keks::status(&app, caller.org).await?))
}

/// Makes a public key under which a key of the customer's own making can be sent in.
#[utoipa::path(post, path = "/v1/kek/imports", tag = "keks", responses((status = 201, body = KekImport)))]
pub(super) async fn begin_kek_import(
    State(app): State<Arc<App>>,
    caller: Require<ManageOrg>,
) -> ApiResult<(StatusCode, Json<KekImport>)> {
    Ok((
        StatusCode::CREATED,
        Json(keks::begin_import(&app, &caller).await?),
    ))
}

/// Takes a wrapped key in as another generation.
#[utoipa::path(post, path = "/v1/kek/imports/finish", tag = "keks", request_body = FinishImport,
    responses((status = 200, body = KekStatus)))]
pub(super) async fn finish_kek_import(
    State(app): State<Arc<App>>,
    caller: Require<ManageOrg>,
    Body(body): Body<FinishImport>,
) -> ApiResult<Json<KekStatus>> {
    keks::finish_import(&app, &caller, &body).await?;
    Ok(Json(keks::status(&app, caller.org).await?))
}

/// A generation as clients and the audit log see it.
pub(crate) fn generation(kek: &Kek, versions: u64) -> Generation {
    Generation {
        generation: kek.generation,
        state: match kek.state {
            KekState::Active => GenerationState::Active,
            KekState::Retiring => GenerationState::Retiring,
            KekState::Retired => GenerationState::Retired,
            KekState::Destroyed => GenerationState::Destroyed,
        },
        credential_versions: versions,
        wraps: kek.wraps,
        imported: kek.imported,
        customer_key: kek.customer.clone(),
        created_at: kek.created_at.into(),
        verified_at: kek.verified_at.map(Into::into),
    }
}

/// What is being done, as clients and the audit log see it.
pub(crate) fn job(row: &JobRow) -> KekJob {
    KekJob {
        step: match row.step {
            KekStep::Rewrap => JobStep::Rewrap,
            KekStep::Verify => JobStep::Verify,
        },
        done: row.done,
        total: row.total,
        failed: row.failed,
        problem: row.problem.clone(),
        started_at: row.started_at.into(),
        ended_at: row.ended_at.map(Into::into),
    }
}
