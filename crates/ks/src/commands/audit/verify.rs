//! `ks audit verify` and `ks audit verify-proof`: checks the audit log here, with a key that the server cannot change.
//!
//! Ends with 0 where nothing is wrong, with 1 where something is, which it names, and with 2 where it could not look.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use keystore_server::audit::check::Problem;
use keystore_server::audit::exported::{Exported, check_proof};
use keystore_server::audit::offline;
use keystore_server::audit::{Checkpoint, Verifier};
use keystore_wire::audit_proofs::{AuditKey, AuditProof, AuditVerified, ExportAudit};

use super::super::Context;
use crate::output::Output;

/// `ks audit verify`.
#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// The key to check with, as `ks audit key` printed it, or a file with it; without it the server is asked, and believed
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
    /// An export of the log (NDJSON), in place of the server
    #[arg(long, value_name = "FILE", conflicts_with = "database")]
    file: Option<PathBuf>,
    /// The database (sqlite:///path or postgres://…), in place of the server: the whole log of the deployment
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Checkpoints that were kept elsewhere, which the log must agree with: a note, or what a file or syslog sink has
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

/// `ks audit verify-proof`.
#[derive(Args)]
pub(crate) struct VerifyProofArgs {
    /// The proof, as `ks audit prove` wrote it
    file: PathBuf,
    /// The key to check with, as `ks audit key` printed it, or a file with it
    #[arg(long, value_name = "KEY|FILE")]
    key: String,
}

/// Checks the log.
pub(crate) async fn verify(args: VerifyArgs, context: &Context<'_>) -> ExitCode {
    let looked = look(args, context).await;
    tell(looked, context.output)
}

/// Checks a proof file.
pub(crate) fn verify_proof(args: &VerifyProofArgs, output: &Output) -> ExitCode {
    let looked = || -> anyhow::Result<Result<AuditVerified, Problem>> {
        let key = key_of(&args.key)?;
        let text = read(&args.file)?;
        let proof: AuditProof = serde_json::from_str(&text).context("this is no proof")?;
        let said = match check_proof(&proof, &key) {
            Ok(said) => said,
            Err(problem) => return Ok(Err(problem)),
        };
        for proven in &proof.records {
            output.line(&format!("{} {}", proven.index, proven.record))?;
        }
        Ok(Ok(good(proof.records.len() as u64, said.size)))
    };
    tell(looked(), output)
}

fn good(records: u64, size: u64) -> AuditVerified {
    AuditVerified {
        ok: true,
        records,
        size,
        first_bad_index: None,
        problem: None,
    }
}

fn tell(looked: anyhow::Result<Result<AuditVerified, Problem>>, output: &Output) -> ExitCode {
    let found = match looked {
        Ok(Ok(found)) => found,
        Ok(Err(problem)) => AuditVerified {
            ok: false,
            records: problem.first,
            size: 0,
            first_bad_index: Some(problem.first),
            problem: Some(problem.to_string()),
        },
        Err(error) => {
            output.failure(&error);
            return ExitCode::from(2);
        }
    };
    let words = match &found.problem {
        None => format!(
            "good: {} records, under a checkpoint of {}",
            found.records, found.size
        ),
        Some(problem) => format!("WRONG: {problem}"),
    };
    if output.data(&found, || words).is_err() {
        return ExitCode::from(2);
    }
    ExitCode::from(u8::from(!found.ok))
}

async fn look(args: VerifyArgs, context: &Context<'_>) -> anyhow::Result<Result<AuditVerified, Problem>> {
    let notes = match &args.from {
        Some(path) => offline::notes(&read(path)?),
        None => Vec::new(),
    };
    if args.from.is_some() && notes.is_empty() {
        bail!("the file of --from has no checkpoint");
    }
    let key = match &args.key {
        Some(key) => key_of(key)?,
        None if args.file.is_some() || args.database.is_some() => {
            bail!("without a server the key is needed: --key, as `ks audit key` printed it")
        }
        None => {
            context.output.warn(
                "the key is the server's own word; keep the output of `ks audit key`, and give it with --key",
            );
            let AuditKey { key } = context.client.get(&["audit", "key"], &()).await?;
            key_of(&key)?
        }
    };
    if let Some(url) = &args.database {
        return database(url, &key, &notes, context.output).await;
    }
    let mut from: Option<Checkpoint> = None;
    for note in &notes {
        let said = key.open(note).context("a checkpoint of --from")?;
        from = from.filter(|from| from.size >= said.size).or(Some(said));
    }
    match &args.file {
        Some(path) => file(path, &key, from, context.output),
        None => server(&key, from, context).await,
    }
}

async fn database(
    url: &str,
    key: &Verifier,
    notes: &[String],
    output: &Output,
) -> anyhow::Result<Result<AuditVerified, Problem>> {
    let bar = output.counting("records");
    let mut progress = |done, total| bar.at(done, total);
    let report = offline::check_database(url, key, notes, &mut progress).await?;
    drop(bar);
    if let Some(problem) = report.problem {
        return Ok(Err(problem));
    }
    if report.checkpoints == 0 {
        output.warn("nothing of it is signed yet");
    }
    if report.records > report.signed {
        output.note(&format!(
            "{} records came after the newest checkpoint",
            report.records - report.signed
        ));
    }
    if report.pruned > 0 {
        output.note(&format!(
            "of {} records the retention left the hash alone",
            report.pruned
        ));
    }
    Ok(Ok(good(report.records, report.signed)))
}

fn file(
    path: &Path,
    key: &Verifier,
    from: Option<Checkpoint>,
    output: &Output,
) -> anyhow::Result<Result<AuditVerified, Problem>> {
    let opened = std::fs::File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let bar = output.counting("records");
    let mut exported = Exported::new(key, from);
    for line in std::io::BufReader::new(opened).lines() {
        if let Err(problem) = exported.line(&line?) {
            return Ok(Err(problem));
        }
        bar.at(exported.records(), 0);
    }
    Ok(exported.end().map(|found| good(found.records, found.size)))
}

async fn server(
    key: &Verifier,
    from: Option<Checkpoint>,
    context: &Context<'_>,
) -> anyhow::Result<Result<AuditVerified, Problem>> {
    let query = ExportAudit {
        project: context.settings.project.clone(),
        from: from.as_ref().map(|from| from.size),
        ..ExportAudit::default()
    };
    let bar = context.output.counting("records");
    let mut exported = Exported::new(key, from);
    let mut lines = context.client.lines(&["audit", "export"], &query).await?;
    while let Some(line) = lines.next().await? {
        if let Err(problem) = exported.line(&line) {
            return Ok(Err(problem));
        }
        bar.at(exported.records(), 0);
    }
    Ok(exported.end().map(|found| good(found.records, found.size)))
}

/// A key as text, or from a file.
///
/// # Errors
/// It is no key, and no file with one.
pub(crate) fn key_of(text: &str) -> anyhow::Result<Verifier> {
    if let Ok(key) = Verifier::parse(text) {
        return Ok(key);
    }
    let file = std::fs::read_to_string(text)
        .with_context(|| format!("{text} is no verifier key, and no file that can be read"))?;
    Verifier::parse(&file).with_context(|| text.to_owned())
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}
