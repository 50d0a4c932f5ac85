//! `ks completions`: a shell's completion script.

use clap::CommandFactory;

use crate::cli::Cli;
use crate::output::Output;

/// Prints the script.
pub(crate) fn print(shell: clap_complete::Shell, output: &Output) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ks", &mut script);
    output.line(String::from_utf8_lossy(&script).trim_end())
}
