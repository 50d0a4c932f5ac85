//! `ks audit`: who changed what. Traffic is in `ks requests`.

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
pub(crate) async fn run(command: AuditCommand, context: &Context<'_>) -> anyhow::Result<()> {
    let AuditCommand::List(args) = command;
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
