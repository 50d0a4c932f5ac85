//! What takes a provider's secret in, and what is kept beside it. Nothing here gives one back.
//!
//! How a secret is sealed is in `sealing`, what puts another version in place in `versions`.

mod sealing;
mod successor;
mod versions;

use std::collections::BTreeMap;

use keystore_core::Micros;
use keystore_core::ids::CredentialId;
use keystore_core::policy::Source;
use keystore_store::credentials::{self, Credential, CredentialStatus, CredentialVersion};
use keystore_store::{Conn, Tx};
pub(crate) use keystore_wire::credentials::CreateCredential;
use keystore_wire::credentials::{Agreement, DEFAULT_NAME, UpdateCredential};
use keystore_wire::problem::Code;

pub(crate) use sealing::needs_reseal;
pub(crate) use successor::successor;
pub(crate) use versions::{Rotation, reseal, rotate, rotate_to};

use crate::api::credentials::wire;
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::auth::require::Resource;
use crate::providers;
use sealing::{Sealing, active_kek, destination, given, seal, take_in};

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
    let (row, version) = prepare(app, caller, new, Source::Byok, verify).await?;
    let mut tx = app.store.begin().await?;
    credentials::insert(&mut tx, &row, &version).await?;
    Event::new("create_credential", &row.id)
        .within(row.project)
        .after(&wire(row.clone()))?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    Ok(row)
}

/// Seals a new credential; with `verify`, unless the vendor refuses it. What comes out is to be stored.
///
/// # Errors
/// As [`create`].
pub(crate) async fn prepare(
    app: &App,
    caller: &Caller,
    new: CreateCredential,
    source: Source,
    verify: bool,
) -> ApiResult<(Credential, CredentialVersion)> {
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
        source,
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
        source,
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
    Ok((row, version))
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

/// Notes that it was tested, and what the test found, if anything. `row` is what was tested.
///
/// # Errors
/// `not_found` when it was deleted meanwhile; `conflict` when it has another version: nothing is noted of a version that nobody has tested.
pub(crate) async fn note_test(
    app: &App,
    caller: &Caller,
    row: &Credential,
    status: Option<CredentialStatus>,
) -> ApiResult<Credential> {
    let mut tx = app.store.begin().await?;
    if let Some(status) = status {
        let tested = (row.org, row.id);
        credentials::tested(&mut tx, tested, row.current_version, status, app.clock.now()).await?;
    }
    let stored = reload(&mut tx, row).await?;
    if stored.current_version != row.current_version {
        return Err(ApiError::new(
            Code::Conflict,
            "the credential has another version since the test began",
        )
        .remedy("test it again: what was found is of the version before"));
    }
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
    if row.source == Source::Marketplace {
        return Err(ApiError::new(Code::Conflict, "the credential is in a pool")
            .remedy(format!("take it out: `ks pool remove {}`", row.id)));
    }
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
