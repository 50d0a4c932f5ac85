//! What takes a provider's secret in: intake, destination policy, sealing, a new version. Nothing here gives one back.

use std::collections::BTreeMap;

use keystore_catalog::Provider;
use keystore_core::Micros;
use keystore_core::destination::DestinationPolicy;
use keystore_core::ids::{CredentialId, OrgId};
use keystore_core::policy::Source;
use keystore_store::credentials::{self, Credential, CredentialStatus, CredentialVersion};
use keystore_store::{Conn, Tx, keks};
use keystore_vault::intake::{DeclaredField, Given, IntakeError, MAIN_FIELD, intake};
use keystore_vault::{Fields as SecretFields, SealContext, WrappedKek, policy_sha256};
use keystore_wire::credentials::{CreateCredential, DEFAULT_NAME, RotateCredential};
use keystore_wire::problem::Code;

use crate::api::credentials::wire;
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::auth::require::Resource;
use crate::providers;

impl Resource for Credential {
    type Key = CredentialId;
    const NOUN: &'static str = "credential";

    async fn find(_: &App, conn: &mut Conn, caller: &Caller, key: &CredentialId) -> ApiResult<Self> {
        credentials::get(conn, caller.org, *key)
            .await?
            .filter(|credential| caller.reaches(credential.project))
            .ok_or_else(|| ApiError::not_found(Self::NOUN))
    }
}

/// Seals a new credential and stores it.
///
/// # Errors
/// `invalid_request`, `unknown_provider`, `already_exists`, `sealed`.
pub(crate) async fn create(app: &App, caller: &Caller, new: CreateCredential) -> ApiResult<Credential> {
    let now = app.clock.now();
    let provider = providers::find(app, &mut app.store.read().await?, caller.org, &new.provider).await?;
    let name = new.name.as_deref().unwrap_or(DEFAULT_NAME).trim().to_owned();
    check(&name, &new, now)?;
    let policy = destination(app, &provider, &new.params, new.base_url.as_deref())?;
    let secret = take_in(given(new.secret), &provider)?;
    let (project, kek) = {
        let mut conn = app.store.read().await?;
        let project = caller.select_project(&mut conn, new.project.as_deref()).await?;
        (project, active_kek(&mut conn, caller.org).await?)
    };
    let id = CredentialId::new(app.ids.next());
    let sealing = Sealing {
        org: caller.org,
        id,
        version: 1,
        provider: &provider,
        policy: &policy,
    };
    let version = seal(app, &kek, &sealing, &secret, now).await?;
    drop(secret);
    let agreements = serde_json::to_value(&new.agreements).map_err(ApiError::internal)?;
    let row = Credential {
        id,
        org: caller.org,
        project: project.id,
        provider: provider.slug.to_string(),
        name,
        source: Source::Byok,
        status: CredentialStatus::Untested,
        current_version: 1,
        params: new.params,
        base_url: new.base_url,
        labels: new.labels,
        agreements,
        expires_at: new.expires_at.map(Micros::from),
        rotate_after: new.rotate_after.map(Micros::from),
        last_used_at: None,
        tested_at: None,
        created_at: now,
        updated_at: now,
    };
    let mut tx = app.store.begin().await?;
    credentials::insert(&mut tx, &row, &version).await?;
    Event::new("create_credential", &row.id)
        .within(row.project)
        .after(&wire(row.clone()))?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    Ok(row)
}

/// Seals a new version of a credential and makes it the one in use. When this returns, no request that begins later uses
/// the old one, and the old one is gone.
///
/// # Errors
/// `invalid_request`, `sealed`, `conflict` when another rotation was quicker.
pub(crate) async fn rotate(
    app: &App,
    caller: &Caller,
    row: Credential,
    new: RotateCredential,
) -> ApiResult<Credential> {
    rotate_to(
        app,
        caller,
        row,
        given(new.secret),
        None,
        new.expires_at.map(Micros::from),
    )
    .await
}

/// As [`rotate`], and moves the credential to another base URL where one is given: for the sandbox, whose port changes.
///
/// # Errors
/// As [`rotate`].
pub(crate) async fn rotate_to(
    app: &App,
    caller: &Caller,
    row: Credential,
    secret: Given,
    base_url: Option<&str>,
    expires_at: Option<Micros>,
) -> ApiResult<Credential> {
    let now = app.clock.now();
    let provider = providers::find(app, &mut app.store.read().await?, row.org, &row.provider).await?;
    let mut fields = Fields::default();
    crate::agents::check_future(&mut fields, expires_at, now);
    fields.check()?;
    let base_url = base_url.or(row.base_url.as_deref());
    let policy = destination(app, &provider, &row.params, base_url)?;
    let secret = take_in(secret, &provider)?;
    let kek = active_kek(&mut app.store.read().await?, row.org).await?;
    let next = row.current_version.saturating_add(1);
    let sealing = Sealing {
        org: row.org,
        id: row.id,
        version: next,
        provider: &provider,
        policy: &policy,
    };
    let version = seal(app, &kek, &sealing, &secret, now).await?;
    drop(secret);
    let mut tx = app.store.begin().await?;
    if !credentials::rotate(&mut tx, row.org, &version, CredentialStatus::Untested).await? {
        return Err(ApiError::not_found("credential"));
    }
    let event = Event::new("rotate_credential", &row.id)
        .within(row.project)
        .before(&wire(row.clone()))?;
    let changed = Credential {
        expires_at,
        rotate_after: None,
        updated_at: now,
        ..row
    };
    credentials::update(&mut tx, &changed).await?;
    credentials::delete_versions(&mut tx, changed.org, changed.id, next).await?;
    let stored = reload(&mut tx, &changed).await?;
    event.after(&wire(stored.clone()))?.by(&mut tx, caller)?;
    tx.commit().await?;
    Ok(stored)
}

