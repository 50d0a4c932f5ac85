//! What changes an agent: making it, changing its limits and grants, its month's budget; its status is in [`status`], what it is
//! given beside what it has in [`widen`](mod@widen).
//!
//! An agent's policy is written whole, with its MAC, in one transaction with the budget that it names. The commit tells the
//! data plane before it returns, so a change is in force on the next request.

mod status;
mod widen;

use std::net::IpAddr;

use keystore_core::ids::{AgentId, BudgetId};
use keystore_core::policy::{AgentPolicy, BudgetPolicy, Grant};
use keystore_core::window::Window;
use keystore_core::{Micros, NanoUsd};
use keystore_store::agents::{self, Agent, NewAgent};
use keystore_store::budgets::{self, Budget};
use keystore_store::{Conn, Tx, projects};
use keystore_wire::Patch;
use keystore_wire::agents::{CreateAgent, GrantInput, MAX_RATE_LIMIT, MAX_TPM_LIMIT, UpdateAgent};
use keystore_wire::events::Kind;
use serde_json::json;

use crate::api::agents::recorded;
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::auth::require::Resource;
use crate::events::{self, New};
use crate::grants::{self, Labelled};
use status::not_revoked;
pub(crate) use status::{pause_by, set_status};
pub(crate) use widen::{More, month_cents, widen};

/// The purposes of the MACs over policy rows, as the data plane checks them.
pub(crate) const AGENT_MAC: &str = "agent";
/// See [`AGENT_MAC`].
pub(crate) const TOKEN_MAC: &str = "token";

/// A stored agent with its policy read.
#[derive(Clone)]
pub(crate) struct Loaded {
    /// The row.
    pub(crate) row: Agent,
    /// What it says.
    pub(crate) policy: AgentPolicy,
}

/// The agent with this id, or with this name in the caller's own project (else `default`).
///
/// # Errors
/// `not_found`, also for one that is out of the caller's reach.
pub(crate) async fn find(app: &App, conn: &mut Conn, caller: &Caller, id_or_name: &str) -> ApiResult<Loaded> {
    let row = match id_or_name.parse::<AgentId>() {
        Ok(id) => agents::get(conn, caller.org, id).await?,
        Err(_) => {
            let project = caller.select_project(conn, None).await?;
            agents::by_name(conn, caller.org, project.id, id_or_name).await?
        }
    };
    let row = row
        .filter(|agent| caller.reaches(agent.project))
        .ok_or_else(|| ApiError::not_found("agent"))?;
    load(app, row)
}

impl Resource for Loaded {
    /// An id, or a name.
    type Key = String;
    const NOUN: &'static str = "agent";

    async fn find(app: &App, conn: &mut Conn, caller: &Caller, key: &String) -> ApiResult<Self> {
        find(app, conn, caller, key).await
    }
}

/// An agent whose policy is ours. One that somebody else wrote is neither shown nor signed again by a later change.
///
/// # Errors
/// `internal`.
pub(crate) fn load(app: &App, row: Agent) -> ApiResult<Loaded> {
    if !app.policy_mac.verify(AGENT_MAC, &row.policy, &row.mac) {
        return Err(ApiError::internal(Forged("agent")));
    }
    let policy = row.decode()?;
    if policy.agent != row.id || policy.org != row.org || policy.project != row.project {
        return Err(ApiError::internal(Forged("agent")));
    }
    Ok(Loaded { row, policy })
}

