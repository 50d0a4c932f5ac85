//! What makes a management key. Nobody makes one that may do more, reaches further or lasts longer than they do.

use keystore_core::Micros;
use keystore_core::ids::{ApiKeyId, ProjectId};
use keystore_store::Tx;
use keystore_store::api_keys::{self, ApiKey};
use keystore_store::members::Role;
use keystore_vault::{NewToken, TokenKind};
use keystore_wire::problem::Code;

use crate::agents::{check_future, check_name};
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::auth::caller::{Caller, Who};
use crate::auth::rights::covers;

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
    if !covers(caller.role, new.role) {
        return Err(ApiError::new(
            Code::Forbidden,
            format!(
                "the role {} cannot make a key with the role {}",
                caller.role.as_str(),
                new.role.as_str()
            ),
        )
        .remedy("nobody can grant more than they hold"));
    }
    let value = NewToken::generate(TokenKind::ApiKey)?;
    let row = ApiKey {
        id: ApiKeyId::new(app.ids.next()),
        hash: value.hash().0,
        org: caller.org,
        project: bound_to(tx, caller, new.project).await?,
        name: new.name.trim().to_owned(),
        role: new.role,
        created_by: caller.user(),
        created_at: now,
        expires_at: outlived(caller, new.expires_at)?,
        revoked_at: None,
        last_used_at: None,
    };
    api_keys::insert(tx, &row).await?;
    Ok((value, row))
}

/// A caller that is bound to a project makes keys for this project alone.
async fn bound_to(tx: &mut Tx, caller: &Caller, project: Option<&str>) -> ApiResult<Option<ProjectId>> {
    caller.narrow(tx, project).await
}

/// A key that ends makes no key that ends later.
fn outlived(caller: &Caller, wanted: Option<Micros>) -> ApiResult<Option<Micros>> {
    match caller.who {
        Who::Key {
            expires_at: Some(own),
            ..
        } if wanted.is_none_or(|at| at > own) => Err(ApiError::new(
            Code::Forbidden,
            format!("your own key ends at {own}; it cannot make one that ends later"),
        )
        .remedy("give an `expiresAt` before that")),
        Who::Key { .. } | Who::User { .. } | Who::Machine { .. } => Ok(wanted),
    }
}
