//! What agents ask for and have not. An agent files a request with its own token ([`file`]), a person decides it: [`approve`] makes the
//! grant in the same transaction, as a person would make it by hand, and [`deny`] says why not.
//!
//! What an agent writes is data, whatever it says: it is bounded, stored, and shown as text. Nothing is granted by filing, and nothing is
//! granted that was not asked for.

mod approve;
mod file;

use std::time::Duration;

use keystore_core::Micros;
use keystore_core::ids::AccessRequestId;
use keystore_store::access_requests::{self as rows, AccessRequest as Row, Decision, Filter, State};
use keystore_store::{Conn, Tx, agents as agent_rows};
use keystore_wire::access_requests::{
    AccessRequest, AccessState, DenyAccessRequest, GrantedAccess, ListAccessRequests, MAX_REASON,
};
use keystore_wire::events::Kind;
use keystore_wire::problem::Code;
use serde_json::json;

pub(crate) use approve::approve;
pub(crate) use file::file;

use crate::agents::{self, Loaded};
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::{self, Event};
use crate::auth::caller::Caller;
use crate::auth::require::Resource;
use crate::events;

/// How long a request is kept behind its end.
const KEPT_FOR: Duration = Duration::from_secs(90 * 24 * 3600);

impl Resource for Row {
    type Key = AccessRequestId;
    const NOUN: &'static str = "access request";

    async fn find(_: &App, conn: &mut Conn, caller: &Caller, key: &AccessRequestId) -> ApiResult<Self> {
        rows::get(conn, caller.org, *key)
            .await?
            .filter(|row| caller.reaches(row.project))
            .ok_or_else(|| ApiError::not_found(Self::NOUN))
    }
}

/// What a list is narrowed to.
///
/// # Errors
/// `not_found` for a project or an agent that the caller does not reach.
pub(crate) async fn filter(
    app: &App,
    conn: &mut Conn,
    caller: &Caller,
    query: &ListAccessRequests,
) -> ApiResult<Filter> {
    let agent = match &query.agent {
        Some(named) => Some(agents::find(app, conn, caller, named).await?.row.id),
        None => None,
    };
    Ok(Filter {
        project: caller.narrow(conn, query.project.as_deref()).await?,
        agent,
        ..in_state(query.state, app.clock.now())
    })
}

/// Those that are so far at `now`.
fn in_state(state: Option<AccessState>, now: Micros) -> Filter {
    let stored = |state| Filter {
        state: Some(state),
        ..Filter::default()
    };
    match state {
        None => Filter::default(),
        Some(AccessState::Open) => Filter {
            ends_after: Some(now),
            ..stored(State::Open)
        },
        Some(AccessState::Expired) => Filter {
            ended_by: Some(now),
            ..stored(State::Open)
        },
        Some(AccessState::Approved) => stored(State::Approved),
        Some(AccessState::Denied) => stored(State::Denied),
    }
}

/// Refuses what was asked for, and says why.
///
/// # Errors
/// `invalid_request`; `conflict` when it is decided or has expired.
pub(crate) async fn deny(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    request: Row,
    said: DenyAccessRequest,
) -> ApiResult<AccessRequest> {
    let mut fields = Fields::default();
    check_words(&mut fields, "/reason", &said.reason);
    fields.check()?;
    undecided(&request, app.clock.now())?;
    let agent = agent_of(app, tx, &request).await?;
    let decided = Decided {
        action: "deny_access_request",
        state: State::Denied,
        note: Some(said.reason),
        granted: None,
    };
    decide(app, tx, caller, (request, &agent), decided).await
}

/// Forgets the requests that ended [`KEPT_FOR`] ago; the audit log keeps what became of them.
///
/// # Errors
/// The store's.
pub(crate) async fn forget(app: &App) -> ApiResult<()> {
    let by = app.clock.now().minus(KEPT_FOR);
    if rows::old(&mut app.store.read().await?, by).await? == 0 {
        return Ok(());
    }
    let mut tx = app.store.begin().await?;
    rows::forget(&mut tx, by).await?;
    Ok(tx.commit().await?)
}

