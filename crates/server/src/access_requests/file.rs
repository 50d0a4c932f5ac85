//! An agent files a request. It is bounded in every way that an agent can press on: what it says, how many of its requests are open, how
//! many it files in a day. What it asks for again while that is open is the same request.

use std::time::Duration;

use keystore_core::ids::AccessRequestId;
use keystore_core::policy::{AgentPolicy, Grant, ScopeAction};
use keystore_store::access_requests::{self as rows, AccessRequest as Row, Filter, State};
use keystore_store::{Conn, Tx, agents as agent_rows, orgs};
use keystore_wire::access_requests::{AccessRequest, FileAccessRequest, MAX_WANTED};
use keystore_wire::events::Kind;
use keystore_wire::problem::Code;
use serde_json::json;

use super::{check_words, shown};
use crate::agents::{self, Loaded};
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::Event;
use crate::auth::agent::AgentCaller;
use crate::events;
use crate::providers;

/// How long a request waits for a person.
const LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The most requests of an agent that wait at a time.
const MAX_OPEN: usize = 5;

/// The most requests that an agent files in [`A_DAY`].
const MAX_A_DAY: u64 = 20;

const A_DAY: Duration = Duration::from_secs(24 * 3600);

/// Files a request, or gives the open one that asks for the same.
///
/// # Errors
/// `invalid_request`, `unknown_provider`; `conflict` when the agent has it already or too many are open; `rate_limited`; what the
/// agent's calls would be refused with, when none is served.
pub(crate) async fn file(
    app: &App,
    caller: &AgentCaller,
    mut wanted: FileAccessRequest,
) -> ApiResult<AccessRequest> {
    let now = app.clock.now();
    caller.check(app)?;
    check(&wanted)?;
    for list in [&mut wanted.scopes, &mut wanted.models] {
        list.sort();
        list.dedup();
    }
    // What is refused, or there already, takes no turn at the one writer.
    let known = look(app, &mut app.store.read().await?, caller, &wanted).await?;
    if let Some(row) = known.open {
        return Ok(shown(row, &known.agent.row.name, now));
    }
    let mut tx = app.store.begin().await?;
    // One after the other: what was counted is still so when the request is written.
    orgs::hold(&mut tx, caller.org()).await?;
    let Known { agent, open } = look(app, &mut tx, caller, &wanted).await?;
    if let Some(row) = open {
        return Ok(shown(row, &agent.row.name, now));
    }
    let row = Row {
        id: AccessRequestId::new(app.ids.next()),
        org: caller.org(),
        project: agent.row.project,
        agent: agent.row.id,
        token: caller.token(),
        provider: wanted.provider,
        source: wanted.source,
        scopes: wanted.scopes,
        models: wanted.models,
        budget_cents: wanted.budget_cents_monthly,
        reason: wanted.reason.trim().to_owned(),
        state: State::Open,
        created_at: now,
        expires_at: now.plus(LIFE),
        decided_at: None,
        decided_by: None,
        note: None,
        granted: None,
    };
    let filed = write(app, &mut tx, caller, row, &agent).await?;
    tx.commit().await?;
    app.mails_wait.notify_one();
    Ok(filed)
}

/// Writes a new request, with its audit entry and its event.
async fn write(
    app: &App,
    tx: &mut Tx,
    caller: &AgentCaller,
    row: Row,
    agent: &Loaded,
) -> ApiResult<AccessRequest> {
    rows::insert(tx, &row).await?;
    let (id, project) = (row.id, row.project);
    let filed = shown(row, &agent.row.name, app.clock.now());
    Event::new("request_access", &id)
        .within(project)
        .after(&filed)?
        .by_agent(tx, caller)?;
    let event = events::New {
        org: caller.org(),
        project: Some(project),
        kind: Kind::AccessRequested,
        subject: id.to_string(),
        data: json!({
            "agent": filed.agent_name, "agentId": filed.agent_id, "provider": filed.provider, "source": filed.source,
            "scopes": filed.scopes, "models": filed.models, "budgetCentsMonthly": filed.budget_cents_monthly,
            "reason": filed.reason, "expiresAt": filed.expires_at,
        }),
        once: None,
        mailed: true,
    };
    events::raise(app, tx, event).await?;
    Ok(filed)
}

/// What there is of a wanted request.
struct Known {
    /// Who wants it.
    agent: Loaded,
    /// The same, if it is open already; otherwise it can be filed.
    open: Option<Row>,
}

