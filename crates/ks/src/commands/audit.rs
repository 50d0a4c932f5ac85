//! `ks audit`: who changed what, and the proof that the log of it is whole. Traffic is in `ks requests`.

mod proofs;
mod verify;

pub(crate) use verify::key_of;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystore_core::Micros;
use keystore_wire::audit::{AuditEntry, ListAudit};

use super::{Context, moment, or_dash};
use crate::duration;
use crate::output::table;

/// `ks audit`.
#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// List changes, newest first
    #[command(
        after_help = "Examples:\n  ks audit list\n  ks audit list --action create_agent --since 7d\n  \
        ks audit list --subject agt_01jd3w8f0qe7ys4c9p2m5n6r7t --output json      with what was and what is"
    )]
    List(ListArgs),
    /// Check the log: yours through the server or from an export, or a whole deployment's in its database
    #[command(
        after_help = "Examples:\n  ks audit verify --key audit.key\n  ks audit verify --file export.ndjson --key audit.key\n  \
        ks audit verify --database sqlite:///var/lib/keystore/keystore.db --key audit.key --from checkpoints.txt\n\n\
        Exit status: 0 nothing is wrong, 1 something is (it is named), 2 it could not be checked."
    )]
    Verify(verify::VerifyArgs),
    /// Write the proof that a call, or a change, is in the log
    #[command(
        after_help = "Examples:\n  ks audit prove req_01jd3w8f0qe7ys4c9p2m5n6r7t --out call.proof\n  ks audit prove 42"
    )]
    Prove(proofs::ProveArgs),
    /// Check a proof with nothing but the file and the key
    #[command(after_help = "Example:\n  ks audit verify-proof call.proof --key audit.key")]
    VerifyProof(verify::VerifyProofArgs),
    /// Write your part of the log to a file
    #[command(
        after_help = "Examples:\n  ks audit export --out audit.ndjson\n  ks audit export --format csv --since 30d --out audit.csv\n  \
        ks audit export --format ocsf | your-siem-shipper"
    )]
    Export(proofs::ExportArgs),
    /// Print the key that checkpoints are checked with; keep it elsewhere
    #[command(after_help = "Example:\n  ks audit key > audit.key")]
    Key,
    /// List signed checkpoints, newest first
    #[command(
        after_help = "Examples:\n  ks audit checkpoints\n  ks audit checkpoints --note > checkpoint.txt"
    )]
    Checkpoints(proofs::CheckpointsArgs),
    /// Print how a value of a query stands in the log
    #[command(after_help = "Example:\n  ks audit hash cursor-42")]
    Hash {
        /// The value, decoded
        value: String,
    },
}

/// `ks audit list`.
#[derive(Args)]
pub(crate) struct ListArgs {
    /// Of this operation, such as create_agent
    #[arg(long, value_name = "OPERATION")]
    action: Option<String>,
    /// By this person or management key (id)
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// On this thing (id)
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// From then on: so long ago, a date, or a time
    #[arg(long, value_name = "WHEN", value_parser = duration::parse_past)]
    since: Option<Micros>,
    /// Before then
    #[arg(long, value_name = "WHEN", value_parser = duration::parse_past)]
    until: Option<Micros>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// Does what the command says.
pub(crate) async fn run(command: AuditCommand, context: &Context<'_>) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::List(args) => list(args, context).await?,
        AuditCommand::Verify(args) => return Ok(verify::verify(args, context).await),
        AuditCommand::Prove(args) => proofs::prove(args, context).await?,
        AuditCommand::VerifyProof(args) => return Ok(verify::verify_proof(&args, context.output)),
        AuditCommand::Export(args) => proofs::export(args, context).await?,
        AuditCommand::Key => proofs::key(context).await?,
        AuditCommand::Checkpoints(args) => proofs::checkpoints(args, context).await?,
        AuditCommand::Hash { value } => proofs::hash(value, context).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(args: ListArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let query = ListAudit {
        project: context.settings.project.clone(),
        action: args.action,
        actor: args.actor,
        subject: args.subject,
        since: args.since.map(Into::into),
        until: args.until.map(Into::into),
        ..ListAudit::default()
    };
    let entries: Vec<AuditEntry> = context.client.list(&["audit"], &query, args.limit).await?;
    context.output.data(&entries, || {
        let rows = entries.iter().map(|entry| {
            [
                entry.seq.to_string(),
                moment(entry.at),
                entry.action.clone(),
                entry.actor_name.clone().unwrap_or_else(|| entry.actor.clone()),
                entry.subject.clone(),
                or_dash(entry.address.clone()),
            ]
        });
        table(["SEQ", "AT", "ACTION", "BY", "ON", "FROM"], rows)
    })
}
