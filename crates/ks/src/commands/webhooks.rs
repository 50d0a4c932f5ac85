//! `ks webhook`: addresses that events are told to. A secret is shown once, alone on stdout.

use std::time::Duration;

use clap::{Args, Subcommand};
use keystore_core::ids::WebhookId;
use keystore_wire::Patch;
use keystore_wire::events::Kind;
use keystore_wire::webhooks::{
    CreateWebhook, CreatedWebhook, Delivery, DeliveryStatus, DisabledBecause, ListDeliveries,
    RotateWebhookSecret, UpdateWebhook, Webhook, WebhookStatus,
};
use serde_json::json;

use super::find::MOST;
use super::{Context, moment, or_dash};
use crate::output::{advice, table};
use crate::{duration, secret_input};

/// How long `test` waits for what becomes of its message.
const PATIENCE: Duration = Duration::from_secs(25);

/// `ks webhook`.
#[derive(Subcommand)]
pub(crate) enum WebhookCommand {
    /// List the webhooks
    #[command(after_help = "Example:\n  ks webhook list")]
    List,
    /// Tell an address of events; its secret is shown this once
    #[command(
        after_help = "Examples:\n  ks webhook create https://example.com/hooks/keystore\n  ks webhook create https://example.com/hooks/keystore \
        --name billing --events invoice.created,usage.threshold\n  WEBHOOK_SECRET=$(ks webhook create https://example.com/hooks/keystore --events 'agent.*')"
    )]
    Create(CreateArgs),
    /// Show a webhook
    #[command(after_help = "Example:\n  ks webhook get billing")]
    Get {
        /// Its name, address or id
        webhook: String,
    },
    /// Change a webhook
    #[command(
        after_help = "Examples:\n  ks webhook update billing --events '*'\n  ks webhook update billing --url https://example.com/other\n  \
        ks webhook update billing --enable"
    )]
    Update(Box<UpdateArgs>),
    /// Delete a webhook, and what waits for it
    #[command(after_help = "Example:\n  ks webhook delete billing --yes")]
    Delete {
        /// Its name, address or id
        webhook: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Send a webhook an event that tests it, and wait for its answer
    #[command(after_help = "Example:\n  ks webhook test billing")]
    Test {
        /// Its name, address or id
        webhook: String,
    },
    /// List what was sent to a webhook, or waits, newest first
    #[command(
        after_help = "Examples:\n  ks webhook deliveries billing\n  ks webhook deliveries billing --status dead"
    )]
    Deliveries(DeliveriesArgs),
    /// Send what was sent before once more
    #[command(
        after_help = "Examples:\n  ks webhook redeliver dlv_01jd3w8f0qe7ys4c9p2m5n6r7t\n  ks webhook redeliver --dead billing"
    )]
    Redeliver(RedeliverArgs),
    /// Give a webhook another secret, shown this once; both sign for a while
    #[command(
        after_help = "Examples:\n  ks webhook rotate-secret billing\n  ks webhook rotate-secret billing --overlap 1h\n  \
        ks webhook rotate-secret billing --overlap 0s"
    )]
    RotateSecret {
        /// Its name, address or id
        webhook: String,
        /// For how long the secret before signs, too: a day by default, a week at most; 0s for one that got out
        #[arg(long, value_name = "DURATION", value_parser = duration::parse_or_none)]
        overlap: Option<Duration>,
    },
    /// List the kinds of events
    #[command(after_help = "Example:\n  ks webhook events")]
    Events,
}

/// `ks webhook create`.
#[derive(Args)]
pub(crate) struct CreateArgs {
    /// The address
    url: String,
    /// What it is told of: kinds, groups such as agent.*, or *
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', default_value = "*")]
    events: Vec<String>,
    /// A name for it
    #[arg(long)]
    name: Option<String>,
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
}

/// `ks webhook update`.
#[derive(Args)]
pub(crate) struct UpdateArgs {
    /// Its name, address or id
    webhook: String,
    /// Another address
    #[arg(long)]
    url: Option<String>,
    /// All that it is told of
    #[arg(long, value_name = "KIND,…", value_delimiter = ',')]
    events: Option<Vec<String>>,
    /// Another name; an empty one is none
    #[arg(long)]
    name: Option<String>,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// Send events to it again
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Send nothing to it
    #[arg(long)]
    disable: bool,
}

/// `ks webhook deliveries`.
#[derive(Args)]
pub(crate) struct DeliveriesArgs {
    /// Its name, address or id
    webhook: String,
    /// Those that stand so alone: pending, delivered or dead
    #[arg(long, value_parser = status)]
    status: Option<DeliveryStatus>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// `ks webhook redeliver`.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct RedeliverArgs {
    /// Ids of deliveries
    #[arg(value_name = "DELIVERY")]
    deliveries: Vec<String>,
    /// All that were given up, of the webhook with this name, address or id
    #[arg(long, value_name = "WEBHOOK")]
    dead: Option<String>,
}

