//! `/v1/events`: what happened, each thing once. What is written, and when, is in `crate::events`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keystore_core::ids::EventId;
use keystore_store::events as rows;
use keystore_wire::Page;
use keystore_wire::events::{Event, ListEvents};

use super::extract::Query;
use super::page::Slice;
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::require::{Require, SeeMoney};

/// What happened, newest first.
#[utoipa::path(get, path = "/v1/events", tag = "events", params(ListEvents),
    responses((status = 200, body = Page<Event>)))]
pub(super) async fn list_events(
    State(app): State<Arc<App>>,
    caller: Require<SeeMoney>,
    Query(query): Query<ListEvents>,
) -> ApiResult<Json<Page<Event>>> {
    let slice = Slice::<EventId>::of(query.limit, query.after.as_deref())?;
    let mut conn = app.store.read().await?;
    let project = caller.narrow(&mut conn, query.project.as_deref()).await?;
    let kind = query.kind.as_deref();
    let found = rows::list(&mut conn, caller.org, project, kind, slice.after, slice.read()).await?;
    Ok(Json(slice.page(
        found,
        |row| row.id.to_string(),
        |row| Event {
            id: row.id,
            kind: row.kind,
            subject: row.subject,
            project_id: row.project,
            at: row.at.into(),
            data: row.data,
        },
    )))
}
