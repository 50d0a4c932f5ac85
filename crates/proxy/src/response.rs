//! Bodies that the proxy answers with, and the answers that it gives by itself.

use std::convert::Infallible;
use std::fmt::{Display, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use keystore_core::NanoUsd;
use keystore_core::ids::RequestId;
use keystore_core::policy::Source;

use crate::admit::RateLeft;
use crate::refuse::{RATE_LIMIT, RATE_REMAINING, RATE_RESET, REQUEST_ID};
use crate::relay::Relay;

/// The body of an answer.
pub enum Body {
    /// Known whole.
    Whole(Full<Bytes>),
    /// Relayed as it arrives.
    Relayed(Relay),
}

impl Body {
    /// `bytes`, whole.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl From<Full<Bytes>> for Body {
    fn from(full: Full<Bytes>) -> Self {
        Self::Whole(full)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(full) => Pin::new(full)
                .poll_frame(cx)
                .map_err(|never: Infallible| match never {}),
            Self::Relayed(relay) => relay.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(full) => full.is_end_stream(),
            Self::Relayed(relay) => relay.is_done(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(full) => full.size_hint(),
            Self::Relayed(_) => SizeHint::default(),
        }
    }
}

/// What an answer says about how it was served.
pub(crate) struct Marks {
    pub(crate) request: RequestId,
    pub(crate) source: Source,
    pub(crate) left: Option<RateLeft>,
    pub(crate) output_cap: Option<u64>,
    pub(crate) cost: Option<NanoUsd>,
}

const SOURCE: HeaderName = HeaderName::from_static("x-keystore-source");
const COST: HeaderName = HeaderName::from_static("x-keystore-cost-usd");
const MAX_OUTPUT: HeaderName = HeaderName::from_static("x-keystore-max-output");
const LIMIT: HeaderName = HeaderName::from_static("x-keystore-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-keystore-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-keystore-ratelimit-reset");

/// Writes the marks into the head of a forwarded answer.
pub(crate) fn mark(headers: &mut HeaderMap, marks: &Marks) {
    // All values that are written out stand in one allocation.
    let mut text = BytesMut::with_capacity(128);
    let mut put = |name: HeaderName, value: &dyn Display| {
        // Writing to a buffer that grows cannot fail, and what is written is ASCII.
        let _ = write!(text, "{value}");
        if let Ok(value) = HeaderValue::from_maybe_shared(text.split().freeze()) {
            headers.insert(name, value);
        }
    };
    put(REQUEST_ID, &marks.request);
    if let Some(left) = marks.left {
        put(LIMIT, &left.limit);
        put(REMAINING, &left.remaining);
        put(RESET, &left.resets_at);
        // Where the vendor's own would stand, which are not the customer's.
        if marks.source == Source::Marketplace {
            put(RATE_LIMIT, &left.limit);
            put(RATE_REMAINING, &left.remaining);
            put(RATE_RESET, &left.resets_at);
        }
    }
    if let Some(cap) = marks.output_cap {
        put(MAX_OUTPUT, &cap);
    }
    if let Some(cost) = marks.cost {
        put(COST, &cost);
    }
    headers.insert(SOURCE, HeaderValue::from_static(marks.source.as_str()));
}

/// The process lives.
pub(crate) fn alive(request: RequestId) -> Response<Body> {
    own(request, StatusCode::OK, br#"{"status":"ok"}"#)
}

/// Whether the proxy can be sent calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// It serves them.
    Ready,
    /// It serves them, and will stop soon.
    Draining,
    /// The journal keeps it from serving.
    AuditUnavailable,
}

/// Says so.
pub(crate) fn ready(request: RequestId, readiness: Readiness) -> Response<Body> {
    let (status, body): (_, &'static [u8]) = match readiness {
        Readiness::Ready => (StatusCode::OK, br#"{"status":"ready"}"#),
        Readiness::Draining => (StatusCode::SERVICE_UNAVAILABLE, br#"{"status":"draining"}"#),
        Readiness::AuditUnavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            br#"{"status":"audit_unavailable"}"#,
        ),
    };
    own(request, status, body)
}

fn own(request: RequestId, status: StatusCode, body: &'static [u8]) -> Response<Body> {
    let mut response = Response::new(Body::whole(Bytes::from_static(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&request.to_string()) {
        headers.insert(REQUEST_ID, id);
    }
    response
}
