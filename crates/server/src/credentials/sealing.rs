//! Intake, destination policy, sealing.

use std::collections::BTreeMap;

use keystore_catalog::Provider;
use keystore_core::Micros;
use keystore_core::destination::DestinationPolicy;
use keystore_core::ids::{CredentialId, OrgId};
use keystore_core::policy::Source;
use keystore_store::credentials::{Credential, CredentialVersion};
use keystore_store::{Conn, keks};
use keystore_vault::intake::{DeclaredField, Given, IntakeError, MAIN_FIELD, intake};
use keystore_vault::{Fields as SecretFields, SealContext, WrappedKek, policy_sha256};
use keystore_wire::problem::Code;

use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::custody::wrapped;

/// Whether a credential with this policy is sealed for somewhere else than its provider is now. A provider that is gone cannot
/// say.
pub(crate) fn needs_reseal(app: &App, provider: Option<&Provider>, row: &Credential, policy: &[u8]) -> bool {
    provider.is_some_and(|provider| {
        destination(app, provider, &row.params, row.base_url.as_deref())
            .map_or(true, |now| now.canonical() != policy)
    })
}

pub(super) fn destination(
    app: &App,
    provider: &Provider,
    params: &BTreeMap<String, String>,
    base_url: Option<&str>,
) -> ApiResult<DestinationPolicy> {
    let allowed = |authority: &str| app.settings.allow_upstream.contains(authority);
    Ok(provider.destination_policy(params, base_url, &allowed)?)
}

pub(super) fn given(secret: keystore_wire::SecretFields) -> Given {
    Given::Fields(secret.into_fields())
}

pub(super) fn take_in(given: Given, provider: &Provider) -> ApiResult<SecretFields> {
    check_forms(&given, provider)?;
    let declared: Vec<_> = provider
        .fields
        .iter()
        .map(|field| DeclaredField {
            name: &field.name,
            required: field.required,
        })
        .collect();
    intake(given, &declared).map_err(|error| {
        let pointer = match &error {
            IntakeError::Missing { field }
            | IntakeError::Empty { field }
            | IntakeError::ControlCharacter { field } => format!("/secret/{field}"),
            IntakeError::Unknown { .. } | IntakeError::NeedsFields { .. } | IntakeError::TooLarge => {
                "/secret".to_owned()
            }
        };
        ApiError::field(pointer, error.to_string())
    })
}

/// Values have the form that the catalog knows. What is wrong with one is told without repeating it.
fn check_forms(given: &Given, provider: &Provider) -> ApiResult<()> {
    let mut fields = Fields::default();
    for field in provider.fields.iter() {
        let value = match given {
            Given::Text(text) if field.name == MAIN_FIELD => Some(text),
            Given::Text(_) => None,
            Given::Fields(fields) => fields.get(field.name.as_ref()),
        };
        if value.is_some_and(|value| !value.is_empty() && !field.fits(value)) {
            fields.wrong(
                format!("/secret/{}", field.name),
                format!(
                    "does not have the form of the {} of {}",
                    field.label, provider.name
                ),
            );
        }
    }
    fields.check()
}

pub(super) async fn active_kek(conn: &mut Conn, org: OrgId) -> ApiResult<WrappedKek> {
    let row = keks::active(conn, org).await?.ok_or_else(|| {
        ApiError::new(
            Code::Sealed,
            "the organization has no active key-encryption key, so nothing can be sealed",
        )
    })?;
    Ok(wrapped(&row))
}

/// What a version is sealed for.
pub(super) struct Sealing<'a> {
    pub(super) org: OrgId,
    pub(super) id: CredentialId,
    pub(super) version: u32,
    pub(super) provider: &'a Provider,
    pub(super) source: Source,
    pub(super) policy: &'a DestinationPolicy,
}

pub(super) async fn seal(
    app: &App,
    kek: &WrappedKek,
    what: &Sealing<'_>,
    secret: &SecretFields,
    now: Micros,
) -> ApiResult<CredentialVersion> {
    app.count_wraps(kek, 1).await?;
    let policy = what.policy.canonical();
    let context = SealContext {
        deployment: app.vault.deployment(),
        org: what.org,
        credential: what.id,
        version: what.version,
        provider: what.provider.slug.to_string(),
        source: what.source,
        policy_sha256: policy_sha256(&policy),
    };
    Ok(CredentialVersion {
        credential: what.id,
        version: what.version,
        sealed: app.vault.seal(kek, &context, secret).await?,
        policy,
        kek: kek.id,
        kek_generation: kek.generation,
        created_at: now,
    })
}
