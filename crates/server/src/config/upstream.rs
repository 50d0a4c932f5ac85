//! `[upstream]`: calls to providers.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How providers are reached.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamSection {
    /// `host:port` at private or loopback addresses that may be dialled, and named in `baseUrl`. Others are refused.
    pub allow_private: Vec<String>,
    /// A PEM file with certificate authorities beyond the built-in ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_ca: Option<PathBuf>,
    /// For a TCP and TLS connection. Default 10 seconds.
    #[serde(with = "super::duration")]
    pub connect_timeout: Duration,
    /// Until the head of an answer. Default 10 minutes.
    #[serde(with = "super::duration")]
    pub head_timeout: Duration,
    /// Silence within an answer. Default 5 minutes.
    #[serde(with = "super::duration")]
    pub idle_timeout: Duration,
}

impl Default for UpstreamSection {
    fn default() -> Self {
        Self {
            allow_private: Vec::new(),
            extra_ca: None,
            connect_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(600),
            idle_timeout: Duration::from_secs(300),
        }
    }
}