fn status(text: &str) -> Result<DeliveryStatus, String> {
    serde_json::from_value(json!(text)).map_err(|_| "expected pending, delivered or dead".to_owned())
}

/// Does what the command says.
pub(crate) async fn run(command: WebhookCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        WebhookCommand::List => list(context).await,
        WebhookCommand::Create(args) => create(args, context).await,
        WebhookCommand::Get { webhook } => {
            let webhook = context.webhook(&webhook).await?;
            context.output.data(&webhook, || about(&webhook))
        }
        WebhookCommand::Update(args) => update(*args, context).await,
        WebhookCommand::Delete { webhook, yes } => delete(&webhook, yes, context).await,
        WebhookCommand::Test { webhook } => test(&webhook, context).await,
        WebhookCommand::Deliveries(args) => deliveries(args, context).await,
        WebhookCommand::Redeliver(args) => redeliver(args, context).await,
        WebhookCommand::RotateSecret { webhook, overlap } => rotate(&webhook, overlap, context).await,
        WebhookCommand::Events => {
            let kinds: Vec<_> = Kind::ALL
                .iter()
                .map(|kind| json!({"kind": kind.as_str(), "about": kind.about()}))
                .collect();
            context.output.data(&kinds, || {
                let rows = Kind::ALL
                    .iter()
                    .map(|kind| [kind.as_str().to_owned(), kind.about().to_owned()]);
                table(["KIND", "WHAT HAPPENED"], rows)
            })
        }
    }
}

impl Context<'_> {
    /// The webhook with this name, address or id.
    ///
    /// # Errors
    /// There is none, or several have the address.
    async fn webhook(&self, text: &str) -> anyhow::Result<Webhook> {
        if text.parse::<WebhookId>().is_ok() {
            return self.client.get(&["webhooks", text], &()).await;
        }
        let all: Vec<Webhook> = self.client.list(&["webhooks"], &(), MOST).await?;
        let mut found: Vec<_> = all
            .into_iter()
            .filter(|one| one.name.as_deref() == Some(text) || one.url == text)
            .collect();
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => Err(advice(
                format!("there is no webhook `{text}`"),
                "`ks webhook list` lists them",
            )),
            _ => Err(advice(
                format!("several webhooks have the address {text}"),
                "name it by its id: `ks webhook list`",
            )),
        }
    }
}

async fn list(context: &Context<'_>) -> anyhow::Result<()> {
    let webhooks: Vec<Webhook> = context.client.list(&["webhooks"], &(), MOST).await?;
    context.output.data(&webhooks, || {
        let rows = webhooks.iter().map(|webhook| {
            [
                or_dash(webhook.name.clone()),
                webhook.url.clone(),
                webhook.events.join(","),
                stands(webhook),
                webhook.id.to_string(),
            ]
        });
        table(["NAME", "URL", "EVENTS", "STATUS", "ID"], rows)
    })
}

/// `active`, `active, failing since …`, `disabled`, `disabled (failing)`.
fn stands(webhook: &Webhook) -> String {
    let because = match webhook.disabled_because {
        Some(DisabledBecause::Failing) => " (it took nothing for 72 hours)",
        Some(DisabledBecause::Gone) => " (it answered 410)",
        Some(DisabledBecause::Lost) => " (its secret was destroyed with the organization's keys)",
        None => "",
    };
    match (webhook.status, webhook.failing_since) {
        (WebhookStatus::Disabled, _) => format!("disabled{because}"),
        (WebhookStatus::Active, Some(since)) => format!("active, failing since {}", moment(since)),
        (WebhookStatus::Active, None) => "active".to_owned(),
    }
}

fn about(webhook: &Webhook) -> String {
    let mut lines = vec![
        format!("id           {}", webhook.id),
        format!("name         {}", or_dash(webhook.name.clone())),
        format!("url          {}", webhook.url),
        format!("events       {}", webhook.events.join(",")),
        format!("status       {}", stands(webhook)),
        format!("created      {}", moment(webhook.created_at)),
    ];
    if !webhook.description.is_empty() {
        lines.insert(2, format!("description  {}", webhook.description));
    }
    if let Some(until) = webhook.previous_secret_until {
        lines.push(format!(
            "overlap      the secret before signs until {}",
            moment(until)
        ));
    }
    lines.join("\n")
}

async fn create(args: CreateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let body = CreateWebhook {
        url: args.url,
        events: args.events,
        name: args.name,
        description: args.description,
    };
    let made: CreatedWebhook = context.client.post(&["webhooks"], &body).await?;
    show_secret(&made, context)
}

