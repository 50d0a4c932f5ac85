//! `ks events`: what happened that somebody may want to hear of.

use clap::Args;
use keystore_wire::events::{Event, ListEvents};

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
            let text = |fact: &str| event.data[fact].as_str().unwrap_or_default().to_owned();
            let threshold = event.data["threshold"].as_u64();
            [
                moment(event.at),
                event.kind.clone(),
                event.subject.clone(),
                threshold.map_or_else(String::new, |percent| format!("{percent} %")),
                text("spent"),
                text("limit"),
            ]
        });
        table(["AT", "KIND", "OF", "THRESHOLD", "SPENT", "LIMIT"], rows)
    })
}
