//! The one place that turns a failure into an answer of the control plane: an RFC 9457 problem with a stable code, JSON
//! pointers for fields, and the request's id.
//!
//! Handlers return [`ApiError`]; what it says to the caller (`code`, `detail`, `fields`) is apart from what it says to the log
//! (`cause`). A failure of ours is logged here, once, and its cause is never told.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use keystore_catalog::PolicyError;
use keystore_core::ids::RequestId;
use keystore_store::StoreError;
use keystore_vault::VaultError;
use keystore_wire::factors::Challenge;
use keystore_wire::problem::{Code, FieldError, MEDIA_TYPE, Problem};

/// A failure of a handler.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub struct ApiError {
    code: Code,
    detail: Cow<'static, str>,
    remedy: Option<Cow<'static, str>>,
    fields: Vec<FieldError>,
    retry_after: Option<Duration>,
    challenge: Option<Box<Challenge>>,
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// The result of a handler.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// A failure with what happened, in a sentence that is safe to show.
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            remedy: None,
            fields: Vec::new(),
            retry_after: None,
            challenge: None,
            cause: None,
        }
    }

    /// There is no such thing, or it belongs to somebody else: the answer is the same.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    /// The caller did not prove who they are. One answer for every reason.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(
            Code::Unauthenticated,
            "send a session or a management key as `Authorization: Bearer …`; it is missing, unknown or expired",
        )
    }

    /// One field of the body is not valid. `pointer` is a JSON pointer (RFC 6901) into it.
    pub(crate) fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::fields(vec![FieldError {
            pointer: pointer.into(),
            detail: detail.into(),
        }])
    }

    /// Fields of the body are not valid.
    pub(crate) fn fields(fields: Vec<FieldError>) -> Self {
        let detail = match fields.as_slice() {
            [one] => format!("`{}`: {}", one.pointer, one.detail),
            many => format!("{} fields are not valid", many.len()),
        };
        Self {
            fields,
            ..Self::new(Code::Invalid, detail)
        }
    }

    /// A fault of ours.
    pub(crate) fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::new(Code::Internal, "this is a fault of the server; its log says more").because(cause)
    }

    /// Adds what to do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<Cow<'static, str>>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Adds what the log should know.
    pub(crate) fn because(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// Adds the second step of a sign-in.
    pub(crate) fn challenge(mut self, challenge: Challenge) -> Self {
        self.challenge = Some(Box::new(challenge));
        self
    }

    /// Adds when to try again.
    pub(crate) fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The problem that is told; what the log should know is logged.
    pub(crate) fn tell(self, request: Option<RequestId>) -> Problem {
        if let Some(cause) = &self.cause {
            let cause = cause.as_ref() as &dyn std::error::Error;
            let request = request.map(tracing::field::display);
            tracing::error!(
                request,
                code = self.code.as_str(),
                cause,
                "a request failed: {}",
                self.detail
            );
        }
        let mut problem = Problem::new(self.code, self.detail);
        problem.errors = self.fields;
        problem.remedy = self.remedy.map(Cow::into_owned);
        problem.challenge = self.challenge.map(|challenge| *challenge);
        problem.request_id = request.map(|request| request.to_string());
        problem
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }
}

/// Collects what is wrong with the fields of a body, so that the caller hears everything at once.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<FieldError>);

impl Fields {
    /// Notes that a field is not valid.
    pub(crate) fn wrong(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldError {
            pointer: pointer.into(),
            detail: detail.into(),
        });
    }

    /// # Errors
    /// `invalid` when anything was noted.
    pub(crate) fn check(self) -> ApiResult<()> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(ApiError::fields(self.0)),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { what } => {
                Self::new(Code::AlreadyExists, format!("there is already {what}"))
            }
            StoreError::Unavailable(_) => Self::new(
                Code::StoreUnavailable,
                "the database does not answer; nothing was changed; try again shortly",
            )
            .after(Duration::from_secs(1))
            .because(error),
            StoreError::Damaged(_) => Self::internal(error),
        }
    }
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Sealed => Self::new(
                Code::Sealed,
                "the keys cannot be unwrapped now; see `/readyz`; nothing was changed",
            )
            .because(error),
            VaultError::CustomerKey => Self::new(
                Code::CustomerKeyUnavailable,
                "the organization's own key cannot be used now; nothing was changed",
            )
            .remedy("enable it at its KMS; `ks kek status` says what the KMS answers")
            .because(error),
            VaultError::Destroyed => Self::new(Code::Conflict, error.to_string()),
            other => Self::internal(other),
        }
    }
}

impl From<PolicyError> for ApiError {
    fn from(error: PolicyError) -> Self {
        let pointer = match &error {
            PolicyError::MissingParam { name, .. }
            | PolicyError::UnknownParam { name, .. }
            | PolicyError::InvalidParam { name, .. } => format!("/params/{name}"),
            PolicyError::MissingBaseUrl { .. }
            | PolicyError::InvalidBaseUrl { .. }
            | PolicyError::BaseUrlNotAllowed { .. } => "/baseUrl".to_owned(),
        };
        Self::field(pointer, error.to_string())
    }
}

impl IntoResponse for ApiError {
    /// A response without a body that carries the error to [`render`], which knows the request's id.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the problem of an answer that carries one, and logs it when it is ours.
pub(super) fn render(mut response: Response, request: RequestId) -> Response {
    let Some(error) = response.extensions_mut().remove::<ApiError>() else {
        return response;
    };
    let (retry_after, is_unknown) = (error.retry_after, error.code.status() == 401);
    let problem = error.tell(Some(request));
    *response.body_mut() = Body::from(serde_json::to_vec(&problem).unwrap_or_default());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if let Some(wait) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    if is_unknown {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
