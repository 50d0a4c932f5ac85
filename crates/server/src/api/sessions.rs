//! `/v1/auth/sessions`: a person's own sessions, in whatever organization. A session is found by its id and its person.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use keystore_core::ids::SessionId;
use keystore_store::sessions as rows;
use keystore_wire::Page;
use keystore_wire::page::PageQuery;
use keystore_wire::sessions::{EndSessions, EndedSessions, Session};

use super::auth::no_cookie;
use super::extract::{Body, Id, Query};
use super::page::Slice;
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::person::InPerson;
use crate::auth::sessions;

/// Your own sessions, oldest first: where each began, and when it was last used.
#[utoipa::path(get, path = "/v1/auth/sessions", tag = "auth", params(PageQuery),
    responses((status = 200, body = Page<Session>)))]
pub(super) async fn list_sessions(
    State(app): State<Arc<App>>,
    person: InPerson,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<Session>>> {
    let slice = Slice::<SessionId>::of(query.limit, query.after.as_deref())?;
    let (mut conn, now) = (app.store.read().await?, app.clock.now());
    let found = rows::list(&mut conn, person.user, now, slice.after, slice.read()).await?;
    Ok(Json(slice.page(
        found,
        |row| row.id.to_string(),
        |row| wire(row, person.session),
    )))
}

/// Ends one of your sessions at once.
#[utoipa::path(delete, path = "/v1/auth/sessions/{session}", tag = "auth",
    params(("session" = String, Path, description = "Id")), responses((status = 204)))]
pub(super) async fn end_session(
    State(app): State<Arc<App>>,
    person: InPerson,
    Id(session): Id<SessionId>,
) -> ApiResult<StatusCode> {
    sessions::end(&app, &person, session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all of your sessions at once, this one too unless it is to be kept. Management keys stay.
#[utoipa::path(post, path = "/v1/auth/sessions/end", tag = "auth", request_body = EndSessions,
    responses((status = 200, body = EndedSessions)))]
pub(super) async fn end_sessions(
    State(app): State<Arc<App>>,
    person: InPerson,
    Body(body): Body<EndSessions>,
) -> ApiResult<Response> {
    let ended = sessions::end_all(&app, &person, body.keep_this).await?;
    let answer = Json(EndedSessions { ended });
    Ok(match body.keep_this {
        true => answer.into_response(),
        false => (no_cookie(&app), answer).into_response(),
    })
}

fn wire(row: rows::Session, current: SessionId) -> Session {
    Session {
        id: row.id,
        current: row.id == current,
        client: row.client,
        address: row.address,
        org_id: row.org,
        created_at: row.created_at.into(),
        last_used_at: row.last_seen_at.into(),
        expires_at: row.expires_at.into(),
    }
}
