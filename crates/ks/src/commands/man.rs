//! `ks man`: pages for `man`, made from what `--help` says.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::output::Output;

/// Writes a page for each command into `folder`: `ks.1`, `ks-agent.1`, `ks-agent-create.1`.
pub(crate) fn write(folder: &Path, output: &Output) -> anyhow::Result<()> {
    let cannot = || format!("cannot write pages to {}", folder.display());
    fs::create_dir_all(folder).with_context(cannot)?;
    clap_mangen::generate_to(Cli::command(), folder).with_context(cannot)?;
    output.note(&format!("The pages are in {}.", folder.display()));
    Ok(())
}
