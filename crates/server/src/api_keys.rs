//! What makes a management key. Nobody makes one that may do more, reaches further or lasts longer than they do.

use keystore_core::Micros;
use keystore_core::ids::ApiKeyId;
use keystore_store::Tx;
use keystore_store::api_keys::{self, ApiKey};
use keystore_store::members::Role;
use keystore_vault::{NewToken, TokenKind};

use crate::agents::{check_future, check_name};
use crate::api::api_keys::wire;
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::auth::rights::Authority;

/// A key to be made.
pub(crate) struct NewKey<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// What it may do.
    pub(crate) role: Role,
    /// The project that it is bound to.
    pub(crate) project: Option<&'a str>,
    /// When it ends by itself.
    pub(crate) expires_at: Option<Micros>,
}

/// Makes a key. Its value is told once.
///
/// # Errors
/// `invalid_request`, `forbidden`, `not_found`, `already_exists`.
pub(crate) async fn create(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    new: &NewKey<'_>,
) -> ApiResult<(NewToken, ApiKey)> {
    let now = app.clock.now();
    let mut fields = Fields::default();
    check_name(&mut fields, new.name);
    check_future(&mut fields, new.expires_at, now);
    fields.check()?;
    let granted = Authority {
        role: new.role,
        project: caller.narrow(tx, new.project).await?,
        until: new.expires_at,
    };
    caller.authority().may_grant(&granted)?;
    caller.confirm(tx, now).await?;
    let value = NewToken::generate(TokenKind::ApiKey)?;
    let row = ApiKey {
        id: ApiKeyId::new(app.ids.next()),
        hash: value.hash().0,
        org: caller.org,
        project: granted.project,
        name: new.name.trim().to_owned(),
        role: new.role,
        created_by: caller.answers(),
        created_at: now,
        expires_at: granted.until,
        revoked_at: None,
        last_used_at: None,
    };
    api_keys::insert(tx, &row).await?;
    Event::new("create_api_key", &row.id)
        .within(row.project)
        .after(&wire(row.clone()))?
        .by(tx, caller)?;
    Ok((value, row))
}

/// That the caller could have made a key like this one, however long it lasts.
fn may_touch(caller: &Caller, row: &ApiKey) -> ApiResult<()> {
    let own = caller.authority();
    own.may_grant(&Authority {
        role: row.role,
        project: row.project,
        until: own.until,
    })
}

/// Ends a key at once and for good.
///
/// # Errors
/// `forbidden` for a key that may do more than the caller; `not_found` when it is revoked already.
pub(crate) async fn revoke(app: &App, tx: &mut Tx, caller: &Caller, row: ApiKey) -> ApiResult<()> {
    may_touch(caller, &row)?;
    if row.revoked_at.is_some() {
        return Err(ApiError::not_found("management key"));
    }
    end(app, tx, caller, row).await.map(|_| ())
}

/// As [`revoke`], whatever the key may do. Gives the key as it is now.
///
/// # Errors
/// The store's.
pub(crate) async fn end(app: &App, tx: &mut Tx, caller: &Caller, row: ApiKey) -> ApiResult<ApiKey> {
    let now = app.clock.now();
    api_keys::revoke(tx, row.org, row.id, now).await?;
    let revoked = ApiKey {
        revoked_at: Some(now),
        ..row.clone()
    };
    Event::new("delete_api_key", &row.id)
        .within(row.project)
        .before(&wire(row))?
        .after(&wire(revoked.clone()))?
        .by(tx, caller)?;
    Ok(revoked)
}

/// Gives a key another name.
///
/// # Errors
/// `invalid_request`, `already_exists`; `forbidden` for a key that may do more than the caller.
pub(crate) async fn rename(tx: &mut Tx, caller: &Caller, row: ApiKey, name: &str) -> ApiResult<ApiKey> {
    let mut fields = Fields::default();
    check_name(&mut fields, name);
    fields.check()?;
    may_touch(caller, &row)?;
    let renamed = ApiKey {
        name: name.trim().to_owned(),
        ..row.clone()
    };
    api_keys::rename(tx, row.org, row.id, &renamed.name).await?;
    Event::new("update_api_key", &row.id)
        .within(row.project)
        .before(&wire(row))?
        .after(&wire(renamed.clone()))?
        .by(tx, caller)?;
    Ok(renamed)
}