/// A policy row was not written by this deployment.
#[derive(Debug, thiserror::Error)]
#[error("the policy of a stored {0} was changed outside of Keystore")]
pub(crate) struct Forged(pub(crate) &'static str);

/// Makes an agent in the caller's transaction.
///
/// # Errors
/// `invalid_request`, `already_exists`, and those of [`grants::resolve`].
pub(crate) async fn create(app: &App, tx: &mut Tx, caller: &Caller, new: &CreateAgent) -> ApiResult<Loaded> {
    let now = app.clock.now();
    let mut fields = Fields::default();
    check_name(&mut fields, &new.name);
    check_rates(
        &mut fields,
        [new.rpm_limit, new.rpd_limit, new.tpm_limit, new.max_concurrency],
    );
    check_cents(&mut fields, new.budget_cents_monthly);
    check_lists(&mut fields, &new.allowed_models, &new.allowed_ips, &new.labels);
    check_future(&mut fields, new.expires_at.map(Micros::from), now);
    fields.check()?;
    let project = caller.select_project(tx, new.project.as_deref()).await?;
    let labelled = Labelled {
        project: &project,
        labels: &new.labels,
    };
    let at = (&[][..], "/providers");
    let grants = grants::resolve(app, tx, caller.org, labelled, &new.providers, at).await?;
    let mut policy = AgentPolicy {
        expires_at: new.expires_at.map(Micros::from),
        grants,
        rpm_limit: new.rpm_limit,
        rpd_limit: new.rpd_limit,
        allowed_models: new.allowed_models.clone(),
        allowed_ips: new.allowed_ips.clone(),
        labels: new.labels.clone(),
        end_users: new.end_users,
        tpm_limit: new.tpm_limit,
        max_concurrency: new.max_concurrency,
        ..AgentPolicy::new(AgentId::new(app.ids.next()), caller.org, project.id)
    };
    let budget = match new.budget_cents_monthly {
        Some(cents) => Some(monthly(&policy, cents)?),
        None => None,
    };
    policy.budgets.extend(budget.iter().map(|budget| budget.budget));
    let mac = app.policy_mac.tag(AGENT_MAC, &policy.canonical());
    let name = new.name.trim();
    agents::insert(
        tx,
        &NewAgent {
            name,
            policy: &policy,
            mac: &mac,
            at: now,
        },
    )
    .await?;
    if let Some(budget) = &budget {
        crate::budgets::insert(app, tx, budget).await?;
    }
    let made = reload(app, tx, &policy).await?;
    Event::new("create_agent", &made.row.id)
        .within(made.row.project)
        .after(&recorded(app, tx, made.clone()).await?)?
        .by(tx, caller)?;
    tell(app, tx, &made, Kind::AgentCreated).await?;
    Ok(made)
}

/// The grants that an agent wants, as it may have them.
///
/// # Errors
/// Those of [`grants::resolve`].
async fn wanted_grants(
    app: &App,
    tx: &mut Tx,
    policy: &AgentPolicy,
    wanted: &[GrantInput],
) -> ApiResult<Vec<Grant>> {
    let project = projects::get(tx, policy.org, policy.project)
        .await?
        .ok_or_else(|| ApiError::not_found("project"))?;
    let labelled = Labelled {
        project: &project,
        labels: &policy.labels,
    };
    let at = (&policy.grants[..], "/providers");
    grants::resolve(app, tx, policy.org, labelled, wanted, at).await
}

/// Changes what the request names.
///
/// # Errors
/// As [`create`]; `conflict` for a revoked agent.
pub(crate) async fn update(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    agent: Loaded,
    change: UpdateAgent,
) -> ApiResult<Loaded> {
    let now = app.clock.now();
    let event = Event::new("update_agent", &agent.row.id)
        .within(agent.row.project)
        .before(&recorded(app, tx, agent.clone()).await?)?;
    let Loaded { row, mut policy } = agent;
    not_revoked(&policy)?;
    let name = change.name.unwrap_or(row.name);
    policy.rpm_limit = change.rpm_limit.apply(policy.rpm_limit);
    policy.rpd_limit = change.rpd_limit.apply(policy.rpd_limit);
    policy.tpm_limit = change.tpm_limit.apply(policy.tpm_limit);
    policy.max_concurrency = change.max_concurrency.apply(policy.max_concurrency);
    policy.allowed_models = change
        .allowed_models
        .apply(Some(policy.allowed_models))
        .unwrap_or_default();
    policy.allowed_ips = change
        .allowed_ips
        .apply(Some(policy.allowed_ips))
        .unwrap_or_default();
    policy.labels = change.labels.apply(Some(policy.labels)).unwrap_or_default();
    policy.end_users = change.end_users.unwrap_or(policy.end_users);
    let expiry_changes = !change.expires_at.is_keep();
    policy.expires_at = change
        .expires_at
        .apply(policy.expires_at.map(Into::into))
        .map(Micros::from);
    let cents = match change.budget_cents_monthly {
        Patch::Set(cents) => Some(cents),
        Patch::Keep | Patch::Reset => None,
    };
    let mut fields = Fields::default();
    check_name(&mut fields, &name);
    let rates = [
        policy.rpm_limit,
        policy.rpd_limit,
        policy.tpm_limit,
        policy.max_concurrency,
    ];
    check_rates(&mut fields, rates);
    check_cents(&mut fields, cents);
    check_lists(
        &mut fields,
        &policy.allowed_models,
        &policy.allowed_ips,
        &policy.labels,
    );
    if expiry_changes {
        check_future(&mut fields, policy.expires_at, now);
    }
    fields.check()?;
    if let Some(wanted) = &change.providers {
        policy.grants = wanted_grants(app, tx, &policy, wanted).await?;
    }
    set_monthly(app, tx, &mut policy, &change.budget_cents_monthly).await?;
    let written = write(app, tx, name.trim(), &policy, now).await?;
    event
        .after(&recorded(app, tx, written.clone()).await?)?
        .by(tx, caller)?;
    Ok(written)
}

/// Deletes an agent with its tokens and budgets.
///
/// # Errors
/// The store's.
pub(crate) async fn delete(app: &App, tx: &mut Tx, caller: &Caller, agent: Loaded) -> ApiResult<()> {
    let (org, id) = (agent.row.org, agent.row.id);
    Event::new("delete_agent", &id)
        .within(agent.row.project)
        .before(&recorded(app, tx, agent.clone()).await?)?
        .by(tx, caller)?;
    agents::delete(tx, org, id).await?;
    tell(app, tx, &agent, Kind::AgentDeleted).await
}

/// Tells of an agent that came or went.
async fn tell(app: &App, tx: &mut Tx, agent: &Loaded, kind: Kind) -> ApiResult<()> {
    let new = New {
        org: agent.row.org,
        project: Some(agent.row.project),
        kind,
        subject: agent.row.id.to_string(),
        data: json!({"name": agent.row.name}),
        once: None,
        mailed: false,
    };
    events::raise(app, tx, new).await
}

/// Writes an agent's policy.
///
/// # Errors
/// `not_found`, the store's.
pub(crate) async fn write(
    app: &App,
    tx: &mut Tx,
    name: &str,
    policy: &AgentPolicy,
    now: Micros,
) -> ApiResult<Loaded> {
    let mac = app.policy_mac.tag(AGENT_MAC, &policy.canonical());
    let written = agents::update(
        tx,
        &NewAgent {
            name,
            policy,
            mac: &mac,
            at: now,
        },
    )
    .await?;
    if !written {
        return Err(ApiError::not_found("agent"));
    }
    reload(app, tx, policy).await
}

async fn reload(app: &App, tx: &mut Tx, policy: &AgentPolicy) -> ApiResult<Loaded> {
    let row = agents::get(tx, policy.org, policy.agent)
        .await?
        .ok_or_else(|| ApiError::not_found("agent"))?;
    load(app, row)
}

/// Whether this is the agent's `budgetCentsMonthly`, which has the agent's own number.
pub(crate) fn is_monthly(budget: &Budget) -> bool {
    budget.agent.is_some_and(|agent| agent.uuid() == budget.id.uuid())
}

/// The month's budget. Its id is the agent's own number: a budget that is taken away and set again finds what was spent.
fn monthly(agent: &AgentPolicy, cents: i64) -> ApiResult<BudgetPolicy> {
    let limit = NanoUsd::from_cents(cents)
        .ok_or_else(|| ApiError::field("/budgetCentsMonthly", "is more than can be counted"))?;
    let id = BudgetId::new(agent.agent.uuid());
    Ok(BudgetPolicy {
        project: Some(agent.project),
        agent: Some(agent.agent),
        ..BudgetPolicy::new(id, agent.org, limit.0, Window::Month)
    })
}

/// Sets, changes or takes away the month's budget. A change keeps the row, so that what was spent stays spent.
async fn set_monthly(app: &App, tx: &mut Tx, policy: &mut AgentPolicy, change: &Patch<i64>) -> ApiResult<()> {
    if change.is_keep() {
        return Ok(());
    }
    let found = budgets::of_agent(tx, policy.org, policy.agent).await?;
    let found = found.iter().find(|budget| is_monthly(budget));
    match (change, found) {
        (Patch::Set(cents), Some(row)) => {
            let mut budget = crate::budgets::load(app, row.clone())?.policy;
            budget.limit = monthly(policy, *cents)?.limit;
            crate::budgets::write(app, tx, &budget).await?;
        }
        (Patch::Set(cents), None) => {
            let budget = monthly(policy, *cents)?;
            crate::budgets::insert(app, tx, &budget).await?;
            policy.budgets.push(budget.budget);
        }
        (Patch::Reset, Some(row)) => {
            budgets::delete(tx, policy.org, row.id).await?;
            policy.budgets.retain(|id| *id != row.id);
        }
        (Patch::Reset, None) | (Patch::Keep, _) => {}
    }
    Ok(())
}

pub(crate) fn check_name(fields: &mut Fields, name: &str) {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        fields.wrong("/name", "expected 1 to 100 characters without control characters");
    } else if name.parse::<AgentId>().is_ok() {
        fields.wrong("/name", "must not look like an id");
    }
}

