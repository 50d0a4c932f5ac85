//! Connections to upstreams, kept per credential version and host.
//!
//! Two credentials never share a connection, so that nothing left over from one exchange can reach another tenant's. A
//! connection goes back only when its exchange came to its end: whoever drops an answer half-way drops the connection with it.
//! HTTP/2 connections are shared by up to [`MAX_STREAMS`] calls, beyond which another one is opened. Idle connections are
//! closed after [`IDLE`], because a connection's buffers hold the last request, credential included.
//!
//! This stands on hyper's connections directly, not on a client above them: a client that sends again by itself hides whether
//! a request may have reached the vendor, and that is what decides over a charge.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::HeaderValue;
use http::uri::{Authority, Scheme as UriScheme};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use keystore_core::destination::{Destination, DestinationPolicy, Scheme};
use keystore_core::ids::CredentialId;
use quick_cache::sync::Cache;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

use super::resolver::{self, AllowList, DialError};
use super::tls::{self, TrustError};
use crate::config::ProxyConfig;
use crate::forward::SentBody;

/// How many (credential version, host) pairs keep connections; the least used go first.
const MAX_ORIGINS: usize = 4_096;
/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(30);
/// How often idle connections are looked for.
const SWEEP: Duration = Duration::from_secs(5);
/// Idle HTTP/1.1 connections per origin; further ones are closed at once.
const MAX_IDLE: usize = 128;
/// Calls on one HTTP/2 connection at a time.
const MAX_STREAMS: usize = 64;
/// How long a connection whose answer is complete may take to finish its request.
const LINGER: Duration = Duration::from_secs(1);
/// The largest head of an answer, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// What an HTTP/2 upstream may send ahead per call, in bytes.
const STREAM_WINDOW: u32 = 256 * 1024;

/// A version of a credential. Calls with different ones never share a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CredentialKey {
    /// The credential.
    pub(crate) credential: CredentialId,
    /// Its version.
    pub(crate) version: u32,
}

/// A credential version and the number of a host in the policy that is sealed with it.
type OriginKey = (CredentialKey, usize);

/// All upstream connections of a process.
pub(crate) struct Upstreams {
    origins: Arc<Origins>,
    dialer: Arc<Dialer>,
}

type Origins = Cache<OriginKey, Arc<Origin>>;

impl Upstreams {
    /// With no connection yet. Must be called within a runtime, on which connections run and idle ones are closed.
    ///
    /// # Errors
    ///
    /// The extra certificate authorities cannot be used.
    pub(crate) fn new(config: &ProxyConfig) -> Result<Self, TrustError> {
        let origins = Arc::new(Origins::new(MAX_ORIGINS));
        let tasks = TaskTracker::new();
        tasks.spawn(sweep(Arc::downgrade(&origins)));
        let tls = TlsConnector::from(tls::client_config(config.extra_ca.as_deref())?);
        let allow = AllowList::new(&config.allow_private);
        Ok(Self {
            origins,
            dialer: Arc::new(Dialer {
                tls,
                allow,
                timeout: config.connect_timeout,
                tasks,
            }),
        })
    }

    /// Where a call with this credential version to the host with this alias is sent.
    pub(crate) fn client(&self, key: CredentialKey, policy: &DestinationPolicy, alias: &str) -> Client {
        let host = policy.hosts.iter().position(|host| host.alias == alias);
        let origin = host.and_then(|host| {
            let made = || Origin::new(&policy.hosts[host]).map(Arc::new).ok_or(());
            self.origins.get_or_insert_with(&(key, host), made).ok()
        });
        Client {
            origin,
            dialer: Arc::clone(&self.dialer),
        }
    }

    /// Closes the connections of every version of `credential`; calls that are under way keep theirs to the end.
    pub(crate) fn forget(&self, credential: CredentialId) {
        self.origins.retain(|(key, _), origin| {
            if key.credential == credential {
                origin.close();
            }
            key.credential != credential
        });
    }
}

impl Drop for Upstreams {
    fn drop(&mut self) {
        self.origins.retain(|_, origin| {
            origin.close();
            false
        });
    }
}

/// Closes connections that have been idle for [`IDLE`], as long as anybody keeps any.
async fn sweep(origins: Weak<Origins>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(origins) = origins.upgrade() else { return };
        for (_, origin) in origins.iter() {
            origin.close_idle(Instant::now());
        }
    }
}

/// One host as one credential version sees it.
pub(crate) struct Client {
    origin: Option<Arc<Origin>>,
    dialer: Arc<Dialer>,
}

