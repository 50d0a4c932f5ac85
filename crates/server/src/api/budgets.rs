//! `/v1/budgets`. An agent's month budget can also be set with the agent (`budgetCentsMonthly`).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keystore_core::budget::{Amounts, Applied, Ask, BudgetTerms};
use keystore_core::ids::{AttemptId, BudgetId};
use keystore_core::policy::{Call, Source, Unit};
use keystore_core::window::Zone;
use keystore_core::{Micros, NanoUsd};
use keystore_proxy::budgets::{applied, bound};
use keystore_store::budgets as rows;
use keystore_store::holds::{self, Hold};
use keystore_wire::Page;
use keystore_wire::budgets::{
    Budget, BudgetCheck, BudgetHold, BudgetQuery, BudgetScope, BudgetWindow, CheckBudgets, CheckedBudget,
    CreateBudget, HistoryQuery, Raise, UpdateBudget,
};
use keystore_wire::page::PageQuery;

use super::agents::time_zone;
use super::extract::{Body, Query};
use super::page::Slice;
use super::problem::{ApiResult, Fields};
use crate::app::App;
use crate::auth::require::{ManageAgents, Require, SeeMoney, Target};
use crate::budgets::{self, Loaded};
use crate::{agents, providers, scopes};

/// The budgets, oldest first, and where each stands.
#[utoipa::path(get, path = "/v1/budgets", tag = "budgets", params(PageQuery),
    responses((status = 200, body = Page<Budget>)))]
pub(super) async fn list_budgets(
    State(app): State<Arc<App>>,
    caller: Require<SeeMoney>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<Budget>>> {
    let slice = Slice::<BudgetId>::of(query.limit, query.after.as_deref())?;
    let mut conn = app.store.read().await?;
    let zone = time_zone(&mut conn, caller.org).await?;
    let found = rows::list(&mut conn, caller.org, caller.project, slice.after, slice.read()).await?;
    let loaded: Vec<_> = found
        .into_iter()
        .map(|row| budgets::load(&app, row))
        .collect::<ApiResult<_>>()?;
    Ok(Json(slice.page(
        loaded,
        |budget| budget.row.id.to_string(),
        |budget| shown(&app, &budget, budget.policy.budget, &zone),
    )))
}

/// Makes a budget. In force on the next request; calls before it do not count.
#[utoipa::path(post, path = "/v1/budgets", tag = "budgets", request_body = CreateBudget,
    responses((status = 201, body = Budget)))]
pub(super) async fn create_budget(
    State(app): State<Arc<App>>,
    caller: Require<ManageAgents>,
    Body(body): Body<CreateBudget>,
) -> ApiResult<(StatusCode, Json<Budget>)> {
    let mut tx = app.store.begin().await?;
    let made = budgets::create(&app, &mut tx, &caller, body).await?;
    let zone = time_zone(&mut tx, caller.org).await?;
    tx.commit().await?;
    Ok((
        StatusCode::CREATED,
        Json(shown(&app, &made, made.policy.budget, &zone)),
    ))
}

/// The budget, and where it stands.
#[utoipa::path(get, path = "/v1/budgets/{budget}", tag = "budgets",
    params(("budget" = String, Path, description = "Id"), BudgetQuery), responses((status = 200, body = Budget)))]
pub(super) async fn get_budget(
    State(app): State<Arc<App>>,
    target: Target<SeeMoney, Loaded>,
    Query(query): Query<BudgetQuery>,
) -> ApiResult<Json<Budget>> {
    let (mut conn, budget) = target.read(&app).await?;
    let zone = time_zone(&mut conn, target.org).await?;
    let counter = budgets::counter_of(&budget.policy, query.end_user.as_deref())?;
    Ok(Json(shown(&app, &budget, counter, &zone)))
}

/// Changes what is named: what is absent stays. In force on the next request; what was used stays used.
#[utoipa::path(patch, path = "/v1/budgets/{budget}", tag = "budgets", request_body = UpdateBudget,
    params(("budget" = String, Path, description = "Id")), responses((status = 200, body = Budget)))]
pub(super) async fn update_budget(
    State(app): State<Arc<App>>,
    target: Target<ManageAgents, Loaded>,
    Body(body): Body<UpdateBudget>,
) -> ApiResult<Json<Budget>> {
    let (mut tx, budget) = target.change(&app).await?;
    let changed = budgets::update(&app, &mut tx, &target, budget, body).await?;
    let zone = time_zone(&mut tx, target.org).await?;
    tx.commit().await?;
    Ok(Json(shown(&app, &changed, changed.policy.budget, &zone)))
}

/// Deletes the budget. What was used of it stays in usage.
#[utoipa::path(delete, path = "/v1/budgets/{budget}", tag = "budgets",
    params(("budget" = String, Path, description = "Id")), responses((status = 204)))]
