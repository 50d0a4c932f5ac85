//! A connection for the length of one exchange.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::uri::{Authority, Scheme as UriScheme};
use hyper::client::conn::{TrySendError, http1};
use tokio_util::task::TaskTracker;

use super::origin::{Origin, SharedCall};
use crate::forward::SentBody;

/// How long a connection whose answer is complete may take to finish its request.
const LINGER: Duration = Duration::from_secs(1);

/// What an exchange runs on.
pub(super) enum Connection {
    Own(http1::SendRequest<SentBody>),
    Shared(SharedCall),
}

/// A connection for the length of one exchange. Dropping it closes an HTTP/1.1 connection; [`Lease::finish`] keeps it.
pub(crate) struct Lease {
    pub(super) connection: Connection,
    pub(super) origin: Arc<Origin>,
    pub(super) reused: bool,
    pub(super) tasks: TaskTracker,
}

/// What a request's target is written as.
pub(crate) struct TargetForm<'a> {
    /// Absolute form with these for HTTP/2, which has no `host` header.
    pub(crate) absolute: Option<(&'a UriScheme, &'a Authority)>,
    /// The `host` header of HTTP/1.1.
    pub(crate) host: &'a HeaderValue,
}

impl Lease {
    /// Whether the connection has served before, so that the upstream may be closing it just now.
    pub(crate) fn is_reused(&self) -> bool {
        self.reused
    }

    /// The host, for messages.
    pub(crate) fn host(&self) -> &str {
        &self.origin.destination.host
    }

    /// How the request's target is written on this connection.
    pub(crate) fn form(&self) -> TargetForm<'_> {
        let absolute = match self.connection {
            Connection::Own(_) => None,
            Connection::Shared(_) => Some((&self.origin.scheme, &self.origin.authority)),
        };
        TargetForm {
            absolute,
            host: &self.origin.host,
        }
    }

    /// Sends the one request of this lease. An error that gives the request back means that nothing of it was sent.
    pub(crate) async fn send(
        &mut self,
        request: http::Request<SentBody>,
    ) -> Result<http::Response<hyper::body::Incoming>, TrySendError<http::Request<SentBody>>> {
        match &mut self.connection {
            Connection::Own(sender) => sender.try_send_request(request).await,
            Connection::Shared(call) => call.0.sender.clone().try_send_request(request).await,
        }
    }

    /// Ends the exchange after the last byte of its answer: the connection may serve the next one.
    pub(crate) fn finish(self) {
        let Connection::Own(mut sender) = self.connection else {
            return;
        };
        if sender.is_ready() {
            return self.origin.put_back(sender);
        }
        if sender.is_closed() {
            return;
        }
        // The answer is complete, the connection has not noticed yet, or still sends a request that the answer did not wait for.
        let origin = self.origin;
        self.tasks.spawn(async move {
            if matches!(tokio::time::timeout(LINGER, sender.ready()).await, Ok(Ok(()))) {
                origin.put_back(sender);
            }
        });
    }
}