async fn look(
    app: &App,
    conn: &mut Conn,
    caller: &AgentCaller,
    wanted: &FileAccessRequest,
) -> ApiResult<Known> {
    let now = app.clock.now();
    let row = agent_rows::get(conn, caller.org(), caller.agent()).await?;
    let agent = agents::load(app, row.ok_or_else(|| ApiError::not_found("agent"))?)?;
    if let Some(slug) = &wanted.provider {
        providers::find(app, conn, caller.org(), slug).await?;
    }
    let month = agents::month_cents(app, conn, &agent.policy).await?;
    is_news(&agent.policy, month, wanted)?;
    let filter = Filter {
        agent: Some(agent.row.id),
        state: Some(State::Open),
        ends_after: Some(now),
        ..Filter::default()
    };
    let open = rows::list(conn, caller.org(), &filter, None, u32::MAX).await?;
    let waiting = open.len();
    if let Some(same) = open.into_iter().find(|row| is_same(row, wanted)) {
        return Ok(Known {
            agent,
            open: Some(same),
        });
    }
    if waiting >= MAX_OPEN {
        return Err(ApiError::new(
            Code::Conflict,
            format!("{MAX_OPEN} requests of the agent wait for a decision already"),
        )
        .remedy("wait for a person to decide them; `list_access_requests` shows how far each is"));
    }
    let filed = rows::filed_since(conn, caller.org(), agent.row.id, now.minus(A_DAY)).await?;
    if filed >= MAX_A_DAY {
        return Err(ApiError::new(
            Code::RateLimited,
            format!("an agent files at most {MAX_A_DAY} requests in 24 hours"),
        )
        .remedy("go on with what is granted; try again tomorrow"));
    }
    Ok(Known { agent, open: None })
}

fn is_same(row: &Row, wanted: &FileAccessRequest) -> bool {
    (&row.provider, row.source, row.budget_cents)
        == (&wanted.provider, wanted.source, wanted.budget_cents_monthly)
        && (&row.scopes, &row.models) == (&wanted.scopes, &wanted.models)
}

/// That the request has a form.
fn check(wanted: &FileAccessRequest) -> ApiResult<()> {
    let mut fields = Fields::default();
    check_words(&mut fields, "/reason", &wanted.reason);
    let slug = wanted.provider.as_deref();
    if slug.is_none() && wanted.models.is_empty() && wanted.budget_cents_monthly.is_none() {
        fields.wrong(
            "/provider",
            "name a provider, models, or a budget: nothing is asked for",
        );
    }
    if slug.is_none() && wanted.source.is_some() {
        fields.wrong("/source", "belongs to a provider, which is not named");
    }
    for (pointer, list) in [("/scopes", &wanted.scopes), ("/models", &wanted.models)] {
        if list.len() > MAX_WANTED {
            fields.wrong(pointer, format!("may have at most {MAX_WANTED} entries"));
        }
    }
    for (number, scope) in wanted.scopes.iter().enumerate() {
        if slug.is_none_or(|slug| ScopeAction::of_scope(scope, slug).is_none()) {
            fields.wrong(
                format!("/scopes/{number}"),
                "expected `provider:<slug>:read`, `…:write` or `…:*`, with the provider that is asked for",
            );
        }
    }
    for (number, model) in wanted.models.iter().enumerate() {
        if model.is_empty() || model.len() > 200 || model.chars().any(char::is_control) {
            fields.wrong(format!("/models/{number}"), "expected 1 to 200 characters");
        }
    }
    fields.check()
}

/// That the request asks for more than there is.
fn is_news(policy: &AgentPolicy, month: Option<i64>, wanted: &FileAccessRequest) -> ApiResult<()> {
    let mut fields = Fields::default();
    if policy.allowed_models.is_empty() && !wanted.models.is_empty() {
        fields.wrong(
            "/models",
            "the agent may use every model of its providers already",
        );
    }
    match (wanted.budget_cents_monthly, month) {
        (Some(_), None) => {
            fields.wrong(
                "/budgetCentsMonthly",
                "the agent has no budget of its own a month that could grow",
            );
        }
        (Some(cents), Some(has)) if cents <= has => {
            fields.wrong(
                "/budgetCentsMonthly",
                format!("must be more than the present {has} cents"),
            );
        }
        _ => {}
    }
    fields.check()?;
    let grant = policy
        .grants
        .iter()
        .find(|grant| wanted.provider.as_ref() == Some(&grant.provider));
    let opens = wanted.provider.is_some() && grant.is_none_or(|grant| adds(grant, wanted));
    let models = wanted
        .models
        .iter()
        .any(|model| !policy.allowed_models.contains(model));
    match opens || models || wanted.budget_cents_monthly.is_some() {
        true => Ok(()),
        false => Err(ApiError::new(Code::Conflict, "the agent has all of this already")
            .remedy("`whoami` shows what it may use")),
    }
}

/// Whether a request asks for more than a grant gives.
fn adds(grant: &Grant, wanted: &FileAccessRequest) -> bool {
    let has = |scope: &String| {
        ScopeAction::of_scope(scope, &grant.provider)
            .is_some_and(|action| grant.scopes.contains(&ScopeAction::All) || grant.scopes.contains(&action))
    };
    let is_everything = grant.scopes.is_empty();
    let wants_everything = wanted.scopes.is_empty();
    let scopes = !is_everything && (wants_everything || !wanted.scopes.iter().all(has));
    scopes || wanted.source.is_some_and(|source| source != grant.source)
}
