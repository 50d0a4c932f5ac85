//! `/v1/billing/top-ups`, and what Stripe tells at `/v1/payments/stripe`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use http::{HeaderMap, StatusCode};
use keystore_wire::billing::{CreateTopUp, TopUp};

use super::extract::{Body, unreadable};
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::require::{ManageBilling, Require};
use crate::payments;

/// Begins a top-up: gives a page of Stripe's on which it can be paid. It is credited when Stripe tells that the money is there.
#[utoipa::path(post, path = "/v1/billing/top-ups", tag = "billing", request_body = CreateTopUp,
    responses((status = 201, body = TopUp)))]
pub(super) async fn create_top_up(
    State(app): State<Arc<App>>,
    caller: Require<ManageBilling>,
    Body(body): Body<CreateTopUp>,
) -> ApiResult<(StatusCode, Json<TopUp>)> {
    let begun = payments::begin(&app, &caller, &body).await?;
    Ok((StatusCode::CREATED, Json(begun)))
}

/// What Stripe tells: the one operation for it alone. Needs its signature, at most five minutes old; each event counts once.
#[utoipa::path(post, path = "/v1/payments/stripe", tag = "billing", security(()),
    params(("stripe-signature" = Option<String>, Header, description = "Stripe's signature of the body")),
    request_body(content = String, content_type = "application/json", description = "An event of Stripe"),
    responses((status = 204)))]
pub(super) async fn receive_stripe_event(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> ApiResult<StatusCode> {
    let body = body.map_err(unreadable)?;
    let signature = headers
        .get("stripe-signature")
        .and_then(|value| value.to_str().ok());
    payments::hear(&app, signature.unwrap_or_default(), &body).await?;
    Ok(StatusCode::NO_CONTENT)
}
