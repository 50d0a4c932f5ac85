//! The data plane: one request, from accept to settle.
//!
//! [`Proxy::handle`] is the path. Every step is a file, takes the value of the step before, and refuses by an early return. This
//! crate does not know the control plane: it reads the store and is told of changes.

mod administer;
mod admit;
mod answer;
mod attempt;
mod authenticate;
mod authorize;
pub mod body;
pub mod budgets;
mod cache;
pub mod config;
pub mod counters;
mod forward;
mod health;
pub mod holder;
mod idempotency;
mod inject;
mod learned;
mod leash;
pub mod listener;
mod lock;
mod messages;
pub mod meter;
pub mod metrics;
pub mod notices;
mod outlive;
mod panics;
pub mod parse;
mod pools;
pub mod prices;
mod probe;
mod propagation;
pub mod refuse;
mod relay;
mod reserve;
mod resolve;
mod response;
pub mod route;
pub mod scrub;
mod settle;
#[cfg(test)]
mod simulation;
pub mod sse;
mod sync;
mod tokens;
mod upstream;
mod watch;
mod words;

use std::hash::RandomState;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use keystore_core::ids::{AgentId, RequestId};
use keystore_core::pool::MemberStatus;
use keystore_core::record::Refusal as RefusalRecord;
use keystore_core::{Clock, IdSource};
use keystore_store::{Recovery, Store};
use keystore_vault::{PolicyMac, Vault};
use quick_cache::sync::Cache;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use crate::administer::{OwnAnswer, OwnRequest, Unanswered};
use crate::authenticate::Caller;
use crate::authorize::Permit;
pub use crate::cache::wrapped_kek;
use crate::cache::{Agent, Agents};
use crate::config::ProxyConfig;
use crate::counters::Counters;
use crate::holder::{KEPT_REFUSALS, LastRefusal};
pub use crate::learned::LearnedLimit;
use crate::listener::{ConnInfo, Drained, Limits, Listener};
pub use crate::messages::{Message, Receipt};
use crate::metrics::Metrics;
use crate::notices::Notices;
use crate::outlive::Afterlife;
pub use crate::panics::{Panicked, caught};
use crate::parse::AllowedHosts;
use crate::pools::Pools;
pub use crate::probe::{ProbeOutcome, ProbeTarget};
pub use crate::propagation::Propagation;
use crate::refuse::{ProxyError, Refusal, RefusalContext};
pub use crate::response::Body;
use crate::response::Readiness;
use crate::route::{Route, Target};
use crate::tokens::Tokens;
use crate::upstream::Upstreams;
pub use crate::upstream::tls::TrustError;

/// Whether an address may be dialled without the operator's word.
pub fn is_public(address: std::net::IpAddr) -> bool {
    upstream::resolver::kind_of(address) == upstream::resolver::AddressKind::Public
}

/// The data plane of one node.
pub struct Proxy {
    config: ProxyConfig,
    hosts: AllowedHosts,
    store: Store,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    /// Hashes what records keep of queries.
    policy_mac: PolicyMac,
    agents: Arc<Agents>,
    pools: Arc<Pools>,
    counters: Arc<Counters>,
    upstreams: Arc<Upstreams>,
    tokens: Tokens,
    notices: Notices,
    /// Tells bodies apart, by a secret of this process.
    digests: RandomState,
    metrics: Metrics,
    /// The last refusal of each agent, for whoever holds its token.
    refusals: Cache<AgentId, Arc<LastRefusal>>,
    afterlife: Afterlife,
    /// It will stop soon.
    draining: AtomicBool,
}

/// What a proxy is made of.
pub struct ProxyParts {
    /// Settings.
    pub config: ProxyConfig,
    /// Policies, and the journal.
    pub store: Store,
    /// What the store's recovery found: where the counters start.
    pub recovery: Recovery,
    /// Opens credentials.
    pub vault: Arc<Vault>,
    /// Authenticates policy rows.
    pub policy_mac: PolicyMac,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where request and attempt ids come from.
    pub ids: Arc<dyn IdSource>,
}