pub(super) async fn delete_budget(
    State(app): State<Arc<App>>,
    target: Target<ManageAgents, Loaded>,
) -> ApiResult<StatusCode> {
    let (mut tx, budget) = target.change(&app).await?;
    budgets::delete(&app, &mut tx, &target, budget).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets another limit for the time being; a second one takes the place of the first.
#[utoipa::path(post, path = "/v1/budgets/{budget}/raise", tag = "budgets", request_body = Raise,
    params(("budget" = String, Path, description = "Id")), responses((status = 200, body = Budget)))]
pub(super) async fn raise_budget(
    State(app): State<Arc<App>>,
    target: Target<ManageAgents, Loaded>,
    Body(body): Body<Raise>,
) -> ApiResult<Json<Budget>> {
    set_raise(&app, &target, Some(body)).await
}

/// Ends a raise before its time.
#[utoipa::path(delete, path = "/v1/budgets/{budget}/raise", tag = "budgets",
    params(("budget" = String, Path, description = "Id")), responses((status = 200, body = Budget)))]
pub(super) async fn end_budget_raise(
    State(app): State<Arc<App>>,
    target: Target<ManageAgents, Loaded>,
) -> ApiResult<Json<Budget>> {
    set_raise(&app, &target, None).await
}

async fn set_raise(
    app: &App,
    target: &Target<ManageAgents, Loaded>,
    raise: Option<Raise>,
) -> ApiResult<Json<Budget>> {
    let (mut tx, budget) = target.change(app).await?;
    let changed = budgets::raise(app, &mut tx, target, budget, raise).await?;
    let zone = time_zone(&mut tx, target.org).await?;
    tx.commit().await?;
    Ok(Json(shown(app, &changed, changed.policy.budget, &zone)))
}

/// What was used of the budget, by window, the newest first.
#[utoipa::path(get, path = "/v1/budgets/{budget}/history", tag = "budgets",
    params(("budget" = String, Path, description = "Id"), HistoryQuery), responses((status = 200, body = Page<BudgetWindow>)))]
pub(super) async fn get_budget_history(
    State(app): State<Arc<App>>,
    target: Target<SeeMoney, Loaded>,
    Query(query): Query<HistoryQuery>,
) -> ApiResult<Json<Page<BudgetWindow>>> {
    let slice = Slice::<Micros>::of(query.limit, query.after.as_deref())?;
    app.store.project_now().await?;
    let (mut conn, budget) = target.read(&app).await?;
    let counter = budgets::counter_of(&budget.policy, query.end_user.as_deref())?;
    let found = rows::history(&mut conn, counter, slice.after, slice.read()).await?;
    Ok(Json(slice.page(
        found,
        |row| row.window_start.to_string(),
        |row| BudgetWindow {
            start: row.window_start.into(),
            spent: budget.policy.unit.show(row.settled),
        },
    )))
}

/// What running calls hold against the budget, the oldest first.
#[utoipa::path(get, path = "/v1/budgets/{budget}/holds", tag = "budgets",
    params(("budget" = String, Path, description = "Id"), HistoryQuery), responses((status = 200, body = Page<BudgetHold>)))]
pub(super) async fn get_budget_holds(
    State(app): State<Arc<App>>,
    target: Target<SeeMoney, Loaded>,
    Query(query): Query<HistoryQuery>,
) -> ApiResult<Json<Page<BudgetHold>>> {
    let slice = Slice::<AttemptId>::of(query.limit, query.after.as_deref())?;
    app.store.project_now().await?;
    let (mut conn, budget) = target.read(&app).await?;
    let counter = budgets::counter_of(&budget.policy, query.end_user.as_deref())?;
    let of_counter = |hold: &Hold| hold.budgets.iter().find(|held| held.budget == counter).copied();
    let found = holds::running(&mut conn, target.org).await?;
    let found = found
        .into_iter()
        .filter_map(|hold| of_counter(&hold).map(|held| (hold, held)));
    Ok(Json(slice.of_all(
        found,
        |(hold, _)| hold.attempt,
        |(hold, held)| BudgetHold {
            id: hold.attempt,
            request_id: hold.request,
            agent_id: hold.agent,
            provider: hold.provider,
            model: hold.model,
            amount: budget.policy.unit.show(held.amount.unwrap_or(hold.amount.0)),
            since: hold.at.into(),
        },
    )))
}

/// Would such a call be admitted, and why not? Nothing is held and nothing is called.
#[utoipa::path(post, path = "/v1/budgets/check", tag = "budgets", request_body = CheckBudgets,
    responses((status = 200, body = BudgetCheck)))]
