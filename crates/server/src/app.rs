//! The running server: every long-lived part, and how they are put together.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use keystore_core::{Clock, IdSource};
use keystore_proxy::config::ProxyConfig;
use keystore_proxy::listener::{Limits, Listener};
use keystore_proxy::{Proxy, ProxyParts};
use keystore_store::{Change, Options, Store};
use keystore_vault::kms::KeyKind;
use keystore_vault::{PolicyMac, Vault};
use keystore_wire::problem::Code;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api;
use crate::api::problem::ApiError;
use crate::audit::notary::{self, Notary};
use crate::audit::payloads::PayloadSealer;
use crate::audit::sinks::Sinks;
use crate::auth::origin::Peer;
use crate::auth::password::Passwords;
use crate::config::{SecretText, SignUp};
use crate::custody::{Custody, CustodyParts, RootKeySource, RootWatch, Taking};
use crate::events;
use crate::jobs;
use crate::keks;
use crate::mail::{Mailer, waiting};
use crate::payments::{Stripe, auto};
use crate::pool_uses;
use crate::rotations;
use crate::scopes;
use crate::sealed;
use crate::webhooks::sending::{self, Hooks};

/// What the handlers work with.
pub struct App {
    /// The database.
    pub(crate) store: Store,
    /// Seals and opens.
    pub(crate) vault: Arc<Vault>,
    /// Watches the root key.
    pub(crate) root: RootWatch,
    /// What holds for the keys of organizations.
    pub(crate) custody: CustodyRules,
    /// Authenticates policy rows.
    pub(crate) policy_mac: PolicyMac,
    /// The data plane, for probes of credentials and for what is spent and held right now.
    pub(crate) proxy: Arc<Proxy>,
    /// The clock.
    pub(crate) clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub(crate) ids: Arc<dyn IdSource>,
    /// Hashes and checks passwords.
    pub(crate) passwords: Passwords,
    /// How mails reach people.
    pub(crate) mailer: Arc<dyn Mailer>,
    /// How customers pay by card, where they can.
    pub(crate) payments: Option<Stripe>,
    /// Signs the audit log.
    pub(crate) notary: Notary,
    /// What the handlers were told.
    pub(crate) settings: Settings,
    /// Background work that a shutdown waits for.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the server shuts down.
    pub(crate) stop: CancellationToken,
    /// What was noticed and is not written down yet.
    pub(crate) taken: events::Taken,
    /// What is sent to webhooks just now.
    pub(crate) hooks: Arc<Hooks>,
    /// Told when mails begin to wait.
    pub(crate) mails_wait: Notify,
    /// Held by whoever carries rotations on, so that nobody makes a key twice.
    pub(crate) rotating: Mutex<()>,
    /// Held by whoever tops credit up, so that nobody begins a payment twice.
    pub(crate) topping_up: Mutex<()>,
    /// Wraps that are counted and not made yet.
    pub(crate) wraps: keks::Wraps,
    /// Keys of customers that are on their way.
    pub(crate) imports: keks::Imports,
    /// Told when there is something to do with keys.
    pub(crate) kek_work: Notify,
    /// Held by whoever does it.
    pub(crate) kek_turn: Mutex<()>,
    /// Held by whoever sends the mails that wait, so that nobody sends one twice.
    pub(crate) delivering: Mutex<()>,
    /// Whether `/readyz` says no, before the listeners close.
    draining: AtomicBool,
}

/// What holds for the keys of organizations.
#[derive(Debug, Clone)]
pub struct CustodyRules {
    /// At which KMSs organizations may hold keys of their own.
    pub(crate) customer_keys: Vec<KeyKind>,
    /// After so many wraps an organization gets another KEK.
    pub(crate) max_wraps: u64,
    /// After so long an organization gets another KEK.
    pub(crate) max_age: Duration,
}

/// Settings of the control plane.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who may sign up.
    pub signup: SignUp,
    /// Whether session cookies are marked `Secure`.
    pub secure_cookies: bool,
    /// Whether the last entry of `X-Forwarded-For` is the caller's address.
    pub behind_tls: bool,
    /// Whether providers meant for development exist.
    pub dev: bool,
    /// Where agents reach the data plane, without a trailing slash.
    pub proxy_url: String,
    /// Where people reach the control plane, without a trailing slash.
    pub api_url: String,
    /// For how long the audit log keeps what changes said; for ever without.
    pub audit_retention: Option<Duration>,
    /// `host:port` that a credential's `baseUrl` may name for any provider.
    pub allow_upstream: BTreeSet<String>,
}

