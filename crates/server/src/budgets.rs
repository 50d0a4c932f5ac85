//! What makes, changes and ends a budget, and whether a call would be admitted.
//!
//! A budget is named by the policy of what it belongs to, its agent's, its project's or its organization's, and written in one
//! transaction with it: a budget that somebody deletes from the database is missed.

use keystore_catalog::{Operation, UsageShape};
use keystore_core::Micros;
use keystore_core::budget::BudgetTerms;
use keystore_core::ids::BudgetId;
use keystore_core::policy::{BudgetPolicy, Each, MAX_END_USER, Raise, Unit};
use keystore_core::window::Zone;
use keystore_proxy::budgets::counter;
use keystore_store::budgets::{self, Budget};
use keystore_store::{Conn, Tx};
use keystore_wire::budgets::{CreateBudget, MAX_BUDGETS, Raise as WireRaise, UpdateBudget};
use keystore_wire::problem::Code;

use crate::agents::{self, Forged};
use crate::api::budgets::recorded;
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::auth::require::Resource;
use crate::auth::rights::{Right, holds};
use crate::names::{check_model, is_short};
use crate::{providers, scopes};

/// The purpose of the MACs over budgets, as the data plane checks them.
pub(crate) const BUDGET_MAC: &str = "budget";

/// A stored budget with its policy read.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// The row.
    pub(crate) row: Budget,
    /// What it says.
    pub(crate) policy: BudgetPolicy,
}

/// A budget whose policy is ours.
///
/// # Errors
/// `internal`.
pub(crate) fn load(app: &App, row: Budget) -> ApiResult<Loaded> {
    let forged = || ApiError::internal(Forged("budget"));
    if !app.policy_mac.verify(BUDGET_MAC, &row.policy, &row.mac) {
        return Err(forged());
    }
    let policy = row.decode()?;
    let fits = policy.budget == row.id
        && policy.org == row.org
        && policy.project == row.project
        && policy.agent == row.agent;
    match fits {
        true => Ok(Loaded { row, policy }),
        false => Err(forged()),
    }
}

impl Resource for Loaded {
    type Key = BudgetId;
    const NOUN: &'static str = "budget";

    async fn find(app: &App, conn: &mut Conn, caller: &Caller, key: &BudgetId) -> ApiResult<Self> {
        let row = budgets::get(conn, caller.org, *key)
            .await?
            .filter(|row| caller.reaches(row.project))
            .ok_or_else(|| ApiError::not_found(Self::NOUN))?;
        load(app, row)
    }
}

/// Makes a budget.
///
/// # Errors
/// `invalid_request`, `not_found`, `forbidden` for one of the whole organization, `conflict` when there are too many.
pub(crate) async fn create(app: &App, tx: &mut Tx, caller: &Caller, new: CreateBudget) -> ApiResult<Loaded> {
    let mut fields = Fields::default();
    let limit = amount(&mut fields, "/limit", new.unit, &new.limit);
    check_thresholds(&mut fields, &new.thresholds);
    check_narrowing(&mut fields, &new);
    fields.check()?;
    let agent = match &new.agent {
        Some(agent) => Some(agents::find(app, tx, caller, agent).await?),
        None => None,
    };
    let project = match (&agent, &new.project, caller.project) {
        (None, None, None) => None,
        (Some(agent), None, _) => Some(agent.policy.project),
        (_, selected, _) => Some(caller.select_project(tx, selected.as_deref()).await?.id),
    };
    if agent
        .as_ref()
        .is_some_and(|agent| Some(agent.policy.project) != project)
    {
        return Err(ApiError::field("/agent", "is not in this project"));
    }
    if let Some(provider) = new.provider.as_deref() {
        providers::find(app, tx, caller.org, provider).await?;
    }
    let policy = BudgetPolicy {
        budget: BudgetId::new(app.ids.next()),
        org: caller.org,
        project,
        agent: agent.map(|agent| agent.policy.agent),
        provider: new.provider,
        model: new.model,
        end_user: new.end_user,
        limit,
        window: new.window,
        mode: new.mode,
        action: new.action,
        thresholds: new.thresholds,
        raise: None,
        source: new.source,
        unit: new.unit,
    };
    may_change(caller, &policy)?;
    insert(app, tx, &policy).await?;
    name_in_holder(app, tx, caller, &policy, true).await?;
    let made = reload(app, tx, &policy).await?;
    Event::new("create_budget", &policy.budget)
        .within(policy.project)
        .after(&recorded(&made))?
        .by(tx, caller)?;
    Ok(made)
}

/// Writes a new budget; the policy that names it is the caller's to write.
///
/// # Errors
/// The store's.
pub(crate) async fn insert(app: &App, tx: &mut Tx, policy: &BudgetPolicy) -> ApiResult<()> {
    let mac = app.policy_mac.tag(BUDGET_MAC, &policy.canonical());
    budgets::insert(tx, policy, &mac, app.clock.now()).await?;
    Ok(())
}

