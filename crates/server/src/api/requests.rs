//! `/v1/requests`: traffic, as a list and as a stream of server-sent events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body as AnswerBody;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header;
use http::request::Parts;
use keystore_core::NanoUsd;
use keystore_core::ids::{AgentId, OrgId, ProjectId, RequestId};
use keystore_core::record::HeldBudget;
use keystore_store::Conn;
use keystore_store::requests::{self as rows, Filter, RequestRow};
use keystore_wire::requests::{Flags, ListRequests, Request, RequestHold, STREAM_EVENT, Steps};
use keystore_wire::{Code, Page};
use tokio::sync::mpsc;

use super::agents::names;
use super::extract::Query;
use super::page::Slice;
use super::problem::{ApiError, ApiResult};
use crate::agents;
use crate::app::App;
use crate::auth::caller::Caller;
use crate::auth::require::{Require, Resource, SeeAgents, Target};
use crate::body::ChannelBody;

/// How often a silent stream shows that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How many rows a stream reads at a time.
const BATCH: u32 = 200;

/// The requests, newest first: one row for each attempt at a provider and for each refusal. A page may have fewer than there are, or none,
/// and yet a `next`: where few requests fit, they are looked for in several goes.
#[utoipa::path(get, path = "/v1/requests", tag = "requests", params(ListRequests),
    responses((status = 200, body = Page<Request>)))]
pub(super) async fn list_requests(
    State(app): State<Arc<App>>,
    caller: Require<SeeAgents>,
    Query(query): Query<ListRequests>,
) -> ApiResult<Json<Page<Request>>> {
    let slice = Slice::<i64>::of(query.limit, query.after.as_deref())?;
    app.store.project_now().await?;
    let mut conn = app.store.read().await?;
    let filter = filter(&app, &mut conn, &caller, query).await?;
    let found = rows::list(&mut conn, caller.org, &filter, slice.after, slice.limit).await?;
    let names = Names::of(&mut conn, caller.org, &found.rows).await?;
    Ok(Json(Page {
        data: found.rows.into_iter().map(|row| wire(row, &names)).collect(),
        next: found.next.map(|seq| seq.to_string()),
    }))
}

/// The request. With several attempts, the last one.
#[utoipa::path(get, path = "/v1/requests/{request}", tag = "requests",
    params(("request" = String, Path, description = "Id")), responses((status = 200, body = Request)))]
pub(super) async fn get_request(
    State(app): State<Arc<App>>,
    target: Target<SeeAgents, RequestRow>,
) -> ApiResult<Json<Request>> {
    app.store.project_now().await?;
    let (mut conn, last) = target.read(&app).await?;
    let names = Names::of(&mut conn, target.org, std::slice::from_ref(&last)).await?;
    Ok(Json(wire(last, &names)))
}

impl Resource for RequestRow {
    type Key = RequestId;
    const NOUN: &'static str = "request";

    async fn find(_: &App, conn: &mut Conn, caller: &Caller, key: &RequestId) -> ApiResult<Self> {
        let attempts = rows::get(conn, caller.org, *key).await?;
        attempts
            .into_iter()
            .find(|row| caller.reaches(row.project))
            .ok_or_else(|| ApiError::not_found(Self::NOUN))
    }
}

/// The requests as they end, as server-sent events; each has an id to resume from with `Last-Event-ID`.
#[utoipa::path(get, path = "/v1/requests/stream", tag = "requests",
    params(ListRequests, ("last-event-id" = Option<i64>, Header, description = "Resume after this event")),
    responses((status = 200, body = String, content_type = "text/event-stream")))]
pub(super) async fn stream_requests(
    State(app): State<Arc<App>>,
    caller: Require<SeeAgents>,
    proof: Parts,
    Query(query): Query<ListRequests>,
) -> ApiResult<Response> {
    if query.limit.is_some() || query.after.is_some() {
        return Err(ApiError::field(
            "?limit",
            "a stream has neither `limit` nor `after`; send `Last-Event-ID` to resume",
        ));
    }
    let resume = match proof.headers.get("last-event-id") {
        Some(value) => Some(
            value
                .to_str()
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| {
                    ApiError::field("?last-event-id", "must be the id of an event of this stream")
                })?,
        ),
        None => None,
    };
    let filter = filter(&app, &mut app.store.read().await?, &caller, query).await?;
    let (sender, body) = ChannelBody::new(16);
    let follow = Follow {
        after: resume.unwrap_or_else(|| *app.store.requests_notice().borrow()),
        org: caller.org,
        project: caller.project,
        filter,
        sender,
        proof,
    };
    let (stop, tasks) = (app.stop.clone(), app.tasks.clone());
    tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            result = follow.run(&app) => match result {
                Ok(()) => {}
                Err(error) if matches!(error.code(), Code::Unauthenticated | Code::Forbidden) => {
                    tracing::debug!(%error, "a stream of requests ended with the right to see it");
                }
                Err(error) => tracing::warn!(%error, "a stream of requests was broken off"),
            },
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, AnswerBody::new(body)).into_response())
}

/// One stream: what it shows and how far it is.
struct Follow {
    after: i64,
    org: OrgId,
    project: Option<ProjectId>,
    filter: Filter,
    sender: mpsc::Sender<Bytes>,
    /// The request that opened it: its session or key is looked at again before anything is shown.
    proof: Parts,
}

