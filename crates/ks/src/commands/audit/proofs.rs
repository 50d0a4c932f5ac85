//! `ks audit key|checkpoints|prove|export|hash`: what an auditor takes along.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use keystore_core::Micros;
use keystore_wire::audit_proofs::{
    AuditCheckpoint, AuditKey, AuditProof, ExportAudit, ExportForm, HashAuditValue, HashedAuditValue,
};

use super::super::{Context, moment};
use crate::duration;
use crate::output::{advice, table};

/// `ks audit checkpoints`.
#[derive(Args)]
pub(crate) struct CheckpointsArgs {
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Print the newest one as it was signed, to be kept elsewhere
    #[arg(long)]
    note: bool,
}

/// `ks audit prove`.
#[derive(Args)]
pub(crate) struct ProveArgs {
    /// A call (req_…), or the number of an entry of `ks audit list`
    #[arg(value_name = "REQUEST|SEQ")]
    id: String,
    /// Where to write the proof; stdout without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// `ks audit export`.
#[derive(Args)]
pub(crate) struct ExportArgs {
    /// How: ndjson with proofs, csv for spreadsheets, ocsf for security tools
    #[arg(long, value_name = "FORMAT", default_value = "ndjson", value_parser = form)]
    format: ExportForm,
    /// From then on: so long ago, a date, or a time
    #[arg(long, value_name = "WHEN", value_parser = duration::parse_past)]
    since: Option<Micros>,
    /// Before then
    #[arg(long, value_name = "WHEN", value_parser = duration::parse_past)]
    until: Option<Micros>,
    /// Show that the log goes on from an older checkpoint of this size
    #[arg(long, value_name = "SIZE")]
    from: Option<u64>,
    /// Where to write it; stdout without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn form(text: &str) -> Result<ExportForm, String> {
    match text {
        "ndjson" => Ok(ExportForm::Ndjson),
        "csv" => Ok(ExportForm::Csv),
        "ocsf" => Ok(ExportForm::Ocsf),
        _ => Err("expected ndjson, csv or ocsf".to_owned()),
    }
}

/// Prints the key that checkpoints are checked with.
pub(crate) async fn key(context: &Context<'_>) -> anyhow::Result<()> {
    let found: AuditKey = context.client.get(&["audit", "key"], &()).await?;
    context.output.data(&found, || found.key.clone())
}

/// Lists checkpoints.
pub(crate) async fn checkpoints(args: CheckpointsArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let limit = if args.note { 1 } else { args.limit };
    let found: Vec<AuditCheckpoint> = context.client.list(&["audit", "checkpoints"], &(), limit).await?;
    if args.note {
        let newest = found.first();
        let newest = newest.ok_or_else(|| {
            advice(
                "nothing was signed yet",
                "the first checkpoint comes within a few seconds of the start",
            )
        })?;
        return context.output.line(newest.note.trim_end());
    }
    context.output.data(&found, || {
        let rows = found
            .iter()
            .map(|found| [found.size.to_string(), moment(found.at)]);
        table(["RECORDS", "SIGNED AT"], rows)
    })
}

/// Writes the proof for one call or entry.
pub(crate) async fn prove(args: ProveArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let proof: AuditProof = context.client.get(&["audit", "proofs", &args.id], &()).await?;
    let text = serde_json::to_string_pretty(&proof)?;
    let Some(path) = args.out else {
        return context.output.line(&text);
    };
    std::fs::write(&path, text + "\n").with_context(|| format!("{} cannot be written", path.display()))?;
    context.output.note(&format!(
        "{} records are proven by {}; check it with `ks audit verify-proof {} --key KEY`",
        proof.records.len(),
        path.display(),
        path.display()
    ));
    Ok(())
}

/// Writes the organization's part of the log.
pub(crate) async fn export(args: ExportArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let query = ExportAudit {
        format: Some(args.format),
        project: context.settings.project.clone(),
        since: args.since.map(Into::into),
        until: args.until.map(Into::into),
        from: args.from,
    };
    let mut lines = context.client.lines(&["audit", "export"], &query).await?;
    let Some(path) = args.out else {
        while let Some(line) = lines.next().await? {
            context.output.line(&line)?;
        }
        return Ok(());
    };
    let opened = std::fs::File::create(&path);
    let opened = opened.with_context(|| format!("{} cannot be written", path.display()))?;
    let mut file = std::io::BufWriter::new(opened);
    let bar = context.output.counting("lines");
    let mut count = 0;
    while let Some(line) = lines.next().await? {
        writeln!(file, "{line}")?;
        count += 1;
        bar.at(count, 0);
    }
    file.flush()?;
    drop(bar);
    context
        .output
        .note(&format!("{count} lines are in {}", path.display()));
    Ok(())
}

/// Prints how a value of a query stands in the log.
pub(crate) async fn hash(value: String, context: &Context<'_>) -> anyhow::Result<()> {
    let asked = HashAuditValue { value };
    let found: HashedAuditValue = context.client.post(&["audit", "hash"], &asked).await?;
    context.output.data(&found, || found.hash.clone())
}
