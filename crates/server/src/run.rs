//! The two ways to run the server: `serve` for production, `dev` for one command to a working Keystore.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::Config;

/// What `ks dev` was told.
#[derive(Debug, Clone, Default)]
pub struct DevOptions {
    /// Where everything is kept; `None` is `$XDG_DATA_HOME/keystore`, else `~/.local/share/keystore`.
    pub data_dir: Option<PathBuf>,
    /// The proxy's address; `None` is `127.0.0.1:8400`.
    pub proxy_addr: Option<SocketAddr>,
    /// The API's address; `None` is `127.0.0.1:8401`.
    pub api_addr: Option<SocketAddr>,
    /// `host:port` of upstreams at private or loopback addresses that may be dialled, and named in `baseUrl`.
    pub allow_upstream: Vec<String>,
}

/// Runs the server until SIGTERM or SIGINT: production. Refuses unsafe settings with the reason.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    let _ = config;
    todo!()
}

/// Runs a complete Keystore on embedded SQLite with a generated root key, an owner account, a management key, the sandbox
/// provider and a demo agent; prints how to use it. A second start on the same data keeps everything.
pub async fn dev(options: DevOptions) -> anyhow::Result<()> {
    let _ = options;
    todo!()
}
