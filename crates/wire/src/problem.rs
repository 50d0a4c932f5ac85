//! The one catalogue of public codes, and the shape of the control plane's errors (RFC 9457).
//!
//! A code is stable: programs branch on it. Words are not. Which words an error carries is decided where it is made:
//! `proxy::refuse` on the data plane and `server::api::problem` on the control plane.

use keystore_core::Deny;
use keystore_core::policy::Source;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::factors::Challenge;

/// The media type of a [`Problem`] (RFC 9457 section 3).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What [`Problem::type`](Problem) begins with; the code follows.
pub const TYPE_PREFIX: &str = "urn:keystore:problem:";

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal, $status:literal, $title:literal, $retry:literal;)*) => {
        /// A public error code, of the data plane or the control plane.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        pub enum Code {
            $($(#[doc = $doc])* #[serde(rename = $text)] $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code as it stands in answers.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The HTTP status that goes with it. For `budget_exceeded` the catalog may name another one for a vendor.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }

            /// A short summary that is the same for every occurrence (RFC 9457 `title`).
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// What it means, in one paragraph.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*).trim_ascii()),* }
            }

            /// Whether the same request may succeed later without anybody changing anything. Where not, the proxy says
            /// `x-should-retry: false`.
            pub const fn retry_can_help(self) -> bool {
                match self { $(Self::$name => $retry),* }
            }

            /// The code that is written `text`.
            pub fn of(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == text)
            }
        }
    };
}

