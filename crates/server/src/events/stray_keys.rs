//! Keys that answers held. An agent that was deleted meanwhile has nothing to tell.

use keystore_proxy::notices::KeyInAnswer;
use keystore_store::{Tx, agents};
use keystore_wire::events::Kind;
use serde_json::json;

use super::{New, hour};
use crate::api::problem::ApiResult;
use crate::app::App;

/// The event, once an hour for each agent and form.
pub(super) async fn event(app: &App, tx: &mut Tx, notice: &KeyInAnswer) -> ApiResult<Option<New>> {
    let Some(agent) = agents::get(tx, notice.org, notice.agent).await? else {
        return Ok(None);
    };
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
        once: Some(format!("{}:key:{}:{}", notice.agent, notice.form, hour(app))),
        mailed: true,
    }))
}
