//! Between steps 10 and 11: an upstream's answer before anything of it is passed on.
//!
//! The head loses what concerns the connection to the vendor, the account there, or the browser's idea of us; the body is
//! decoded, so that what is scrubbed and metered is what the client sees. An encoding that is not known here is no valid
//! answer: it could carry the credential past the scrubber. Bodies are scrubbed in [`crate::scrub`], not here.

pub(crate) mod decode;

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use keystore_catalog::Provider;

use crate::inject::Needles;
use crate::upstream::Lease;
use decode::Decoder;

/// Headers of an answer that end here: those of the connection (RFC 9110, 7.6.1), and those that speak of the vendor's host
/// to a browser, which would take them for ours. The upstream's CORS headers go by their prefix.
const DROPPED: [&str; 19] = [
    "alt-svc",
    "clear-site-data",
    "connection",
    "keep-alive",
    "nel",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "public-key-pins",
    "report-to",
    "reporting-endpoints",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const DROPPED_PREFIXES: [&str; 2] = ["access-control-", "x-keystore-"];

/// An answer cannot be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer has a content encoding that was not asked for and is not known")]
pub(crate) struct UnknownEncoding;

/// Makes an answer presentable: cleans its head of everything that is not for the client, secrets included, and decodes its
/// body.
///
/// # Errors
///
/// The body is encoded in a way that is not known.
pub(crate) fn clean(
    response: Response<AnswerBody>,
    provider: &Provider,
    needles: &Needles,
) -> Result<Response<AnswerBody>, UnknownEncoding> {
    let (mut parts, mut body) = response.into_parts();
    // hyper passes a reason phrase on as an extension, which no scrubber sees.
    parts.extensions.clear();
    clean_headers(&mut parts.headers, provider, needles);
    protect_browsers(&mut parts.headers);
    if let Some(decoder) = decoder(&parts, &body)? {
        parts.headers.remove(CONTENT_LENGTH);
        body.decoder = Some(decoder);
    }
    parts.headers.remove(CONTENT_ENCODING);
    Ok(Response::from_parts(parts, body))
}

fn clean_headers(headers: &mut HeaderMap, provider: &Provider, needles: &Needles) {
    let dropped: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_dropped(name.as_str(), provider))
        .cloned()
        .collect();
    let named = crate::inject::connection_named(headers);
    for name in dropped.iter().chain(&named) {
        headers.remove(name);
    }
    for (_, value) in headers.iter_mut() {
        if let Some(clean) = needles.mask(value.as_bytes()) {
            *value = HeaderValue::from_bytes(&clean).unwrap_or(HeaderValue::from_static(""));
        }
    }
}

fn is_dropped(name: &str, provider: &Provider) -> bool {
    DROPPED.binary_search(&name).is_ok()
        || DROPPED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || provider.account_headers.iter().any(|own| own == name)
}

/// A vendor's page must not run as ours: no sniffing, and nothing on it may load or run.
fn protect_browsers(headers: &mut HeaderMap) {
    let is_page = headers.get(CONTENT_TYPE).is_some_and(|value| {
        let kind = value.as_bytes().to_ascii_lowercase();
        [&b"text/html"[..], b"application/xhtml", b"image/svg"]
            .iter()
            .any(|page| kind.starts_with(page))
    });
    if is_page {
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'"),
        );
    }
}

fn decoder(parts: &Parts, body: &AnswerBody) -> Result<Option<Decoder>, UnknownEncoding> {
    let mut encodings = parts.headers.get_all(CONTENT_ENCODING).iter();
    let Some(encoding) = encodings.next() else {
        return Ok(None);
    };
    if body.is_end_stream() {
        return Ok(None);
    }
    let name = encoding.as_bytes().trim_ascii().to_ascii_lowercase();
    if encodings.next().is_some() || (parts.status == StatusCode::PARTIAL_CONTENT && name != b"identity") {
        return Err(UnknownEncoding);
    }
    Decoder::named(&name)
}

/// The body of an answer, decoded. Dropping it before its end drops the connection, too.
pub(crate) struct AnswerBody {
    inner: Incoming,
    lease: Option<Lease>,
    decoder: Option<Decoder>,
    /// What was read already and comes first, as the upstream sent it.
    front: Option<Bytes>,
    /// No further frame will come: the end, or an error.
    ended: bool,
}

/// An answer broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    /// The upstream broke off.
    #[error("the upstream broke off: {0}")]
    Upstream(#[from] hyper::Error),
    /// What came cannot be decoded, or is suspiciously much.
    #[error(transparent)]
    Decode(#[from] decode::DecodeError),
}

impl AnswerBody {
    pub(crate) fn new(inner: Incoming, lease: Lease) -> Self {
        let mut body = Self {
            inner,
            lease: Some(lease),
            decoder: None,
            front: None,
            ended: false,
        };
        body.release_at_end();
        body
    }

    /// Puts back what was read, to be read again before the rest.
    pub(crate) fn unread(&mut self, read: Bytes) {
        self.ended = false;
        self.front = Some(read).filter(|read| !read.is_empty());
    }

    /// Whether all of the upstream's bytes are there. The announced length tells it even where the end itself is still to come, as
    /// HTTP/2 allows.
    fn is_received(&self) -> bool {
        self.inner.is_end_stream() || self.inner.size_hint().exact() == Some(0)
    }

    /// Gives the connection back once the upstream has nothing more to say.
    fn release_at_end(&mut self) {
        if self.is_received()
            && let Some(lease) = self.lease.take()
        {
            lease.finish();
        }
    }

    fn fail(&mut self, error: AnswerError) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        self.ended = true;
        self.lease = None;
        Poll::Ready(Some(Err(error)))
    }

    /// The next decoded bytes that are there already.
    fn decoded(&mut self) -> Result<Option<Bytes>, AnswerError> {
        match &mut self.decoder {
            Some(decoder) => Ok(decoder.next()?),
            None => Ok(None),
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        loop {
            match self.decoded() {
                Ok(Some(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Ok(None) if self.ended => return Poll::Ready(None),
                Ok(None) => {}
                Err(error) => return self.fail(error),
            }
            if let Some(front) = self.front.take() {
                match &mut self.decoder {
                    None => return Poll::Ready(Some(Ok(Frame::data(front)))),
                    Some(decoder) => decoder.feed(front),
                }
                continue;
            }
            let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return self.fail(error.into()),
                None => {
                    self.ended = true;
                    if let Some(lease) = self.lease.take() {
                        lease.finish();
                    }
                    let rest = self.decoder.as_mut().map_or(Ok(None), Decoder::end);
                    return match rest {
                        Ok(rest) => Poll::Ready(rest.map(|bytes| Ok(Frame::data(bytes)))),
                        Err(error) => self.fail(error.into()),
                    };
                }
            };
            // Trailers end here: nothing that is passed on depends on them.
            let Ok(data) = frame.into_data() else { continue };
            self.release_at_end();
            match &mut self.decoder {
                None => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(decoder) => decoder.feed(data),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.decoder.is_none() && self.front.is_none() && (self.ended || self.is_received())
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.decoder, &self.front) {
            (None, None) => self.inner.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests;
