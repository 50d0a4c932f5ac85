//! Any step: the one place that turns a refusal into a response. Status, code, words and headers of every refusal are
//! decided here and in `refuse/words.rs`; nothing here decides whether to refuse, and nothing records or counts it.
//!
//! The shape is one that the official SDKs of the vendors turn into their own exceptions with our message: `error.message` and
//! `error.code` for OpenAI's, `type` and `error.type` for Anthropic's, `name` and `message` at the top for Resend's, `detail.error`
//! for Tavily's. The answer to a bad token is one fixed body, the same bytes for an unknown, malformed, expired or revoked token; so the request id
//! of that answer stands in its header alone.

mod words;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use keystore_core::deny::{Malformed, RateKind, RateLimited};
use keystore_core::ids::RequestId;
use keystore_core::{Deny, Micros};
use keystore_wire::problem::Code;
use serde::Serialize;

/// The response header with the request's id, on every answer of the proxy.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-keystore-request-id");
/// The response header with the code of a refusal: what tells our answers from the vendor's.
pub const ERROR: HeaderName = HeaderName::from_static("x-keystore-error");
/// Read by the SDKs of OpenAI and Anthropic before they retry by themselves.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
pub(crate) const RATE_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
pub(crate) const RATE_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Beyond this wait an SDK's own retries (two, within seconds) cannot succeed.
const LONGEST_USEFUL_RETRY_SECONDS: u64 = 60;

/// What a client is told to wait when a part of ours is away that usually comes back.
const UNAVAILABLE_RETRY_SECONDS: u64 = 5;

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

impl Refusal {
    /// The public code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Deny(deny) => Code::of_deny(deny),
            Self::Failed(error) => match error {
                ProxyError::CredentialInvalid { .. } => Code::CredentialInvalid,
                ProxyError::Upstream { .. } => Code::UpstreamError,
                ProxyError::UpstreamTimeout { .. } => Code::UpstreamTimeout,
                ProxyError::Internal => Code::Internal,
            },
        }
    }

    /// Whether another try of the same request may succeed soon.
    fn may_succeed_later(&self, now: Micros) -> bool {
        match self {
            Self::Deny(Deny::RateLimited(limited)) if waits_for_others(limited) => true,
            Self::Deny(Deny::PoolBusy { .. }) => true,
            Self::Deny(Deny::RateLimited(limited)) => {
                wait_seconds(limited.resets_at, now).is_some_and(|wait| wait <= LONGEST_USEFUL_RETRY_SECONDS)
            }
            _ => self.code().retry_can_help(),
        }
    }

    /// Whether the end of the request's body is in doubt, so that nothing more may be read from its connection.
    const fn breaks_connection(&self) -> bool {
        matches!(
            self,
            Self::Deny(
                Deny::Malformed(Malformed::Framing | Malformed::Body | Malformed::Upgrade | Malformed::Host)
                    | Deny::HeadersTooLarge
                    | Deny::UriTooLong
                    | Deny::MethodNotAllowed
                    | Deny::ExpectationFailed
            )
        )
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

/// The body of every refusal.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    r#type: &'static str,
    error: Facts<'a>,
    name: &'static str,
    message: &'a str,
    detail: Detail<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// All that Tavily's SDKs read of an error.
#[derive(Serialize)]
struct Detail<'a> {
    error: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Facts<'a> {
    r#type: &'static str,
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    needed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset_at: Option<String>,
    remedy: &'a str,
}

/// The response to a refused request.
pub fn refuse(refusal: &Refusal, context: &RefusalContext<'_>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body(refusal, context)));
    *response.status_mut() = status(refusal, context);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ERROR, HeaderValue::from_static(refusal.code().as_str()));
    if let Ok(id) = HeaderValue::try_from(context.request.to_string()) {
        headers.insert(REQUEST_ID, id);
    }
    if !refusal.may_succeed_later(context.now) {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    if refusal.breaks_connection() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    match refusal {
        Refusal::Deny(Deny::MethodNotAllowed) => {
            headers.insert(ALLOW, HeaderValue::from_static(METHODS));
        }
        Refusal::Deny(Deny::RateLimited(limited)) => rate_headers(headers, limited, context.now),
        Refusal::Deny(Deny::CircuitOpen { resets_at, .. } | Deny::PoolBusy { resets_at, .. }) => {
            headers
                .extend(wait_seconds(Some(*resets_at), context.now).map(|wait| (RETRY_AFTER, wait.into())));
        }
        Refusal::Deny(Deny::Sealed | Deny::CustomerKey | Deny::AuditUnavailable | Deny::AuthStale) => {
            headers.insert(RETRY_AFTER, HeaderValue::from(UNAVAILABLE_RETRY_SECONDS));
        }
        _ => {}
    }
    response
}

