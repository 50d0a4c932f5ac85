//! `ks dev` and `ks serve`: the server itself, which is another crate's.

use std::net::SocketAddr;
use std::path::PathBuf;

use keystore_server::config::Config;
use keystore_server::run::DevOptions;

use crate::output::Output;

/// `ks dev`.
#[derive(clap::Args)]
pub(crate) struct DevArgs {
    /// Where everything is kept; the XDG data folder by default
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The data plane's address; 127.0.0.1:8400 by default
    #[arg(long, value_name = "ADDR")]
    proxy_addr: Option<SocketAddr>,
    /// The control plane's address; 127.0.0.1:8401 by default
    #[arg(long, value_name = "ADDR")]
    api_addr: Option<SocketAddr>,
    /// A private or loopback upstream that may be called; may be given several times
    #[arg(long, value_name = "HOST:PORT")]
    allow_upstream: Vec<String>,
    /// Tell of thirty invented days first, in a new data folder: agents, calls, costs, invoices
    #[arg(long)]
    demo_data: bool,
    /// What is logged to stderr: error, warn, info, debug, trace, or a filter such as info,keystore_proxy=debug; warn by default
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

/// `ks serve`.
#[derive(clap::Args)]
pub(crate) struct ServeArgs {
    /// The configuration file; keystore.toml in this folder by default, if there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the settings, with secrets masked, and stop
    #[arg(long)]
    print_config: bool,
}

/// Runs a complete Keystore for development.
pub(crate) async fn dev(args: DevArgs) -> anyhow::Result<()> {
    keystore_server::run::dev(DevOptions {
        data_dir: args.data_dir,
        proxy_addr: args.proxy_addr,
        api_addr: args.api_addr,
        allow_upstream: args.allow_upstream,
        demo_data: args.demo_data,
        log: args.log,
    })
    .await
}

/// Runs the server, or shows its settings.
pub(crate) async fn serve(args: ServeArgs, output: &Output) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref())?;
    if args.print_config {
        return output.line(config.to_masked_toml().trim_end());
    }
    keystore_server::run::serve(config).await
}
