//! The load alone, for profiling: `load --addr 127.0.0.1:8400 --path /v1/openai/v1/chat/completions --bearer ks_…`.

#![expect(clippy::print_stdout, reason = "its outcome is what it is for")]

use std::net::SocketAddr;

use clap::Parser;
use keystore_bench::load::Load;

/// Sends a closed-loop load to a server on loopback and prints what came back as JSON.
#[derive(Parser)]
struct Arguments {
    /// Where to; must be loopback
    #[arg(long)]
    addr: SocketAddr,
    /// The path of the request
    #[arg(long, default_value = "/v1/chat/completions")]
    path: String,
    /// The bearer token
    #[arg(long, default_value = "none")]
    bearer: String,
    /// Ask for a stream
    #[arg(long)]
    stream: bool,
    /// Connections
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Requests in all
    #[arg(long, default_value_t = 20_000)]
    requests: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Arguments {
        addr,
        path,
        bearer,
        stream,
        connections,
        requests,
    } = Arguments::parse();
    let load = Load {
        addr,
        path,
        bearer,
        stream,
        connections,
        requests,
    };
    println!("{}", serde_json::to_string(&load.run().await?)?);
    Ok(())
}