async fn rotate(webhook: &str, overlap: Option<Duration>, context: &Context<'_>) -> anyhow::Result<()> {
    let webhook = context.webhook(webhook).await?;
    let seconds = overlap.map(|overlap| u32::try_from(overlap.as_secs()).unwrap_or(u32::MAX));
    let body = RotateWebhookSecret {
        overlap_seconds: seconds,
    };
    let path = ["webhooks", &webhook.id.to_string(), "rotate-secret"];
    let made: CreatedWebhook = context.client.post(&path, &body).await?;
    if let Some(until) = made.endpoint.previous_secret_until {
        context
            .output
            .note(&format!("The secret before signs until {}.", moment(until)));
    }
    show_secret(&made, context)
}

fn show_secret(made: &CreatedWebhook, context: &Context<'_>) -> anyhow::Result<()> {
    let webhook = &made.endpoint;
    let Some(secret) = &webhook.secret else {
        return Err(advice(
            "the secret was made by an earlier request, and is not shown again",
            format!("`ks webhook rotate-secret {}` makes another", webhook.id),
        ));
    };
    context.output.note(&format!(
        "Webhook {} ({}) is told of {}. Its secret; it is shown this once:",
        webhook.url,
        webhook.id,
        webhook.events.join(", ")
    ));
    context.output.data(made, || secret.clone())
}

async fn update(args: UpdateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let webhook = context.webhook(&args.webhook).await?;
    let body = UpdateWebhook {
        url: args.url,
        events: args.events,
        name: match args.name {
            None => Patch::Keep,
            Some(name) if name.is_empty() => Patch::Reset,
            Some(name) => Patch::Set(name),
        },
        description: args.description,
        enabled: (args.enable || args.disable).then_some(args.enable),
    };
    let path = ["webhooks", &webhook.id.to_string()];
    let changed: Webhook = context.client.patch(&path, &body).await?;
    context.output.data(&changed, || about(&changed))
}

async fn delete(webhook: &str, yes: bool, context: &Context<'_>) -> anyhow::Result<()> {
    let webhook = context.webhook(webhook).await?;
    secret_input::confirm(&format!("Delete the webhook {}?", webhook.url), yes)?;
    context
        .client
        .delete(&["webhooks", &webhook.id.to_string()])
        .await?;
    context
        .output
        .note(&format!("Deleted the webhook {} ({})", webhook.url, webhook.id));
    Ok(())
}

/// Waits for the first attempt: what comes after it comes by itself.
async fn test(webhook: &str, context: &Context<'_>) -> anyhow::Result<()> {
    let webhook = context.webhook(webhook).await?;
    let path = ["webhooks", &webhook.id.to_string(), "test"];
    let mut delivery: Delivery = context.client.post(&path, &json!({})).await?;
    let until = tokio::time::Instant::now() + PATIENCE;
    while delivery.attempts == 0 && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let path = ["webhook-deliveries", &delivery.id.to_string()];
        delivery = context.client.get(&path, &()).await?;
    }
    if delivery.status == DeliveryStatus::Delivered {
        let answered = delivery.answer_status.unwrap_or_default();
        return context
            .output
            .data(&delivery, || format!("{} answered {answered}", webhook.url));
    }
    let why = delivery.error.unwrap_or_else(|| "nothing yet".to_owned());
    Err(advice(
        format!("{} did not take it: {why}", webhook.url),
        format!(
            "it is tried again by itself; `ks webhook deliveries {}` lists what became of it",
            webhook.id
        ),
    ))
}

async fn deliveries(args: DeliveriesArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let webhook = context.webhook(&args.webhook).await?;
    let found = listed(&webhook, args.status, args.limit, context).await?;
    context.output.data(&found, || {
        let rows = found.iter().map(|one| {
            [
                moment(one.created_at),
                one.event.clone(),
                one.status.as_str().to_owned(),
                one.attempts.to_string(),
                or_dash(one.answer_status),
                or_dash(one.next_at.map(moment)),
                one.id.to_string(),
            ]
        });
        table(
            ["AT", "EVENT", "STATUS", "ATTEMPTS", "ANSWER", "NEXT", "ID"],
            rows,
        )
    })
}

async fn listed(
    webhook: &Webhook,
    status: Option<DeliveryStatus>,
    limit: usize,
    context: &Context<'_>,
) -> anyhow::Result<Vec<Delivery>> {
    let query = ListDeliveries {
        status,
        ..ListDeliveries::default()
    };
    let path = ["webhooks", &webhook.id.to_string(), "deliveries"];
    context.client.list(&path, &query, limit).await
}

async fn redeliver(args: RedeliverArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let ids = match &args.dead {
        None => args.deliveries,
        Some(webhook) => {
            let webhook = context.webhook(webhook).await?;
            let dead = listed(&webhook, Some(DeliveryStatus::Dead), MOST, context).await?;
            dead.iter().map(|one| one.id.to_string()).collect()
        }
    };
    let mut again = Vec::with_capacity(ids.len());
    for id in &ids {
        let path = ["webhook-deliveries", id, "redeliver"];
        let one: Delivery = context.client.post(&path, &json!({})).await?;
        again.push(one);
    }
    context
        .output
        .data(&again, || format!("{} to be sent once more", again.len()))
}
