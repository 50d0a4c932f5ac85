//! A vendor in a test's hand: listens on a free loopback port, speaks the wire shapes of the vendors (`upstream/vendors.rs`),
//! misbehaves on demand (`upstream/behaviour.rs`), and keeps a log of all that arrived, the ground truth that journals and ledgers
//! are compared with.
//!
//! It is strict about nothing but credentials, and about those only when told: see [`FakeUpstream::expect`]. It checks no JSON
//! schema and keeps no state between requests except the log, the script, the keys that were made at it (`upstream/keys.rs`), and the
//! payments (`upstream/payments.rs`).

mod answer;
mod behaviour;
mod credential;
mod fixed;
mod keys;
mod leak;
mod log;
mod payments;
mod service;
mod socket;
mod tls;
mod tokens;
mod vendors;

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use behaviour::{Behaviour, HEADER as BEHAVIOUR_HEADER};
pub use credential::{Credential, Slot};
pub use keys::MadeKey;
pub use log::{Received, Sent};
pub use payments::Charged;
pub use tokens::{Exchanged, ShownBy, TokenRules};
pub use vendors::{DEFAULT_OUTPUT_TOKENS, Dialect, TOOL_CALL_TOKENS};

use keys::{Changed, Keys};
use log::Log;
use payments::Payments;
use socket::{Lever, Socket};
use tokens::Issuer;

/// How a fake upstream is started.
#[derive(Debug, Default)]
pub struct Options {
    /// Where to listen; a free port of 127.0.0.1 without it. Must be loopback.
    pub addr: Option<SocketAddr>,
    /// HTTPS with a certificate for `localhost` and `127.0.0.1` from an authority of its own ([`FakeUpstream::ca_pem`]), HTTP/2 and
    /// HTTP/1.1 by ALPN. Without it plain HTTP, HTTP/2 with prior knowledge.
    pub tls: bool,
    /// With TLS: HTTP/1.1 alone by ALPN.
    pub http1: bool,
    /// Every request as a line of JSON, written before it is answered.
    pub file: Option<File>,
    /// Keeps no log in memory.
    pub forget: bool,
    /// For benchmarks: chat completions are answered with prebuilt bytes, unread, unlogged, without behaviours.
    pub fixed: bool,
    /// Which vendor it is, where several share a path.
    pub dialect: Dialect,
}

/// A running fake. Ends, connections and all, when it is dropped.
#[derive(Debug)]
pub struct FakeUpstream {
    addr: SocketAddr,
    shared: Arc<Shared>,
    ca_pem: Option<String>,
    tasks: TaskTracker,
    _stop: DropGuard,
    stop: CancellationToken,
}

/// What its connections share.
#[derive(Debug)]
struct Shared {
    log: Arc<Log>,
    script: Mutex<VecDeque<Behaviour>>,
    scripted: AtomicUsize,
    expected: Mutex<HashSet<Credential>>,
    keys: Mutex<Keys>,
    payments: Mutex<Payments>,
    issuer: Mutex<Option<Issuer>>,
    answers: AtomicUsize,
    connections: AtomicU64,
    held: watch::Sender<bool>,
    /// Whoever answers takes a permit of it, where there is one.
    gate: Mutex<Option<Arc<Semaphore>>>,
    fixed: bool,
    dialect: Dialect,
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, VecDeque<Behaviour>> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_scripted(&self) -> Option<Behaviour> {
        if self.scripted.load(Ordering::Acquire) == 0 {
            return None;
        }
        let next = self.script().pop_front();
        if next.is_some() {
            self.scripted.fetch_sub(1, Ordering::AcqRel);
        }
        next
    }

    fn expected(&self) -> MutexGuard<'_, HashSet<Credential>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gate(&self) -> MutexGuard<'_, Option<Arc<Semaphore>>> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn payments(&self) -> MutexGuard<'_, Payments> {
        self.payments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn issuer(&self) -> MutexGuard<'_, Option<Issuer>> {
        self.issuer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gives_tokens_at(&self, path: &str) -> bool {
        self.issuer().as_ref().is_some_and(|issuer| issuer.is_at(path))
    }

    /// The answer of the place where tokens are given, with its effect.
    fn answer_with_token(&self, head: &http::request::Parts, body: &[u8]) -> Option<vendors::Reply> {
        let (reply, given) = self.issuer().as_mut()?.answer(head, body)?;
        self.expected().extend(given);
        Some(reply)
    }

