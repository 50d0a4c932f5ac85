//! `ks events`: what happened that somebody may want to hear of.

use clap::Args;
use keystore_wire::events::{Event, ListEvents};
use serde_json::Value;

use super::{Context, moment};
use crate::output::table;

/// `ks events`.
#[derive(Args)]
pub(crate) struct EventsArgs {
    /// Of this kind, such as usage.threshold
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// Does what the command says.
pub(crate) async fn run(args: EventsArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let query = ListEvents {
        project: context.settings.project.clone(),
        kind: args.kind,
        ..ListEvents::default()
    };
    let events: Vec<Event> = context.client.list(&["events"], &query, args.limit).await?;
    context.output.data(&events, || {
        let rows = events.iter().map(|event| {
            [
                moment(event.at),
                event.kind.clone(),
                event.subject.clone(),
                facts(&event.data),
            ]
        });
        table(["AT", "KIND", "OF", "FACTS"], rows)
    })
}

/// `limit 20.00, spent 16.04, threshold 80`.
fn facts(data: &Value) -> String {
    let facts = data.as_object().into_iter().flatten();
    let facts = facts.map(|(name, value)| match value {
        Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    });
    facts.collect::<Vec<_>>().join(", ")
}
