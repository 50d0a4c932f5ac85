//! `[api]`: the control plane's listener and accounts.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::tls::TlsFiles;

/// The listener that people, SDKs and CI reach.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiSection {
    /// Where it listens. Default `127.0.0.1:8401`.
    pub addr: SocketAddr,
    /// Its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFiles>,
    /// Whether something in front of it terminates TLS. Also marks session cookies `Secure`.
    pub behind_tls: bool,
    /// Where people reach it, for links in mails: `https://keystore.example.com`. From `addr` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Who may sign up. Default `closed`.
    pub signup: SignUp,
}

/// Who may make an account by `POST /v1/auth/signup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignUp {
    /// Only the first person, as long as there is no account at all.
    #[default]
    Closed,
    /// Everybody; each makes an organization of their own.
    Open,
}

impl Default for ApiSection {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 8401)),
            tls: None,
            behind_tls: false,
            public_url: None,
            signup: SignUp::Closed,
        }
    }
}
