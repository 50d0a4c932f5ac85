//! A person in a session who acts on their own account, which belongs to no organization: their sessions, their password, and how
//! they sign in. There is no right to it and no role that lacks it; a management key never has it. It is open to who lacks the second
//! factor that their organization requires: here they set it up.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use keystore_core::ids::{SessionId, UserId};

use super::caller::{Caller, Identified};
use crate::api::problem::ApiError;
use crate::app::App;

/// The person, in their session.
#[derive(Debug)]
pub(crate) struct InPerson {
    caller: Caller,
    /// Who.
    pub(crate) user: UserId,
    /// In which session.
    pub(crate) session: SessionId,
}

impl Deref for InPerson {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl FromRequestParts<Arc<App>> for InPerson {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Identified(caller) = Identified::from_request_parts(parts, app).await?;
        let (user, session) = caller.person()?;
        Ok(Self {
            caller,
            user,
            session,
        })
    }
}
