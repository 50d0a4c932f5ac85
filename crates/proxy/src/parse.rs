//! Step 2: the strict front door.

use std::net::SocketAddr;

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Version};
use keystore_core::Deny;

use crate::listener::ConnInfo;

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
    /// What stands after `?`, as received.
    pub fn query(&self) -> Option<&str> {
        self.path_and_query.query()
    }
    /// Path and query together.
    pub fn path_and_query(&self) -> &PathAndQuery {
        &self.path_and_query
    }
    /// The protocol version of the client's connection.
    pub fn version(&self) -> Version {
        self.version
    }
    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }
    /// The headers, to be changed.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }
    /// The client's address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }
    /// Whether the path holds `//`, `%2f`, `%5c` or `%2e`.
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

/// The names by which clients may call us.
#[derive(Debug, Clone)]
pub struct AllowedHosts {
    names: Box<[Box<str>]>,
}

/// A name that is not a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host name or address with an optional port")]
pub struct InvalidHost(pub String);

impl AllowedHosts {
    /// These names.
    ///
    /// # Errors
    ///
    /// The first that is not `host` or `host:port`.
    pub fn new<S: AsRef<str>>(_names: impl IntoIterator<Item = S>) -> Result<Self, InvalidHost> {
        todo!()
    }

    /// `localhost`, `127.0.0.1` and `[::1]` on any port.
    pub fn loopback() -> Self {
        todo!()
    }
}

/// Checks the head of `request`.
///
/// # Errors
///
/// The refusal of the first rule that is broken.
pub fn parse<B>(
    _request: Request<B>,
    _conn: &ConnInfo,
    _hosts: &AllowedHosts,
) -> Result<CleanRequest<B>, Deny> {
    todo!()
}
