//! One host as one credential version sees it: the connections that are kept for it, and how new ones are made.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderValue;
use http::uri::{Authority, Scheme as UriScheme};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use keystore_core::destination::{Destination, Scheme};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

use super::lease::{Connection, Lease};
use super::{IDLE, LeaseError};
use crate::forward::SentBody;
use crate::lock::lock;
use crate::upstream::resolver::{self, AllowList, DialError};

/// Idle HTTP/1.1 connections per origin; further ones are closed at once.
const MAX_IDLE: usize = 128;
/// Calls on one HTTP/2 connection at a time.
pub(super) const MAX_STREAMS: usize = 64;
/// The largest head of an answer, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// An HTTP/2 upstream that was silent for so long during a call is pinged.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// How long it may leave a ping unanswered; then the connection is closed, and the calls on it break off.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// What an HTTP/2 upstream may send ahead per call, in bytes.
const STREAM_WINDOW: u32 = 256 * 1024;

/// How new connections are made.
pub(super) struct Dialer {
    pub(super) tls: TlsConnector,
    pub(super) allow: AllowList,
    pub(super) timeout: Duration,
    pub(super) tasks: TaskTracker,
}

/// Runs what an HTTP/2 connection needs on the tracker.
#[derive(Clone)]
struct Tasks(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

/// One host, for one credential version.
pub(super) struct Origin {
    pub(super) destination: Destination,
    pub(super) scheme: UriScheme,
    pub(super) authority: Authority,
    pub(super) host: HeaderValue,
    kept: Mutex<Kept>,
    /// Whether the host speaks HTTP/2, or may, until its first handshake tells. While it is set, one new connection is made
    /// at a time, for all who wait: a burst of calls on a new host costs one handshake.
    shares: AtomicBool,
    dialling: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Kept {
    closed: bool,
    idle: Vec<(http1::SendRequest<SentBody>, Instant)>,
    shared: Vec<Arc<Shared>>,
}

/// An HTTP/2 connection and how many calls are on it.
pub(super) struct Shared {
    pub(super) sender: http2::SendRequest<SentBody>,
    calls: AtomicUsize,
    idle_since: Mutex<Instant>,
}

impl Shared {
    /// Takes a place for one call, if there is one. Called under the lock of [`Origin::kept`].
    fn take(self: &Arc<Self>) -> Option<SharedCall> {
        if self.sender.is_closed() || self.calls.load(Ordering::Acquire) >= MAX_STREAMS {
            return None;
        }
        self.calls.fetch_add(1, Ordering::AcqRel);
        Some(SharedCall(self.clone()))
    }
}

/// One call's place on an HTTP/2 connection; dropping it gives the place back.
pub(super) struct SharedCall(pub(super) Arc<Shared>);

impl Drop for SharedCall {
    fn drop(&mut self) {
        if self.0.calls.fetch_sub(1, Ordering::AcqRel) == 1 {
            *lock(&self.0.idle_since) = Instant::now();
        }
    }
}

impl Origin {
    /// `None` where the host is none that a URL can name.
    pub(super) fn new(destination: &Destination) -> Option<Self> {
        let text = destination.authority();
        Some(Self {
            destination: destination.clone(),
            scheme: match destination.scheme {
                Scheme::Https => UriScheme::HTTPS,
                Scheme::Http => UriScheme::HTTP,
            },
            host: HeaderValue::from_str(&text).ok()?,
            authority: text.parse().ok()?,
            kept: Mutex::default(),
            shares: AtomicBool::new(destination.scheme == Scheme::Https),
            dialling: tokio::sync::Mutex::default(),
        })
    }

    pub(super) async fn lease(self: &Arc<Self>, dialer: &Dialer) -> Result<Lease, LeaseError> {
        if let Some(lease) = self.take(dialer) {
            return Ok(lease);
        }
        // On the heap, because it is rare and large: every request would carry room for its handshakes.
        Box::pin(self.dial(dialer)).await
    }

    /// A new connection, or one that somebody else made meanwhile.
    async fn dial(self: &Arc<Self>, dialer: &Dialer) -> Result<Lease, LeaseError> {
        if self.shares.load(Ordering::Acquire) {
            let deadline = Instant::now() + dialer.timeout;
            let host = || self.destination.host.clone();
            let _alone = tokio::time::timeout_at(deadline, self.dialling.lock())
                .await
                .map_err(|_| DialError::Timeout { host: host() })?;
            if let Some(lease) = self.take(dialer) {
                return Ok(lease);
            }
            if self.shares.load(Ordering::Acquire) {
                return self.connect(dialer).await;
            }
        }
        self.connect(dialer).await
    }

    /// A kept connection that can take a call now.
    fn take(self: &Arc<Self>, dialer: &Dialer) -> Option<Lease> {
        let mut kept = lock(&self.kept);
        kept.shared.retain(|shared| !shared.sender.is_closed());
        let connection = match kept.shared.iter().find_map(Shared::take) {
            Some(call) => Connection::Shared(call),
            None => loop {
                let (sender, since) = kept.idle.pop()?;
                if sender.is_ready() && since.elapsed() < IDLE {
                    break Connection::Own(sender);
                }
            },
        };
        drop(kept);
        Some(self.lend(connection, true, dialer))
    }

    fn lend(self: &Arc<Self>, connection: Connection, reused: bool, dialer: &Dialer) -> Lease {
        Lease {
            connection,
            origin: self.clone(),
            reused,
            tasks: dialer.tasks.clone(),
        }
    }

    async fn connect(self: &Arc<Self>, dialer: &Dialer) -> Result<Lease, LeaseError> {
        let deadline = Instant::now() + dialer.timeout;
        let host = &self.destination.host;
        let late = || LeaseError::Dial(DialError::Timeout { host: host.clone() });
        let stream = resolver::dial(host, self.destination.port, &dialer.allow, deadline).await?;
        let connection = match self.destination.scheme {
            Scheme::Http => self.handshake(stream, false, dialer).await?,
            Scheme::Https => {
                let name = ServerName::try_from(host.clone()).map_err(|_| LeaseError::Destination)?;
                let stream = tokio::time::timeout_at(deadline, dialer.tls.connect(name, stream))
                    .await
                    .map_err(|_| late())?
                    .map_err(|source| DialError::Tls {
                        host: host.clone(),
                        source,
                    })?;
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                self.handshake(stream, http2, dialer).await?
            }
        };
        Ok(self.lend(connection, false, dialer))
    }

    async fn handshake<S>(
        self: &Arc<Self>,
        stream: S,
        http2: bool,
        dialer: &Dialer,
    ) -> Result<Connection, LeaseError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let failed = |source| LeaseError::Handshake {
            host: self.destination.host.clone(),
            source,
        };
        self.shares.store(http2, Ordering::Release);
        if !http2 {
            let (sender, connection) = http1::Builder::new()
                .max_header_size(MAX_HEAD_BYTES)
                .handshake(TokioIo::new(stream))
                .await
                .map_err(failed)?;
            dialer.tasks.spawn(run(connection));
            return Ok(Connection::Own(sender));
        }
        let (sender, connection) = http2::Builder::new(Tasks(dialer.tasks.clone()))
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(STREAM_WINDOW * MAX_STREAMS as u32)
            .max_header_list_size(MAX_HEAD_BYTES as u32)
            // One that the network dropped without a word would be lent again and again.
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(failed)?;
        dialer.tasks.spawn(run(connection));
        Ok(Connection::Shared(self.share(sender)))
    }

    /// Keeps a new HTTP/2 connection for others and takes the first place on it, or on one that came about meanwhile.
    fn share(&self, sender: http2::SendRequest<SentBody>) -> SharedCall {
        let mut kept = lock(&self.kept);
        if let Some(call) = kept.shared.iter().find_map(Shared::take) {
            return call;
        }
        let shared = Arc::new(Shared {
            sender,
            calls: AtomicUsize::new(1),
            idle_since: Mutex::new(Instant::now()),
        });
        if !kept.closed {
            kept.shared.push(shared.clone());
        }
        SharedCall(shared)
    }

    pub(super) fn put_back(&self, sender: http1::SendRequest<SentBody>) {
        let mut kept = lock(&self.kept);
        if !kept.closed && kept.idle.len() < MAX_IDLE {
            kept.idle.push((sender, Instant::now()));
        }
    }

    pub(super) fn close_idle(&self, now: Instant) {
        let mut kept = lock(&self.kept);
        kept.idle
            .retain(|(sender, since)| !sender.is_closed() && now.duration_since(*since) < IDLE);
        kept.shared.retain(|shared| {
            let used = shared.calls.load(Ordering::Acquire) > 0
                || now.duration_since(*lock(&shared.idle_since)) < IDLE;
            used && !shared.sender.is_closed()
        });
    }

    pub(super) fn close(&self) {
        let mut kept = lock(&self.kept);
        kept.closed = true;
        kept.idle.clear();
        kept.shared.clear();
    }
}

/// Drives a connection to its end. How it ends shows in the exchanges on it.
async fn run(connection: impl Future<Output = hyper::Result<()>>) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "upstream connection ended");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    use bytes::Bytes;
    use http_body_util::Empty;
    use hyper::body::Incoming;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioExecutor;

    use super::*;
    use crate::forward::OutgoingBody;
    use crate::upstream::tls;

    fn dialer() -> Dialer {
        Dialer {
            tls: TlsConnector::from(tls::client_config(None).unwrap()),
            allow: AllowList::new(&BTreeSet::new()),
            timeout: Duration::from_secs(10),
            tasks: TaskTracker::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_http2_connection_that_fell_silent_ends_its_calls_and_is_not_lent_again() {
        let dialer = dialer();
        let origin = Arc::new(
            Origin::new(&Destination {
                alias: String::new(),
                scheme: Scheme::Https,
                host: "vendor.example".to_owned(),
                port: 443,
                base_path: String::new(),
            })
            .unwrap(),
        );
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let never = |_: http::Request<Incoming>| async {
            std::future::pending::<Result<http::Response<Empty<Bytes>>, Infallible>>().await
        };
        let vendor = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(theirs), service_fn(never));
        let mut vendor = std::pin::pin!(vendor);
        let made = origin.handshake(ours, true, &dialer);
        let connection = tokio::select! {
            made = made => made.unwrap(),
            _ = vendor.as_mut() => panic!("the vendor ended the connection"),
        };
        let mut lease = origin.lend(connection, false, &dialer);
        let (body, _) = OutgoingBody::Empty.into_sent();
        let call = lease.send(http::Request::get("https://vendor.example/").body(body).unwrap());
        let mut call = std::pin::pin!(call);
        // It works for a minute, pings and all, and then nobody is there any more.
        tokio::select! {
            _ = call.as_mut() => panic!("there is no answer"),
            _ = vendor.as_mut() => panic!("the vendor ended the connection"),
            () = tokio::time::sleep(Duration::from_secs(60)) => {}
        }
        let ended = tokio::time::timeout(PING_INTERVAL + PING_TIMEOUT, call).await;
        assert!(ended.unwrap().is_err());
        assert!(origin.take(&dialer).is_none());
    }
}
