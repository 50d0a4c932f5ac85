//! `/v1/agents`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use jiff::tz::TimeZone;
use keystore_core::NanoUsd;
use keystore_core::budget::{Applied, BudgetTerms};
use keystore_core::ids::{AgentId, OrgId};
use keystore_core::policy::{AgentStatus, ScopeAction};
use keystore_core::window::Zone;
use keystore_store::budgets::{self as budget_rows, Budget};
use keystore_store::{Conn, agents as rows, orgs};
use keystore_wire::Page;
use keystore_wire::agents::{Agent, BudgetState, CreateAgent, FallbackInput, Grant, ListAgents, UpdateAgent};

use super::extract::{Body, Query};
use super::page::Slice;
use super::problem::ApiResult;
use crate::agents::{self, Loaded};
use crate::app::App;
use crate::auth::require::{ManageAgents, Require, SeeAgents, Target};
use crate::budgets;

/// The agents, oldest first.
#[utoipa::path(get, path = "/v1/agents", tag = "agents", params(ListAgents),
    responses((status = 200, body = Page<Agent>)))]
pub(super) async fn list_agents(
    State(app): State<Arc<App>>,
    caller: Require<SeeAgents>,
    Query(query): Query<ListAgents>,
) -> ApiResult<Json<Page<Agent>>> {
    let slice = Slice::<AgentId>::of(query.limit, query.after.as_deref())?;
    let mut conn = app.store.read().await?;
    let project = caller.narrow(&mut conn, query.project.as_deref()).await?;
    let found = rows::list(&mut conn, caller.org, project, slice.after, slice.read()).await?;
    let mut loaded = Vec::with_capacity(found.len());
    for row in found {
        let agent = agents::load(&app, row)?;
        let rows = budget_rows::of_agent(&mut conn, caller.org, agent.policy.agent).await?;
        loaded.push((agent, monthly(&app, rows)?));
    }
    Ok(Json(slice.page(
        loaded,
        |(agent, _)| agent.row.id.to_string(),
        |(agent, budget)| wire(agent, budget.as_ref(), None),
    )))
}

/// Makes an agent. It has no token yet: `POST /v1/tokens` makes both in one step.
#[utoipa::path(post, path = "/v1/agents", tag = "agents", request_body = CreateAgent,
    responses((status = 201, body = Agent)))]
pub(super) async fn create_agent(
    State(app): State<Arc<App>>,
    caller: Require<ManageAgents>,
    Body(body): Body<CreateAgent>,
) -> ApiResult<(StatusCode, Json<Agent>)> {
    let mut tx = app.store.begin().await?;
    let agent = agents::create(&app, &mut tx, &caller, &body).await?;
    let shown = show(&app, &mut tx, agent).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(shown)))
}

/// The agent, with where its month's budget stands.
#[utoipa::path(get, path = "/v1/agents/{agent}", tag = "agents", params(("agent" = String, Path, description = "Id or name")),
    responses((status = 200, body = Agent)))]
pub(super) async fn get_agent(
    State(app): State<Arc<App>>,
    target: Target<SeeAgents, Loaded>,
) -> ApiResult<Json<Agent>> {
    let (mut conn, agent) = target.read(&app).await?;
    Ok(Json(show(&app, &mut conn, agent).await?))
}

/// Changes what is named: what is absent stays, `null` goes back to the default. In force on the next request.
#[utoipa::path(patch, path = "/v1/agents/{agent}", tag = "agents", request_body = UpdateAgent,
    params(("agent" = String, Path, description = "Id or name")), responses((status = 200, body = Agent)))]
pub(super) async fn update_agent(
    State(app): State<Arc<App>>,
    target: Target<ManageAgents, Loaded>,
    Body(body): Body<UpdateAgent>,
) -> ApiResult<Json<Agent>> {
    let (mut tx, agent) = target.change(&app).await?;
    let agent = agents::update(&app, &mut tx, &target, agent, body).await?;
    let shown = show(&app, &mut tx, agent).await?;
    tx.commit().await?;
    Ok(Json(shown))
}

/// Deletes the agent with its tokens and budgets. What it did stays in requests and usage.
#[utoipa::path(delete, path = "/v1/agents/{agent}", tag = "agents", params(("agent" = String, Path, description = "Id or name")),
    responses((status = 204)))]
pub(super) async fn delete_agent(
    State(app): State<Arc<App>>,
    target: Target<ManageAgents, Loaded>,
) -> ApiResult<StatusCode> {
    let (mut tx, agent) = target.change(&app).await?;
    agents::delete(&app, &mut tx, &target, agent).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses the agent's requests until it is resumed.
#[utoipa::path(post, path = "/v1/agents/{agent}/pause", tag = "agents", params(("agent" = String, Path, description = "Id or name")),
    responses((status = 200, body = Agent)))]
pub(super) async fn pause_agent(
    State(app): State<Arc<App>>,
    target: Target<ManageAgents, Loaded>,
) -> ApiResult<Json<Agent>> {
    set_status(&app, &target, AgentStatus::Paused).await
}

/// Lets a paused agent go on.
#[utoipa::path(post, path = "/v1/agents/{agent}/resume", tag = "agents", params(("agent" = String, Path, description = "Id or name")),
    responses((status = 200, body = Agent)))]
pub(super) async fn resume_agent(
    State(app): State<Arc<App>>,
    target: Target<ManageAgents, Loaded>,
) -> ApiResult<Json<Agent>> {
    set_status(&app, &target, AgentStatus::Active).await
}