/// What a refusal says beside its code: what and why, and what to do.
pub(crate) fn explain(refusal: &Refusal, context: &RefusalContext<'_>) -> (String, String) {
    let words = words::of(refusal, context);
    (words.message, words.remedy.into_owned())
}

/// What the client of an answer that is cut is told: why, and what to do.
pub(crate) fn cut_message(deny: &Deny, agent: &str) -> String {
    words::of_cut(deny, agent).message
}

fn status(refusal: &Refusal, context: &RefusalContext<'_>) -> StatusCode {
    let own = StatusCode::from_u16(refusal.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match refusal {
        Refusal::Deny(Deny::BudgetExceeded(_) | Deny::InsufficientCredit(_)) => {
            context.budget_status.unwrap_or(own)
        }
        _ => own,
    }
}

/// `X-RateLimit-Reset` is in seconds since the epoch, `Retry-After` in seconds from now (RFC 9110, 10.2.3). Of a limit that never
/// admits neither is sent.
fn rate_headers(headers: &mut HeaderMap, limited: &RateLimited, now: Micros) {
    headers.insert(RATE_LIMIT, HeaderValue::from(limited.limit));
    headers.insert(RATE_REMAINING, HeaderValue::from(0));
    if let Some((wait, resets_at)) = wait_seconds(limited.resets_at, now).zip(limited.resets_at) {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait));
        headers.insert(RATE_RESET, HeaderValue::from(ceil_seconds(resets_at)));
    } else if waits_for_others(limited) {
        headers.insert(RETRY_AFTER, HeaderValue::from(1));
    }
}

/// Whether other calls must end first, of which nobody knows when they do.
fn waits_for_others(limited: &RateLimited) -> bool {
    limited.kind == RateKind::Concurrency && limited.limit > 0
}

/// Whole seconds until `at`, rounded up, at least one.
fn wait_seconds(at: Option<Micros>, now: Micros) -> Option<u64> {
    at.map(|at| at.since(now).as_micros().div_ceil(1_000_000))
        .map(|seconds| u64::try_from(seconds).unwrap_or(u64::MAX).max(1))
}

const fn ceil_seconds(at: Micros) -> i64 {
    Micros(at.0.saturating_add(999_999)).seconds()
}

fn body(refusal: &Refusal, context: &RefusalContext<'_>) -> Bytes {
    let code = refusal.code().as_str();
    let words = words::of(refusal, context);
    let mut error = Facts {
        r#type: code,
        code,
        message: &words.message,
        limit_type: None,
        limit_scope: None,
        budget_id: None,
        unit: None,
        limit: None,
        spent: None,
        held: None,
        needed: None,
        reset_at: None,
        remedy: &words.remedy,
    };
    match refusal {
        Refusal::Deny(Deny::RateLimited(limited)) => {
            error.limit_type = Some(limited.kind.as_str());
            error.limit_scope = Some(limited.scope.as_str());
            error.limit = Some(limited.limit.to_string());
            error.reset_at = limited.resets_at.map(|at| at.to_string());
        }
        Refusal::Deny(Deny::CircuitOpen { resets_at, .. }) => error.reset_at = Some(resets_at.to_string()),
        Refusal::Deny(Deny::PoolBusy { resets_at, .. }) => {
            error.limit_type = Some("pool");
            error.reset_at = Some(resets_at.to_string());
        }
        Refusal::Deny(deny @ (Deny::BudgetExceeded(exceeded) | Deny::InsufficientCredit(exceeded))) => {
            let is_budget = matches!(deny, Deny::BudgetExceeded(_));
            error.limit_type = Some(if is_budget { "budget" } else { "credit" });
            let amount = |amount| Some(exceeded.unit.show(amount));
            error.unit = Some(exceeded.unit.as_str());
            error.budget_id = is_budget.then(|| exceeded.budget.to_string());
            error.limit = amount(exceeded.limit);
            error.spent = amount(exceeded.spent);
            error.held = amount(exceeded.held);
            error.needed = amount(exceeded.needed);
            error.reset_at = exceeded.resets_at.map(|at| at.to_string());
        }
        _ => {}
    }
    let same_for_all = matches!(refusal, Refusal::Deny(Deny::InvalidToken));
    let answer = Answer {
        r#type: "error",
        error,
        name: code,
        message: &words.message,
        detail: Detail {
            error: &words.message,
        },
        request_id: (!same_for_all).then(|| context.request.to_string()),
    };
    serde_json::to_vec(&answer).unwrap_or_default().into()
}

#[cfg(test)]
mod tests;
