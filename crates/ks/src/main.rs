//! `ks`: the server (`ks dev`, `ks serve`) and its command-line client, in one binary.
//!
//! This file parses, dispatches and turns the end of a command into an exit code: 0 done, 1 refused or failed, 2 bad usage.
//! What a command does is in `commands/`; it talks to a server through `client` and to people through `output`.

mod cli;
mod client;
mod commands;
mod complete;
mod duration;
mod output;
mod secret_input;
mod settings;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::output::Output;

/// Secrets pass through buffers of libraries, too.
#[global_allocator]
static ALLOCATOR: keystore_server::Wiping = keystore_server::Wiping;

fn main() -> ExitCode {
    match complete::answer() {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        Err(error) => error.exit(),
    }
    let cli = Cli::parse();
    let output = Output::new(cli.global.output);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.failure(&anyhow::Error::new(error).context("cannot start the runtime"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(commands::run(cli, &output)) {
        Ok(code) => code,
        Err(error) => {
            output.failure(&error);
            ExitCode::FAILURE
        }
    }
}
