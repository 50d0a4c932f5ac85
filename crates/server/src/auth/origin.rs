//! Where a request of the control plane comes from, for throttling and for the audit log.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use http::request::Parts;
use keystore_core::ids::RequestId;

/// The address of the other end of the connection, as far as it can be believed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// A request and the address it came from; neither for what the server does by itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Origin {
    /// The address.
    pub(crate) address: Option<IpAddr>,
    /// The request.
    pub(crate) request: Option<RequestId>,
}

impl Origin {
    /// What the listener and the envelope noted on the request.
    pub(crate) fn of(parts: &Parts) -> Self {
        Self {
            address: parts.extensions.get::<Peer>().map(|peer| peer.0),
            request: parts.extensions.get::<RequestId>().copied(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}
