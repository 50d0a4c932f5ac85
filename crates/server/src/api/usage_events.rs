//! `/v1/usage/events`: what calls used, one CloudEvent each, in the order in which they ended, for meters and for billing on.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keystore_store::requests::{self as rows, Filter, RequestRow};
use keystore_wire::usage::{UsageData, UsageEvent, UsageEvents, UsageEventsQuery};

use super::extract::Query;
use super::page::Slice;
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::require::{Require, SeeMoney};

/// What calls used, one event each, oldest first. Refusals and attempts that were not sent are none. `next` is always there: a meter comes
/// again with it.
#[utoipa::path(get, path = "/v1/usage/events", tag = "usage", params(UsageEventsQuery),
    responses((status = 200, body = UsageEvents)))]
pub(super) async fn get_usage_events(
    State(app): State<Arc<App>>,
    caller: Require<SeeMoney>,
    Query(query): Query<UsageEventsQuery>,
) -> ApiResult<Json<UsageEvents>> {
    let slice = Slice::<i64>::of(query.limit, query.after.as_deref())?;
    app.store.project_now().await?;
    let mut conn = app.store.read().await?;
    let filter = Filter {
        project: caller.narrow(&mut conn, query.project.as_deref()).await?,
        ..Filter::default()
    };
    let after = slice.after.unwrap_or(0);
    let found = rows::since_seq(&mut conn, caller.org, &filter, after, slice.limit).await?;
    let last = found.rows.last().map(|row| row.seq);
    let next = found.next.or(last).unwrap_or(after).to_string();
    Ok(Json(UsageEvents {
        data: found.rows.into_iter().filter_map(event).collect(),
        next,
    }))
}

fn event(row: RequestRow) -> Option<UsageEvent> {
    let (attempt, source) = row.attempt.zip(row.source)?;
    let is_void = row.ending.is_none_or(keystore_core::record::Ending::is_void);
    let subject = row.end_user.clone().unwrap_or_else(|| row.project.to_string());
    let event = UsageEvent {
        specversion: "1.0".to_owned(),
        id: attempt.to_string(),
        source: format!("/keystore/orgs/{}", row.org),
        kind: "keystore.usage".to_owned(),
        subject,
        time: row.ended_at.into(),
        datacontenttype: "application/json".to_owned(),
        data: UsageData {
            request_id: row.id,
            project_id: row.project,
            agent_id: row.agent,
            end_user: row.end_user,
            provider: row.provider,
            model: row.model,
            credential_source: source,
            // Written by the projection from `core::Usage`: names and numbers.
            usage: serde_json::from_value(row.usage).unwrap_or_default(),
            cost: row.cost,
        },
    };
    Some(event).filter(|_| !is_void)
}