/// What a server is made of.
pub struct Parts {
    /// The database's URL.
    pub store_url: SecretText,
    /// How it is opened.
    pub store_options: Options,
    /// The root key.
    pub root_key: RootKeySource,
    /// What custody is told beside it.
    pub custody: CustodyParts,
    /// Settings of the data plane.
    pub proxy: ProxyConfig,
    /// Settings of the control plane.
    pub settings: Settings,
    /// How mails reach people.
    pub mailer: Arc<dyn Mailer>,
    /// How customers pay by card, where they can.
    pub payments: Option<Stripe>,
    /// Where checkpoints of the audit log go besides the database.
    pub audit_sinks: Sinks,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
}

/// The sockets of a server, bound already, so that nobody else can take them and their ports are known.
pub struct Sockets {
    /// For agents.
    pub proxy: TcpListener,
    /// The certificate for agents.
    pub proxy_tls: Option<Arc<ServerConfig>>,
    /// For people, SDKs and CI.
    pub api: TcpListener,
    /// The certificate for them.
    pub api_tls: Option<Arc<ServerConfig>>,
}

impl App {
    /// Opens the database, takes custody of the keys, and makes both planes. Serves nothing yet.
    ///
    /// # Errors
    /// Whatever keeps it from starting, in words for the operator.
    pub async fn start(parts: Parts) -> anyhow::Result<Arc<Self>> {
        Self::start_with(parts, TaskTracker::new(), CancellationToken::new()).await
    }

    /// As [`App::start`]; while the root key cannot be used, `sockets` answer that the server is sealed. `None` when `stop` comes
    /// before the key.
    ///
    /// # Errors
    /// As [`App::start`], except that a KMS which does not answer is waited for.
    pub async fn start_on(
        parts: Parts,
        sockets: &Sockets,
        stop: CancellationToken,
    ) -> anyhow::Result<Option<Arc<Self>>> {
        Self::prepare(parts, Some(sockets), TaskTracker::new(), stop).await
    }

    /// As [`App::start`], with background work that runs already and what stops it.
    ///
    /// # Errors
    /// As [`App::start`].
    pub(crate) async fn start_with(
        parts: Parts,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> anyhow::Result<Arc<Self>> {
        let started = Self::prepare(parts, None, tasks, stop).await?;
        started.context("the server was stopped before it had started")
    }

    async fn prepare(
        parts: Parts,
        sockets: Option<&Sockets>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> anyhow::Result<Option<Arc<Self>>> {
        let (store, recovery) = Store::open(
            parts.store_url.expose(),
            parts.store_options,
            Arc::clone(&parts.clock),
            Arc::clone(&parts.ids),
        )
        .await?;
        if recovery.crashed > 0 {
            tracing::warn!(
                calls = recovery.crashed,
                "calls were running when the last process ended; they were settled at what was held for them"
            );
        }
        let custody = CustodyRules {
            customer_keys: parts.custody.customer_keys.clone(),
            max_wraps: parts.custody.max_wraps,
            max_age: parts.custody.max_age,
        };
        let taking = Taking::begin(
            &store,
            parts.root_key,
            parts.custody,
            &parts.clock,
            parts.ids.as_ref(),
        )
        .await?;
        let time = (&parts.clock, &parts.ids);
        let taken = sealed::until_open(sockets, time, &stop, &taking).await?;
        drop(taking);
        let Some(Custody {
            vault,
            root,
            policy_mac,
        }) = taken
        else {
            store.close().await;
            return Ok(None);
        };
        forget_changed(&store, &vault);
        store.seal_payloads(Arc::new(PayloadSealer {
            vault: Arc::clone(&vault),
            mac: policy_mac.clone(),
        }));
        let found_schema = recovery.found_schema;
        let proxy = Proxy::new(ProxyParts {
            config: parts.proxy,
            store: store.clone(),
            recovery,
            vault: Arc::clone(&vault),
            policy_mac: policy_mac.clone(),
            clock: Arc::clone(&parts.clock),
            ids: Arc::clone(&parts.ids),
        })
        .context("the data plane cannot start")?;
        let app = Arc::new(Self {
            store,
            vault,
            root,
            custody,
            policy_mac,
            proxy,
            clock: parts.clock,
            ids: parts.ids,
            passwords: Passwords::new(),
            mailer: parts.mailer,
            payments: parts.payments,
            notary: Notary::new(parts.audit_sinks),
            settings: parts.settings,
            tasks,
            stop,
            taken: events::Taken::default(),
            hooks: Arc::default(),
            mails_wait: Notify::new(),
            rotating: Mutex::new(()),
            topping_up: Mutex::new(()),
            delivering: Mutex::new(()),
            wraps: keks::Wraps::default(),
            imports: keks::Imports::default(),
            kek_work: Notify::new(),
            kek_turn: Mutex::new(()),
            draining: AtomicBool::new(false),
        });
        scopes::fill(&app, found_schema).await?;
        Ok(Some(app))
    }

    /// Serves both planes until `stop`, then drains: both listeners close, running answers end or are cut after the
    /// configured time, everything is settled and written.
    pub async fn serve(self: &Arc<Self>, sockets: Sockets, api_drain: Duration) {
        let proxy = self
            .proxy
            .serve(sockets.proxy, sockets.proxy_tls, self.stop.clone());
        let api = self.serve_api(sockets.api, sockets.api_tls, api_drain);
        self.tasks.spawn(jobs::run(Arc::clone(self)));
        self.tasks.spawn(notary::run(Arc::clone(self)));
        self.tasks.spawn(waiting::run(Arc::clone(self)));
        self.tasks.spawn(events::run(Arc::clone(self)));
        self.tasks.spawn(sending::run(Arc::clone(self)));
        self.tasks.spawn(rotations::run(Arc::clone(self)));
        self.tasks.spawn(auto::run(Arc::clone(self)));
        self.tasks.spawn(keks::run(Arc::clone(self)));
        let (drained, ()) = tokio::join!(proxy, api);
        if drained.cut > 0 {
            tracing::warn!(
                connections = drained.cut,
                "connections were still busy at the end of the drain and were cut"
            );
        }
        self.tasks.close();
        self.tasks.wait().await;
        if let Err(error) = events::write(self).await {
            tracing::warn!(%error, "events were not written and are lost");
        }
        if let Err(error) = pool_uses::write(self).await {
            tracing::warn!(%error, "how the pools were used last was not written and is lost");
        }
        if let Err(error) = self.sign_last().await {
            tracing::warn!(%error, "the end of the audit log is signed at the next start");
        }
        self.store.close().await;
    }

    /// Waits for the next turn of a loop: for so long, or until it is woken. `false` when the server stops.
    pub(crate) async fn next_turn(&self, after: Duration, woken: impl Future<Output = ()>) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = woken => true,
            () = tokio::time::sleep(after) => true,
        }
    }

