//! What the proxy is told at start. Read from files and the environment by the server; plain data here.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use keystore_core::rate::{DEFAULT_RPD, DEFAULT_RPM};
use keystore_store::Durability;

/// What is done with what looks like a vendor's key in an answer, be it new or somebody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StrayKeys {
    /// Nothing.
    Pass,
    /// An event, once an hour for each agent and form of key.
    #[default]
    Flag,
    /// An event, and asterisks in its place.
    Block,
}

/// Settings of the data plane.
#[derive(Debug, Clone)]
pub struct ProxyConfig {
    /// The authorities (`host` or `host:port`) that a request may name; empty accepts the names of loopback on any port.
    pub hosts: Vec<String>,
    /// Whether something in front of it terminates TLS, which says where a call comes from.
    pub behind_tls: bool,
    /// Requests a minute per agent and provider where the agent sets none. Default 60.
    pub default_rpm: u32,
    /// Requests a UTC day per agent and provider where the agent sets none. Default 10,000.
    pub default_rpd: u32,
    /// Whether providers meant for development (the sandbox) are reachable.
    pub dev: bool,
    /// How long to wait for a TCP and TLS connection to an upstream.
    pub connect_timeout: Duration,
    /// How long to wait for the head of an upstream's answer.
    pub head_timeout: Duration,
    /// How long a silence within an upstream's answer may last.
    pub idle_timeout: Duration,
    /// How long a client may leave what there is of an answer unread; then it counts as gone.
    pub stall_timeout: Duration,
    /// What the intent of a call with a customer's own key must survive before the call is sent.
    pub durability: Durability,
    /// What is done with keys that answers hold.
    pub stray_keys: StrayKeys,
    /// How long metering goes on after the client has left.
    pub metering_timeout: Duration,
    /// How many answers may be metered without a client at the same time; beyond it they settle at once.
    pub max_metered: usize,
    /// `host:port` of upstreams at private or loopback addresses that may be dialled all the same.
    pub allow_private: BTreeSet<String>,
    /// A PEM file with further certificate authorities for upstreams.
    pub extra_ca: Option<PathBuf>,
    /// How long a drain at shutdown waits for running answers.
    pub drain_timeout: Duration,
    /// The most connections served at a time.
    pub max_connections: usize,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            behind_tls: false,
            default_rpm: DEFAULT_RPM,
            default_rpd: DEFAULT_RPD,
            dev: false,
            connect_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(600),
            idle_timeout: Duration::from_secs(300),
            stall_timeout: Duration::from_secs(300),
            durability: Durability::Process,
            stray_keys: StrayKeys::Flag,
            metering_timeout: Duration::from_secs(60),
            max_metered: 64,
            allow_private: BTreeSet::new(),
            extra_ca: None,
            drain_timeout: Duration::from_secs(300),
            max_connections: 16_384,
        }
    }
}
