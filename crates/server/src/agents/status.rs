//! Whether an agent is served: by a person's will, or because of a rule against abuse.

use keystore_core::abuse::Kind;
use keystore_core::policy::{AgentPolicy, AgentStatus};
use keystore_store::Tx;
use keystore_wire::problem::Code;

use super::{Loaded, write};
use crate::api::agents::recorded;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;

/// Writes another status. Revoked is for good.
///
/// # Errors
/// `conflict` when it is revoked and something else is asked for.
pub(crate) async fn set_status(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    agent: Loaded,
    status: AgentStatus,
) -> ApiResult<Loaded> {
    let (written, event) = write_status(app, tx, agent, status, None).await?;
    event.by(tx, caller)?;
    Ok(written)
}

/// Pauses an agent because of what a rule against abuse found.
///
/// # Errors
/// `conflict` when it is revoked.
pub(crate) async fn pause_by(app: &App, tx: &mut Tx, agent: Loaded, rule: Kind) -> ApiResult<()> {
    let org = agent.policy.org;
    let (_, event) = write_status(app, tx, agent, AgentStatus::Paused, Some(rule)).await?;
    event.by_system(tx, org)
}

/// Writes another status; gives what is to be recorded of it.
async fn write_status(
    app: &App,
    tx: &mut Tx,
    agent: Loaded,
    status: AgentStatus,
    paused_by: Option<Kind>,
) -> ApiResult<(Loaded, Event)> {
    let action = match status {
        AgentStatus::Active => "resume_agent",
        AgentStatus::Paused => "pause_agent",
        AgentStatus::Revoked => "revoke_agent",
    };
    let event = Event::new(action, &agent.row.id)
        .within(agent.row.project)
        .before(&recorded(app, tx, agent.clone()).await?)?;
    let Loaded { row, mut policy } = agent;
    if status != AgentStatus::Revoked {
        not_revoked(&policy)?;
    }
    (policy.status, policy.paused_by) = (status, paused_by);
    let written = write(app, tx, &row.name, &policy, app.clock.now()).await?;
    let event = event.after(&recorded(app, tx, written.clone()).await?)?;
    Ok((written, event))
}

/// That the agent is not revoked.
///
/// # Errors
/// `conflict`.
pub(super) fn not_revoked(policy: &AgentPolicy) -> ApiResult<()> {
    match policy.status {
        AgentStatus::Revoked => Err(
            ApiError::new(Code::Conflict, "the agent is revoked, which is for good")
                .remedy("create another agent"),
        ),
        AgentStatus::Active | AgentStatus::Paused => Ok(()),
    }
}
