//! Another version in place of a credential's: by a new secret, or by sealing the old one for another place.

use keystore_core::Micros;
use keystore_store::credentials::{self, Credential, CredentialStatus, CredentialVersion};
use keystore_store::{Tx, keks};
use keystore_vault::intake::Given;
use keystore_vault::{SealContext, policy_sha256};
use keystore_wire::credentials::RotateCredential;
use keystore_wire::events::Kind;
use keystore_wire::problem::Code;
use serde_json::json;

use super::reload;
use super::sealing::{Sealing, active_kek, destination, given, seal, take_in};
use crate::api::credentials::wire;
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::custody::wrapped;
use crate::events::{self, New};
use crate::providers;

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
        // Above every one that served: what was put back to an older version is whole again with a new secret.
        version: row
            .current_version
            .max(app.vault.served(row.id))
            .saturating_add(1),
        provider: &provider,
        source: row.source,
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
    let new = New {
        org: stored.org,
        project: Some(stored.project),
        kind: Kind::CredentialRotated,
        subject: stored.id.to_string(),
        data: json!({"provider": stored.provider, "name": stored.name, "version": version.version}),
        once: None,
        mailed: false,
    };
    events::raise(app, &mut tx, new).await?;
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
    if current.version < app.vault.served(row.id) {
        return Err(ApiError::new(
            Code::Conflict,
            format!(
                "version {} of the credential is older than one that served: it was put back",
                current.version
            ),
        )
        .remedy("rotate it to the key that is in force: `ks provider rotate`"));
    }
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
    app.count_wraps(&kek, 1).await?;
    let sealed = app
        .vault
        .reseal(
            (&wrapped(&from_kek), &from, &current.sealed),
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
    let from = changed.current_version;
    if !credentials::rotate(tx, changed.org, (from, version), changed.status).await? {
        return Err(ApiError::not_found("credential"));
    }
    if tested {
        credentials::set_status(tx, changed.org, changed.id, changed.status, version.created_at).await?;
    }
    credentials::update(tx, changed).await?;
    credentials::delete_versions(tx, changed.org, changed.id, version.version).await?;
    reload(tx, changed).await
}
