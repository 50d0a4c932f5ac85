//! Step 2: the strict front door. hyper decides how the bytes of a request are framed; this decides whether we want it.
//!
//! Every rule over a head stands here or in `parse/`: the target, `Host`, the path, the query, the headers. What passes is not
//! changed, except that header names with `_` and method-override headers are dropped: some upstreams read `x_key` as `x-key`,
//! and none may see a method other than the one that was checked.
//!
//! It does not look at tokens (`authenticate`), does not know providers (so `%2f` is only noted here, and refused once the
//! provider is known), does not remove hop-by-hop headers (`inject` builds the outgoing head afresh) and does not read bodies.
//! Trailers are not part of a head: whoever reads the body drops them. What hyper hides, such as bare LF line ends, chunk
//! extensions or a `Content-Length` beside `Transfer-Encoding`, cannot be refused here; it does no harm, because nothing of
//! the incoming framing is ever copied to an outgoing request.

mod hosts;
mod target;

use std::net::SocketAddr;

use http::header::{self, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Version};
use keystore_core::Deny;
use keystore_core::deny::Malformed;

use crate::listener::ConnInfo;

pub use hosts::{AllowedHosts, InvalidHost};

/// The most bytes in path and query.
pub const MAX_TARGET_BYTES: usize = 8 * 1024;
/// The most header lines.
pub const MAX_HEADERS: usize = 64;
/// The most bytes in all header lines: names, values, and four for `: ` and the line end.
pub const MAX_HEADER_BYTES: usize = 32 * 1024;

/// Headers that ask a server to treat a request as one with another method.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// A request whose head passed every rule, with its body (`B`) untouched.
#[derive(Debug)]
pub struct CleanRequest<B> {
    method: Method,
    path_and_query: PathAndQuery,
    version: Version,
    headers: HeaderMap,
    peer: SocketAddr,
    encoded_slash: bool,
    body: B,
}

impl<B> CleanRequest<B> {
    /// The method: one of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS`.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path as received, percent-encoding unchanged; begins with `/`.
    pub fn path(&self) -> &str {
        self.path_and_query.path()
    }

    /// What stands after `?`, as received; `None` without a `?`.
    pub fn query(&self) -> Option<&str> {
        self.path_and_query.query()
    }

    /// Path and query together, as received.
    pub fn path_and_query(&self) -> &PathAndQuery {
        &self.path_and_query
    }

    /// HTTP/1.0, HTTP/1.1 or HTTP/2.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The headers, at most [`MAX_HEADERS`]; hop-by-hop headers are still among them.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The headers, to be changed.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// The other end of the connection. Forwarding headers never change it.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether the path holds `//`, `%2f`, `%5c` or `%2e`: refuse it ([`Malformed::Path`]) unless the provider's file says
    /// `path.encoded_slash = true`. Dot segments, in whatever encoding, never come this far.
    pub fn has_encoded_slash(&self) -> bool {
        self.encoded_slash
    }

    /// The body.
    pub fn body(&self) -> &B {
        &self.body
    }

    /// The body alone.
    pub fn into_body(self) -> B {
        self.body
    }

    /// The headers and the body.
    pub fn into_parts(self) -> (HeaderMap, B) {
        (self.headers, self.body)
    }
}

/// Checks the head of `request` as hyper parsed it.
///
/// # Errors
///
/// The refusal for the first rule that is broken, in the order: sizes, method, target, `Host`, path, query, headers.
pub fn parse<B>(request: Request<B>, conn: &ConnInfo, hosts: &AllowedHosts) -> Result<CleanRequest<B>, Deny> {
    let (head, body) = request.into_parts();
    let target_bytes = head
        .uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if target_bytes > MAX_TARGET_BYTES {
        return Err(Deny::UriTooLong);
    }
    let seen = Seen::scan(&head.headers)?;
    if !is_served(&head.method) {
        return Err(Deny::MethodNotAllowed);
    }
    let authority = target::authority(&head.uri, head.version)?;
    let host = seen.host(authority, head.version)?;
    let path_and_query = head.uri.path_and_query().cloned();
    let path_and_query = path_and_query.ok_or(Deny::Malformed(Malformed::Target))?;
    // A probe names the address it was told to probe, which need not be a name of ours, and learns nothing from the answer.
    let is_probe = matches!(path_and_query.path(), "/healthz" | "/readyz");
    if !is_probe && !hosts.allow(host) {
        return Err(Deny::Misdirected);
    }
    let encoded_slash = target::check_path(path_and_query.path().as_bytes())?;
    target::check_query(path_and_query.query().unwrap_or_default().as_bytes())?;
    seen.check(head.version)?;
    let dropped = seen.dropped;
    let mut headers = head.headers;
    for name in dropped {
        headers.remove(name);
    }
    Ok(CleanRequest {
        method: head.method,
        path_and_query,
        version: head.version,
        headers,
        peer: conn.peer,
        encoded_slash,
        body,
    })
}

/// `CONNECT` and `TRACE` are refused, and with them whatever is not registered: a method that an upstream might know under
/// rules of its own. Methods are case-sensitive (RFC 9110, 9.1), so `get` is such a one.
fn is_served(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::OPTIONS
    )
}

/// What one pass over the headers found.
#[derive(Default)]
struct Seen<'a> {
    host: Option<&'a HeaderValue>,
    hosts: usize,
    authorizations: usize,
    content_length: Option<&'a HeaderValue>,
    content_lengths: usize,
    transfer_encoding: Option<&'a HeaderValue>,
    transfer_encodings: usize,
    bad_value: bool,
    bad_te: bool,
    bad_expect: bool,
    upgrade: bool,
    dropped: Vec<HeaderName>,
}

