//! `/v1/api-keys`: management keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keystore_core::Micros;
use keystore_core::ids::ApiKeyId;
use keystore_store::Conn;
use keystore_store::api_keys::{self as rows, ApiKey as Row};
use keystore_wire::Page;
use keystore_wire::api_keys::{ApiKey, CreateApiKey, CreatedApiKey, UpdateApiKey};
use keystore_wire::page::PageQuery;

use super::extract::{Body, Query};
use super::idempotency::Once;
use super::page::Slice;
use super::problem::{ApiError, ApiResult};
use super::roles;
use crate::api_keys::{self, NewKey};
use crate::app::App;
use crate::auth::caller::Caller;
use crate::auth::require::{Administer, Require, Resource, Target};

/// The management keys, oldest first, without their values.
#[utoipa::path(get, path = "/v1/api-keys", tag = "api-keys", params(PageQuery),
    responses((status = 200, body = Page<ApiKey>)))]
pub(super) async fn list_api_keys(
    State(app): State<Arc<App>>,
    caller: Require<Administer>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<ApiKey>>> {
    let slice = Slice::<ApiKeyId>::of(query.limit, query.after.as_deref())?;
    let mut conn = app.store.read().await?;
    let found = rows::list(&mut conn, caller.org, caller.project, slice.after, slice.read()).await?;
    Ok(Json(slice.page(found, |row| row.id.to_string(), wire)))
}

/// Makes a management key. The value is in this answer and in no other. Nobody can give a key more than they hold.
#[utoipa::path(post, path = "/v1/api-keys", tag = "api-keys", request_body = CreateApiKey,
    responses((status = 201, body = CreatedApiKey)))]
pub(super) async fn create_api_key(
    State(app): State<Arc<App>>,
    caller: Require<Administer>,
    Body(body): Body<CreateApiKey>,
) -> ApiResult<(StatusCode, Once<CreatedApiKey>)> {
    let new = NewKey {
        name: &body.name,
        role: roles::stored(body.role),
        project: body.project.as_deref(),
        expires_at: body.expires_at.map(Micros::from),
    };
    let mut tx = app.store.begin().await?;
    let (value, row) = api_keys::create(&app, &mut tx, &caller, &new).await?;
    tx.commit().await?;
    let answer = CreatedApiKey {
        key: Some(value.into_text().to_string()),
        secret_shown: false,
        remedy: None,
        api_key: wire(row),
    };
    Ok((StatusCode::CREATED, Once(answer)))
}

/// The management key, without its value.
#[utoipa::path(get, path = "/v1/api-keys/{apiKey}", tag = "api-keys",
    params(("apiKey" = String, Path, description = "Id")), responses((status = 200, body = ApiKey)))]
pub(super) async fn get_api_key(
    State(app): State<Arc<App>>,
    target: Target<Administer, Row>,
) -> ApiResult<Json<ApiKey>> {
    let (_, row) = target.read(&app).await?;
    Ok(Json(wire(row)))
}

/// Gives the management key another name. What it may do, where and until when stays.
#[utoipa::path(patch, path = "/v1/api-keys/{apiKey}", tag = "api-keys", request_body = UpdateApiKey,
    params(("apiKey" = String, Path, description = "Id")), responses((status = 200, body = ApiKey)))]
pub(super) async fn update_api_key(
    State(app): State<Arc<App>>,
    target: Target<Administer, Row>,
    Body(body): Body<UpdateApiKey>,
) -> ApiResult<Json<ApiKey>> {
    let (mut tx, row) = target.change(&app).await?;
    let renamed = api_keys::rename(&mut tx, &target, row, &body.name).await?;
    tx.commit().await?;
    Ok(Json(wire(renamed)))
}

/// Revokes the management key at once and for good.
#[utoipa::path(delete, path = "/v1/api-keys/{apiKey}", tag = "api-keys",
    params(("apiKey" = String, Path, description = "Id")), responses((status = 204)))]
pub(super) async fn delete_api_key(
    State(app): State<Arc<App>>,
    target: Target<Administer, Row>,
) -> ApiResult<StatusCode> {
    let (mut tx, row) = target.change(&app).await?;
    api_keys::revoke(&app, &mut tx, &target, row).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Resource for Row {
    type Key = ApiKeyId;
    const NOUN: &'static str = "management key";

    async fn find(_: &App, conn: &mut Conn, caller: &Caller, key: &ApiKeyId) -> ApiResult<Self> {
        rows::get(conn, caller.org, *key)
            .await?
            .filter(|row| caller.reaches(row.project))
            .ok_or_else(|| ApiError::not_found(Self::NOUN))
    }
}

/// The key as an answer and the audit log show it: everything but its value.
pub(crate) fn wire(row: Row) -> ApiKey {
    ApiKey {
        id: row.id,
        name: row.name,
        role: roles::wire(row.role),
        project_id: row.project,
        created_at: row.created_at.into(),
        expires_at: row.expires_at.map(Into::into),
        revoked_at: row.revoked_at.map(Into::into),
        last_used_at: row.last_used_at.map(Into::into),
    }
}