codes! {
    /// The request's form is not accepted.
    BadRequest = "bad_request", 400, "The request is malformed", false;
    /// The path exists, but not with this method.
    MethodNotAllowed = "method_not_allowed", 405, "The method is not allowed", false;
    /// Path and query are too long.
    UriTooLong = "uri_too_long", 414, "The request target is too long", false;
    /// An `Expect` other than `100-continue`.
    ExpectationFailed = "expectation_failed", 417, "The expectation cannot be met", false;
    /// The `Host` is not one of ours.
    Misdirected = "misdirected", 421, "The request is meant for another host", false;
    /// Too many headers, or too much of them.
    HeadersTooLarge = "headers_too_large", 431, "The headers are too large", false;

    /// No valid token: unknown, malformed, expired and revoked alike.
    InvalidToken = "invalid_token", 401, "The token is not valid", false;
    /// The agent must say for which end user each request is.
    EndUserMissing = "end_user_missing", 400, "The end user is not named", false;
    /// A budget does not afford the call.
    BudgetExceeded = "budget_exceeded", 402, "The budget is exhausted", false;
    /// The prepaid credit does not afford the call.
    InsufficientCredit = "insufficient_credit", 402, "The credit is exhausted", false;
    /// The agent has no grant for the provider.
    ProviderNotGranted = "provider_not_granted", 403, "The provider is not granted", false;
    /// No credential is stored for the grant, or it has reached its end.
    CredentialMissing = "credential_missing", 403, "No credential is stored", false;
    /// The grant's scopes do not cover the operation.
    ScopeDenied = "scope_denied", 403, "The scopes do not cover the operation", false;
    /// The agent is paused.
    AgentPaused = "agent_paused", 403, "The agent is paused", false;
    /// The organization has stopped all of its agents.
    OrgSuspended = "org_suspended", 403, "The organization is suspended", false;
    /// The organization has stopped the agents of the project.
    ProjectSuspended = "project_suspended", 403, "The project is suspended", false;
    /// The organization has stopped all calls to the provider.
    ProviderSuspended = "provider_suspended", 403, "The provider is suspended", false;
    /// The operation or model has no price, and a budget applies.
    UnpricedOperation = "unpriced_operation", 403, "The operation has no price", false;
    /// A label forbids marketplace sources.
    LabelForbidsMarketplace = "label_forbids_marketplace", 403, "A label forbids the marketplace", false;
    /// A label forbids the provider, its host, or credentials of the customer's own.
    LabelForbidsProvider = "label_forbids_provider", 403, "A label forbids the provider", false;
    /// The organization has not enabled the provider at the marketplace.
    MarketplaceNotEnabled = "marketplace_not_enabled", 403, "The provider is not enabled at the marketplace", false;
    /// The operator has paused the organization at the pool, or a rule of the operator's has.
    PoolPaused = "pool_paused", 403, "The access to the pool is paused", false;
    /// The operation is closed to every agent.
    OperationDenied = "operation_denied", 403, "The operation is closed to agents", false;
    /// The model is not among those that the agent may use.
    ModelNotAllowed = "model_not_allowed", 403, "The model is not allowed", false;
    /// The agent may not be used from this address.
    AddressNotAllowed = "address_not_allowed", 403, "The address is not allowed", false;
    /// No provider has this name.
    UnknownProvider = "unknown_provider", 404, "There is no such provider", false;
    /// The body is larger than is taken.
    BodyTooLarge = "body_too_large", 413, "The body is too large", false;
    /// The body is compressed where it has to be read.
    UnsupportedEncoding = "unsupported_encoding", 415, "The content encoding is not supported", false;
    /// A rate limit; `limitType` says which.
    RateLimited = "rate_limited", 429, "A rate limit is reached", true;
    /// The vendor does not accept the stored credential.
    CredentialInvalid = "credential_invalid", 502, "The provider refused the stored credential", false;
    /// The upstream gave no valid response.
    UpstreamError = "upstream_error", 502, "The provider gave no valid answer", true;
    /// The upstream did not answer in time.
    UpstreamTimeout = "upstream_timeout", 504, "The provider did not answer in time", true;
    /// The key-encryption keys cannot be unwrapped.
    Sealed = "sealed", 503, "The vault is sealed", true;
    /// The key that the organization itself holds cannot be used: it is disabled, or its KMS cannot be reached.
    CustomerKeyUnavailable = "customer_key_unavailable", 503, "The organization's own key cannot be used", true;
    /// The journal cannot be written.
    AuditUnavailable = "audit_unavailable", 503, "The journal cannot be written", true;
    /// The authority over tokens cannot be confirmed.
    AuthStale = "auth_stale", 503, "The authority over tokens is stale", true;
    /// The provider fails so often that calls are held back.
    CircuitOpen = "circuit_open", 503, "The provider's circuit is open", true;
    /// The pool has no usable credential.
    NoPoolCredential = "no_pool_credential", 503, "The pool has no usable credential", true;

    /// Fields of a request are not valid; `errors` points at them.
    Invalid = "invalid_request", 422, "The request is not valid", false;
    /// The body is not JSON.
    UnsupportedMediaType = "unsupported_media_type", 415, "The media type is not supported", false;
    /// No session or management key, or one that does not hold.
    Unauthenticated = "unauthenticated", 401, "Authentication is required", false;
    /// E-mail address and password do not belong together, or a sign-in code does not hold.
    InvalidCredentials = "invalid_credentials", 401, "The sign-in failed", false;
    /// The first step of a sign-in was right, and the person has a second factor: `challenge` says what to do.
    SecondFactorRequired = "second_factor_required", 401, "A second factor is needed", false;
    /// The organization requires a second factor of its members, and the caller has none: until then they only set one up.
    SecondFactorMissing = "second_factor_missing", 403, "A second factor has to be set up", false;
    /// Too many failed sign-ins; `retry-after` says when to try again.
    TooManyAttempts = "too_many_attempts", 429, "Too many attempts", true;
    /// Signing up is closed on this deployment.
    SignUpClosed = "sign_up_closed", 403, "Signing up is closed", false;
    /// The caller's address is not confirmed yet: until then they only look.
    EmailUnverified = "email_unverified", 403, "The address is not confirmed", false;
    /// A cookie session used from another origin.
    CrossSite = "cross_site", 403, "The request comes from another site", false;
    /// The caller's role does not carry the right.
    Forbidden = "forbidden", 403, "The role does not allow this", false;
    /// Nothing of that name or id in the caller's organization.
    NotFound = "not_found", 404, "Not found", false;
    /// The name is taken.
    AlreadyExists = "already_exists", 409, "The name is taken", false;
    /// The resource is used by another one, or in a state that forbids the change.
    Conflict = "conflict", 409, "The change conflicts with the present state", false;
    /// Several credentials could be meant, and none is named `default`.
    AmbiguousCredential = "ambiguous_credential", 409, "Several credentials could be meant", false;
    /// The marketplace is not part of this deployment.
    MarketplaceUnavailable = "marketplace_unavailable", 409, "There is no marketplace here", false;
    /// The deployment takes no payments by card.
    PaymentsUnavailable = "payments_unavailable", 409, "No payments by card", false;
    /// The vendor does not accept the secret that was to be stored.
    CredentialRefused = "credential_refused", 422, "The provider refused the secret", false;
    /// An idempotency key came with another request than before.
    IdempotencyMismatch = "idempotency_mismatch", 422, "The idempotency key belongs to another request", false;
    /// The first request with this idempotency key has not ended.
    IdempotencyRunning = "idempotency_running", 409, "The first request with this key still runs", false;
    /// The first request with this idempotency key was cut off, or its answer may not be repeated.
    IdempotencyUnknown = "idempotency_unknown", 409, "What became of the first request is not known", false;
    /// The database is away for the moment.
    StoreUnavailable = "store_unavailable", 503, "The database is not available", true;
    /// A fault of the server.
    Internal = "internal", 500, "Internal error", true;
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Code {
    /// The code of a refusal of the data plane.
    pub const fn of_deny(deny: &Deny) -> Self {
        match deny {
            Deny::Malformed(_) => Self::BadRequest,
            Deny::MethodNotAllowed => Self::MethodNotAllowed,
            Deny::UriTooLong => Self::UriTooLong,
            Deny::Misdirected => Self::Misdirected,
            Deny::HeadersTooLarge => Self::HeadersTooLarge,
            Deny::ExpectationFailed => Self::ExpectationFailed,
            Deny::InvalidToken => Self::InvalidToken,
            Deny::AgentPaused(_) => Self::AgentPaused,
            Deny::OrgSuspended => Self::OrgSuspended,
            Deny::ProjectSuspended => Self::ProjectSuspended,
            Deny::ProviderSuspended { .. } => Self::ProviderSuspended,
            Deny::AddressNotAllowed => Self::AddressNotAllowed,
            Deny::UnknownProvider { .. } | Deny::UnknownHost { .. } => Self::UnknownProvider,
            Deny::ProviderNotGranted { .. } => Self::ProviderNotGranted,
            Deny::ScopeDenied { .. } => Self::ScopeDenied,
            Deny::OperationDenied { .. } => Self::OperationDenied,
            Deny::ModelNotAllowed { .. } => Self::ModelNotAllowed,
            Deny::CredentialMissing { .. } | Deny::CredentialExpired { .. } => Self::CredentialMissing,
            Deny::RateLimited(_) => Self::RateLimited,
            Deny::CircuitOpen { .. } => Self::CircuitOpen,
            Deny::EndUserMissing => Self::EndUserMissing,
            Deny::BudgetExceeded(_) => Self::BudgetExceeded,
            Deny::InsufficientCredit(_) => Self::InsufficientCredit,
            Deny::NotEnabled { .. } => Self::MarketplaceNotEnabled,
            Deny::LabelForbids {
                source: Source::Marketplace,
                ..
            } => Self::LabelForbidsMarketplace,
            Deny::LabelForbids { .. } | Deny::LabelDemands { .. } => Self::LabelForbidsProvider,
            Deny::NoPoolCredential { .. } => Self::NoPoolCredential,
            Deny::PoolPaused { .. } => Self::PoolPaused,
            Deny::PoolBusy { .. } => Self::RateLimited,
            Deny::UnpricedOperation { .. } | Deny::UnknownAmount { .. } => Self::UnpricedOperation,
            Deny::BodyTooLarge { .. } => Self::BodyTooLarge,
            Deny::UnsupportedEncoding => Self::UnsupportedEncoding,
            Deny::Sealed => Self::Sealed,
            Deny::CustomerKey => Self::CustomerKeyUnavailable,
            Deny::AuditUnavailable => Self::AuditUnavailable,
            Deny::AuthStale => Self::AuthStale,
        }
    }
}

impl From<&Deny> for Code {
    fn from(deny: &Deny) -> Self {
        Self::of_deny(deny)
    }
}

/// An error of the control plane (RFC 9457), with `code` to branch on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "type": "urn:keystore:problem:invalid_request", "title": "The request is not valid", "status": 422,
    "code": "invalid_request", "detail": "`rpmLimit` must be at most 1000000",
    "errors": [{"pointer": "/rpmLimit", "detail": "must be at most 1000000"}],
    "requestId": "req_01jd3w8f0qe7ys4c9p2m5n6r7t"
}))]
pub struct Problem {
    /// A URI that names the kind of problem; no page stands behind it.
    #[serde(rename = "type")]
    pub kind: String,
    /// A summary of the kind.
    pub title: String,
    /// The HTTP status again.
    pub status: u16,
    /// The stable code. One of the documented ones; a client must accept others, which later versions may add.
    pub code: String,
    /// What happened this time: one or two sentences, safe to show.
    pub detail: String,
    /// What to do, where something helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Which fields are at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The second step of a sign-in, with `second_factor_required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Challenge>,
    /// The id to give when asking about this answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// One field at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// A JSON pointer into the request body (RFC 6901), or `?name` for a query parameter.
    #[schema(example = "/providers/0/source")]
    pub pointer: String,
    /// What is wrong with it.
    #[schema(example = "must be `byok` or `marketplace`")]
    pub detail: String,
}

