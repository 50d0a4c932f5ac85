//! `ks db`: the database of a server, on the machine where it is. Needs no server.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use keystore_server::audit::Verifier;
use keystore_server::audit::offline::{Unusable, notes};
use keystore_server::backup::{self, Checked};
use keystore_server::break_glass;
use keystore_server::config::Config;

use crate::output::{Output, advice};

/// `ks db`.
#[derive(Subcommand)]
pub(crate) enum DbCommand {
    /// Copy the database into a file, while the server runs (SQLite)
    #[command(
        after_help = "Examples:\n  ks db backup /backup/keystore-$(date +%F).db --config /etc/keystore/keystore.toml\n  \
        ks db backup copy.db --database sqlite:///var/lib/keystore/keystore.db\n\n\
        The root key is not in it: keep it elsewhere. FILE.sha256 is written beside it."
    )]
    Backup(BackupArgs),
    /// Bring a backup back as a new database, and check it (SQLite)
    #[command(
        after_help = "Example:\n  ks db restore /backup/keystore-2026-11-26.db --to /var/lib/keystore/keystore.db --key audit.key --from checkpoints.txt"
    )]
    Restore(RestoreArgs),
    /// Check a database that no server uses: its audit log, its ledger, and that no call is open
    #[command(
        after_help = "Example:\n  ks db check --database postgres://keystore@db/restored --key audit.key"
    )]
    Check(CheckArgs),
    /// Take the second factors of a person away who lost them; no server may run on the database
    #[command(
        after_help = "Example:\n  ks db reset-factors ada@example.com --config /etc/keystore/keystore.toml\n\n\
        Their password stays, their sessions end, and the audit log says that it was done. Be sure who asks."
    )]
    ResetFactors(ResetFactorsArgs),
}

/// Which database.
#[derive(Args)]
pub(crate) struct DatabaseArgs {
    /// The server's configuration file, which names it
    #[arg(long, value_name = "FILE", conflicts_with = "database")]
    config: Option<PathBuf>,
    /// Its address: sqlite:///path or postgres://…
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// What the audit log is checked against.
#[derive(Args)]
pub(crate) struct TrustArgs {
    /// The key that checkpoints are checked with, as `ks audit key` printed it, or a file with it
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
    /// Checkpoints that were kept elsewhere
    #[arg(long, value_name = "FILE", requires = "key")]
    from: Option<PathBuf>,
}

/// `ks db backup`.
#[derive(Args)]
pub(crate) struct BackupArgs {
    /// The file to make
    file: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// `ks db restore`.
#[derive(Args)]
pub(crate) struct RestoreArgs {
    /// The backup, with its .sha256 beside it
    file: PathBuf,
    /// The database file to make
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
}

/// `ks db check`.
#[derive(Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

/// `ks db reset-factors`.
#[derive(Args)]
pub(crate) struct ResetFactorsArgs {
    /// The address that they sign in with
    email: String,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl DatabaseArgs {
    fn url(&self) -> anyhow::Result<String> {
        match &self.database {
            Some(url) => Ok(url.clone()),
            None => Ok(Config::load(self.config.as_deref())?
                .store
                .url()?
                .expose()
                .to_owned()),
        }
    }
}

impl DatabaseArgs {
    /// The folder for files beside the database, where a configuration names it.
    fn data_dir(&self) -> anyhow::Result<Option<PathBuf>> {
        match &self.database {
            Some(_) => Ok(None),
            None => Ok(Some(Config::load(self.config.as_deref())?.store.data_dir)),
        }
    }
}

impl TrustArgs {
    fn read(&self) -> anyhow::Result<(Option<Verifier>, Vec<String>)> {
        let key = self.key.as_deref().map(super::audit::key_of).transpose()?;
        let kept = match &self.from {
            Some(path) => {
                let text = std::fs::read_to_string(path);
                notes(&text.with_context(|| format!("{} cannot be read", path.display()))?)
            }
            None => Vec::new(),
        };
        Ok((key, kept))
    }
}

/// Does what the command says.
pub(crate) async fn run(command: DbCommand, output: &Output) -> anyhow::Result<ExitCode> {
    match command {
        DbCommand::Backup(args) => {
            let working = output.working("copying the database");
            let bar = output.counting("bytes");
            let made = backup::backup(&args.database.url()?, &args.file, &mut |done, total| {
                bar.at(done, total);
            })
            .await
            .map_err(hinted)?;
            drop((working, bar));
            output.note(&format!(
                "{} holds {} bytes, SHA-256 {}",
                args.file.display(),
                made.bytes,
                made.sha256
            ));
            output.note("the root key is not in it, and nothing opens without it: keep it elsewhere");
            Ok(ExitCode::SUCCESS)
        }
        DbCommand::Restore(args) => {
            let (key, kept) = args.trust.read()?;
            let bar = output.counting("");
            let mut progress = |done, total| bar.at(done, total);
            let checked = backup::restore(&args.file, &args.to, key.as_ref(), &kept, &mut progress).await?;
            drop(bar);
            output.note(&format!(
                "{} is restored and checked: {}",
                args.to.display(),
                words(&checked)
            ));
            output.warn(
                "what was revoked after the backup is not revoked in it: before you start the server, know which tokens and keys were, \
                 and revoke them first",
            );
            Ok(ExitCode::SUCCESS)
        }
        DbCommand::ResetFactors(args) => {
            let (url, data_dir) = (args.database.url()?, args.database.data_dir()?);
            break_glass::reset_factors(&url, data_dir.as_deref(), &args.email).await?;
            output.note(&format!(
                "{} signs in with the password alone again, and has no session any more",
                args.email
            ));
            Ok(ExitCode::SUCCESS)
        }
        DbCommand::Check(args) => {
            let (key, kept) = args.trust.read()?;
            let bar = output.counting("records");
            let mut progress = |done, total| bar.at(done, total);
            let checked = backup::check_database(&args.database.url()?, key.as_ref(), &kept, &mut progress)
                .await
                .map_err(hinted)?;
            drop(bar);
            if checked.problems.is_empty() {
                output.note(&format!("good: {}", words(&checked)));
                return Ok(ExitCode::SUCCESS);
            }
            for problem in &checked.problems {
                output.line(&format!("WRONG: {problem}"))?;
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The same failure, with how to name another database where this one cannot be used.
fn hinted(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<Unusable>() {
        Some(unusable) => advice(
            unusable.to_string(),
            "`--database URL` names another one, or `--config FILE` the configuration that does",
        ),
        None => error,
    }
}

fn words(checked: &Checked) -> String {
    format!(
        "{} records of the audit log, {} of them signed; {} running calls were settled at what was held for them",
        checked.audit.records, checked.audit.signed, checked.crashed
    )
}
