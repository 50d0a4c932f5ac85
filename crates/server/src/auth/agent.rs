//! An agent that calls the control plane with its own token. `/mcp` alone takes one: every other operation asks for a
//! [`Caller`](super::caller::Caller), which no agent's token makes.

use keystore_core::Deny;
use keystore_core::ids::{AgentId, OrgId, TokenId};
use keystore_proxy::holder::{Explained, Holder};

use super::origin::Origin;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;

/// An agent that showed its token.
pub(crate) struct AgentCaller {
    /// The agent as the data plane knows it.
    pub(crate) holder: Holder,
    origin: Origin,
}

impl AgentCaller {
    /// The agent behind a token that holds, called from where it may be used. A paused one may ask, too.
    ///
    /// # Errors
    /// `unauthenticated`, `address_not_allowed`, `auth_stale`.
    pub(crate) async fn of(app: &App, value: &str, origin: Origin) -> ApiResult<Self> {
        let found = app.proxy.holder(value.as_bytes(), origin.address).await;
        let now = app.clock.now();
        match found.and_then(|holder| match holder.check(now) {
            // Its agent is revoked, or has reached its end.
            Err(Deny::InvalidToken) => Err(Deny::InvalidToken),
            _ => Ok(holder),
        }) {
            Ok(holder) => Ok(Self { holder, origin }),
            Err(Deny::InvalidToken) => Err(ApiError::unauthenticated()),
            Err(deny) => Err(refused(app.proxy.explain("", deny))),
        }
    }

    /// Its organization.
    pub(crate) fn org(&self) -> OrgId {
        self.holder.policy().org
    }

    /// Itself.
    pub(crate) fn agent(&self) -> AgentId {
        self.holder.policy().agent
    }

    /// The token that it showed.
    pub(crate) fn token(&self) -> TokenId {
        self.holder.token().token
    }

    /// Where it calls from.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// That its calls are served: it is not paused, and neither its project nor its organization is stopped.
    ///
    /// # Errors
    /// What its calls are refused with.
    pub(crate) fn check(&self, app: &App) -> ApiResult<()> {
        let served = self.holder.check(app.clock.now());
        served.map_err(|deny| refused(app.proxy.explain(self.holder.name(), deny)))
    }
}

/// A refusal of the data plane in the words of the control plane.
fn refused(explained: Explained) -> ApiError {
    ApiError::new(explained.code, explained.message).remedy(explained.remedy)
}
