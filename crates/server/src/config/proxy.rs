//! `[proxy]`: the data plane's listener.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use keystore_proxy::config::StrayKeys;
use serde::{Deserialize, Serialize};

use super::tls::TlsFiles;

/// The listener that agents reach.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProxySection {
    /// Where it listens. Default `127.0.0.1:8400`.
    pub addr: SocketAddr,
    /// The authorities (`host` or `host:port`) that a request may name. Empty accepts the names of this machine, and is for loopback only.
    pub hosts: Vec<String>,
    /// Its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFiles>,
    /// Whether something in front of it terminates TLS.
    pub behind_tls: bool,
    /// Where agents reach it, as they are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// How long a drain at shutdown waits for running answers. Default 5 minutes.
    #[serde(with = "super::duration")]
    pub drain_timeout: Duration,
    /// How long `/readyz` says no before the listener closes, so that a balancer can look away. Default none.
    #[serde(with = "super::duration")]
    pub drain_delay: Duration,
    /// How long an agent may leave what there is of an answer unread; then it counts as gone. Default 5 minutes.
    #[serde(with = "super::duration")]
    pub stall_timeout: Duration,
    /// What is done with what looks like a vendor's key in an answer: `pass`, `flag` or `block`. Default `flag`.
    pub stray_keys: StrayKeys,
    /// The most connections served at a time. Default 16,384.
    pub max_connections: usize,
}

impl Default for ProxySection {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 8400)),
            hosts: Vec::new(),
            tls: None,
            behind_tls: false,
            public_url: None,
            drain_timeout: Duration::from_secs(300),
            drain_delay: Duration::ZERO,
            stall_timeout: Duration::from_secs(300),
            stray_keys: StrayKeys::Flag,
            max_connections: 16_384,
        }
    }
}
