//! A rule against abuse that found too much. An agent that was deleted, or is paused already, has nothing to tell.

use keystore_core::abuse::Action;
use keystore_core::policy::AgentStatus;
use keystore_proxy::notices::AbuseNotice;
use keystore_store::{Tx, agents as rows};
use keystore_wire::events::Kind;
use serde_json::json;

use super::{New, hour};
use crate::agents;
use crate::api::problem::ApiResult;
use crate::app::App;

/// Pauses the agent, where the rule says so; gives the event.
pub(super) async fn event(app: &App, tx: &mut Tx, notice: &AbuseNotice) -> ApiResult<Option<New>> {
    let AbuseNotice {
        org,
        project,
        agent,
        found,
    } = notice;
    let Some(row) = rows::get(tx, *org, *agent).await? else {
        return Ok(None);
    };
    let loaded = agents::load(app, row)?;
    if loaded.policy.status != AgentStatus::Active {
        return Ok(None);
    }
    let kind = found.kind;
    let data = json!({
        "agent": loaded.row.name,
        "rule": kind.as_str(),
        "action": found.rule.action.as_str(),
        "found": kind.show(found.amount),
        "threshold": kind.show(found.rule.threshold),
        "windowSeconds": found.rule.window_seconds,
    });
    let once = match found.rule.action {
        // Each pause is told: only a person lets the agent go on after it.
        Action::Pause => {
            agents::pause_by(app, tx, loaded, kind).await?;
            None
        }
        Action::Alert | Action::Off => Some(format!("{agent}:{}:{}", kind.as_str(), hour(app))),
    };
    Ok(Some(New {
        org: *org,
        project: Some(*project),
        kind: Kind::AbuseDetected,
        subject: agent.to_string(),
        data,
        once,
        mailed: true,
    }))
}
