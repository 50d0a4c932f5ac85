//! From the providers that a request names to an agent's grants: which credential, which scopes, and what cannot be granted.

use std::collections::BTreeSet;

use keystore_core::ids::{CredentialId, OrgId};
use keystore_core::policy::{Grant, ScopeAction, Source};
use keystore_store::Conn;
use keystore_store::credentials::{self, Credential};
use keystore_store::projects::Project;
use keystore_wire::agents::GrantInput;
use keystore_wire::credentials::DEFAULT_NAME;
use keystore_wire::problem::Code;

use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::providers;

/// The grants that `wanted` asks for, for an agent in `project`. `pointer` is where the list stands in the body.
///
/// # Errors
/// `invalid_request`, `unknown_provider`, `marketplace_unavailable`, `ambiguous_credential`, `conflict` without a credential.
pub(crate) async fn resolve(
    app: &App,
    conn: &mut Conn,
    org: OrgId,
    project: &Project,
    wanted: &[GrantInput],
    pointer: &str,
) -> ApiResult<Vec<Grant>> {
    let scopes = checked_scopes(wanted, pointer)?;
    let mut grants = Vec::with_capacity(wanted.len());
    for (input, scopes) in wanted.iter().zip(scopes) {
        let provider = providers::find(app, conn, org, &input.name).await?;
        if input.source == Source::Marketplace {
            return Err(ApiError::new(
                Code::MarketplaceUnavailable,
                format!(
                    "`{}` cannot be used from the marketplace: this deployment has none",
                    input.name
                ),
            )
            .remedy("store a credential of your own and grant it with `\"source\": \"byok\"`"));
        }
        let stored = credentials::of_provider(conn, org, project.id, &provider.slug).await?;
        let chosen = choose(&stored, input, project)?;
        grants.push(Grant {
            scopes,
            ..Grant::new(&*provider.slug, input.source, Some(chosen))
        });
    }
    Ok(grants)
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