impl Client {
    /// A connection for one call: a kept one, or a new one.
    ///
    /// # Errors
    ///
    /// No connection was made; nothing was sent.
    pub(crate) async fn lease(&self) -> Result<Lease, LeaseError> {
        let origin = self.origin.as_ref().ok_or(LeaseError::Destination)?;
        origin.lease(&self.dialer).await
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseError {
    /// The connection failed.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The sealed policy has no such host, or one that no URL can name.
    #[error("the destination policy has no such host, or one that is not valid")]
    Destination,
    /// The connection was made, but HTTP did not begin on it.
    #[error("no HTTP with {host}: {source}")]
    Handshake {
        /// The host.
        host: String,
        /// What hyper said.
        source: hyper::Error,
    },
}

impl LeaseError {
    /// What happened, in words that are safe to show: no address.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Dial(DialError::Resolve { host, .. }) => format!("{host} does not resolve"),
            Self::Dial(DialError::Refused { host, .. }) => {
                format!("{host} is at an address that may not be dialled")
            }
            Self::Dial(DialError::Connect { host, .. }) => format!("{host} does not take connections"),
            Self::Dial(DialError::Tls { host, .. }) => format!("no TLS connection with {host}"),
            Self::Dial(DialError::Timeout { host }) => format!("no connection to {host} in time"),
            Self::Handshake { host, .. } => format!("{host} does not speak HTTP"),
            Self::Destination => self.to_string(),
        }
    }
}

/// How new connections are made.
struct Dialer {
    tls: TlsConnector,
    allow: AllowList,
    timeout: Duration,
    tasks: TaskTracker,
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
struct Origin {
    destination: Destination,
    scheme: UriScheme,
    authority: Authority,
    host: HeaderValue,
    kept: Mutex<Kept>,
    /// Set once the host chose HTTP/2: from then on one new connection is made at a time, for all who wait.
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
struct Shared {
    sender: http2::SendRequest<SentBody>,
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
struct SharedCall(Arc<Shared>);

impl Drop for SharedCall {
    fn drop(&mut self) {
        if self.0.calls.fetch_sub(1, Ordering::AcqRel) == 1 {
            *lock(&self.0.idle_since) = Instant::now();
        }
    }
}

impl Origin {
    /// `None` where the host is none that a URL can name.
    fn new(destination: &Destination) -> Option<Self> {
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
            shares: AtomicBool::new(false),
            dialling: tokio::sync::Mutex::default(),
        })
    }

    async fn lease(self: &Arc<Self>, dialer: &Dialer) -> Result<Lease, LeaseError> {
        if let Some(lease) = self.take(dialer) {
            return Ok(lease);
        }
        if !self.shares.load(Ordering::Acquire) {
            return self.connect(dialer).await;
        }
        let deadline = Instant::now() + dialer.timeout;
        let late = || DialError::Timeout {
            host: self.destination.host.clone(),
        };
        let _alone = tokio::time::timeout_at(deadline, self.dialling.lock())
            .await
            .map_err(|_| late())?;
        match self.take(dialer) {
            Some(lease) => Ok(lease),
            None => self.connect(dialer).await,
        }
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

    fn put_back(&self, sender: http1::SendRequest<SentBody>) {
        let mut kept = lock(&self.kept);
        if !kept.closed && kept.idle.len() < MAX_IDLE {
            kept.idle.push((sender, Instant::now()));
        }
    }

    fn close_idle(&self, now: Instant) {
        let mut kept = lock(&self.kept);
        kept.idle
            .retain(|(sender, since)| !sender.is_closed() && now.duration_since(*since) < IDLE);
        kept.shared.retain(|shared| {
            let used = shared.calls.load(Ordering::Acquire) > 0
                || now.duration_since(*lock(&shared.idle_since)) < IDLE;
            used && !shared.sender.is_closed()
        });
    }

    fn close(&self) {
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Connection {
    Own(http1::SendRequest<SentBody>),
    Shared(SharedCall),
}

/// A connection for the length of one exchange. Dropping it closes an HTTP/1.1 connection; [`Lease::finish`] keeps it.
pub(crate) struct Lease {
    connection: Connection,
    origin: Arc<Origin>,
    reused: bool,
    tasks: TaskTracker,
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
    ) -> Result<
        http::Response<hyper::body::Incoming>,
        hyper::client::conn::TrySendError<http::Request<SentBody>>,
    > {
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
