//! What labels allow in an organization.

use keystore_core::policy::{AGREEMENT_NEEDED, LabelRule, OWN_KEYS_ONLY, Source};
use keystore_store::{Conn, Tx};
use keystore_wire::labels::{LabelRule as Shown, SetLabelRule};
use keystore_wire::problem::Code;

use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::names::is_short;
use crate::{providers, scopes};

/// The most rules of an organization.
const MAX_RULES: usize = 200;

/// The rules that the organization has set, and those that hold where it has set none.
///
/// # Errors
/// The store's.
pub(crate) async fn list(app: &App, conn: &mut Conn, caller: &Caller) -> ApiResult<Vec<Shown>> {
    let scope = scopes::get(app, conn, caller.org, None).await?;
    let built_in = OWN_KEYS_ONLY
        .iter()
        .filter(|label| !scope.label_rules.iter().any(|rule| rule.label == **label))
        .map(|label| built_in(label));
    let mut rules: Vec<_> = scope.label_rules.iter().map(shown).chain(built_in).collect();
    rules.sort_by(|one, other| one.label.cmp(&other.label));
    Ok(rules)
}

/// Sets what a label allows. In force on the next request.
///
/// # Errors
/// `invalid_request`, `conflict` when there are too many.
pub(crate) async fn set(app: &App, tx: &mut Tx, caller: &Caller, new: SetLabelRule) -> ApiResult<Shown> {
    caller.whole_org()?;
    let label = new.label.as_str();
    let mut fields = Fields::default();
    if !is_short(label, 200) {
        fields.wrong("/label", "expected 1 to 200 characters");
    }
    for (number, provider) in new.providers.iter().enumerate() {
        if providers::find(app, tx, caller.org, provider).await.is_err() {
            fields.wrong(format!("/providers/{number}"), "there is no such provider");
        }
    }
    for (number, kind) in new.agreements.iter().enumerate() {
        if !is_short(kind, 50) {
            fields.wrong(format!("/agreements/{number}"), "expected 1 to 50 characters");
        }
    }
    for (number, host) in new.hosts.iter().enumerate() {
        let name = host.strip_prefix("*.").unwrap_or(host);
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
        if name.is_empty() || name.len() > 253 || !plain {
            fields.wrong(
                format!("/hosts/{number}"),
                "expected the name of a host in lower case, such as eu.api.openai.com or *.example.com",
            );
        }
    }
    fields.check()?;
    let rule = LabelRule {
        label: new.label.clone(),
        sources: new.sources.clone(),
        providers: new.providers.clone(),
        hosts: new.hosts.clone(),
        customer_key: new.customer_key,
        agreements: new.agreements.clone(),
    };
    let mut scope = scopes::get(app, tx, caller.org, None).await?;
    let event = Event::new("set_label_rule", &caller.org);
    let at = scope.label_rules.iter().position(|known| known.label == label);
    let event = match at {
        Some(at) => event.before(&shown(&std::mem::replace(
            &mut scope.label_rules[at],
            rule.clone(),
        )))?,
        None if scope.label_rules.len() >= MAX_RULES => {
            let said = format!("an organization sets rules for at most {MAX_RULES} labels");
            return Err(ApiError::new(Code::Conflict, said).remedy("take one away: `ks label unset`"));
        }
        None => {
            scope.label_rules.push(rule.clone());
            event
        }
    };
    scopes::put(app, tx, &scope).await?;
    event.after(&shown(&rule))?.by(tx, caller)?;
    Ok(shown(&rule))
}

/// Takes the rule of a label away; what holds without one holds again.
///
/// # Errors
/// `not_found`.
pub(crate) async fn unset(app: &App, tx: &mut Tx, caller: &Caller, label: &str) -> ApiResult<()> {
    caller.whole_org()?;
    let mut scope = scopes::get(app, tx, caller.org, None).await?;
    let at = scope.label_rules.iter().position(|known| known.label == label);
    let Some(at) = at else {
        return Err(ApiError::not_found("label rule"));
    };
    let rule = scope.label_rules.remove(at);
    scopes::put(app, tx, &scope).await?;
    Event::new("unset_label_rule", &caller.org)
        .before(&shown(&rule))?
        .by(tx, caller)
}

fn built_in(label: &str) -> Shown {
    Shown {
        label: label.to_owned(),
        sources: vec![Source::Byok],
        providers: Vec::new(),
        hosts: Vec::new(),
        customer_key: false,
        agreements: match label == AGREEMENT_NEEDED.0 {
            true => vec![AGREEMENT_NEEDED.1.to_owned()],
            false => Vec::new(),
        },
        built_in: true,
    }
}

fn shown(rule: &LabelRule) -> Shown {
    Shown {
        label: rule.label.clone(),
        sources: rule.sources.clone(),
        providers: rule.providers.clone(),
        hosts: rule.hosts.clone(),
        customer_key: rule.customer_key,
        agreements: rule.agreements.clone(),
        built_in: false,
    }
}
