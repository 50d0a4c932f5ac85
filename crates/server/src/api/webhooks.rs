//! `/v1/webhooks` and `/v1/webhook-deliveries`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keystore_core::ids::{DeliveryId, WebhookId};
use keystore_store::deliveries::{self as delivery_rows, Delivery as DeliveryRow, DeliveryState};
use keystore_store::webhooks::{self as rows, Webhook as Row, WebhookState};
use keystore_vault::WebhookSecret;
use keystore_wire::Page;
use keystore_wire::page::PageQuery;
use keystore_wire::webhooks::{
    CreateWebhook, CreatedWebhook, Delivery, DeliveryStatus, DisabledBecause, ListDeliveries,
    RotateWebhookSecret, UpdateWebhook, Webhook, WebhookStatus,
};

use super::extract::{Body, Query};
use super::idempotency::Once;
use super::page::Slice;
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::require::{Administer, Require, Target};
use crate::webhooks;

/// The webhooks, oldest first, without their secrets.
#[utoipa::path(get, path = "/v1/webhooks", tag = "webhooks", params(PageQuery),
    responses((status = 200, body = Page<Webhook>)))]
pub(super) async fn list_webhooks(
    State(app): State<Arc<App>>,
    caller: Require<Administer>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<Webhook>>> {
    let slice = Slice::<WebhookId>::of(query.limit, query.after.as_deref())?;
    let org = caller.whole_org()?;
    let found = rows::list(&mut app.store.read().await?, org, slice.after, slice.read()).await?;
    Ok(Json(slice.page(found, |row| row.id.to_string(), wire)))
}

/// Makes a webhook: from now on it is told of the events that it names. The secret that messages are signed with is in this answer
/// and in no other.
#[utoipa::path(post, path = "/v1/webhooks", tag = "webhooks", request_body = CreateWebhook,
    responses((status = 201, body = CreatedWebhook)))]
pub(super) async fn create_webhook(
    State(app): State<Arc<App>>,
    caller: Require<Administer>,
    Body(body): Body<CreateWebhook>,
) -> ApiResult<(StatusCode, Once<CreatedWebhook>)> {
    let (row, secret) = webhooks::create(&app, &caller, body).await?;
    Ok((StatusCode::CREATED, Once(with_secret(row, &secret))))
}

/// The webhook, without its secret.
#[utoipa::path(get, path = "/v1/webhooks/{webhook}", tag = "webhooks", params(("webhook" = String, Path, description = "Id or name")),
    responses((status = 200, body = Webhook)))]
pub(super) async fn get_webhook(
    State(app): State<Arc<App>>,
    target: Target<Administer, Row>,
) -> ApiResult<Json<Webhook>> {
    let (_, row) = target.read(&app).await?;
    Ok(Json(wire(row)))
}

/// Changes what is named. Another address is signed for with the same secret.
#[utoipa::path(patch, path = "/v1/webhooks/{webhook}", tag = "webhooks", request_body = UpdateWebhook,
    params(("webhook" = String, Path, description = "Id or name")), responses((status = 200, body = Webhook)))]
pub(super) async fn update_webhook(
    State(app): State<Arc<App>>,
    target: Target<Administer, Row>,
    Body(body): Body<UpdateWebhook>,
) -> ApiResult<Json<Webhook>> {
    let (_, row) = target.read(&app).await?;
    Ok(Json(wire(webhooks::update(&app, &target, row, body).await?)))
}

/// Deletes the webhook, and what waits to be sent to it.
#[utoipa::path(delete, path = "/v1/webhooks/{webhook}", tag = "webhooks",
    params(("webhook" = String, Path, description = "Id or name")), responses((status = 204)))]
pub(super) async fn delete_webhook(
    State(app): State<Arc<App>>,
    target: Target<Administer, Row>,
) -> ApiResult<StatusCode> {
    let (mut tx, row) = target.change(&app).await?;
    webhooks::delete(&mut tx, &target, row).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives the webhook another secret, which is in this answer and in no other. Messages are signed with both for a while, so that the
/// receiver can change over without missing one.
#[utoipa::path(post, path = "/v1/webhooks/{webhook}/rotate-secret", tag = "webhooks", request_body = RotateWebhookSecret,
    params(("webhook" = String, Path, description = "Id or name")), responses((status = 200, body = CreatedWebhook)))]
pub(super) async fn rotate_webhook_secret(
    State(app): State<Arc<App>>,
    target: Target<Administer, Row>,
    Body(body): Body<RotateWebhookSecret>,
) -> ApiResult<Once<CreatedWebhook>> {
    let (_, row) = target.read(&app).await?;
    let (row, secret) = webhooks::rotate_secret(&app, &target, row, body.overlap_seconds).await?;
    Ok(Once(with_secret(row, &secret)))
}

/// Sends the webhook an event of the kind `webhook.test`, whatever it is told of. The answer tells of a delivery that has just begun.
#[utoipa::path(post, path = "/v1/webhooks/{webhook}/test", tag = "webhooks",
    params(("webhook" = String, Path, description = "Id or name")), responses((status = 200, body = Delivery)))]
