//! From the providers that a request names to an agent's grants: which credential, which scopes, and what cannot be granted.

use std::collections::BTreeSet;

use keystore_catalog::ProviderRef;
use keystore_core::NanoUsd;
use keystore_core::ids::{BudgetId, CredentialId, OrgId};
use keystore_core::policy::{Fallback, Grant, ScopeAction, Source, forbidden};
use keystore_store::Conn;
use keystore_store::credentials::{self, Credential};
use keystore_store::projects::Project;
use keystore_wire::agents::{FallbackInput, GrantInput};
use keystore_wire::credentials::DEFAULT_NAME;
use keystore_wire::problem::Code;

use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::marketplace::{Shop, not_sold};
use crate::{operator, providers, scopes};

/// Where an agent is, and what it is marked with.
#[derive(Clone, Copy)]
pub(crate) struct Labelled<'a> {
    /// Its project.
    pub(crate) project: &'a Project,
    /// Its own labels.
    pub(crate) labels: &'a [String],
}

/// The grants that `wanted` asks for, for an agent with the grants `present`. `pointer` is where the list stands in the body.
///
/// # Errors
/// `invalid_request`, `unknown_provider`, `ambiguous_credential`, `conflict` without a credential; of the marketplace
/// `marketplace_unavailable` and `marketplace_not_enabled`; `label_forbids_marketplace` and `label_forbids_provider`.
pub(crate) async fn resolve(
    app: &App,
    conn: &mut Conn,
    org: OrgId,
    agent: Labelled<'_>,
    wanted: &[GrantInput],
    (present, pointer): (&[Grant], &str),
) -> ApiResult<Vec<Grant>> {
    let scopes = checked_scopes(wanted, pointer)?;
    let mut grants = Vec::with_capacity(wanted.len());
    for (number, (input, scopes)) in wanted.iter().zip(scopes).enumerate() {
        let provider = providers::find(app, conn, org, &input.name).await?;
        let stored = credentials::of_provider(conn, org, agent.project.id, &provider.slug).await?;
        let before = present.iter().find(|grant| grant.provider == *provider.slug);
        let mut labels: Vec<&str> = agent.project.labels.iter().map(String::as_str).collect();
        labels.extend(agent.labels.iter().map(String::as_str));
        let mut grant = match input.source {
            Source::Marketplace => {
                no_own_credential(input, &format!("{pointer}/{number}"))?;
                sold(app, conn, org, &provider).await?;
                allowed(app, conn, org, &labels, (Source::Marketplace, &provider.slug)).await?;
                Grant::new(&*provider.slug, Source::Marketplace, None)
            }
            Source::Byok => {
                let chosen = choose(&stored, input, agent.project)?;
                let credential = stored.iter().find(|credential| credential.id == chosen);
                let of_credential = credential.into_iter().flat_map(|credential| &credential.labels);
                labels.extend(of_credential.map(String::as_str));
                allowed(app, conn, org, &labels, (Source::Byok, &provider.slug)).await?;
                Grant::new(&*provider.slug, Source::Byok, Some(chosen))
            }
        };
        grant.scopes = scopes;
        if let Some(wanted) = &input.fallback {
            sold(app, conn, org, &provider).await?;
            allowed(app, conn, org, &labels, (Source::Marketplace, &provider.slug)).await?;
            grant.fallback = Some(fallback(
                app,
                wanted,
                before,
                &format!("{pointer}/{number}/fallback"),
            )?);
        }
        let is_same =
            |before: &&Grant| before.source == grant.source && before.credential == grant.credential;
        grant.former = before.filter(is_same).and_then(|before| before.former);
        grants.push(grant);
    }
    Ok(grants)
}

/// A pooled credential cannot be named, and nothing stands in for it.
fn no_own_credential(input: &GrantInput, at: &str) -> ApiResult<()> {
    let mut fields = Fields::default();
    if input.credential.is_some() {
        fields.wrong(
            format!("{at}/credential"),
            "a grant from the marketplace names no credential",
        );
    }
    if input.fallback.is_some() {
        fields.wrong(
            format!("{at}/fallback"),
            "only a grant of a credential of your own has one",
        );
    }
    fields.check()
}

/// The fallback that a request asks for. One that was there before keeps what was spent under its cap.
fn fallback(app: &App, wanted: &FallbackInput, before: Option<&Grant>, at: &str) -> ApiResult<Fallback> {
    let mut fields = Fields::default();
    if wanted.source != Source::Marketplace {
        fields.wrong(format!("{at}/source"), "expected `marketplace`");
    }
    let monthly = NanoUsd::from_cents(wanted.budget_cents_monthly).filter(|most| *most > NanoUsd::ZERO);
    if monthly.is_none() {
        fields.wrong(format!("{at}/budgetCentsMonthly"), "expected 1 cent or more");
    }
    fields.check()?;
    let kept = before.and_then(|grant| grant.fallback);
    Ok(Fallback {
        monthly: monthly.unwrap_or(NanoUsd::ZERO),
        budget: kept.map_or_else(|| BudgetId::new(app.ids.next()), |kept| kept.budget),
    })
}

