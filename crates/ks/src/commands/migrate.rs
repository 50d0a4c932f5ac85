//! `ks migrate`: moves agents between their own keys and the marketplace. Their tokens stay.

use clap::Args;
use keystore_core::policy::Source;
use keystore_wire::marketplace::{CreateMigration, Migration};
use keystore_wire::page::PageQuery;

use super::find::MOST;
use super::{Context, moment};
use crate::cli::source;
use crate::output::{advice, table};

/// `ks migrate`.
#[derive(Args)]
pub(crate) struct MigrateArgs {
    /// The provider
    #[arg(value_name = "SLUG", required_unless_present_any = ["undo", "list"])]
    provider: Option<String>,
    /// Where to: byok (your own keys) or marketplace
    #[arg(long, value_parser = source, required_unless_present_any = ["undo", "list"])]
    to: Option<Source>,
    /// Only this agent (name or id); may be given several times. Without it, all that come from the other side
    #[arg(long = "agent", value_name = "AGENT")]
    agents: Vec<String>,
    /// The key to move to, where there are several
    #[arg(long, value_name = "NAME")]
    credential: Option<String>,
    /// Only say what it would do: prices on the last 30 days of usage, limits, and what keeps agents from moving
    #[arg(long)]
    dry_run: bool,
    /// Move back what this migration moved
    #[arg(long, value_name = "ID", conflicts_with_all = ["provider", "to", "agents", "credential", "dry_run"])]
    undo: Option<String>,
    /// List the migrations that were made
    #[arg(long, conflicts_with_all = ["provider", "to", "agents", "credential", "dry_run", "undo"])]
    list: bool,
}

/// Does what the command says.
pub(crate) async fn run(args: MigrateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    if args.list {
        return list(context).await;
    }
    if let Some(id) = &args.undo {
        let undone: Migration = context.client.act(&["migrations", id, "undo"]).await?;
        context
            .output
            .note(&format!("Moved {} back", agents(undone.agents.len())));
        return show(&undone, context);
    }
    let (Some(provider), Some(to)) = (args.provider, args.to) else {
        return Err(advice(
            "no provider is named",
            "`ks migrate openai --to marketplace`",
        ));
    };
    let body = CreateMigration {
        provider,
        to,
        agents: (!args.agents.is_empty()).then_some(args.agents),
        credential: args.credential,
        dry_run: args.dry_run,
    };
    let made: Migration = context.client.post(&["migrations"], &body).await?;
    if let Some(id) = made.id {
        context.output.note(&format!(
            "Moved {} to {}; their tokens stay. `ks migrate --undo {id}` moves them back",
            agents(made.agents.len()),
            to.as_str()
        ));
    }
    show(&made, context)
}

fn agents(count: usize) -> String {
    match count {
        1 => "1 agent".to_owned(),
        count => format!("{count} agents"),
    }
}

async fn list(context: &Context<'_>) -> anyhow::Result<()> {
    let made: Vec<Migration> = context
        .client
        .list(&["migrations"], &PageQuery::default(), MOST)
        .await?;
    context.output.data(&made, || {
        let rows = made.iter().map(|one| {
            [
                one.id.map_or_else(String::new, |id| id.to_string()),
                one.provider.clone(),
                one.to.as_str().to_owned(),
                agents(one.agents.len()),
                one.at.map_or_else(String::new, moment),
                one.undone_at.map_or_else(String::new, moment),
            ]
        });
        table(["ID", "PROVIDER", "TO", "AGENTS", "MADE", "UNDONE"], rows)
    })
}

fn show(migration: &Migration, context: &Context<'_>) -> anyhow::Result<()> {
    context.output.data(migration, || {
        let rows = migration.agents.iter().map(|agent| {
            let credential = |id: Option<keystore_core::ids::CredentialId>| {
                id.map_or_else(|| "pool".to_owned(), |id| id.to_string())
            };
            let to = match agent.obstacles.as_slice() {
                [] => credential(agent.to_credential_id),
                obstacles => format!("stays: {}", obstacles.join("; ")),
            };
            [agent.name.clone(), credential(agent.from_credential_id), to]
        });
        let mut text = table(["AGENT", "FROM", "TO"], rows);
        if let Some(effect) = &migration.effect {
            let there = effect.cost_there.map_or_else(
                || format!("not known: no price there for {}", effect.unpriced.join(", ")),
                |cost| format!("${cost}"),
            );
            text.push_str(&format!(
                "\nLast 30 days: {} calls, ${} here, {there} there.\n",
                effect.calls, effect.cost
            ));
            for note in &effect.notes {
                text.push_str(&format!("- {note}\n"));
            }
        }
        text
    })
}
