//! `Idempotency-Key`: a POST that is sent again has no second effect and gets the first answer.
//!
//! One layer around every handler. A key belongs to one caller in one organization for [`KEPT_FOR`]. The handler runs in a task
//! of its own, so that a caller who hangs up, which is when repeats are sent, does not leave it half done. What is told once is
//! not kept: a handler answers [`Once`], and a repeat gets the same answer without the value. `/v1/auth/*` takes no key: its
//! answers are sessions.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use keystore_store::idempotency::{self as rows, Claim, Claimed};
use keystore_vault::TokenKind;
use keystore_wire::ShownOnce;
use keystore_wire::problem::Code;
use serde::Serialize;

use super::problem::{ApiError, ApiResult};
use super::{BODY_LIMIT_BYTES, HANDLER_LIMIT};
use crate::app::App;
use crate::auth::caller::{Caller, Who};

/// How long a key is kept.
pub(crate) const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);

/// The header.
pub(super) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that an answer is a repeated one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;

/// How long a repeat waits for the first request before it is told to come again.
const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps the digest of a request apart from policy rows under the same key.
const DIGEST: &str = "idempotency";

/// An answer with a value that is told once.
pub(super) struct Once<T>(pub(super) T);

/// What may be kept of an answer.
#[derive(Clone)]
struct Keepable(Bytes);

impl<T: ShownOnce + Serialize> IntoResponse for Once<T> {
    fn into_response(self) -> Response {
        let Self(mut answer) = self;
        let mut response = Json(&answer).into_response();
        answer.hide();
        let kept = serde_json::to_vec(&answer).unwrap_or_default();
        response.extensions_mut().insert(Keepable(kept.into()));
        response
    }
}

/// The layer.
pub(super) async fn idempotent(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let takes_key = request.method() == Method::POST && !request.uri().path().starts_with("/v1/auth/");
    if !takes_key || !request.headers().contains_key(HEADER) {
        return next.run(request).await;
    }
    match once(&app, request, next).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn once(app: &Arc<App>, request: Request, next: Next) -> ApiResult<Response> {
    let key = key(request.headers())?;
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, app).await?;
    let bytes = axum::body::to_bytes(body, BODY_LIMIT_BYTES).await.map_err(|_| {
        ApiError::new(
            Code::BodyTooLarge,
            format!("the body ended early, or has more than {BODY_LIMIT_BYTES} bytes"),
        )
    })?;
    let target = parts
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str())
        .as_bytes();
    let claim = Claim {
        org: caller.org,
        caller: match caller.who {
            Who::User { user, .. } | Who::Machine { user } => user.uuid(),
            Who::Key { id, .. } => id.uuid(),
        },
        key,
        // Keyed, because a body may hold a secret that could be guessed.
        request: app.policy_mac.tag(DIGEST, &[target, b"\n", &bytes].concat()),
        at: app.clock.now(),
    };
    if let Some(answer) = claim_or_answer(app, &claim).await? {
        return Ok(answer);
    }
    let request = Request::from_parts(parts, Body::from(bytes));
    let running = app.tasks.spawn({
        let app = Arc::clone(app);
        async move {
            let answer = next.run(request).await;
            keep(&app, &claim, answer).await
        }
    });
    running.await.map_err(ApiError::internal)
}

/// The one key of a request.
fn key(headers: &HeaderMap) -> ApiResult<String> {
    let mut values = headers.get_all(HEADER).iter();
    let (value, more) = (values.next(), values.next());
    value
        .filter(|_| more.is_none())
        .and_then(|value| value.to_str().ok())
        .filter(|key| (1..=MAX_KEY_BYTES).contains(&key.len()))
        .map(str::to_owned)
        .ok_or_else(|| {
            ApiError::new(
                Code::BadRequest,
                format!(
                    "`Idempotency-Key` must stand once and be 1 to {MAX_KEY_BYTES} visible ASCII characters"
                ),
            )
        })
}

/// Claims the key; or gives what its first request was answered, waiting for its end.
async fn claim_or_answer(app: &App, claim: &Claim) -> ApiResult<Option<Response>> {
    let mut pause = Duration::from_millis(10);
    let started = app.clock.boottime();
    loop {
        let known = rows::get(&mut app.store.read().await?, claim).await?;
        let known = known.filter(|known| claim.at.since(known.created_at) < KEPT_FOR);
        if let Some(known) = known {
            if let Some(answer) = repeated(claim, known)? {
                return Ok(Some(answer));
            }
            if app.clock.boottime().saturating_sub(started) > PATIENCE {
                return Err(ApiError::new(
                    Code::IdempotencyRunning,
                    "the first request with this key has not ended yet",
                )
                .remedy("send it again in a moment")
                .after(Duration::from_secs(1)));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(250));
            continue;
        }
        let mut tx = app.store.begin().await?;
        let claimed = rows::claim(&mut tx, claim, claim.at.minus(KEPT_FOR)).await?;
        tx.commit().await?;
        if claimed {
            return Ok(None);
        }
    }
}

