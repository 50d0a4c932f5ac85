//! A vendor held too many calls of a customer of a pool to be abuse. One that is paused already has nothing to tell.

use keystore_core::abuse::Action;
use keystore_proxy::notices::SignsNotice;
use keystore_store::Tx;
use keystore_wire::events::Kind;
use serde_json::json;

use super::{New, hour};
use crate::api::problem::ApiResult;
use crate::app::App;
use crate::{operator, pool_tenants};

/// Pauses the customer, where the rule says so; gives the operator's event.
pub(super) async fn event(app: &App, tx: &mut Tx, notice: &SignsNotice) -> ApiResult<Option<New>> {
    let SignsNotice {
        provider,
        tenant,
        rule,
        amount,
    } = notice;
    let Some(operator) = operator::org(tx).await? else {
        return Ok(None);
    };
    let policy = pool_tenants::policy(app, tx, provider, *tenant).await?;
    if policy.paused.is_some() {
        return Ok(None);
    }
    let once = match rule.action {
        Action::Pause => match pool_tenants::pause_by_rule(app, tx, operator, policy).await? {
            true => None,
            // It has ended meanwhile.
            false => return Ok(None),
        },
        Action::Alert | Action::Off => Some(format!("{provider}:{tenant}:{}", hour(app))),
    };
    Ok(Some(New {
        org: operator,
        project: None,
        kind: Kind::PoolAbuse,
        subject: tenant.to_string(),
        data: json!({
            "provider": provider,
            "orgId": tenant,
            "action": rule.action.as_str(),
            "found": amount,
            "threshold": rule.threshold,
            "windowSeconds": rule.window_seconds,
        }),
        once,
        mailed: true,
    }))
}