/// Notes that it was tested, and what the test found, if anything.
///
/// # Errors
/// `not_found` when it was deleted meanwhile.
pub(crate) async fn note_test(
    app: &App,
    caller: &Caller,
    row: &Credential,
    status: Option<CredentialStatus>,
) -> ApiResult<Credential> {
    let mut tx = app.store.begin().await?;
    if let Some(status) = status {
        credentials::set_status(&mut tx, row.org, row.id, status, app.clock.now()).await?;
    }
    let stored = reload(&mut tx, row).await?;
    Event::new("test_credential", &row.id)
        .within(row.project)
        .before(&wire(row.clone()))?
        .after(&wire(stored.clone()))?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    Ok(stored)
}

/// Deletes a credential with all its versions. While agents are granted it, only with `force`; their requests are then
/// refused with `credential_missing`.
///
/// # Errors
/// `conflict`, with the agents that use it.
pub(crate) async fn delete(mut tx: Tx, caller: &Caller, row: Credential, force: bool) -> ApiResult<()> {
    let users = credentials::users(&mut tx, row.org, row.id, 6).await?;
    if !users.is_empty() && !force {
        let mut names: Vec<_> = users.iter().take(5).map(ToString::to_string).collect();
        if users.len() > 5 {
            names.push("…".to_owned());
        }
        return Err(ApiError::new(
            Code::Conflict,
            format!("agents are granted this credential: {}", names.join(", ")),
        )
        .remedy(
            "grant them another one or take the grant away first (`ks agent update`), or call the API with `?force=true`: \
             their requests are then refused",
        ));
    }
    credentials::delete(&mut tx, row.org, row.id).await?;
    Event::new("delete_credential", &row.id)
        .within(row.project)
        .before(&wire(row))?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    Ok(())
}

async fn reload(tx: &mut Tx, row: &Credential) -> ApiResult<Credential> {
    credentials::get(tx, row.org, row.id)
        .await?
        .ok_or_else(|| ApiError::not_found("credential"))
}

fn check(name: &str, new: &CreateCredential, now: Micros) -> ApiResult<()> {
    let mut fields = Fields::default();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        fields.wrong("/name", "expected 1 to 100 characters without control characters");
    } else if name.parse::<CredentialId>().is_ok() {
        fields.wrong("/name", "must not look like an id");
    }
    crate::agents::check_future(&mut fields, new.expires_at.map(Micros::from), now);
    if new.labels.len() > 100
        || new
            .labels
            .iter()
            .any(|label| label.is_empty() || label.len() > 200)
    {
        fields.wrong("/labels", "expected at most 100 labels of 1 to 200 characters");
    }
    for (kind, agreement) in &new.agreements {
        if agreement.date.parse::<jiff::civil::Date>().is_err() {
            fields.wrong(
                format!("/agreements/{kind}/date"),
                "expected a date such as 2026-05-01",
            );
        }
    }
    fields.check()
}

fn destination(
    app: &App,
    provider: &Provider,
    params: &BTreeMap<String, String>,
    base_url: Option<&str>,
) -> ApiResult<DestinationPolicy> {
    let allowed = |authority: &str| app.settings.allow_upstream.contains(authority);
    Ok(provider.destination_policy(params, base_url, &allowed)?)
}

fn given(secret: keystore_wire::SecretFields) -> Given {
    Given::Fields(secret.into_fields())
}

fn take_in(given: Given, provider: &Provider) -> ApiResult<SecretFields> {
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

async fn active_kek(conn: &mut Conn, org: OrgId) -> ApiResult<WrappedKek> {
    let row = keks::active(conn, org).await?.ok_or_else(|| {
        ApiError::new(
            Code::Sealed,
            "the organization has no active key-encryption key, so nothing can be sealed",
        )
    })?;
    Ok(WrappedKek {
        id: row.id,
        generation: row.generation,
        org: row.org,
        bytes: row.wrapped,
    })
}

/// What a version is sealed for.
struct Sealing<'a> {
    org: OrgId,
    id: CredentialId,
    version: u32,
    provider: &'a Provider,
    policy: &'a DestinationPolicy,
}

async fn seal(
    app: &App,
    kek: &WrappedKek,
    what: &Sealing<'_>,
    secret: &SecretFields,
    now: Micros,
) -> ApiResult<CredentialVersion> {
    let policy = what.policy.canonical();
    let context = SealContext {
        deployment: app.vault.deployment(),
        org: what.org,
        credential: what.id,
        version: what.version,
        provider: what.provider.slug.to_string(),
        source: Source::Byok,
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