/// What is to be written of a decision.
struct Decided {
    action: &'static str,
    state: State,
    note: Option<String>,
    granted: Option<GrantedAccess>,
}

/// Writes a decision, with its audit entry and its event.
async fn decide(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    (request, agent): (Row, &Loaded),
    decided: Decided,
) -> ApiResult<AccessRequest> {
    let (id, now) = (request.id, app.clock.now());
    let entry = Event::new(decided.action, &id)
        .within(request.project)
        .before(&shown(request.clone(), &agent.row.name, now))?;
    let granted = decided.granted.map(serde_json::to_value).transpose();
    let decision = Decision {
        state: decided.state,
        at: now,
        by: audit::actor(caller),
        note: decided.note,
        granted: granted.map_err(ApiError::internal)?,
    };
    if !rows::decide(tx, request.org, id, &decision).await? {
        return Err(too_late("is decided already"));
    }
    let written = rows::get(tx, request.org, id)
        .await?
        .ok_or_else(|| ApiError::not_found(Row::NOUN))?;
    let shown = shown(written, &agent.row.name, now);
    entry.after(&shown)?.by(tx, caller)?;
    let event = events::New {
        org: request.org,
        project: Some(request.project),
        kind: Kind::AccessDecided,
        subject: id.to_string(),
        data: json!({
            "agent": shown.agent_name, "agentId": shown.agent_id, "state": shown.state, "provider": shown.provider,
            "granted": shown.granted, "note": shown.note,
        }),
        once: None,
        mailed: false,
    };
    events::raise(app, tx, event).await?;
    Ok(shown)
}

/// That a request can be decided at `now`.
fn undecided(request: &Row, now: Micros) -> ApiResult<()> {
    match state(request, now) {
        AccessState::Open => Ok(()),
        AccessState::Expired => Err(too_late("has expired")),
        AccessState::Approved | AccessState::Denied => Err(too_late("is decided already")),
    }
}

fn too_late(how: &str) -> ApiError {
    ApiError::new(Code::Conflict, format!("the access request {how}")).remedy(
        "`ks agent update` changes what an agent may use at any time; the agent can file another request",
    )
}

/// The agent that asks.
async fn agent_of(app: &App, conn: &mut Conn, request: &Row) -> ApiResult<Loaded> {
    let row = agent_rows::get(conn, request.org, request.agent)
        .await?
        .ok_or_else(|| ApiError::not_found(Row::NOUN))?;
    agents::load(app, row)
}

fn state(request: &Row, now: Micros) -> AccessState {
    match request.state {
        State::Open if request.expires_at <= now => AccessState::Expired,
        State::Open => AccessState::Open,
        State::Approved => AccessState::Approved,
        State::Denied => AccessState::Denied,
    }
}

/// The request as answers and the audit log show it.
pub(crate) fn shown(row: Row, agent: &str, now: Micros) -> AccessRequest {
    AccessRequest {
        state: state(&row, now),
        id: row.id,
        project_id: row.project,
        agent_id: row.agent,
        agent_name: agent.to_owned(),
        token_id: row.token,
        provider: row.provider,
        source: row.source,
        scopes: row.scopes,
        models: row.models,
        budget_cents_monthly: row.budget_cents,
        reason: row.reason,
        created_at: row.created_at.into(),
        expires_at: row.expires_at.into(),
        decided_at: row.decided_at.map(Into::into),
        decided_by: row.decided_by,
        note: row.note,
        // Written by this crate.
        granted: row
            .granted
            .and_then(|granted| serde_json::from_value(granted).ok()),
    }
}

/// Words of a person or an agent to another: bounded, and without what moves a cursor.
fn check_words(fields: &mut Fields, pointer: &str, words: &str) {
    let is_control = |letter: char| letter.is_control() && letter != '\n' && letter != '\t';
    if words.trim().is_empty() || words.chars().count() > MAX_REASON || words.chars().any(is_control) {
        fields.wrong(
            pointer,
            format!("expected 1 to {MAX_REASON} characters, without control characters but line breaks"),
        );
    }
}