/// Limits as they stand in requests: a minute's and a day's requests, a minute's tokens, calls at the same time.
pub(crate) fn check_rates(fields: &mut Fields, [rpm, rpd, tpm, concurrency]: [Option<u32>; 4]) {
    for (pointer, limit, most) in [
        ("/rpmLimit", rpm, MAX_RATE_LIMIT),
        ("/rpdLimit", rpd, MAX_RATE_LIMIT),
        ("/tpmLimit", tpm, MAX_TPM_LIMIT),
        ("/maxConcurrency", concurrency, MAX_RATE_LIMIT),
    ] {
        if limit.is_some_and(|limit| limit > most) {
            fields.wrong(pointer, format!("must be at most {most}"));
        }
    }
}

fn check_cents(fields: &mut Fields, cents: Option<i64>) {
    if cents.is_some_and(|cents| cents < 0 || NanoUsd::from_cents(cents).is_none()) {
        fields.wrong(
            "/budgetCentsMonthly",
            "must be 0 or more, and an amount that can be counted in nano-dollars",
        );
    }
}

fn check_lists(fields: &mut Fields, models: &[String], networks: &[String], labels: &[String]) {
    for (pointer, list) in [("/allowedModels", models), ("/labels", labels)] {
        if list.len() > 100 {
            fields.wrong(pointer, "may have at most 100 entries");
        }
        for (index, text) in list.iter().enumerate() {
            if text.is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
                fields.wrong(format!("{pointer}/{index}"), "expected 1 to 200 characters");
            }
        }
    }
    if networks.len() > 100 {
        fields.wrong("/allowedIps", "may have at most 100 entries");
    }
    for (index, network) in networks.iter().enumerate() {
        if !is_network(network) {
            fields.wrong(
                format!("/allowedIps/{index}"),
                "expected an address and a prefix length, such as 192.0.2.0/24 or 2001:db8::/32",
            );
        }
    }
}

/// `address/prefix`, or an address alone.
fn is_network(text: &str) -> bool {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, prefix.parse::<u8>().ok()),
        None => (text, Some(0)),
    };
    match (address.parse(), prefix) {
        (Ok(IpAddr::V4(_)), Some(bits)) => bits <= 32,
        (Ok(IpAddr::V6(_)), Some(bits)) => bits <= 128,
        _ => false,
    }
}

pub(crate) fn check_future(fields: &mut Fields, at: Option<Micros>, now: Micros) {
    if at.is_some_and(|at| at <= now) {
        fields.wrong("/expiresAt", "must be in the future");
    }
}

#[cfg(test)]
mod tests {
    use super::is_network;

    #[test]
    fn networks() {
        for good in ["192.0.2.7", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::1"] {
            assert!(is_network(good), "{good}");
        }
        for bad in [
            "",
            "192.0.2.0/33",
            "2001:db8::/129",
            "example.com",
            "192.0.2.0/",
            "192.0.2/24",
        ] {
            assert!(!is_network(bad), "{bad}");
        }
    }
}
