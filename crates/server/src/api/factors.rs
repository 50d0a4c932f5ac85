//! `/v1/auth/{factors,totp,recovery-codes,second-factor}`: second factors of a person. The rules are in `crate::auth::factors`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keystore_wire::auth::SignedIn;
use keystore_wire::factors::{
    ConfirmTotp, Factors, RecoveryCodes, SecondFactor, TotpEnrolment, WithPassword,
};

use super::auth::signed_in;
use super::extract::Body;
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::factors;
use crate::auth::person::InPerson;
use crate::auth::visitor::Visitor;

/// The second step of a sign-in: the challenge of the first one, with a code of the app or a recovery code, for a session.
#[utoipa::path(post, path = "/v1/auth/second-factor", tag = "auth", security(()), request_body = SecondFactor,
    responses((status = 200, body = SignedIn)))]
pub(super) async fn verify_second_factor(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Body(body): Body<SecondFactor>,
) -> ApiResult<Response> {
    let (challenge, code) = (body.challenge.expose(), body.code.expose());
    let done = factors::second_step(&app, challenge, code, &visitor).await?;
    signed_in(&app, done).await
}

/// Your second factors, and how many recovery codes are left.
#[utoipa::path(get, path = "/v1/auth/factors", tag = "auth", responses((status = 200, body = Factors)))]
pub(super) async fn get_factors(State(app): State<Arc<App>>, person: InPerson) -> ApiResult<Json<Factors>> {
    Ok(Json(factors::list(&app, &person).await?))
}

/// Makes a key for an app that shows one-time codes, shown once. It counts once a code confirmed it.
#[utoipa::path(post, path = "/v1/auth/totp", tag = "auth", request_body = WithPassword,
    responses((status = 200, body = TotpEnrolment)))]
pub(super) async fn begin_totp(
    State(app): State<Arc<App>>,
    person: InPerson,
    Body(body): Body<WithPassword>,
) -> ApiResult<Json<TotpEnrolment>> {
    let made = factors::begin_totp(&app, &person, body.password.expose()).await?;
    Ok(Json(made))
}

/// Lets one-time codes count, given the first one. Your other sessions end. The answer has your recovery codes, shown once.
#[utoipa::path(post, path = "/v1/auth/totp/confirm", tag = "auth", request_body = ConfirmTotp,
    responses((status = 200, body = RecoveryCodes)))]
pub(super) async fn confirm_totp(
    State(app): State<Arc<App>>,
    person: InPerson,
    Body(body): Body<ConfirmTotp>,
) -> ApiResult<Json<RecoveryCodes>> {
    let codes = factors::confirm_totp(&app, &person, body.code.expose()).await?;
    Ok(Json(codes))
}

/// Takes the app for one-time codes away. Your other sessions end.
#[utoipa::path(post, path = "/v1/auth/totp/remove", tag = "auth", request_body = WithPassword,
    responses((status = 204)))]
pub(super) async fn remove_totp(
    State(app): State<Arc<App>>,
    person: InPerson,
    Body(body): Body<WithPassword>,
) -> ApiResult<StatusCode> {
    factors::remove_totp(&app, &person, body.password.expose()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts new recovery codes in the place of yours, shown once.
#[utoipa::path(post, path = "/v1/auth/recovery-codes", tag = "auth", request_body = WithPassword,
    responses((status = 200, body = RecoveryCodes)))]
pub(super) async fn renew_recovery_codes(
    State(app): State<Arc<App>>,
    person: InPerson,
    Body(body): Body<WithPassword>,
) -> ApiResult<Json<RecoveryCodes>> {
    let codes = factors::renew_codes(&app, &person, body.password.expose()).await?;
    Ok(Json(codes))
}