    /// The answer of an API for keys, with its effect.
    fn answer_of_keys(&self, call: &vendors::Call<'_>) -> Option<vendors::Reply> {
        let (reply, changed) = self.keys().answer(call)?;
        match changed {
            Some(Changed::Made(credential)) => {
                self.expected().insert(credential);
            }
            Some(Changed::Revoked(credential)) => {
                self.expected().remove(&credential);
            }
            None => {}
        }
        Some(reply)
    }
}

impl FakeUpstream {
    /// Plain HTTP on a free port.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub async fn start() -> Self {
        Self::with(Options::default())
            .await
            .unwrap_or_else(|error| panic!("fake upstream: {error}"))
    }

    /// HTTPS on a free port.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub async fn start_tls() -> Self {
        let options = Options {
            tls: true,
            ..Options::default()
        };
        Self::with(options)
            .await
            .unwrap_or_else(|error| panic!("fake upstream: {error}"))
    }

    /// As `options` say.
    ///
    /// # Errors
    ///
    /// The address is taken or not loopback, or the certificate cannot be made.
    pub async fn with(options: Options) -> io::Result<Self> {
        let addr = options
            .addr
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        if !addr.ip().is_loopback() {
            return Err(io::Error::other(
                "a fake upstream listens on loopback addresses only",
            ));
        }
        let (ca_pem, acceptor) = match options
            .tls
            .then(|| tls::authority(options.http1))
            .transpose()
            .map_err(io::Error::other)?
        {
            Some((ca_pem, config)) => (Some(ca_pem), Some(TlsAcceptor::from(config))),
            None => (None, None),
        };
        let listener = TcpListener::bind(addr).await?;
        let stop = CancellationToken::new();
        let upstream = Self {
            addr: listener.local_addr()?,
            shared: Arc::new(Shared {
                log: Arc::new(Log::new(options.file, !options.forget)),
                script: Mutex::default(),
                scripted: AtomicUsize::new(0),
                expected: Mutex::default(),
                keys: Mutex::default(),
                payments: Mutex::default(),
                issuer: Mutex::default(),
                answers: AtomicUsize::new(0),
                connections: AtomicU64::new(0),
                held: watch::Sender::new(false),
                gate: Mutex::default(),
                fixed: options.fixed,
                dialect: options.dialect,
            }),
            ca_pem,
            tasks: TaskTracker::new(),
            _stop: stop.clone().drop_guard(),
            stop: stop.clone(),
        };
        let accept = accept(
            listener,
            acceptor,
            Arc::clone(&upstream.shared),
            upstream.tasks.clone(),
            stop.clone(),
        );
        upstream.tasks.spawn(stop.run_until_cancelled_owned(accept));
        Ok(upstream)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `127.0.0.1:<port>`, as `Host` names it.
    pub fn authority(&self) -> String {
        self.addr.to_string()
    }

    /// `http://127.0.0.1:<port>`, or `https://` over TLS.
    pub fn url(&self) -> String {
        let scheme = if self.ca_pem.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.addr)
    }

    /// The certificate authority of a fake with TLS, PEM.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Everything that arrived so far.
    pub fn log(&self) -> Vec<Received> {
        self.shared.log.all()
    }

    /// How many requests arrived so far.
    pub fn count(&self) -> usize {
        self.shared.log.len()
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Acquire)
    }

    /// From now on, new connections are accepted and hear nothing, over TLS no handshake, until they are let go.
    pub fn hold_connections(&self, held: bool) {
        self.shared.held.send_replace(held);
    }

    /// From now on no request is answered before it is let go: see [`FakeUpstream::let_go`].
    pub fn gate(&self) {
        *self.shared.gate() = Some(Arc::new(Semaphore::new(0)));
    }

    /// Lets so many requests behind the gate be answered, those that came first at first.
    pub fn let_go(&self, count: usize) {
        if let Some(gate) = &*self.shared.gate() {
            gate.add_permits(count);
        }
    }

    /// Takes the gate away; what is behind it is answered.
    pub fn ungate(&self) {
        if let Some(gate) = self.shared.gate().take() {
            gate.close();
        }
    }

    /// The last request.
    ///
    /// # Panics
    ///
    /// When none arrived.
    pub fn last(&self) -> Received {
        self.log()
            .pop()
            .unwrap_or_else(|| panic!("nothing arrived at the fake upstream"))
    }

    /// The next requests without `x-fake` get these behaviours, one each.
    pub fn script(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        let mut script = self.shared.script();
        script.extend(behaviours);
        self.shared.scripted.store(script.len(), Ordering::Release);
    }

    /// Forgets what is left of the script.
    pub fn unscript(&self) {
        self.shared.script().clear();
        self.shared.scripted.store(0, Ordering::Release);
    }

    /// From now on a request needs one of the expected credentials, in its slot, and no other credential anywhere; every other
    /// request is answered with the vendor's 401.
    pub fn expect(&self, slot: Slot, value: impl Into<String>) {
        self.shared.expected().insert(Credential {
            slot,
            value: value.into(),
        });
    }

    /// From now on keys can be made, listed and revoked with `admin`, which is expected, as each key that was made is until it is revoked.
    pub fn keep_keys(&self, admin: &str) {
        let admin = self.shared.keys().open(admin);
        self.shared.expected().insert(admin);
    }

    /// From now on tokens are given by these rules, and no credential but them is expected.
    pub fn give_tokens(&self, rules: TokenRules) {
        *self.shared.issuer() = Some(Issuer::new(rules));
        self.expect(Slot::Bearer, "no token was given yet");
    }

    /// Every token that was given, oldest first.
    pub fn given_tokens(&self) -> Vec<String> {
        self.shared
            .issuer()
            .as_ref()
            .map_or_else(Vec::new, |issuer| issuer.given().to_vec())
    }

    /// Takes back every token that was given: it is not expected any more.
    pub fn end_tokens(&self) {
        let given = self.given_tokens();
        self.shared
            .expected()
            .retain(|credential| !given.contains(&credential.value));
    }

    /// A key that somebody made by hand, and that is expected; gives the vendor's id of it.
    pub fn add_key(&self, name: &str, secret: &str) -> String {
        let (key, credential) = self.shared.keys().add(name, secret);
        self.shared.expected().insert(credential);
        key.id
    }

    /// The keys that are not revoked, oldest first.
    pub fn keys(&self) -> Vec<MadeKey> {
        self.shared.keys().all()
    }

    /// From now on payments are taken as Stripe takes them (`upstream/payments.rs`), with `key` as the account's.
    pub fn take_payments(&self, key: &str) {
        self.shared.payments().open(key);
    }

    /// The payments that were made from saved cards, oldest first.
    pub fn charged(&self) -> Vec<Charged> {
        self.shared.payments().charged()
    }

    /// Ends a payment that takes its time: it is made, or refused.
    ///
    /// # Panics
    ///
    /// When nobody has asked for it.
    pub fn end_payment(&self, payment: &str, is_paid: bool) {
        self.shared.payments().end(payment, is_paid);
    }

    /// Waits until `count` answers are over, whole or not, at most `limit` long; says whether they were.
    pub async fn settled(&self, count: usize, limit: Duration) -> bool {
        let ended = async {
            while self.log().iter().filter(|entry| entry.sent.ended).count() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(limit, ended).await.is_ok()
    }

    /// Closes the socket and all connections; the address refuses from then on.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Without it a test would be slower, not wrong.
        let _ = socket.set_nodelay(true);
        let number = shared.connections.fetch_add(1, Ordering::AcqRel);
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        let mut held = shared.held.subscribe();
        let connection = async move {
            // Its sender is as old as the connection.
            let _ = held.wait_for(|held| !held).await;
            match acceptor {
                None => speak(socket, shared, number).await,
                Some(acceptor) => {
                    if let Ok(socket) = acceptor.accept(socket).await {
                        speak(socket, shared, number).await;
                    }
                }
            }
        };
        tasks.spawn(stop.clone().run_until_cancelled_owned(connection));
    }
}

async fn speak<I>(io: I, shared: Arc<Shared>, number: u64)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let lever = Arc::new(Lever::default());
    let socket = Socket {
        io,
        lever: Arc::clone(&lever),
    };
    let service =
        service_fn(move |request| service::serve(request, Arc::clone(&shared), Arc::clone(&lever), number));
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().max_headers(256);
    http.http2().max_concurrent_streams(1_024);
    // Errors here are those that tests ask for.
    let _ = http.serve_connection(TokioIo::new(socket), service).await;
}

#[cfg(test)]
mod tests;
