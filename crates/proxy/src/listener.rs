//! Step 1: sockets to connections, under limits, with a drain at the end. HTTP/1.1 and HTTP/2, in plain text (HTTP/2 with prior
//! knowledge) or over TLS (by ALPN).
//!
//! It knows nothing of what is served: the proxy and the control plane both hang a function on it. It does not limit callers
//! by address, because behind a load balancer all of them have the same one, and it sets no limit on how long a body or an
//! answer may take: that is for whoever reads and writes them.

mod tls;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use tls::{TlsError, tls_from_pem};

/// How long to wait when the system has no socket to give (EMFILE and its kin), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What is known of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnInfo {
    /// The other end.
    pub peer: SocketAddr,
    /// Whether TLS ends here.
    pub tls: bool,
}

impl ConnInfo {
    /// The same, with the address that the proxy in front says the call comes from, where it says one.
    #[must_use]
    pub fn forwarded(self, headers: &HeaderMap) -> Self {
        let peer =
            forwarded_for(headers).map_or(self.peer, |address| SocketAddr::new(address, self.peer.port()));
        Self { peer, ..self }
    }
}

/// The last entry of `x-forwarded-for`: the one that the proxy in front wrote, whatever the caller sent.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let line = headers.get_all("x-forwarded-for").iter().next_back()?;
    line.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

/// The limits of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; further ones wait in the system's backlog. Default 16,384.
    pub max_connections: usize,
    /// From accept to the end of the first request head, TLS handshake included. Default 20 s.
    pub first_head_timeout: Duration,
    /// HTTP/1: from the end of an answer to the end of the next request head. Default 75 s.
    pub next_head_timeout: Duration,
    /// HTTP/1: the read and the write buffer, and with it the longest head that hyper parses; above it hyper answers 431
    /// itself. At least 8 KiB. Default 64 KiB, above what `parse` accepts.
    pub h1_buffer_bytes: usize,
    /// HTTP/2: streams open at a time on one connection. Default 256.
    pub h2_streams: u32,
    /// HTTP/2: the longest header list, counted as RFC 9113, 6.5.2 does; above it the stream is answered 431. Default 48 KiB.
    pub h2_header_list_bytes: u32,
    /// HTTP/2: streams that the client reset before they were taken up; one more closes the connection (rapid reset,
    /// CVE-2023-44487). Default 20.
    pub h2_pending_resets: usize,
    /// HTTP/2: streams that had to be reset because of the client's errors; one more closes the connection (MadeYouReset,
    /// CVE-2025-8671). Default 100.
    pub h2_error_resets: usize,
    /// HTTP/2: how often the client is pinged. Default 30 s.
    pub h2_ping_interval: Duration,
    /// HTTP/2: how long a ping may be unanswered before the connection is closed. Default 20 s.
    pub h2_ping_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 16_384,
            first_head_timeout: Duration::from_secs(20),
            next_head_timeout: Duration::from_secs(75),
            h1_buffer_bytes: 64 * 1024,
            h2_streams: 256,
            h2_header_list_bytes: 48 * 1024,
            h2_pending_resets: 20,
            h2_error_resets: 100,
            h2_ping_interval: Duration::from_secs(30),
            h2_ping_timeout: Duration::from_secs(20),
        }
    }
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open at the end of the drain and were cut.
    pub cut: usize,
}

/// Spawns what hyper wants to run (HTTP/2 streams) where a drain waits for it and a cut ends it.
#[derive(Clone)]
struct Tasks {
    tracker: TaskTracker,
    cut: CancellationToken,
}

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.tracker
            .spawn(self.cut.child_token().run_until_cancelled_owned(future));
    }
}

/// A bound socket with its limits, ready to serve.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    limits: Limits,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl Listener {
    /// Will serve plain HTTP on `socket`.
    pub fn new(socket: TcpListener, limits: Limits) -> Self {
        Self {
            socket,
            limits,
            tls: None,
        }
    }

    /// Will serve HTTPS instead. [`tls_from_pem`] makes the configuration; its ALPN list decides over HTTP/2.
    #[must_use]
    pub fn with_tls(self, config: Arc<rustls::ServerConfig>) -> Self {
        Self {
            tls: Some(config),
            ..self
        }
    }

    /// The address of the socket, with the port that the system chose.
    ///
    /// # Errors
    ///
    /// Those of `getsockname`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop`. Then it accepts no more, tells HTTP/2 clients to go away, closes idle HTTP/1 connections and
    /// busy ones after their answer, waits at most `drain_timeout`, and cuts what is left.
    pub async fn serve<S, F, B>(self, service: S, stop: CancellationToken, drain_timeout: Duration) -> Drained
    where
        S: Fn(Request<Incoming>, ConnInfo) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let tasks = Tasks {
            tracker: TaskTracker::new(),
            cut: CancellationToken::new(),
        };
        let places = Arc::new(Semaphore::new(self.limits.max_connections));
        let connections = Connections {
            http: http(tasks.clone(), &self.limits),
            tls: self.tls.map(TlsAcceptor::from),
            first_head_timeout: self.limits.first_head_timeout,
            service,
            tasks,
        };
        let connections = Arc::new(connections);
        while let Some((socket, peer, place)) = next(&self.socket, &places, &stop).await {
            let connection = Arc::clone(&connections).run(socket, peer, place, stop.child_token());
            connections.tasks.tracker.spawn(connection);
        }
        drop(self.socket);
        connections
            .tasks
            .drain(drain_timeout, || {
                self.limits.max_connections - places.available_permits()
            })
            .await
    }
}