/// That the organization has the provider from the marketplace.
async fn sold(app: &App, conn: &mut Conn, org: OrgId, provider: &ProviderRef) -> ApiResult<()> {
    let slug = &provider.slug;
    if operator::org(conn).await?.is_none() {
        return Err(ApiError::new(
            Code::MarketplaceUnavailable,
            format!("`{slug}` cannot be used from the marketplace: this deployment has none"),
        )
        .remedy("store a credential of your own and grant it with `\"source\": \"byok\"`"));
    }
    let shop = Shop::of(app, conn, org).await?;
    if shop.has_enabled(slug) && !provider.is_custom() {
        return Ok(());
    }
    match shop.book.listing(slug) {
        Some(listing) if listing.published && !provider.is_custom() => Err(ApiError::new(
            Code::MarketplaceNotEnabled,
            format!("the organization has not enabled {slug} at the marketplace"),
        )
        .remedy(format!("enable it: `ks marketplace enable {slug}`"))),
        _ => Err(not_sold(slug)),
    }
}

/// That no label forbids it.
async fn allowed(
    app: &App,
    conn: &mut Conn,
    org: OrgId,
    labels: &[&str],
    (source, provider): (Source, &str),
) -> ApiResult<()> {
    if labels.is_empty() {
        return Ok(());
    }
    let rules = scopes::get(app, conn, org, None).await?.label_rules;
    let Some(label) = forbidden(&rules, labels.iter().copied(), (source, provider, None)) else {
        return Ok(());
    };
    let (code, what) = match source {
        Source::Marketplace => (Code::LabelForbidsMarketplace, "pooled credentials"),
        Source::Byok => (Code::LabelForbidsProvider, "this provider"),
    };
    Err(ApiError::new(
        code,
        format!("the label `{label}` does not allow {what}, so {provider} cannot be granted"),
    )
    .remedy("`ks label list` shows what each label allows"))
}

fn checked_scopes(wanted: &[GrantInput], pointer: &str) -> ApiResult<Vec<Vec<ScopeAction>>> {
    let mut fields = Fields::default();
    let mut seen = BTreeSet::new();
    let mut all = Vec::with_capacity(wanted.len());
    for (index, input) in wanted.iter().enumerate() {
        if !seen.insert(input.name.as_str()) {
            fields.wrong(
                format!("{pointer}/{index}/name"),
                "is named twice; an agent has one grant a provider",
            );
        }
        let mut scopes = Vec::new();
        for (number, scope) in input.scopes.iter().enumerate() {
            match ScopeAction::of_scope(scope, &input.name) {
                Some(action) if scopes.contains(&action) => {}
                Some(action) => scopes.push(action),
                None => fields.wrong(
                    format!("{pointer}/{index}/scopes/{number}"),
                    format!(
                        "expected `provider:{0}:read`, `provider:{0}:write` or `provider:{0}:*`",
                        input.name
                    ),
                ),
            }
        }
        all.push(scopes);
    }
    fields.check()?;
    Ok(all)
}

/// The named credential; else the only one; else the one named `default`.
fn choose(stored: &[Credential], input: &GrantInput, project: &Project) -> ApiResult<CredentialId> {
    let slug = &input.name;
    if let Some(named) = &input.credential {
        return stored
            .iter()
            .find(|credential| credential.name == *named || credential.id.to_string() == *named)
            .map(|credential| credential.id)
            .ok_or_else(|| {
                ApiError::not_found("credential").remedy(format!(
                    "`{named}` is no credential of {slug} in the project {}; `ks provider list` shows what there is",
                    project.slug
                ))
            });
    }
    match stored {
        [] => Err(ApiError::new(
            Code::Conflict,
            format!(
                "no credential of {slug} is stored in the project {}",
                project.slug
            ),
        )
        .remedy(format!("store one first: `ks provider add {slug}`"))),
        [only] => Ok(only.id),
        several => several
            .iter()
            .find(|credential| credential.name == DEFAULT_NAME)
            .map(|credential| credential.id)
            .ok_or_else(|| {
                let names: Vec<_> = several
                    .iter()
                    .map(|credential| format!("`{}`", credential.name))
                    .collect();
                ApiError::new(
                    Code::AmbiguousCredential,
                    format!(
                        "{slug} has several credentials, none of them named `{DEFAULT_NAME}`: {}",
                        names.join(", ")
                    ),
                )
                .remedy("name one in `credential`")
            }),
    }
}
