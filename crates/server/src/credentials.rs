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
use keystore_wire::credentials::{
    Agreement, CreateCredential, DEFAULT_NAME, RotateCredential, UpdateCredential,
};
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

/// Seals a new credential and stores it; with `verify`, unless the vendor refuses it.
///
/// # Errors
/// `invalid_request`, `unknown_provider`, `already_exists`, `sealed`, `credential_refused`.
pub(crate) async fn create(
    app: &App,
    caller: &Caller,
    new: CreateCredential,
    verify: bool,
) -> ApiResult<Credential> {
    let now = app.clock.now();
    let provider = providers::find(app, &mut app.store.read().await?, caller.org, &new.provider).await?;
    let name = new.name.as_deref().unwrap_or(DEFAULT_NAME).trim().to_owned();
    let mut fields = Fields::default();
    check_name(&mut fields, &name);
    crate::agents::check_future(&mut fields, new.expires_at.map(Micros::from), now);
    check_lists(&mut fields, &new.labels, &new.agreements);
    fields.check()?;
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
    let mut row = Credential {
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
    if verify {
        row.status = app.verify(&row, &version).await?;
        row.tested_at = (row.status == CredentialStatus::Active).then_some(now);
    }
    let mut tx = app.store.begin().await?;
    credentials::insert(&mut tx, &row, &version).await?;
    Event::new("create_credential", &row.id)
        .within(row.project)
        .after(&wire(row.clone()))?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    Ok(row)
}

/// Seals a new version of a credential and makes it the one in use; with `verify`, unless the vendor refuses it. When this
/// returns, no request that begins later uses the old one, and the old one is gone from the database; calls that run end on it.
///
/// # Errors
/// `invalid_request`, `sealed`, `credential_refused`, `conflict` when another rotation was quicker.
pub(crate) async fn rotate(
    app: &App,
    caller: &Caller,
    row: Credential,
    new: RotateCredential,
    verify: bool,
) -> ApiResult<Credential> {
    let rotated = Rotation {
        secret: given(new.secret),
        base_url: None,
        expires_at: new.expires_at.map(Micros::from),
        rotate_after: new.rotate_after.map(Micros::from),
        verify,
    };
    rotate_to(app, caller, row, rotated).await
}

/// A new version.
pub(crate) struct Rotation<'a> {
    /// Its secret.
    pub(crate) secret: Given,
    /// Another base URL, where it moves: for the sandbox, whose port changes.
    pub(crate) base_url: Option<&'a str>,
    /// When it ends.
    pub(crate) expires_at: Option<Micros>,
    /// When it should be rotated.
    pub(crate) rotate_after: Option<Micros>,
    /// Whether to ask the vendor first.
    pub(crate) verify: bool,
}

/// As [`rotate`], and moves the credential where that is asked for.
///
/// # Errors
/// As [`rotate`].
pub(crate) async fn rotate_to(
    app: &App,
    caller: &Caller,
    row: Credential,
    new: Rotation<'_>,
) -> ApiResult<Credential> {
    let now = app.clock.now();
    let mut fields = Fields::default();
    crate::agents::check_future(&mut fields, new.expires_at, now);
    fields.check()?;
    let (provider, kek) = {
        let mut conn = app.store.read().await?;
        let provider = providers::find(app, &mut conn, row.org, &row.provider).await?;
        (provider, active_kek(&mut conn, row.org).await?)
    };
    let base_url = new.base_url.or(row.base_url.as_deref());
    let policy = destination(app, &provider, &row.params, base_url)?;
    let secret = take_in(new.secret, &provider)?;
    let sealing = Sealing {
        org: row.org,
        id: row.id,
        version: row.current_version.saturating_add(1),
        provider: &provider,
        policy: &policy,
    };
    let version = seal(app, &kek, &sealing, &secret, now).await?;
    drop(secret);
    let status = match new.verify {
        true => app.verify(&row, &version).await?,
        false => CredentialStatus::Untested,
    };
    let event = Event::new("rotate_credential", &row.id)
        .within(row.project)
        .before(&wire(row.clone()))?;
    let changed = Credential {
        status,
        expires_at: new.expires_at,
        rotate_after: new.rotate_after,
        updated_at: now,
        ..row
    };
    let tested = new.verify && status == CredentialStatus::Active;
    let mut tx = app.store.begin().await?;
    let stored = put_in_place(&mut tx, &changed, &version, tested).await?;
    event.after(&wire(stored.clone()))?.by(&mut tx, caller)?;
    tx.commit().await?;
    Ok(stored)
}

