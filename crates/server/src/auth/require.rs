//! The extractors that authorise. A handler says in its signature what its caller must be allowed to do, and what the path names.
//!
//! [`Require`] gives a caller who has a right, and who confirmed their address if they mean to change something. [`Target`] gives that, and the one thing of the caller's own organization (and
//! project, for a key that is bound to one) that the path names: there is no other way from a path to a thing, so no handler can
//! forget to look whose it is. What is somebody else's does not exist: 404.

use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use keystore_store::{Conn, Tx, users};
use keystore_wire::problem::Code;

use super::caller::{Caller, Who};
use super::rights::{Right, holds};
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::operator;

/// A right as a type.
pub(crate) trait Needs {
    /// The right.
    const RIGHT: Right;
}

/// A caller who has the right `R`.
#[derive(Debug)]
pub(crate) struct Require<R> {
    caller: Caller,
    right: PhantomData<fn() -> R>,
}

impl<R> Deref for Require<R> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<R: Needs> FromRequestParts<Arc<App>> for Require<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        if !holds(caller.role, R::RIGHT) {
            return Err(ApiError::new(
                Code::Forbidden,
                format!(
                    "the role {} does not allow this; ask an owner or an admin",
                    caller.role.as_str()
                ),
            ));
        }
        if R::RIGHT == Right::Operate {
            operator::check(app, &caller).await?;
        }
        if !parts.method.is_safe() {
            confirmed(app, &caller).await?;
        }
        Ok(Self {
            caller,
            right: PhantomData,
        })
    }
}

/// That the caller, if they are a person in a session, confirmed their address, where a mail can reach it. Nobody acts under an
/// address that is not theirs. A key has a person behind it who did, or who came before there was a mail server.
///
/// # Errors
/// `email_unverified`.
async fn confirmed(app: &App, caller: &Caller) -> ApiResult<()> {
    let Who::User { user, .. } = caller.who else {
        return Ok(());
    };
    if !app.mailer.delivers() {
        return Ok(());
    }
    let person = users::get(&mut app.store.read().await?, user)
        .await?
        .ok_or_else(ApiError::unauthenticated)?;
    match person.verified_at {
        Some(_) => Ok(()),
        None => Err(ApiError::new(
            Code::EmailUnverified,
            "your address is not confirmed yet; until then you can look, and change nothing",
        )
        .remedy("use the code of the mail that you got; `ks account send-verification` sends another")),
    }
}

/// A kind of thing that a path names.
pub(crate) trait Resource: Sized + Send {
    /// What stands in the path. Text that is none names nothing.
    type Key: FromStr + Send + Sync;

    /// What it is called.
    const NOUN: &'static str;

    /// The thing, if the caller reaches it.
    ///
    /// # Errors
    /// `not_found`, whether there is no such thing or it is somebody else's.
    fn find(
        app: &App,
        conn: &mut Conn,
        caller: &Caller,
        key: &Self::Key,
    ) -> impl Future<Output = ApiResult<Self>> + Send;
}

/// A caller who has the right `R`, and the `T` that the path names. It is looked up when it is asked for, where it is needed: on
/// a connection for reading, or in the transaction that changes it.
#[derive(Debug)]
pub(crate) struct Target<R, T: Resource> {
    caller: Require<R>,
    key: T::Key,
}

impl<R, T: Resource> Deref for Target<R, T> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<R, T: Resource> Target<R, T> {
    /// The thing, and the connection it was read on.
    ///
    /// # Errors
    /// `not_found`, and the store's.
    pub(crate) async fn read(&self, app: &App) -> ApiResult<(Conn, T)> {
        let mut conn = app.store.read().await?;
        let found = T::find(app, &mut conn, &self.caller, &self.key).await?;
        Ok((conn, found))
    }

    /// The thing, in a transaction of its own. Not before the body was read: one that is slow in coming would hold up every write.
    ///
    /// # Errors
    /// `not_found`, and the store's.
    pub(crate) async fn change(&self, app: &App) -> ApiResult<(Tx, T)> {
        let mut tx = app.store.begin().await?;
        let found = T::find(app, &mut tx, &self.caller, &self.key).await?;
        Ok((tx, found))
    }
}

impl<R: Needs, T: Resource> FromRequestParts<Arc<App>> for Target<R, T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let caller = Require::from_request_parts(parts, app).await?;
        let absent = || ApiError::not_found(T::NOUN);
        let Path(text) = Path::<String>::from_request_parts(parts, app)
            .await
            .map_err(|_| absent())?;
        let key = text.parse().map_err(|_| absent())?;
        Ok(Self { caller, key })
    }
}

macro_rules! needs {
    ($($name:ident)*) => {$(
        #[doc = concat!("See [`Right::", stringify!($name), "`].")]
        #[derive(Debug)]
        pub(crate) struct $name;
        impl Needs for $name {
            const RIGHT: Right = Right::$name;
        }
    )*};
}

needs! {
    SeeOrg
    SeeAgents
    SeeMoney
    SeeAudit
    ManageAgents
    ManageCredentials
    Administer
    ManageMarketplace
    ManageBilling
    ManageOrg
    Operate
}
