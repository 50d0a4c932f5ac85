//! `/v1/tokens`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keystore_core::Micros;
use keystore_core::ids::{AgentId, TokenId};
use keystore_store::tokens::Token as Row;
use keystore_store::{agents as agent_rows, tokens as rows};
use keystore_wire::Page;
use keystore_wire::tokens::{CreateToken, CreatedToken, ListTokens, RotateToken, Token, TokenStatus};

use super::agents::show;
use super::extract::{Body, Query};
use super::idempotency::Once;
use super::page::Slice;
use super::problem::ApiResult;
use crate::agents;
use crate::app::App;
use crate::auth::require::{ManageAgents, Require, SeeAgents, Target};
use crate::tokens::{self, Found, Made};

/// The tokens, oldest first, without their values.
#[utoipa::path(get, path = "/v1/tokens", tag = "tokens", params(ListTokens),
    responses((status = 200, body = Page<Token>)))]
pub(super) async fn list_tokens(
    State(app): State<Arc<App>>,
    caller: Require<SeeAgents>,
    Query(query): Query<ListTokens>,
) -> ApiResult<Json<Page<Token>>> {
    let slice = Slice::<TokenId>::of(query.limit, query.after.as_deref())?;
    let mut conn = app.store.read().await?;
    let agent = match &query.agent {
        Some(agent) => Some(agents::find(&app, &mut conn, &caller, agent).await?.row.id),
        None => None,
    };
    let found = rows::list(
        &mut conn,
        caller.org,
        caller.project,
        agent,
        slice.after,
        slice.read(),
    )
    .await?;
    let mut names = BTreeMap::new();
    for id in found.iter().map(|row| row.agent) {
        if let std::collections::btree_map::Entry::Vacant(entry) = names.entry(id) {
            let agent = agent_rows::get(&mut conn, caller.org, id).await?;
            entry.insert(agent.map(|agent| agent.name).unwrap_or_default());
        }
    }
    let now = app.clock.now();
    Ok(Json(slice.page(
        found,
        |row| row.id.to_string(),
        |row| {
            let name = name_of(&names, row.agent);
            wire(row, name, now)
        },
    )))
}

fn name_of(names: &BTreeMap<AgentId, String>, agent: AgentId) -> String {
    names.get(&agent).cloned().unwrap_or_default()
}

/// Makes a token, with a new agent or for one that exists. The value is in this answer and in no other.
#[utoipa::path(post, path = "/v1/tokens", tag = "tokens", request_body = CreateToken,
    responses((status = 201, body = CreatedToken)))]
pub(super) async fn create_token(
    State(app): State<Arc<App>>,
    caller: Require<ManageAgents>,
    Body(body): Body<CreateToken>,
) -> ApiResult<(StatusCode, Once<CreatedToken>)> {
    let mut tx = app.store.begin().await?;
    let made = tokens::create(&app, &mut tx, &caller, body).await?;
    let answer = created(&app, &mut tx, made).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Once(answer)))
}

/// The token, without its value.
#[utoipa::path(get, path = "/v1/tokens/{token}", tag = "tokens", params(("token" = String, Path, description = "Id")),
    responses((status = 200, body = Token)))]
pub(super) async fn get_token(
    State(app): State<Arc<App>>,
    target: Target<SeeAgents, Found>,
) -> ApiResult<Json<Token>> {
    let (_, found) = target.read(&app).await?;
    Ok(Json(recorded(&app, found)))
}

/// Ends the token for good. When this returns, no request with it is forwarded any more.
#[utoipa::path(post, path = "/v1/tokens/{token}/revoke", tag = "tokens", params(("token" = String, Path, description = "Id")),
    responses((status = 200, body = Token)))]
pub(super) async fn revoke_token(
    State(app): State<Arc<App>>,
    target: Target<ManageAgents, Found>,
) -> ApiResult<Json<Token>> {
    let (mut tx, found) = target.change(&app).await?;
    let found = tokens::revoke(&app, &mut tx, &target, found).await?;
    tx.commit().await?;
    Ok(Json(recorded(&app, found)))
}

/// Makes a new token of the same agent; the old one ends after the overlap.
#[utoipa::path(post, path = "/v1/tokens/{token}/rotate", tag = "tokens", request_body = RotateToken,
    params(("token" = String, Path, description = "Id")), responses((status = 201, body = CreatedToken)))]
pub(super) async fn rotate_token(
    State(app): State<Arc<App>>,
    target: Target<ManageAgents, Found>,
    Body(body): Body<RotateToken>,
) -> ApiResult<(StatusCode, Once<CreatedToken>)> {
    let (mut tx, found) = target.change(&app).await?;
    let made = tokens::rotate(&app, &mut tx, &target, found, body.overlap_seconds).await?;
    let answer = created(&app, &mut tx, made).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Once(answer)))
}

async fn created(app: &App, conn: &mut keystore_store::Conn, made: Made) -> ApiResult<CreatedToken> {
    Ok(CreatedToken {
        id: made.id,
        token: Some(made.value.into_text().to_string()),
        secret_shown: false,
        remedy: None,
        expires_at: made.expires_at.map(Into::into),
        agent: show(app, conn, made.agent).await?,
    })
}

/// The token as an answer and the audit log show it.
pub(crate) fn recorded(app: &App, found: Found) -> Token {
    wire(found.row, found.agent.row.name, app.clock.now())
}

fn wire(row: Row, agent_name: String, now: Micros) -> Token {
    let status = match (row.revoked_at, row.expires_at) {
        (Some(_), _) => TokenStatus::Revoked,
        (None, Some(at)) if at <= now => TokenStatus::Expired,
        (None, _) => TokenStatus::Active,
    };
    Token {
        id: row.id,
        name: row.name,
        agent_id: row.agent,
        agent_name,
        status,
        created_at: row.created_at.into(),
        expires_at: row.expires_at.map(Into::into),
        revoked_at: row.revoked_at.map(Into::into),
        last_used_at: row.last_used_at.map(Into::into),
    }
}
