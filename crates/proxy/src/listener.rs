//! Step 1: sockets to connections.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What is known of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnInfo {
    /// The other end.
    pub peer: SocketAddr,
    /// Whether TLS ends here.
    pub tls: bool,
}

/// The limits of a listener.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time; further ones wait in the backlog.
    pub max_connections: usize,
    /// From accept to the end of the TLS handshake, and again from there to the end of the first request head; also the
    /// longest pause between two requests of an HTTP/1.1 connection.
    pub header_read_timeout: Duration,
    /// HTTP/2: streams open at a time.
    pub max_concurrent_streams: u32,
    /// HTTP/2: how often a silent connection is pinged.
    pub keep_alive_interval: Duration,
    /// HTTP/2: how long a ping may be unanswered.
    pub keep_alive_timeout: Duration,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still busy at the end of the drain and were cut.
    pub cut: usize,
}

/// A bound socket with its limits, ready to serve.
#[derive(Debug)]
pub struct Listener {
    _socket: TcpListener,
}

impl Listener {
    /// Serves plain HTTP on `socket`.
    pub fn new(_socket: TcpListener, _limits: Limits) -> Self {
        todo!()
    }

    /// Serves HTTPS.
    #[must_use]
    pub fn with_tls(self, _config: Arc<rustls::ServerConfig>) -> Self {
        todo!()
    }

    /// Accepts until `stop`, then drains for at most `drain_timeout`, then cuts what is left.
    pub async fn serve<S, F, B>(
        self,
        _service: S,
        _stop: CancellationToken,
        _drain_timeout: Duration,
    ) -> Drained
    where
        S: Fn(Request<Incoming>, ConnInfo) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let _: Option<Infallible> = None;
        todo!()
    }
}

/// Why a certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct TlsError {
    /// The file.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The server's TLS configuration from PEM files.
///
/// # Errors
///
/// Names the file and what is wrong with it.
pub fn tls_from_pem(_certificates: &Path, _key: &Path) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    todo!()
}