impl Problem {
    /// A problem of this code, with what happened.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("{TYPE_PREFIX}{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            code: code.as_str().to_owned(),
            detail: detail.into(),
            remedy: None,
            errors: Vec::new(),
            challenge: None,
            request_id: None,
        }
    }

    /// The same with what to do.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same with one more field at fault.
    #[must_use]
    pub fn with_error(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError {
            pointer: pointer.into(),
            detail: detail.into(),
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_distinct_and_serialise_as_they_read() {
        let texts: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert_eq!(Code::of(code.as_str()), Some(*code));
            assert!((400..600).contains(&code.status()), "{code}");
        }
        assert_eq!(Code::of("no_such_code"), None);
    }

    #[test]
    fn money_is_never_answered_with_a_status_that_sdks_retry() {
        for code in [Code::BudgetExceeded, Code::InsufficientCredit] {
            assert_eq!(code.status(), 402);
            assert!(!code.retry_can_help());
        }
        assert!(
            Code::ALL
                .iter()
                .filter(|code| code.retry_can_help())
                .all(|code| code.status() == 429 || code.status() >= 500)
        );
    }

    #[test]
    fn a_problem_has_the_members_of_rfc_9457() {
        let problem = Problem::new(Code::NotFound, "There is no agent `x`.").with_error("/agent", "unknown");
        assert_eq!(
            serde_json::to_value(&problem).unwrap(),
            serde_json::json!({
                "type": "urn:keystore:problem:not_found", "title": "Not found", "status": 404,
                "code": "not_found", "detail": "There is no agent `x`.",
                "errors": [{"pointer": "/agent", "detail": "unknown"}]
            })
        );
    }
}