pub(super) async fn test_webhook(
    State(app): State<Arc<App>>,
    target: Target<Administer, Row>,
) -> ApiResult<Json<Delivery>> {
    let (mut tx, row) = target.change(&app).await?;
    let made = webhooks::test(&app, &target, &mut tx, &row).await?;
    tx.commit().await?;
    app.hooks.wake();
    Ok(Json(wire_delivery(made)))
}

/// What was sent to the webhook, or waits, newest first. It is kept for 30 days.
#[utoipa::path(get, path = "/v1/webhooks/{webhook}/deliveries", tag = "webhooks",
    params(("webhook" = String, Path, description = "Id or name"), ListDeliveries),
    responses((status = 200, body = Page<Delivery>)))]
pub(super) async fn list_webhook_deliveries(
    State(app): State<Arc<App>>,
    target: Target<Administer, Row>,
    Query(query): Query<ListDeliveries>,
) -> ApiResult<Json<Page<Delivery>>> {
    let slice = Slice::<DeliveryId>::of(query.limit, query.after.as_deref())?;
    let (mut conn, row) = target.read(&app).await?;
    let state = query.status.map(|status| match status {
        DeliveryStatus::Pending => DeliveryState::Pending,
        DeliveryStatus::Delivered => DeliveryState::Delivered,
        DeliveryStatus::Dead => DeliveryState::Dead,
    });
    let found = delivery_rows::list(&mut conn, row.id, state, slice.after, slice.read()).await?;
    Ok(Json(slice.page(found, |row| row.id.to_string(), wire_delivery)))
}

/// The delivery.
#[utoipa::path(get, path = "/v1/webhook-deliveries/{delivery}", tag = "webhooks",
    params(("delivery" = String, Path, description = "Id")), responses((status = 200, body = Delivery)))]
pub(super) async fn get_webhook_delivery(
    State(app): State<Arc<App>>,
    target: Target<Administer, DeliveryRow>,
) -> ApiResult<Json<Delivery>> {
    let (_, row) = target.read(&app).await?;
    Ok(Json(wire_delivery(row)))
}

/// Sends the event once more, with the same `webhook-id`, and tries it for another 72 hours.
#[utoipa::path(post, path = "/v1/webhook-deliveries/{delivery}/redeliver", tag = "webhooks",
    params(("delivery" = String, Path, description = "Id")), responses((status = 200, body = Delivery)))]
pub(super) async fn redeliver_webhook(
    State(app): State<Arc<App>>,
    target: Target<Administer, DeliveryRow>,
) -> ApiResult<Json<Delivery>> {
    let (mut tx, row) = target.change(&app).await?;
    let again = webhooks::redeliver(&app, &target, &mut tx, row).await?;
    tx.commit().await?;
    app.hooks.wake();
    Ok(Json(wire_delivery(again)))
}

fn with_secret(row: Row, secret: &WebhookSecret) -> CreatedWebhook {
    CreatedWebhook {
        endpoint: Webhook {
            secret: Some(secret.text().to_string()),
            ..wire(row)
        },
        secret_shown: false,
        remedy: None,
    }
}

/// A webhook as it is shown: without its secret.
pub(crate) fn wire(row: Row) -> Webhook {
    let (status, disabled_because) = match row.state {
        WebhookState::Active => (WebhookStatus::Active, None),
        WebhookState::Disabled => (WebhookStatus::Disabled, None),
        WebhookState::Failing => (WebhookStatus::Disabled, Some(DisabledBecause::Failing)),
        WebhookState::Gone => (WebhookStatus::Disabled, Some(DisabledBecause::Gone)),
        WebhookState::Lost => (WebhookStatus::Disabled, Some(DisabledBecause::Lost)),
    };
    Webhook {
        id: row.id,
        name: row.name,
        url: row.url,
        events: row.events,
        description: row.description,
        status,
        disabled_because,
        failing_since: row.failing_since.map(Into::into),
        previous_secret_until: row.previous_until.map(Into::into),
        created_at: row.created_at.into(),
        updated_at: row.updated_at.into(),
        secret: None,
    }
}

/// A delivery as it is shown.
pub(crate) fn wire_delivery(row: DeliveryRow) -> Delivery {
    let status = match row.state {
        DeliveryState::Pending => DeliveryStatus::Pending,
        DeliveryState::Delivered => DeliveryStatus::Delivered,
        DeliveryState::Dead => DeliveryStatus::Dead,
    };
    Delivery {
        id: row.id,
        webhook_id: row.webhook,
        event_id: row.event,
        event: row.kind,
        status,
        attempts: row.attempts,
        created_at: row.made_at.into(),
        tried_at: row.tried_at.map(Into::into),
        next_at: (status == DeliveryStatus::Pending).then(|| row.next_at.into()),
        answer_status: row.status,
        answer: row.answer,
        error: row.error,
    }
}