/// The next connection and its place among `max_connections`; `None` once `stop` has come.
async fn next(
    socket: &TcpListener,
    places: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let accept = async {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        loop {
            match socket.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, place)),
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accept).await.flatten()
}

/// Errors of `accept` that tell of one client's connection, not of our socket.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
    )
}

fn http(tasks: Tasks, limits: &Limits) -> auto::Builder<Tasks> {
    let mut http = auto::Builder::new(tasks);
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.next_head_timeout)
        .max_buf_size(limits.h1_buffer_bytes);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams)
        .max_header_list_size(limits.h2_header_list_bytes)
        .max_pending_accept_reset_streams(limits.h2_pending_resets)
        .max_local_error_reset_streams(limits.h2_error_resets)
        .max_send_buf_size(limits.h1_buffer_bytes)
        .keep_alive_interval(limits.h2_ping_interval)
        .keep_alive_timeout(limits.h2_ping_timeout);
    http
}

impl Tasks {
    async fn drain(&self, timeout: Duration, open: impl Fn() -> usize) -> Drained {
        self.tracker.close();
        if tokio::time::timeout(timeout, self.tracker.wait()).await.is_ok() {
            return Drained { cut: 0 };
        }
        let cut = open();
        self.cut.cancel();
        self.tracker.wait().await;
        Drained { cut }
    }
}

/// What all connections of a listener share.
struct Connections<S> {
    http: auto::Builder<Tasks>,
    tls: Option<TlsAcceptor>,
    first_head_timeout: Duration,
    service: S,
    tasks: Tasks,
}

impl<S, F, B> Connections<S>
where
    S: Fn(Request<Incoming>, ConnInfo) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    async fn run(
        self: Arc<Self>,
        socket: TcpStream,
        peer: SocketAddr,
        place: OwnedSemaphorePermit,
        stop: CancellationToken,
    ) {
        let deadline = tokio::time::Instant::now() + self.first_head_timeout;
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
        }
        match &self.tls {
            None => {
                self.speak(socket, ConnInfo { peer, tls: false }, deadline, stop)
                    .await;
            }
            Some(acceptor) => match tokio::time::timeout_at(deadline, acceptor.accept(socket)).await {
                Ok(Ok(socket)) => {
                    self.speak(socket, ConnInfo { peer, tls: true }, deadline, stop)
                        .await;
                }
                Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
            },
        }
        drop(place);
    }

    /// Serves one connection to its end. hyper's own limit on heads begins only when it knows the protocol, so a limit of
    /// ours covers the time up to the first request.
    async fn speak<I>(&self, io: I, info: ConnInfo, deadline: tokio::time::Instant, stop: CancellationToken)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let spoke = Arc::new(AtomicBool::new(false));
        let (service, first) = (self.service.clone(), Arc::clone(&spoke));
        let service = service_fn(move |request| {
            first.store(true, Ordering::Relaxed);
            // On the heap at once: hyper moves it several times before it is polled.
            let response = Box::pin(service(request, info));
            async move { Ok::<_, Infallible>(response.await) }
        });
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(io), service));
        let mut first_head = pin!(tokio::time::sleep_until(deadline));
        let cut = self.tasks.cut.child_token();
        let mut draining = false;
        let ended = loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => break ended,
                // Only a drain cuts.
                () = cut.cancelled(), if draining => return,
                () = stop.cancelled(), if !draining => {
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                }
                // It may have spoken just now.
                () = first_head.as_mut(), if !spoke.load(Ordering::Relaxed) => {
                    if !spoke.load(Ordering::Relaxed) {
                        return tracing::debug!(peer = %info.peer, "no request head in time");
                    }
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %info.peer, %error, "connection ended early");
        }
    }
}