impl Follow {
    async fn run(mut self, app: &Arc<App>) -> ApiResult<()> {
        let mut notice = app.store.requests_notice();
        if self.send(": connected\n\n".to_owned()).await.is_err() {
            return Ok(());
        }
        loop {
            notice.mark_unchanged();
            let newest = *notice.borrow();
            if self.catch_up(app, newest).await?.is_err() {
                return Ok(());
            }
            let alive = match tokio::time::timeout(KEEP_ALIVE, notice.changed()).await {
                Ok(Ok(())) => true,
                Ok(Err(_)) => false,
                Err(_) => self.send(": \n\n".to_owned()).await.is_ok(),
            };
            if !alive {
                return Ok(());
            }
        }
    }

    /// Whether whoever opened the stream may still see what it shows: the session or key holds, its role has the right, and it
    /// speaks for the same organization and project.
    async fn check(&mut self, app: &Arc<App>) -> ApiResult<()> {
        let caller = Require::<SeeAgents>::from_request_parts(&mut self.proof, app).await?;
        if (caller.org, caller.project) == (self.org, self.project) {
            Ok(())
        } else {
            Err(ApiError::unauthenticated())
        }
    }

    /// Sends what came after `self.after`. The outer error is ours, the inner one a reader who left.
    async fn catch_up(&mut self, app: &Arc<App>, newest: i64) -> ApiResult<Result<(), Gone>> {
        loop {
            let (found, names) = {
                let mut conn = app.store.read().await?;
                let found = rows::since_seq(&mut conn, self.org, &self.filter, self.after, BATCH).await?;
                let names = Names::of(&mut conn, self.org, &found.rows).await?;
                (found, names)
            };
            // After the look-up: what is found once the right is gone is not sent.
            self.check(app).await?;
            for row in found.rows {
                let seq = row.seq;
                let data = serde_json::to_string(&wire(row, &names)).map_err(ApiError::internal)?;
                if self
                    .send(format!("event: {STREAM_EVENT}\nid: {seq}\ndata: {data}\n\n"))
                    .await
                    .is_err()
                {
                    return Ok(Err(Gone));
                }
                self.after = seq;
            }
            // What the filter left out need not be looked at again.
            self.after = found.next.unwrap_or(self.after.max(newest));
            if found.next.is_none() {
                return Ok(Ok(()));
            }
        }
    }

    async fn send(&self, event: String) -> Result<(), Gone> {
        self.sender.send(event.into()).await.map_err(|_| Gone)
    }
}

/// The reader left.
struct Gone;

async fn filter(app: &App, conn: &mut Conn, caller: &Caller, query: ListRequests) -> ApiResult<Filter> {
    Ok(Filter {
        project: caller.narrow(conn, query.project.as_deref()).await?,
        agent: match &query.agent {
            Some(agent) => Some(agents::find(app, conn, caller, agent).await?.row.id),
            None => None,
        },
        provider: query.provider,
        model: query.model,
        since: query.since.map(Into::into),
        until: query.until.map(Into::into),
        status: query.status,
        refusal: query.code,
        refused: query.refused,
        min_cost: query.min_cost,
    })
}

/// The names of agents that still exist.
struct Names(BTreeMap<AgentId, String>);

impl Names {
    async fn of(conn: &mut Conn, org: OrgId, rows: &[RequestRow]) -> ApiResult<Self> {
        Ok(Self(names(conn, org, rows.iter().map(|row| row.agent)).await?))
    }
}

fn shown(held: &HeldBudget, hold: NanoUsd) -> RequestHold {
    RequestHold {
        budget_id: held.budget,
        unit: held.unit,
        amount: held.unit.show(held.amount.unwrap_or(hold.0)),
        window_start: held.window_start.into(),
    }
}

fn wire(row: RequestRow, names: &Names) -> Request {
    Request {
        id: row.id,
        attempt_id: row.attempt,
        at: row.at.into(),
        ended_at: row.ended_at.into(),
        project_id: row.project,
        agent_id: row.agent,
        agent_name: names.0.get(&row.agent).cloned(),
        token_id: row.token,
        provider: row.provider,
        operation: row.operation,
        method: row.method,
        path: row.path,
        model: row.model,
        served_model: row.served_model,
        end_user: row.end_user,
        source: row.source,
        credential_id: row.credential,
        credential_version: row.credential_version,
        ending: row.ending,
        status: row.status,
        code: row.refusal,
        count: row.count,
        cost: row.cost,
        // Written by the projection from `core::Usage`: names and numbers.
        usage: serde_json::from_value(row.usage).unwrap_or_default(),
        flags: Flags {
            estimated: row.estimated,
            unpriced: row.unpriced,
            over_hold: row.over_hold,
            external: row.external,
        },
        held: row.budgets.iter().map(|held| shown(held, row.hold)).collect(),
        steps: row.steps.map(|steps| Steps {
            checked_us: steps.checked,
            recorded_us: steps.recorded,
            sending_us: steps.sending,
            answered_us: steps.answered,
        }),
        first_byte_us: row.first_byte_us,
        total_us: row.total_us,
        request_bytes: row.request_bytes,
        response_bytes: row.response_bytes,
    }
}