/// Ends the agent for good: its tokens are refused as unknown ones are.
#[utoipa::path(post, path = "/v1/agents/{agent}/revoke", tag = "agents", params(("agent" = String, Path, description = "Id or name")),
    responses((status = 200, body = Agent)))]
pub(super) async fn revoke_agent(
    State(app): State<Arc<App>>,
    target: Target<ManageAgents, Loaded>,
) -> ApiResult<Json<Agent>> {
    set_status(&app, &target, AgentStatus::Revoked).await
}

async fn set_status(
    app: &App,
    target: &Target<ManageAgents, Loaded>,
    status: AgentStatus,
) -> ApiResult<Json<Agent>> {
    let (mut tx, agent) = target.change(app).await?;
    let agent = agents::set_status(app, &mut tx, target, agent, status).await?;
    let shown = show(app, &mut tx, agent).await?;
    tx.commit().await?;
    Ok(Json(shown))
}

/// The agent as an answer shows it, with where its month's budget stands.
pub(super) async fn show(app: &App, conn: &mut Conn, agent: Loaded) -> ApiResult<Agent> {
    let rows = budget_rows::of_agent(conn, agent.policy.org, agent.policy.agent).await?;
    let monthly = monthly(app, rows)?;
    let state = match &monthly {
        Some(budget) => {
            let zone = time_zone(conn, agent.policy.org).await?;
            Some(state(app, budget, zone))
        }
        None => None,
    };
    Ok(wire(agent, monthly.as_ref(), state))
}

/// The agent as the audit log keeps it: what was decided about it, not where its budget stands.
pub(crate) async fn recorded(app: &App, conn: &mut Conn, agent: Loaded) -> ApiResult<Agent> {
    let rows = budget_rows::of_agent(conn, agent.policy.org, agent.policy.agent).await?;
    Ok(wire(agent, monthly(app, rows)?.as_ref(), None))
}

fn monthly(app: &App, rows: Vec<Budget>) -> ApiResult<Option<budgets::Loaded>> {
    let monthly = rows.into_iter().find(agents::is_monthly);
    monthly.map(|row| budgets::load(app, row)).transpose()
}

/// The time zone of an organization's budgets. UTC where the stored name is not known (any more), as on the data plane.
pub(super) async fn time_zone(conn: &mut Conn, org: OrgId) -> ApiResult<Zone> {
    let org = orgs::get(conn, org).await?;
    let zone = org.and_then(|org| {
        Zone::named(
            &org.time_zone,
            org.previous_time_zone.as_deref(),
            org.time_zone_changed_at,
        )
    });
    Ok(zone.unwrap_or_else(|| TimeZone::UTC.into()))
}

/// Where a budget stands right now: what is settled and what running calls hold.
fn state(app: &App, budget: &budgets::Loaded, zone: Zone) -> BudgetState {
    let terms = BudgetTerms {
        policy: budget.policy.clone(),
        zone,
    };
    let view = app.proxy.counters().view(app.clock.now(), &Applied::all(&terms));
    BudgetState {
        id: budget.row.id,
        limit: NanoUsd(budget.policy.limit),
        spent: NanoUsd(view.settled),
        held: NanoUsd(view.held),
        resets_at: view.bounds.end.map(Into::into),
    }
}

fn wire(agent: Loaded, budget: Option<&budgets::Loaded>, state: Option<BudgetState>) -> Agent {
    let Loaded { row, policy } = agent;
    let grant = |grant: keystore_core::policy::Grant| Grant {
        scopes: grant
            .scopes
            .iter()
            .map(|action| scope(&grant.provider, *action))
            .collect(),
        fallback: grant.fallback.map(|fallback| FallbackInput {
            source: keystore_core::policy::Source::Marketplace,
            budget_cents_monthly: fallback.monthly.cents_floor(),
        }),
        name: grant.provider,
        source: grant.source,
        credential_id: grant.credential,
    };
    Agent {
        id: row.id,
        name: row.name,
        project_id: row.project,
        status: policy.status,
        paused_by: policy.paused_by,
        providers: policy.grants.into_iter().map(grant).collect(),
        rpm_limit: policy.rpm_limit,
        rpd_limit: policy.rpd_limit,
        tpm_limit: policy.tpm_limit,
        max_concurrency: policy.max_concurrency,
        budget_cents_monthly: budget.map(|budget| NanoUsd(budget.policy.limit).cents_floor()),
        budget: state,
        allowed_models: policy.allowed_models,
        allowed_ips: policy.allowed_ips,
        labels: policy.labels,
        end_users: policy.end_users,
        expires_at: policy.expires_at.map(Into::into),
        created_at: row.created_at.into(),
        updated_at: row.updated_at.into(),
    }
}

/// The names of agents that exist.
pub(super) async fn names(
    conn: &mut Conn,
    org: OrgId,
    agents: impl Iterator<Item = AgentId>,
) -> ApiResult<BTreeMap<AgentId, String>> {
    let mut names = BTreeMap::new();
    for id in agents {
        if !names.contains_key(&id)
            && let Some(agent) = rows::get(conn, org, id).await?
        {
            names.insert(id, agent.name);
        }
    }
    Ok(names)
}

/// `provider:<slug>:<action>`.
pub(crate) fn scope(provider: &str, action: ScopeAction) -> String {
    format!("provider:{provider}:{}", action.as_str())
}
