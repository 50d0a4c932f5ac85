//! `/v1/billing/{top-ups,auto-top-up}`, what the operator settles at `/v1/operator/payments`, and what Stripe tells at
//! `/v1/payments/stripe`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use http::{HeaderMap, StatusCode};
use keystore_core::ids::PaymentId;
use keystore_store::payments::{self as rows, Payment as Row, Way};
use keystore_wire::Page;
use keystore_wire::page::PageQuery;
use keystore_wire::payments::{AutoTopUp, CreateTopUp, Payer, Payment, SetAutoTopUp, SettlePayment, TopUp};

use super::extract::{Body, Query, unreadable};
use super::page::Slice;
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::require::{ManageBilling, Operate, Require, Target};
use crate::payments::{self, rule};

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

/// How credit is topped up by itself.
#[utoipa::path(get, path = "/v1/billing/auto-top-up", tag = "billing", responses((status = 200, body = AutoTopUp)))]
pub(super) async fn get_auto_top_up(
    State(app): State<Arc<App>>,
    caller: Require<ManageBilling>,
) -> ApiResult<Json<AutoTopUp>> {
    let org = caller.whole_org()?;
    Ok(Json(rule::show(&app, &mut app.store.read().await?, org).await?))
}

/// Has credit topped up by itself when it runs low, from the saved card; without Stripe the operator is asked to see to it.
#[utoipa::path(post, path = "/v1/billing/auto-top-up", tag = "billing", request_body = SetAutoTopUp,
    responses((status = 200, body = AutoTopUp)))]
pub(super) async fn set_auto_top_up(
    State(app): State<Arc<App>>,
    caller: Require<ManageBilling>,
    Body(body): Body<SetAutoTopUp>,
) -> ApiResult<Json<AutoTopUp>> {
    Ok(Json(rule::set(&app, &caller, &body).await?))
}

/// Ends that, and forgets the saved card. A payment that is open goes on.
#[utoipa::path(delete, path = "/v1/billing/auto-top-up", tag = "billing", responses((status = 204)))]
pub(super) async fn delete_auto_top_up(
    State(app): State<Arc<App>>,
    caller: Require<ManageBilling>,
) -> ApiResult<StatusCode> {
    rule::delete(&app, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The payments that began by themselves and are open, oldest first.
#[utoipa::path(get, path = "/v1/operator/payments", tag = "operator", params(PageQuery),
    responses((status = 200, body = Page<Payment>)))]
pub(super) async fn list_payments(
    State(app): State<Arc<App>>,
    _caller: Require<Operate>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<Payment>>> {
    let slice = Slice::<PaymentId>::of(query.limit, query.after.as_deref())?;
    let mut conn = app.store.read().await?;
    let found = rows::waiting(&mut conn, slice.after, slice.read()).await?;
    Ok(Json(slice.page(found, |row| row.id.to_string(), wire)))
}

/// Says what came of an open payment: that the money is there, which is then credited, or that it came to nothing.
#[utoipa::path(post, path = "/v1/operator/payments/{payment}", tag = "operator", request_body = SettlePayment,
    params(("payment" = String, Path, description = "Id")), responses((status = 204)))]
pub(super) async fn settle_payment(
    State(app): State<Arc<App>>,
    target: Target<Operate, Row>,
    Body(body): Body<SettlePayment>,
) -> ApiResult<StatusCode> {
    let (_, payment) = target.read(&app).await?;
    payments::settle(&app, &target, &payment, &body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A payment as clients and the audit log see it.
pub(crate) fn wire(row: Row) -> Payment {
    Payment {
        id: row.id,
        org_id: row.org,
        amount: row.amount,
        by: match row.way {
            Way::Page | Way::SavingPage | Way::Card => Payer::Card,
            Way::Operator => Payer::Operator,
        },
        asks: row.asks,
        session: row.session,
        created_at: row.created_at.into(),
    }
}

/// What Stripe tells: the one operation for it alone. Needs its signature, at most five minutes old; each event counts once.
#[utoipa::path(post, path = "/v1/payments/stripe", tag = "billing", security(()),
    params(("stripe-signature" = Option<String>, Header, description = "Stripe's signature of the body")),
    request_body(content = String, content_type = "application/json", description = "An event of Stripe",
        example = json!("{\"id\": \"evt_1SWq2eJ\", \"type\": \"checkout.session.completed\", \"data\": {\"object\": {}}}")),
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
