//! A person grants what an agent asked for, or less of it. The grant is made as by hand, with every check of [`grants`](crate::grants), in
//! the transaction that decides the request; the agent's token stays, and its next call passes.

use keystore_core::policy::{Grant, ScopeAction, Source};
use keystore_store::Tx;
use keystore_store::access_requests::{AccessRequest as Row, State};
use keystore_wire::Patch;
use keystore_wire::access_requests::{AccessRequest, ApproveAccessRequest, GrantedAccess};
use keystore_wire::agents::{FallbackInput, GrantInput};
use keystore_wire::problem::Code;

use super::{Decided, agent_of, check_words, decide, undecided};
use crate::agents::{self, Loaded, More};
use crate::api::agents::scope;
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::auth::caller::Caller;

/// Grants what was asked for, as far as `given` does not narrow it.
///
/// # Errors
/// `invalid_request` for more than was asked; `conflict` when it is decided, has expired, the agent is revoked, or a grant that it has
/// would move; those of [`crate::grants::resolve`].
pub(crate) async fn approve(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    request: Row,
    given: ApproveAccessRequest,
) -> ApiResult<AccessRequest> {
    let now = app.clock.now();
    caller.confirm(tx, now).await?;
    undecided(&request, now)?;
    let agent = agent_of(app, tx, &request).await?;
    let month = agents::month_cents(app, tx, &agent.policy).await?;
    let granted = narrowed(&request, &given, month)?;
    let more = More {
        grant: grant(&request, &given, &granted, &agent)?,
        models: granted.models.clone(),
        budget_cents: granted.budget_cents_monthly,
    };
    let granted = GrantedAccess {
        source: more.grant.as_ref().map(|grant| grant.source),
        ..granted
    };
    let had = present(&request, &agent).cloned();
    let agent = agents::widen(app, tx, caller, agent, more).await?;
    if let Some(had) = had
        && present(&request, &agent).is_none_or(|has| has.credential != had.credential)
    {
        return Err(moves(&had).remedy("leave `credential` out, or give the agent that key first"));
    }
    let decided = Decided {
        action: "approve_access_request",
        state: State::Approved,
        note: given.note,
        granted: Some(granted),
    };
    decide(app, tx, caller, (request, &agent), decided).await
}

/// What is granted beside the source: what was asked for, or the part of it that is given.
fn narrowed(request: &Row, given: &ApproveAccessRequest, month: Option<i64>) -> ApiResult<GrantedAccess> {
    let mut fields = Fields::default();
    if let Some(note) = &given.note {
        check_words(&mut fields, "/note", note);
    }
    if request.provider.is_none() && (given.source.is_some() || given.credential.is_some()) {
        fields.wrong("/source", "no provider was asked for");
    }
    let scopes = given.scopes.clone().unwrap_or_else(|| request.scopes.clone());
    let covered = |scope: &String| {
        let slug = request.provider.as_deref().unwrap_or_default();
        let all = request.scopes.is_empty() || request.scopes.contains(&self::scope(slug, ScopeAction::All));
        ScopeAction::of_scope(scope, slug).is_some() && (all || request.scopes.contains(scope))
    };
    if !scopes.iter().all(covered) || (scopes.is_empty() && !request.scopes.is_empty()) {
        fields.wrong("/scopes", "must be some of the scopes that were asked for");
    }
    let models = given.models.clone().unwrap_or_else(|| request.models.clone());
    if models.iter().any(|model| !request.models.contains(model)) {
        fields.wrong("/models", "must be some of the models that were asked for");
    }
    let budget_cents_monthly = given.budget_cents_monthly.apply(request.budget_cents);
    if let (Patch::Set(cents), asked) = (given.budget_cents_monthly, request.budget_cents)
        && asked.is_none_or(|asked| cents > asked)
    {
        fields.wrong("/budgetCentsMonthly", "must be at most what was asked for");
    }
    if let Some(cents) = budget_cents_monthly
        && month.is_none_or(|has| cents <= has)
    {
        fields.wrong(
            "/budgetCentsMonthly",
            "must be more than the agent's present budget of the month; `null` leaves that as it is",
        );
    }
    fields.check()?;
    Ok(GrantedAccess {
        source: None,
        scopes,
        models,
        budget_cents_monthly,
    })
}

/// The grant that the agent has of the provider that is asked for.
fn present<'a>(request: &Row, agent: &'a Loaded) -> Option<&'a Grant> {
    let slug = request.provider.as_ref()?;
    agent.policy.grants.iter().find(|grant| grant.provider == *slug)
}

/// The refusal of what would move a grant, of which an agent has one a provider: it would lose what it has with the one key, or gain with
/// the other one what it did not ask for.
fn moves(had: &Grant) -> ApiError {
    let (slug, source) = (&had.provider, had.source.as_str());
    ApiError::new(
        Code::Conflict,
        format!(
            "the agent has {slug} ({source}) already, and approving a request does not move it to another key"
        ),
    )
}

/// The grant that the agent has of the provider from now on: what it had, and what is granted.
fn grant(
    request: &Row,
    given: &ApproveAccessRequest,
    granted: &GrantedAccess,
    agent: &Loaded,
) -> ApiResult<Option<GrantInput>> {
    let Some(slug) = &request.provider else {
        return Ok(None);
    };
    let present = present(request, agent);
    let source = given
        .source
        .or(request.source)
        .or(present.map(|grant| grant.source))
        .ok_or_else(|| {
            ApiError::field(
                "/source",
                "the agent leaves the source to you: expected `byok` or `marketplace`",
            )
        })?;
    if let Some(had) = present.filter(|grant| grant.source != source) {
        return Err(moves(had).remedy(format!(
            "approve it with the source {}, or move agent {} to {} first, with `ks migrate`",
            had.source.as_str(),
            agent.row.id,
            source.as_str()
        )));
    }
    Ok(Some(GrantInput {
        name: slug.clone(),
        source,
        credential: given.credential.clone().or_else(|| credential(present)),
        scopes: united(present, &granted.scopes, slug),
        fallback: present.and_then(fallback),
    }))
}

/// The credential that a grant has; nothing names a pooled one.
fn credential(present: Option<&Grant>) -> Option<String> {
    let kept = present.filter(|grant| grant.source == Source::Byok)?;
    kept.credential.map(|credential| credential.to_string())
}

fn fallback(kept: &Grant) -> Option<FallbackInput> {
    kept.fallback.map(|fallback| FallbackInput {
        source: Source::Marketplace,
        budget_cents_monthly: fallback.monthly.cents_floor(),
    })
}

/// What a grant allows, and these scopes; none is everything.
fn united(present: Option<&Grant>, more: &[String], slug: &str) -> Vec<String> {
    let had = present.map(|grant| &grant.scopes);
    if more.is_empty() || had.is_some_and(Vec::is_empty) {
        return Vec::new();
    }
    let had = had.into_iter().flatten().map(|action| scope(slug, *action));
    let mut all: Vec<String> = had.chain(more.iter().cloned()).collect();
    all.sort();
    all.dedup();
    all
}