pub(super) async fn check_budgets(
    State(app): State<Arc<App>>,
    caller: Require<SeeMoney>,
    Body(body): Body<CheckBudgets>,
) -> ApiResult<Json<BudgetCheck>> {
    let mut conn = app.store.read().await?;
    let agent = agents::find(&app, &mut conn, &caller, &body.agent).await?;
    let provider = providers::find(&app, &mut conn, caller.org, &body.provider).await?;
    let zone = time_zone(&mut conn, caller.org).await?;
    let now = app.clock.now();
    let own_prices = scopes::get(&app, &mut conn, caller.org, None).await?.prices;
    let price = body
        .model
        .as_deref()
        .and_then(|model| keystore_proxy::prices::find(&own_prices, &provider, model, now).0);
    let mut fields = Fields::default();
    let mut dollars = |at, text: &Option<String>| {
        let text = text.as_deref()?;
        Some(NanoUsd(budgets::amount(&mut fields, at, Unit::Usd, text)))
    };
    let moved = dollars("/moved", &body.moved).unwrap_or(NanoUsd::ZERO);
    let cost = dollars("/cost", &body.cost);
    fields.check()?;
    let cost = match cost {
        Some(cost) => Some(cost),
        None => price
            .as_deref()
            .and_then(|price| bound(price, body.input_tokens.unwrap_or(0), body.max_output_tokens)),
    };
    let listed = price.as_deref().map(|price| &*price.model);
    let models: Vec<_> = body.model.as_deref().into_iter().chain(listed).collect();
    let grant = agent.policy.grant(&provider.slug);
    let call = Call {
        provider: &provider.slug,
        source: grant.map_or(Source::Byok, |grant| grant.source),
        models: &models,
        end_user: body.end_user.as_deref(),
    };
    let ask = Ask {
        bound: Amounts {
            usd: cost.unwrap_or(NanoUsd::ZERO),
            calls: 1,
            emails: 1,
            usd_moved: moved,
        },
        estimate: cost.unwrap_or(NanoUsd::ZERO),
    };
    let mut checked = Vec::new();
    for (budget, terms) in budgets::of_agent(&app, &mut conn, &agent, &zone).await? {
        if let Some(applied) = applied(&terms, &call) {
            checked.push(check(&app, &budget, &applied, &ask, &zone, now));
        }
    }
    let refuses = checked.iter().find(|checked| {
        !checked.affords && checked.budget.action == keystore_core::policy::BudgetAction::Deny
    });
    let limits_cost = checked.iter().any(|checked| {
        checked.budget.unit == Unit::Usd && checked.budget.action == keystore_core::policy::BudgetAction::Deny
    });
    let reason = match (grant, cost, refuses) {
        (None, ..) => Some(format!("the agent may not use {}", provider.slug)),
        (_, None, _) if limits_cost => {
            Some("the call has no known price, and a budget limits its cost".to_owned())
        }
        (.., Some(refuses)) => Some(format!(
            "the budget {} does not afford it: {} of {} is spent and {} is held",
            refuses.budget.id, refuses.budget.spent, refuses.budget.limit, refuses.budget.held
        )),
        _ => None,
    };
    Ok(Json(BudgetCheck {
        admitted: reason.is_none(),
        cost: cost.map(|cost| cost.to_string()),
        reason,
        budgets: checked,
    }))
}

fn check(
    app: &App,
    budget: &Loaded,
    applied: &Applied<'_>,
    ask: &Ask,
    zone: &Zone,
    now: Micros,
) -> CheckedBudget {
    let policy = &budget.policy;
    let needed = ask.of(policy);
    let view = app.proxy.counters().view(now, applied);
    CheckedBudget {
        budget: shown(app, budget, applied.counter, zone),
        needed: policy.unit.show(needed),
        affords: view.room >= i128::from(needed),
    }
}

/// The budget as an answer shows it, with where one of its counters stands.
fn shown(app: &App, budget: &Loaded, counter: BudgetId, zone: &Zone) -> Budget {
    let terms = BudgetTerms {
        policy: budget.policy.clone(),
        zone: zone.clone(),
    };
    let applied = Applied {
        counter,
        terms: &terms,
    };
    let view = app.proxy.counters().view(app.clock.now(), &applied);
    Budget {
        spent: budget.policy.unit.show(view.settled),
        held: budget.policy.unit.show(view.held),
        resets_at: view.bounds.end.map(Into::into),
        ..recorded(budget)
    }
}

/// The budget as the audit log keeps it: what was decided about it, not where it stands.
pub(crate) fn recorded(budget: &Loaded) -> Budget {
    let Loaded { row, policy } = budget;
    let policy = policy.clone();
    let scope = match () {
        () if policy.end_user.is_some() => BudgetScope::EndUser,
        () if policy.model.is_some() => BudgetScope::Model,
        () if policy.provider.is_some() => BudgetScope::Provider,
        () if policy.agent.is_some() => BudgetScope::Agent,
        () if policy.project.is_some() => BudgetScope::Project,
        () => BudgetScope::Org,
    };
    Budget {
        id: policy.budget,
        scope,
        project_id: policy.project,
        agent_id: policy.agent,
        provider: policy.provider,
        model: policy.model,
        end_user: policy.end_user,
        source: policy.source,
        limit: policy.unit.show(policy.limit),
        unit: policy.unit,
        window: policy.window,
        mode: policy.mode,
        action: policy.action,
        thresholds: policy.thresholds,
        raise: policy.raise.map(|raise| Raise {
            limit: policy.unit.show(raise.limit),
            until: raise.until.into(),
        }),
        spent: policy.unit.show(0),
        held: policy.unit.show(0),
        resets_at: None,
        created_at: row.created_at.into(),
        updated_at: row.updated_at.into(),
    }
}