/// Writes a changed budget.
///
/// # Errors
/// The store's; `not_found`.
pub(crate) async fn write(app: &App, tx: &mut Tx, policy: &BudgetPolicy) -> ApiResult<Loaded> {
    let mac = app.policy_mac.tag(BUDGET_MAC, &policy.canonical());
    if !budgets::update(tx, policy, &mac, app.clock.now()).await? {
        return Err(ApiError::not_found("budget"));
    }
    reload(app, tx, policy).await
}

/// Changes what the request names. What was used stays used.
///
/// # Errors
/// `invalid_request`, `forbidden`; `conflict` for another window of an agent's `budgetCentsMonthly`.
pub(crate) async fn update(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    budget: Loaded,
    change: UpdateBudget,
) -> ApiResult<Loaded> {
    may_change(caller, &budget.policy)?;
    let mut fields = Fields::default();
    let mut policy = budget.policy.clone();
    if let Some(limit) = &change.limit {
        policy.limit = amount(&mut fields, "/limit", policy.unit, limit);
    }
    policy.window = change.window.unwrap_or(policy.window);
    policy.mode = change.mode.unwrap_or(policy.mode);
    policy.action = change.action.unwrap_or(policy.action);
    policy.thresholds = change
        .thresholds
        .apply(Some(policy.thresholds))
        .unwrap_or_default();
    check_thresholds(&mut fields, &policy.thresholds);
    fields.check()?;
    if agents::is_monthly(&budget.row) && policy.window != budget.policy.window {
        return Err(ApiError::new(
            Code::Conflict,
            "this budget is its agent's `budgetCentsMonthly`, which is of a month",
        )
        .remedy("make another budget of the agent with the window that you want"));
    }
    changed(app, tx, caller, "update_budget", &budget, &policy).await
}

/// Sets another limit for the time being, or ends it.
///
/// # Errors
/// `invalid_request`, `forbidden`.
pub(crate) async fn raise(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    budget: Loaded,
    raise: Option<WireRaise>,
) -> ApiResult<Loaded> {
    may_change(caller, &budget.policy)?;
    let mut policy = budget.policy.clone();
    let action = match raise {
        Some(_) => "raise_budget",
        None => "end_budget_raise",
    };
    policy.raise = match raise {
        Some(raise) => {
            let mut fields = Fields::default();
            let limit = amount(&mut fields, "/limit", policy.unit, &raise.limit);
            let until = Micros::from(raise.until);
            if until <= app.clock.now() {
                fields.wrong("/until", "must be in the future");
            }
            fields.check()?;
            Some(Raise { limit, until })
        }
        None => None,
    };
    changed(app, tx, caller, action, &budget, &policy).await
}

/// Deletes a budget. What was used of it stays in usage.
///
/// # Errors
/// `forbidden`, the store's.
pub(crate) async fn delete(app: &App, tx: &mut Tx, caller: &Caller, budget: Loaded) -> ApiResult<()> {
    may_change(caller, &budget.policy)?;
    name_in_holder(app, tx, caller, &budget.policy, false).await?;
    budgets::delete(tx, budget.row.org, budget.row.id).await?;
    Event::new("delete_budget", &budget.row.id)
        .within(budget.row.project)
        .before(&recorded(&budget))?
        .by(tx, caller)
}

async fn changed(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    action: &'static str,
    budget: &Loaded,
    policy: &BudgetPolicy,
) -> ApiResult<Loaded> {
    let written = write(app, tx, policy).await?;
    Event::new(action, &policy.budget)
        .within(policy.project)
        .before(&recorded(budget))?
        .after(&recorded(&written))?
        .by(tx, caller)?;
    Ok(written)
}

async fn reload(app: &App, tx: &mut Tx, policy: &BudgetPolicy) -> ApiResult<Loaded> {
    let row = budgets::get(tx, policy.org, policy.budget)
        .await?
        .ok_or_else(|| ApiError::not_found("budget"))?;
    load(app, row)
}

/// A budget of the whole organization is its administrators' to change.
fn may_change(caller: &Caller, policy: &BudgetPolicy) -> ApiResult<()> {
    if policy.project.is_some() {
        return Ok(());
    }
    caller.whole_org()?;
    match holds(caller.role, Right::Administer) {
        true => Ok(()),
        false => Err(ApiError::new(
            Code::Forbidden,
            "a budget of the whole organization is for its owners and admins to change",
        )
        .remedy("name a project or an agent, or ask an owner or an admin")),
    }
}

