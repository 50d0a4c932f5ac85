//! `ks completions`: a shell's completion script.

use crate::complete;
use crate::output::Output;

/// Prints the script.
pub(crate) fn print(shell: clap_complete::Shell, output: &Output) -> anyhow::Result<()> {
    output.line(complete::script(shell)?.trim())
}