impl<'a> Seen<'a> {
    /// Walks over all headers once; stops where there are too many.
    fn scan(headers: &'a HeaderMap) -> Result<Self, Deny> {
        if headers.len() > MAX_HEADERS {
            return Err(Deny::HeadersTooLarge);
        }
        let mut seen = Self::default();
        let mut bytes = 0;
        for (name, value) in headers {
            bytes += name.as_str().len() + value.len() + 4;
            if bytes > MAX_HEADER_BYTES {
                return Err(Deny::HeadersTooLarge);
            }
            seen.note(name, value);
        }
        Ok(seen)
    }

    fn note(&mut self, name: &HeaderName, value: &'a HeaderValue) {
        self.bad_value |= !is_plain(value.as_bytes());
        match *name {
            header::HOST => {
                self.host = Some(value);
                self.hosts += 1;
            }
            header::AUTHORIZATION => self.authorizations += 1,
            header::CONTENT_LENGTH => {
                self.content_length = Some(value);
                self.content_lengths += 1;
            }
            header::TRANSFER_ENCODING => {
                self.transfer_encoding = Some(value);
                self.transfer_encodings += 1;
            }
            header::TE => self.bad_te |= !value.as_bytes().eq_ignore_ascii_case(b"trailers"),
            header::EXPECT => self.bad_expect |= !value.as_bytes().eq_ignore_ascii_case(b"100-continue"),
            header::UPGRADE => self.upgrade = true,
            header::CONNECTION => self.upgrade |= names_upgrade(value.as_bytes()),
            _ => {
                let name_text = name.as_str();
                if is_ambiguous(name_text) || METHOD_OVERRIDES.contains(&name_text) {
                    self.dropped.push(name.clone());
                }
            }
        }
    }

    /// The one host that the request names, in `Host` (HTTP/1) or in `:authority` (HTTP/2, which may repeat it in `Host`).
    fn host(&self, authority: Option<&'a str>, version: Version) -> Result<hosts::Host<'a>, Deny> {
        let malformed = Deny::Malformed(Malformed::Host);
        if self.hosts > 1 {
            return Err(malformed);
        }
        let named = self
            .host
            .map(|value| {
                value
                    .to_str()
                    .ok()
                    .and_then(hosts::Host::parse)
                    .ok_or(malformed.clone())
            })
            .transpose()?;
        let in_target = authority
            .map(|text| hosts::Host::parse(text).ok_or(malformed.clone()))
            .transpose()?;
        match (named, in_target) {
            (Some(host), None) => Ok(host),
            (Some(host), Some(other)) if host == other => Ok(host),
            (Some(_), Some(_)) if version != Version::HTTP_2 => Err(Deny::Malformed(Malformed::Target)),
            (None, Some(host)) if version == Version::HTTP_2 => Ok(host),
            _ => Err(malformed),
        }
    }

    /// The rules over headers other than `Host`.
    fn check(&self, version: Version) -> Result<(), Deny> {
        if self.bad_value || self.bad_te {
            return Err(Deny::Malformed(Malformed::Header));
        }
        if !self.is_framed(version) {
            return Err(Deny::Malformed(Malformed::Framing));
        }
        if self.upgrade {
            return Err(Deny::Malformed(Malformed::Upgrade));
        }
        if self.bad_expect {
            return Err(Deny::ExpectationFailed);
        }
        // Upstreams differ in which of two they believe.
        if self.authorizations > 1 {
            return Err(Deny::InvalidToken);
        }
        Ok(())
    }

    /// Whether everybody who reads these headers finds the same end of the body: at most one of a plain decimal
    /// `Content-Length` and a `Transfer-Encoding` of exactly `chunked` (RFC 9112, 6.1 to 6.3).
    fn is_framed(&self, version: Version) -> bool {
        let sized = match self.content_length {
            None => true,
            Some(value) => self.content_lengths == 1 && is_canonical_length(value.as_bytes()),
        };
        let chunked = match self.transfer_encoding {
            None => true,
            Some(value) => {
                self.transfer_encodings == 1
                    && version == Version::HTTP_11
                    && self.content_length.is_none()
                    && value.as_bytes().eq_ignore_ascii_case(b"chunked")
            }
        };
        sized && chunked
    }
}

/// Visible ASCII, space and tab: field values without obs-text (RFC 9110, 5.5).
fn is_plain(value: &[u8]) -> bool {
    // Without an early exit the loop becomes vector instructions.
    value.iter().fold(true, |plain, byte| {
        plain & (matches!(*byte, b' '..=b'~') | (*byte == b'\t'))
    })
}

/// One of the forms `0`, `5`, `1234`, at most 19 digits: no sign, no leading zero, no list.
fn is_canonical_length(value: &[u8]) -> bool {
    (1..=19).contains(&value.len())
        && value.iter().all(u8::is_ascii_digit)
        && (value.len() == 1 || value[0] != b'0')
}

fn names_upgrade(value: &[u8]) -> bool {
    value
        .split(|byte| *byte == b',')
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// Whether some servers take the name for another one: they read `_` and `-` as the same. The header in which a vendor takes its
/// key may have such a name; it is read here and, like every such header, not sent on as it came.
fn is_ambiguous(name: &str) -> bool {
    name.contains('_') && keystore_catalog::credential_slots().binary_search(&name).is_err()
}

#[cfg(test)]
mod tests;