/// The first answer once more; `None` while the first request runs.
fn repeated(claim: &Claim, known: Claimed) -> ApiResult<Option<Response>> {
    if known.request != claim.request {
        return Err(ApiError::new(
            Code::IdempotencyMismatch,
            "this key came with another request before",
        )
        .remedy("use a new key for each request; repeat a request with the same path and the same body"));
    }
    let unknown = || {
        ApiError::new(
            Code::IdempotencyUnknown,
            "the first request with this key was cut off; it may or may not have had its effect",
        )
        .remedy("look at the list of what it makes, then use a new key if it is not there")
    };
    match (known.status, known.answer) {
        (Some(500..), Some(_)) => {
            let mut response = fault().into_response();
            response
                .headers_mut()
                .insert(REPLAYED, HeaderValue::from_static("true"));
            Ok(Some(response))
        }
        (Some(status), Some(answer)) => {
            let mut response = Response::new(Body::from(answer));
            *response.status_mut() = StatusCode::from_u16(status).map_err(ApiError::internal)?;
            let headers = response.headers_mut();
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
            if status != 204 {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            Ok(Some(response))
        }
        (Some(_), None) => Err(unknown()),
        // Whoever claimed it has given up, or is gone.
        (None, _) if claim.at.since(known.created_at) > 2 * HANDLER_LIMIT => Err(unknown()),
        (None, _) => Ok(None),
    }
}

/// What a repeat is told whose first request ended in a fault of ours.
fn fault() -> ApiError {
    ApiError::new(
        Code::Internal,
        "the first request with this key ended in a fault of the server, whose log says more; it may or may not have had its effect",
    )
    .remedy("look whether it had its effect, then use a new key")
}

/// Keeps an answer, a failure of ours (500) too, so that its repeats get it again and try nothing a second time. One that says that nothing
/// was done gives the key back. Where the database went away meanwhile, nobody knows, and that is what a repeat is told.
async fn keep(app: &App, claim: &Claim, answer: Response) -> Response {
    let status = answer.status();
    let without_effect = status.is_client_error()
        || answer
            .extensions()
            .get::<ApiError>()
            .is_some_and(|error| matches!(error.code(), Code::Sealed | Code::CustomerKeyUnavailable));
    let (parts, body) = answer.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let kept = match parts.extensions.get::<Keepable>() {
        Some(Keepable(kept)) => kept.clone(),
        None => bytes.clone(),
    };
    let written = async {
        let mut tx = app.store.begin().await?;
        if without_effect {
            rows::release(&mut tx, claim).await?;
        } else {
            let known = keepable(&kept).filter(|_| status != StatusCode::SERVICE_UNAVAILABLE);
            rows::keep(&mut tx, claim, status.as_u16(), known).await?;
        }
        tx.commit().await
    };
    if let Err(error) = written.await {
        tracing::error!(%error, "an answer cannot be kept for its idempotency key");
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// The body as it is kept; nothing of one that holds a value of ours, whoever forgot to take it out.
fn keepable(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    let holds = |prefix: &str| {
        text.match_indices(prefix).any(|(at, _)| {
            let value = &text.as_bytes()[at + prefix.len()..];
            value.len() >= 64 && value[..64].iter().all(u8::is_ascii_hexdigit)
        })
    };
    let kinds = [TokenKind::Agent, TokenKind::ApiKey, TokenKind::Session];
    if kinds.into_iter().any(|kind| holds(kind.prefix())) {
        tracing::error!("an answer with a value that is told once came without its form for keeping");
        return None;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_once_is_not_kept() {
        let value = "0123456789abcdef".repeat(4);
        for prefix in ["ks_", "ksm_", "kss_"] {
            assert_eq!(
                keepable(format!("{{\"x\":\"{prefix}{value}\"}}").as_bytes()),
                None,
                "{prefix}"
            );
        }
        assert_eq!(
            keepable(br#"{"example":"ks_..."}"#),
            Some(r#"{"example":"ks_..."}"#)
        );
        assert_eq!(keepable(b""), Some(""));
        assert_eq!(keepable(&[0xff]), None);
    }

    #[test]
    fn a_key_stands_once_and_is_plain() {
        let of = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HEADER, HeaderValue::from_bytes(value).unwrap());
            }
            key(&headers).ok()
        };
        assert_eq!(of(&[b"a-key"]), Some("a-key".to_owned()));
        assert_eq!(of(&[b"a", b"a"]), None);
        assert_eq!(of(&[b""]), None);
        assert_eq!(of(&["ä".as_bytes()]), None);
        assert_eq!(of(&[&[b'a'; 256]]), None);
    }
}
