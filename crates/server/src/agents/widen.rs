//! Gives an agent more than it has, and leaves the rest as it is: for access that it asked for.

use keystore_core::policy::AgentPolicy;
use keystore_store::{Conn, Tx, budgets};
use keystore_wire::Patch;
use keystore_wire::agents::GrantInput;

use super::{Loaded, check_lists, is_monthly, not_revoked, set_monthly, wanted_grants, write};
use crate::api::agents::recorded;
use crate::api::problem::{ApiResult, Fields};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use keystore_core::NanoUsd;

/// What an agent is given.
pub(crate) struct More {
    /// A grant, in place of the one that it has of the provider.
    pub(crate) grant: Option<GrantInput>,
    /// Models beside those that it may use; nothing where it may use every one.
    pub(crate) models: Vec<String>,
    /// Another budget of the month, in US cents.
    pub(crate) budget_cents: Option<i64>,
}

/// The limit of the agent's month, in US cents; `None` without one.
///
/// # Errors
/// `internal` for a budget that is not ours.
pub(crate) async fn month_cents(app: &App, conn: &mut Conn, policy: &AgentPolicy) -> ApiResult<Option<i64>> {
    let rows = budgets::of_agent(conn, policy.org, policy.agent).await?;
    let Some(row) = rows.into_iter().find(is_monthly) else {
        return Ok(None);
    };
    let limit = crate::budgets::load(app, row)?.policy.limit;
    Ok(Some(NanoUsd(limit).cents_floor()))
}

/// Writes what the agent has from now on. Its other grants are neither looked at nor changed.
///
/// # Errors
/// `conflict` for a revoked agent; those of [`crate::grants::resolve`]; `invalid_request` when a list becomes too long.
pub(crate) async fn widen(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    agent: Loaded,
    more: More,
) -> ApiResult<Loaded> {
    let event = Event::new("update_agent", &agent.row.id)
        .within(agent.row.project)
        .before(&recorded(app, tx, agent.clone()).await?)?;
    let Loaded { row, mut policy } = agent;
    not_revoked(&policy)?;
    if let Some(input) = more.grant {
        let made = wanted_grants(app, tx, &policy, std::slice::from_ref(&input)).await?;
        policy.grants.retain(|grant| grant.provider != input.name);
        policy.grants.extend(made);
    }
    if !policy.allowed_models.is_empty() {
        let news = more.models.into_iter();
        let news: Vec<_> = news
            .filter(|model| !policy.allowed_models.contains(model))
            .collect();
        policy.allowed_models.extend(news);
        let mut fields = Fields::default();
        check_lists(&mut fields, &policy.allowed_models, &[], &[]);
        fields.check()?;
    }
    let budget = more.budget_cents.map_or(Patch::Keep, Patch::Set);
    set_monthly(app, tx, &mut policy, &budget).await?;
    let written = write(app, tx, &row.name, &policy, app.clock.now()).await?;
    event
        .after(&recorded(app, tx, written.clone()).await?)?
        .by(tx, caller)?;
    Ok(written)
}
