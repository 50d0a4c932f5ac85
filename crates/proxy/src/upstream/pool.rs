//! Connections to upstreams, kept per credential version and host.
//!
//! Two credentials never share a connection, so that nothing left over from one exchange can reach another tenant's. A
//! connection goes back only when its exchange came to its end: whoever drops an answer half-way drops the connection with it.
//! HTTP/2 connections are shared by up to [`origin::MAX_STREAMS`] calls, beyond which another one is opened. Idle connections are
//! closed after [`IDLE`], because a connection's buffers hold the last request, credential included.
//!
//! This stands on hyper's connections directly, not on a client above them: a client that sends again by itself hides whether
//! a request may have reached the vendor, and that is what decides over a charge.

mod lease;
mod origin;

use std::sync::{Arc, Weak};
use std::time::Duration;

use keystore_core::destination::{Destination, DestinationPolicy};
use keystore_core::ids::CredentialId;
use quick_cache::sync::Cache;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

use super::resolver::{AllowList, DialError};
use super::tls::{self, TrustError};
use crate::config::ProxyConfig;
pub(crate) use lease::Lease;
use origin::{Dialer, Origin};

/// How many (credential version, host) pairs keep connections; the least used go first.
const MAX_ORIGINS: usize = 4_096;
/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(30);
/// How often idle connections are looked for.
const SWEEP: Duration = Duration::from_secs(5);

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

/// The number of the place where tokens are fetched, which is no host of the policy's list.
const TOKEN_ENDPOINT: usize = usize::MAX;

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
        self.at(key, host.map(|host| (host, &policy.hosts[host])))
    }

    /// Where a request for a token is sent: to the place that the sealed policy names beside its hosts.
    pub(crate) fn client_to(&self, key: CredentialKey, endpoint: &Destination) -> Client {
        self.at(key, Some((TOKEN_ENDPOINT, endpoint)))
    }

    /// Where something is sent once, without a credential, on a connection that is not kept.
    pub(crate) fn client_once(&self, to: &Destination) -> Client {
        Client {
            origin: Origin::new(to).map(Arc::new),
            dialer: Arc::clone(&self.dialer),
        }
    }

    fn at(&self, key: CredentialKey, host: Option<(usize, &Destination)>) -> Client {
        let origin = host.and_then(|(number, host)| {
            let made = || Origin::new(host).map(Arc::new).ok_or(());
            self.origins.get_or_insert_with(&(key, number), made).ok()
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
    /// Whether no connection was tried, for a reason on our side.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::Destination | Self::Dial(DialError::Refused { .. }))
    }

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