/// Writes the budget's name into the policy of what it belongs to, or takes it out.
async fn name_in_holder(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    budget: &BudgetPolicy,
    named: bool,
) -> ApiResult<()> {
    let change = |names: &mut Vec<BudgetId>| {
        names.retain(|id| *id != budget.budget);
        if !named {
            return Ok(());
        }
        if names.len() >= MAX_BUDGETS {
            return Err(
                ApiError::new(Code::Conflict, format!("there are {MAX_BUDGETS} budgets already"))
                    .remedy("delete one that is not needed with `ks budget delete <id>`"),
            );
        }
        names.push(budget.budget);
        Ok(())
    };
    match budget.agent {
        Some(agent) => {
            let mut agent = agents::find(app, tx, caller, &agent.to_string()).await?;
            change(&mut agent.policy.budgets)?;
            agents::write(app, tx, &agent.row.name, &agent.policy, app.clock.now()).await?;
        }
        None => {
            let mut scope = scopes::get(app, tx, budget.org, budget.project).await?;
            change(&mut scope.budgets)?;
            scopes::put(app, tx, &scope).await?;
        }
    }
    Ok(())
}

/// The terms of every budget that may count an agent's calls, as the data plane has them.
///
/// # Errors
/// The store's, `internal`.
pub(crate) async fn of_agent(
    app: &App,
    conn: &mut Conn,
    agent: &agents::Loaded,
    zone: &Zone,
) -> ApiResult<Vec<(Loaded, BudgetTerms)>> {
    let policy = &agent.policy;
    let own = scopes::get(app, conn, policy.org, None).await?;
    let project = scopes::get(app, conn, policy.org, Some(policy.project)).await?;
    let mut found = Vec::new();
    for id in own.budgets.iter().chain(&project.budgets).chain(&policy.budgets) {
        let row = budgets::get(conn, policy.org, *id)
            .await?
            .ok_or_else(|| ApiError::internal(Forged("budget")))?;
        let loaded = load(app, row)?;
        let terms = BudgetTerms {
            policy: loaded.policy.clone(),
            zone: zone.clone(),
        };
        found.push((loaded, terms));
    }
    Ok(found)
}

/// The counter of a budget that a query asks for.
pub(crate) fn counter_of(policy: &BudgetPolicy, end_user: Option<&str>) -> ApiResult<BudgetId> {
    match (policy.end_user.as_deref(), end_user) {
        (_, None) => Ok(policy.budget),
        (Some("*"), Some(user)) => Ok(counter(policy.budget, Each::EndUser(user))),
        (_, Some(_)) => Err(ApiError::field(
            "?endUser",
            "this budget does not count each end user by itself",
        )),
    }
}

/// An amount in the unit, 0 or more.
pub(crate) fn amount(fields: &mut Fields, pointer: &str, unit: Unit, text: &str) -> i64 {
    let expected = match unit.is_money() {
        true => "expected dollars, 0 or more, with at most nine decimals, such as \"12.50\"",
        false => "expected a whole number, 0 or more, such as \"500\"",
    };
    unit.read(text).unwrap_or_else(|| {
        fields.wrong(pointer, expected);
        0
    })
}

fn check_thresholds(fields: &mut Fields, thresholds: &[u8]) {
    let ascend = thresholds.windows(2).all(|pair| pair[0] < pair[1]);
    if thresholds.len() > 10 || !ascend || thresholds.iter().any(|percent| !(1..=100).contains(percent)) {
        fields.wrong(
            "/thresholds",
            "expected at most ten percentages from 1 to 100, ascending",
        );
    }
}

/// Whether calls to the provider are counted in the unit, by what the catalog says of its operations.
fn counts(slug: &str, unit: Unit) -> bool {
    let counts = |operation: &Operation| match unit {
        Unit::Usd | Unit::Calls => true,
        Unit::Emails => operation.usage_shape == UsageShape::Resend,
        Unit::UsdMoved => operation.moves.is_some(),
    };
    keystore_catalog::provider(slug).is_some_and(|provider| provider.operations.iter().any(counts))
}

fn check_narrowing(fields: &mut Fields, new: &CreateBudget) {
    if let Some(model) = &new.model {
        check_model(fields, model);
    }
    let end_user = new.end_user.as_deref();
    if end_user.is_some_and(|end_user| !is_short(end_user, MAX_END_USER)) {
        fields.wrong(
            "/endUser",
            format!("expected 1 to {MAX_END_USER} printable characters"),
        );
    }
    let counted = new.provider.as_deref().is_some_and(|slug| counts(slug, new.unit));
    match new.unit {
        Unit::Usd | Unit::Calls => {}
        _ if counted => {}
        Unit::Emails => fields.wrong(
            "/unit",
            "e-mails are counted at the provider `resend` alone: name it",
        ),
        Unit::UsdMoved => fields.wrong(
            "/unit",
            "the money that calls move is counted at the provider `stripe` alone: name it",
        ),
    }
}
