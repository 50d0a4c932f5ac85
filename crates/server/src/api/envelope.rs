//! What every answer of the API passes through: the request's id, the time limit, the problem's body, headers that keep
//! answers out of caches and pages, and one line in the log.

use std::pin::pin;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use keystore_core::ids::RequestId;
use keystore_proxy::caught;
use keystore_wire::problem::Code;

use super::HANDLER_LIMIT;
use super::problem::{self, ApiError};
use crate::app::App;

pub(super) async fn envelope(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let id = RequestId::new(app.ids.next());
    request.extensions_mut().insert(id);
    let started = app.clock.boottime();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let answer = match tokio::time::timeout(HANDLER_LIMIT, caught(pin!(next.run(request)))).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(panicked)) => ApiError::internal(panicked).into_response(),
        Err(_) => ApiError::new(Code::Internal, "the request took too long and was given up").into_response(),
    };
    let mut answer = problem::render(answer, id);
    let headers = answer.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert("x-request-id", value);
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
    tracing::debug!(
        %id,
        %method,
        route = route.as_ref().map_or("-", MatchedPath::as_str),
        status = answer.status().as_u16(),
        elapsed_ms = app.clock.boottime().saturating_sub(started).as_millis() as u64,
        "answered"
    );
    answer
}

pub(super) async fn not_found() -> ApiError {
    ApiError::new(
        Code::NotFound,
        "no such path; `/openapi.json` lists what there is",
    )
}

pub(super) async fn method_not_allowed() -> ApiError {
    ApiError::new(
        Code::MethodNotAllowed,
        "this path does not take this method; see `/openapi.json`",
    )
}