/// Seals what a credential holds for where its provider is now, as a new version. One that is sealed for that already stays.
///
/// # Errors
/// As [`rotate`].
pub(crate) async fn reseal(app: &App, caller: &Caller, row: Credential) -> ApiResult<Credential> {
    let now = app.clock.now();
    let (provider, current, from_kek, kek) = {
        let mut conn = app.store.read().await?;
        let provider = providers::find(app, &mut conn, row.org, &row.provider).await?;
        let gone = || ApiError::not_found("credential");
        let current = credentials::current(&mut conn, row.org, row.id)
            .await?
            .ok_or_else(gone)?;
        let from = keks::get(&mut conn, row.org, current.kek)
            .await?
            .ok_or_else(gone)?;
        (provider, current, from, active_kek(&mut conn, row.org).await?)
    };
    let policy = destination(app, &provider, &row.params, row.base_url.as_deref())?.canonical();
    let event = Event::new("reseal_credential", &row.id)
        .within(row.project)
        .before(&wire(row.clone()))?;
    if policy == current.policy {
        let mut tx = app.store.begin().await?;
        event.after(&wire(row.clone()))?.by(&mut tx, caller)?;
        tx.commit().await?;
        return Ok(row);
    }
    let context = |version: u32, policy: &[u8]| SealContext {
        deployment: app.vault.deployment(),
        org: row.org,
        credential: row.id,
        version,
        provider: row.provider.clone(),
        source: row.source,
        policy_sha256: policy_sha256(policy),
    };
    let next = current.version.saturating_add(1);
    let from = context(current.version, &current.policy);
    let sealed = app
        .vault
        .reseal(
            (&wrapped(from_kek), &from, &current.sealed),
            (&kek, &context(next, &policy)),
        )
        .await?;
    let version = CredentialVersion {
        credential: row.id,
        version: next,
        sealed,
        policy,
        kek: kek.id,
        kek_generation: kek.generation,
        created_at: now,
    };
    let changed = Credential {
        updated_at: now,
        ..row
    };
    let mut tx = app.store.begin().await?;
    let stored = put_in_place(&mut tx, &changed, &version, false).await?;
    event.after(&wire(stored.clone()))?.by(&mut tx, caller)?;
    tx.commit().await?;
    Ok(stored)
}

/// Stores the next version with what is `changed` beside it, and deletes those before.
async fn put_in_place(
    tx: &mut Tx,
    changed: &Credential,
    version: &CredentialVersion,
    tested: bool,
) -> ApiResult<Credential> {
    if !credentials::rotate(tx, changed.org, version, changed.status).await? {
        return Err(ApiError::not_found("credential"));
    }
    if tested {
        credentials::set_status(tx, changed.org, changed.id, changed.status, version.created_at).await?;
    }
    credentials::update(tx, changed).await?;
    credentials::delete_versions(tx, changed.org, changed.id, version.version).await?;
    reload(tx, changed).await
}

/// Changes what is known beside the secret.
///
/// # Errors
/// `invalid_request`, `already_exists`.
pub(crate) async fn update(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    row: Credential,
    change: UpdateCredential,
) -> ApiResult<Credential> {
    let now = app.clock.now();
    let event = Event::new("update_credential", &row.id)
        .within(row.project)
        .before(&wire(row.clone()))?;
    let name = change
        .name
        .map_or(row.name.clone(), |name| name.trim().to_owned());
    let labels = change.labels.apply(Some(row.labels.clone())).unwrap_or_default();
    let known: BTreeMap<String, Agreement> =
        serde_json::from_value(row.agreements.clone()).unwrap_or_default();
    let agreements = change.agreements.apply(Some(known)).unwrap_or_default();
    let expires_at = change
        .expires_at
        .apply(row.expires_at.map(Into::into))
        .map(Micros::from);
    let mut fields = Fields::default();
    check_name(&mut fields, &name);
    check_lists(&mut fields, &labels, &agreements);
    if expires_at != row.expires_at {
        crate::agents::check_future(&mut fields, expires_at, now);
    }
    fields.check()?;
    let changed = Credential {
        name,
        labels,
        agreements: serde_json::to_value(&agreements).map_err(ApiError::internal)?,
        expires_at,
        rotate_after: change
            .rotate_after
            .apply(row.rotate_after.map(Into::into))
            .map(Micros::from),
        updated_at: now,
        ..row
    };
    if !credentials::update(tx, &changed).await? {
        return Err(ApiError::not_found("credential"));
    }
    event.after(&wire(changed.clone()))?.by(tx, caller)?;
    Ok(changed)
}

/// Whether a credential with this policy is sealed for somewhere else than its provider is now. A provider that is gone cannot
/// say.
pub(crate) fn needs_reseal(app: &App, provider: Option<&Provider>, row: &Credential, policy: &[u8]) -> bool {
    provider.is_some_and(|provider| {
        destination(app, provider, &row.params, row.base_url.as_deref())
            .map_or(true, |now| now.canonical() != policy)
    })
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

fn check_name(fields: &mut Fields, name: &str) {
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        fields.wrong("/name", "expected 1 to 100 characters without control characters");
    } else if name.parse::<CredentialId>().is_ok() {
        fields.wrong("/name", "must not look like an id");
    }
}

fn check_lists(fields: &mut Fields, labels: &[String], agreements: &BTreeMap<String, Agreement>) {
    if labels.len() > 100 || labels.iter().any(|label| label.is_empty() || label.len() > 200) {
        fields.wrong("/labels", "expected at most 100 labels of 1 to 200 characters");
    }
    for (kind, agreement) in agreements {
        if agreement.date.parse::<jiff::civil::Date>().is_err() {
            fields.wrong(
                format!("/agreements/{kind}/date"),
                "expected a date such as 2026-05-01",
            );
        }
    }
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
    Ok(wrapped(row))
}

fn wrapped(row: keks::Kek) -> WrappedKek {
    WrappedKek {
        id: row.id,
        generation: row.generation,
        org: row.org,
        bytes: row.wrapped,
    }
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