    /// Signs everything that was recorded, the outcomes of the last calls included.
    async fn sign_last(&self) -> Result<(), ApiError> {
        self.store.project_now().await?;
        notary::turn(self, true).await
    }

    async fn serve_api(
        self: &Arc<Self>,
        socket: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        drain: Duration,
    ) {
        let mut listener = Listener::new(socket, Limits::default());
        if let Some(tls) = tls {
            listener = listener.with_tls(tls);
        }
        let router = api::router(self);
        let behind_tls = self.settings.behind_tls;
        let service = move |mut request: http::Request<hyper::body::Incoming>,
                            conn: keystore_proxy::listener::ConnInfo| {
            let conn = match behind_tls {
                true => conn.forwarded(request.headers()),
                false => conn,
            };
            request.extensions_mut().insert(Peer(conn.peer.ip()));
            let mut router = router.clone();
            async move {
                match tower_service::Service::call(&mut router, request).await {
                    Ok(answer) => answer,
                    Err(never) => match never {},
                }
            }
        };
        listener.serve(service, self.stop.clone(), drain).await;
    }

    /// The way to Stripe.
    ///
    /// # Errors
    /// `payments_unavailable`.
    pub(crate) fn stripe(&self) -> Result<&Stripe, ApiError> {
        self.payments.as_ref().ok_or_else(|| {
            ApiError::new(
                Code::PaymentsUnavailable,
                "this deployment takes no payments by card",
            )
            .remedy("ask the operator, who can note what you pay otherwise")
        })
    }

    /// Whether the server is about to shut down.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed) || self.stop.is_cancelled()
    }

    /// Lets `/readyz` say no on both ports, so that a balancer looks away.
    pub(crate) fn refuse_ready(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.proxy.refuse_ready();
    }

    /// Asks everything to stop; [`App::serve`] returns when it has.
    pub fn shut_down(&self) {
        self.stop.cancel();
    }
}

/// Unwrapped keys of an organization that changed are forgotten as soon as the change is committed.
fn forget_changed(store: &Store, vault: &Arc<Vault>) {
    let vault = Arc::downgrade(vault);
    store.on_change(Arc::new(move |changes, _| {
        let Some(vault) = vault.upgrade() else { return };
        for change in changes {
            if let Change::Org(org) = change {
                vault.forget(*org);
            }
        }
    }));
}
