//! `/v1/auth/passkeys` and `/v1/auth/passkey`: passkeys of a person, and signing in with one. The rules are in `crate::auth::passkeys`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keystore_core::ids::PasskeyId;
use keystore_wire::SecretText;
use keystore_wire::auth::SignedIn;
use keystore_wire::factors::WithPassword;
use keystore_wire::passkeys::{
    AddPasskey, AddedPasskey, BeginPasskey, PasskeyCreation, PasskeyRequest, UsePasskey,
};

use super::auth::signed_in;
use super::extract::{Body, Id};
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::passkeys;
use crate::auth::person::InPerson;
use crate::auth::visitor::Visitor;

/// What the browser is asked for to make a passkey. Nothing is kept.
#[utoipa::path(post, path = "/v1/auth/passkeys/begin", tag = "auth", request_body = WithPassword,
    responses((status = 200, body = PasskeyCreation)))]
pub(super) async fn begin_passkey(
    State(app): State<Arc<App>>,
    person: InPerson,
    Body(body): Body<WithPassword>,
) -> ApiResult<Json<PasskeyCreation>> {
    let asked = passkeys::begin(&app, &person, body.password.expose()).await?;
    Ok(Json(asked))
}

/// Registers the passkey that the authenticator made. Your other sessions end. With your first factor come recovery codes, shown once.
#[utoipa::path(post, path = "/v1/auth/passkeys", tag = "auth", request_body = AddPasskey,
    responses((status = 201, body = AddedPasskey)))]
pub(super) async fn add_passkey(
    State(app): State<Arc<App>>,
    person: InPerson,
    Body(body): Body<AddPasskey>,
) -> ApiResult<(StatusCode, Json<AddedPasskey>)> {
    let added = passkeys::add(&app, &person, &body).await?;
    Ok((StatusCode::CREATED, Json(added)))
}

/// Takes a passkey of yours away. Your other sessions end.
#[utoipa::path(post, path = "/v1/auth/passkeys/{passkey}/remove", tag = "auth", request_body = WithPassword,
    params(("passkey" = String, Path, description = "Id")), responses((status = 204)))]
pub(super) async fn remove_passkey(
    State(app): State<Arc<App>>,
    person: InPerson,
    Id(passkey): Id<PasskeyId>,
    Body(body): Body<WithPassword>,
) -> ApiResult<StatusCode> {
    passkeys::remove(&app, &person, passkey, body.password.expose()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the browser is asked to sign for a sign-in with a passkey: alone, or behind a first step. Nothing is kept.
#[utoipa::path(post, path = "/v1/auth/passkey/begin", tag = "auth", security(()), request_body = BeginPasskey,
    responses((status = 200, body = PasskeyRequest)))]
pub(super) async fn ask_passkey(
    State(app): State<Arc<App>>,
    Body(body): Body<BeginPasskey>,
) -> ApiResult<Json<PasskeyRequest>> {
    let first = body.challenge.as_ref().map(SecretText::expose);
    Ok(Json(passkeys::ask(&app, first).await?))
}

/// Signs in with a passkey: alone, or behind a first step.
#[utoipa::path(post, path = "/v1/auth/passkey", tag = "auth", security(()), request_body = UsePasskey,
    responses((status = 200, body = SignedIn)))]
pub(super) async fn sign_in_with_passkey(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Body(body): Body<UsePasskey>,
) -> ApiResult<Response> {
    let done = passkeys::sign_in(&app, &body, &visitor).await?;
    signed_in(&app, done).await
}
