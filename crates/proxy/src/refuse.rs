//! Any step: the one place that turns a refusal into a response.

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use keystore_core::ids::RequestId;
use keystore_core::{Deny, Micros};

/// A failure behind the checks: neither the caller's form nor its rights.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// The vendor's answer matched the catalog's `bad_key` rule.
    #[error("{provider} refused the credential {credential}")]
    CredentialInvalid {
        /// The provider's slug.
        provider: String,
        /// The credential's name, never its value.
        credential: String,
    },
    /// No valid response came.
    #[error("{provider}: {reason}")]
    Upstream {
        /// The provider's slug.
        provider: String,
        /// What happened, in words that are safe to show: no secret, no internal address.
        reason: String,
    },
    /// Nothing came in time.
    #[error("{provider} did not answer in time")]
    UpstreamTimeout {
        /// The provider's slug.
        provider: String,
    },
    /// A fault of ours.
    #[error("internal error")]
    Internal,
}

/// Either kind of refusal, what every step of the request path returns as its error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A decision against the request.
    Deny(Deny),
    /// A failure.
    Failed(ProxyError),
}

impl From<Deny> for Refusal {
    fn from(deny: Deny) -> Self {
        Self::Deny(deny)
    }
}

impl From<ProxyError> for Refusal {
    fn from(error: ProxyError) -> Self {
        Self::Failed(error)
    }
}

/// What an answer says beside the refusal itself.
#[derive(Debug, Clone, Copy)]
pub struct RefusalContext<'a> {
    /// The request's id.
    pub request: RequestId,
    /// The agent's name or id for remedies, once it is known.
    pub agent: Option<&'a str>,
    /// The status of `budget_exceeded` where the catalog's `refusal.budget_status` differs from 402.
    pub budget_status: Option<StatusCode>,
    /// The time, for `retry-after`.
    pub now: Micros,
}

/// The response.
pub fn refuse(_refusal: &Refusal, _context: &RefusalContext<'_>) -> Response<Full<Bytes>> {
    todo!()
}