/// Why a proxy cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `proxy.hosts` names something that is not a host.
    #[error(transparent)]
    Hosts(#[from] parse::InvalidHost),
    /// The certificate authorities for upstreams cannot be read.
    #[error(transparent)]
    Upstream(#[from] upstream::tls::TrustError),
}

impl Proxy {
    /// A proxy with its counters where the last process left them. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// See [`StartError`].
    pub fn new(parts: ProxyParts) -> Result<Arc<Self>, StartError> {
        let ProxyParts {
            config,
            store,
            recovery,
            vault,
            policy_mac,
            clock,
            ids,
        } = parts;
        let hosts = match config.hosts.as_slice() {
            [] => AllowedHosts::loopback(),
            names => AllowedHosts::new(names)?,
        };
        let counters = Arc::new(Counters::default());
        counters.restore(clock.now(), &recovery);
        for served in &recovery.served {
            // Of versions that come in no order, an older one says nothing new.
            let _ = vault.serves(served.credential, served.version);
        }
        let upstreams = Arc::new(Upstreams::new(&config)?);
        let agents = Agents::new(store.clone(), policy_mac.clone(), Arc::clone(&counters));
        let limits = Arc::clone(agents.limits());
        let pools = Pools::new(store.clone(), policy_mac.clone(), limits, Arc::clone(&clock));
        agents.listen(Arc::clone(&upstreams));
        let afterlife = Afterlife {
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
            limit: config.metering_timeout,
            places: Arc::new(Semaphore::new(config.max_metered)),
        };
        Ok(Arc::new(Self {
            hosts,
            notices: Notices::default(),
            digests: RandomState::new(),
            store,
            vault,
            clock,
            ids,
            policy_mac,
            agents,
            pools,
            counters,
            upstreams,
            tokens: Tokens::default(),
            metrics: Metrics::default(),
            refusals: Cache::new(KEPT_REFUSALS),
            afterlife,
            draining: AtomicBool::new(false),
            config,
        }))
    }

    /// Serves `socket` until `stop`, then drains: running answers and abandoned exchanges end, or are cut after the
    /// configured time. Everything is settled when this returns.
    pub async fn serve(
        self: &Arc<Self>,
        socket: TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        stop: CancellationToken,
    ) -> Drained {
        let limits = Limits {
            max_connections: self.config.max_connections,
            ..Limits::default()
        };
        let mut listener = Listener::new(socket, limits);
        if let Some(tls) = tls {
            listener = listener.with_tls(tls);
        }
        let proxy = Arc::clone(self);
        let service = move |request: Request<Incoming>, conn: ConnInfo| {
            let conn = match proxy.config.behind_tls {
                true => conn.forwarded(request.headers()),
                false => conn,
            };
            Arc::clone(&proxy).handle(request, conn)
        };
        let drained = listener.serve(service, stop, self.config.drain_timeout).await;
        self.afterlife.tasks.close();
        self.afterlife.tasks.wait().await;
        drained
    }

    /// One request, from its head to the head of its answer.
    pub async fn handle(self: Arc<Self>, request: Request<Incoming>, conn: ConnInfo) -> Response<Body> {
        let mut trail = Trail::new(RequestId::new(self.ids.next()), self.clock.boottime());
        let answered = caught(pin!(self.answer(request, conn, &mut trail))).await;
        match answered.unwrap_or_else(|Panicked| Err(ProxyError::Internal.into())) {
            Ok(response) => response,
            Err(refusal) => self.refused(&refusal, &trail),
        }
    }

    async fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        conn: ConnInfo,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Refusal> {
        let request = parse::parse(request, &conn, &self.hosts)?;
        let target = match route::route(&request)? {
            Route::Provider(target) => target,
            Route::Health => return Ok(response::alive(trail.request)),
            Route::Ready => return Ok(response::ready(trail.request, self.readiness())),
        };
        let caller = self.authenticate(&request, target).await?;
        trail.caller(&caller);
        caller.check(self.clock.now(), request.peer().ip())?;
        let mut permit = self.authorize(caller, &request)?;
        trail.permit(&permit);
        let admission = self.admit(&permit)?;
        let served = self.resolve(&mut permit).await?;
        self.attempt(permit, admission, served, request, trail).await
    }

    /// Lets `/readyz` say no from now on, so that a balancer looks away before the listener closes. Calls are served all the same.
    pub fn refuse_ready(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn readiness(&self) -> Readiness {
        match (
            self.draining.load(Ordering::Relaxed),
            self.store.journal().takes_intents(),
        ) {
            (true, _) => Readiness::Draining,
            (false, false) => Readiness::AuditUnavailable,
            (false, true) => Readiness::Ready,
        }
    }

    /// Records and counts a refusal, and answers it.
    fn refused(&self, refusal: &Refusal, trail: &Trail) -> Response<Body> {
        let context = RefusalContext {
            request: trail.request,
            agent: trail.agent.as_ref().map(|agent| agent.name.as_str()),
            budget_status: trail.budget_status,
            now: self.clock.now(),
        };
        let response = refuse::refuse(refusal, &context);
        self.metrics.refused(refusal.code());
        if let Some(agent) = &trail.agent {
            self.watch_refusal(agent, refusal);
            self.note_refusal(agent, trail.request, trail.provider(), refusal);
        }
        if let Some(agent) = trail.agent.as_ref().filter(|_| !trail.attempted) {
            self.store.journal().refusal(&RefusalRecord {
                request: trail.request,
                at: context.now,
                org: agent.policy.org,
                project: agent.policy.project,
                agent: agent.policy.agent,
                token: agent.token.token,
                provider: trail.provider(),
                code: refusal.code().as_str(),
                status: response.status().as_u16(),
                count: 1,
                model: None,
            });
        }
        response.map(Body::from)
    }

    /// What is spent and held right now.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What a credential's vendor said of its limits.
    pub fn limits_of(&self, credential: keystore_core::ids::CredentialId) -> Vec<LearnedLimit> {
        self.agents.limits().known(credential)
    }

    /// How the pool of a provider does, and how many calls wait there; nothing where no call was made since the start.
    pub fn pool_status(&self, provider: &str) -> (Vec<MemberStatus>, usize) {
        self.pools.status(provider)
    }

    /// How many calls wait at each pool that was called since the start.
    pub fn pools_waiting(&self) -> Vec<(String, usize)> {
        self.pools.waiting()
    }

    /// How the pools were used since this was asked last.
    pub fn take_pool_uses(&self) -> Vec<(keystore_store::pool_uses::Of, keystore_store::pool_uses::Use)> {
        self.pools.uses.take()
    }

    /// Puts back what was taken and could not be written.
    pub fn put_pool_uses_back(
        &self,
        counted: Vec<(keystore_store::pool_uses::Of, keystore_store::pool_uses::Use)>,
    ) {
        self.pools.uses.put_back(counted);
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// What is known of a request by the time that it is refused.
struct Trail {
    request: RequestId,
    /// When its head was there, by the clock that never goes back.
    arrived: Duration,
    agent: Option<Arc<Agent>>,
    target: Option<Target>,
    budget_status: Option<http::StatusCode>,
    /// There is an intent: its outcome is the record.
    attempted: bool,
}

impl Trail {
    fn new(request: RequestId, arrived: Duration) -> Self {
        Self {
            request,
            arrived,
            agent: None,
            target: None,
            budget_status: None,
            attempted: false,
        }
    }

    fn caller(&mut self, caller: &Caller) {
        self.agent = Some(Arc::clone(&caller.agent));
        self.target = Some(caller.target.clone());
    }

    /// The slug that was asked for; empty before it is known.
    fn provider(&self) -> &str {
        self.target.as_ref().map_or("", Target::slug)
    }

    fn permit(&mut self, permit: &Permit) {
        self.budget_status = permit
            .provider()
            .refusal_budget_status
            .and_then(|status| http::StatusCode::from_u16(status).ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn size_of_future<A, B, C, F: Future>(_: impl FnOnce(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// hyper moves it several times before it is polled; rare paths with large futures belong on the heap.
    #[test]
    fn the_future_of_a_request_is_small() {
        let size = size_of_future(Proxy::handle);
        assert!(size <= 4096, "{size} bytes");
    }
}
