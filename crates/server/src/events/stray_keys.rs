//! Keys that answers held. An agent that was deleted meanwhile has nothing to tell.

use keystore_core::abuse::SILENCE;
use keystore_proxy::notices::KeyInAnswer;
use keystore_store::{Tx, agents};
use keystore_wire::events::Kind;
use serde_json::json;

use super::New;
use crate::api::problem::ApiResult;
use crate::app::App;

/// The event, once an hour for each agent and form.
pub(super) async fn event(app: &App, tx: &mut Tx, notice: &KeyInAnswer) -> ApiResult<Option<New>> {
    let Some(agent) = agents::get(tx, notice.org, notice.agent).await? else {
        return Ok(None);
    };
    let hour = app.clock.now().seconds() / i64::try_from(SILENCE.as_secs()).unwrap_or(1);
    Ok(Some(New {
        org: notice.org,
        project: Some(notice.project),
        kind: Kind::KeyInAnswer,
        subject: notice.agent.to_string(),
        data: json!({
            "agent": agent.name,
            "provider": notice.provider,
            "form": notice.form,
            "request": notice.request,
            "takenOut": notice.taken_out,
        }),
        once: Some(format!("{}:key:{}:{hour}", notice.agent, notice.form)),
        mailed: true,
    }))
}
