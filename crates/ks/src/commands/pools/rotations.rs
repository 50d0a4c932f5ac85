//! `ks pool plan`, `rotate`, `rotations`, `rotation`: how a pooled key is renewed, and how far that is.

use std::time::Duration;

use clap::{Args, Subcommand};
use keystore_core::rotation::Driver;
use keystore_wire::page::PageQuery;
use keystore_wire::providers::Provider;
use keystore_wire::rotations::{CreateRotation, KeyPlan, Rotation, SetKeyPlan, WaitsFor};
use serde_json::json;

use crate::cli::SecretArgs;
use crate::commands::credentials::intake::{secret, wanted, warn_of_shape};
use crate::commands::find::MOST;
use crate::commands::{Context, moment, or_dash};
use crate::duration;
use crate::output::{facts, table};
use crate::secret_input;

/// `ks pool plan`.
#[derive(Args)]
pub(crate) struct PlanArgs {
    /// PROVIDER/NAME, the provider where it has one key, or the key's id
    #[arg(value_name = "KEY")]
    key: String,
    /// Who makes and revokes the keys: openai, openrouter, or manual, which is you. Without it the plan is shown
    #[arg(long, value_name = "DRIVER", value_parser = driver)]
    driver: Option<Driver>,
    /// The credential that the vendor's API for keys takes: PROVIDER/NAME or its id
    #[arg(long, value_name = "CREDENTIAL", requires = "driver")]
    admin: Option<String>,
    /// The project of the keys at OpenAI
    #[arg(long, value_name = "PROJECT", requires = "driver")]
    account: Option<String>,
    /// The vendor's id of the key that is in use; at OpenAI, of its service account
    #[arg(long, value_name = "ID", requires = "driver")]
    vendor_key: Option<String>,
    /// Begin a rotation by itself so often: 90d
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, requires = "driver")]
    every: Option<Duration>,
    /// How long the old and the new key serve side by side; 10m when absent
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, requires = "driver")]
    overlap: Option<Duration>,
}

/// `ks pool rotation`.
#[derive(Subcommand)]
pub(crate) enum RotationCommand {
    /// Show how far a rotation is
    #[command(after_help = "Example:\n  ks pool rotation show rot_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    Show(RotationArgs),
    /// Give a rotation the key that it waits for
    #[command(
        after_help = "Example:\n  printf %s \"$KEY\" | ks pool rotation give rot_01jd3w8f0qe7ys4c9p2m5n6r7t --key-stdin"
    )]
    Give(GiveArgs),
    /// Say that the old key is revoked at the vendor
    #[command(after_help = "Example:\n  ks pool rotation revoked rot_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    Revoked(RotationArgs),
    /// Undo a rotation while the old key still serves
    #[command(after_help = "Example:\n  ks pool rotation undo rot_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    Undo(RotationArgs),
}

/// A rotation.
#[derive(Args)]
pub(crate) struct RotationArgs {
    /// The rotation's id
    #[arg(value_name = "ROTATION")]
    id: String,
}

/// `ks pool rotation give`.
#[derive(Args)]
pub(crate) struct GiveArgs {
    /// The rotation's id
    #[arg(value_name = "ROTATION")]
    id: String,
    #[command(flatten)]
    secret: SecretArgs,
}

fn driver(text: &str) -> Result<Driver, String> {
    let known = [Driver::OpenAi, Driver::OpenRouter, Driver::Manual];
    let found = known.into_iter().find(|driver| driver.as_str() == text);
    found.ok_or_else(|| "expected openai, openrouter or manual".to_owned())
}

/// Shows or sets how a key is renewed.
///
/// # Errors
/// The server's.
pub(super) async fn plan(args: PlanArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let id = super::find(&args.key, context).await?.id.to_string();
    let path = ["operator", "pool", &id, "plan"];
    let plan: KeyPlan = match args.driver {
        None => context.client.get(&path, &()).await?,
        Some(driver) => {
            let admin = match &args.admin {
                Some(admin) => Some(context.credential(admin).await?.id),
                None => None,
            };
            let days = |every: Duration| whole(every, 86_400, "--every takes whole days, such as 90d");
            let seconds = |overlap: Duration| whole(overlap, 1, "that is too long");
            let body = SetKeyPlan {
                driver,
                admin,
                account: args.account,
                vendor_key: args.vendor_key,
                every_days: args.every.map(days).transpose()?,
                overlap_seconds: args.overlap.map(seconds).transpose()?,
            };
            context.client.post(&path, &body).await?
        }
    };
    context.output.data(&plan, || {
        facts([
            ("Key", plan.credential.to_string()),
            ("Keys are made by", plan.driver.as_str().to_owned()),
            ("With", or_dash(plan.admin)),
            ("Account", or_dash(plan.account.as_ref())),
            ("Vendor's id", or_dash(plan.vendor_key.as_ref())),
            ("Overlap", format!("{} s", plan.overlap_seconds)),
            (
                "Every",
                plan.every_days
                    .map_or_else(|| "-".to_owned(), |days| format!("{days} days")),
            ),
            ("Next", plan.due_at.map_or_else(|| "-".to_owned(), moment)),
        ])
    })
}

fn whole(duration: Duration, unit: u64, expected: &'static str) -> anyhow::Result<u32> {
    let seconds = duration.as_secs();
    anyhow::ensure!(seconds.is_multiple_of(unit), expected);
    u32::try_from(seconds / unit).map_err(|_| anyhow::anyhow!(expected))
}

/// Begins to renew a key.
///
/// # Errors
/// The server's.
pub(super) async fn rotate(key: &str, context: &Context<'_>) -> anyhow::Result<()> {
    let credential = super::find(key, context).await?.id;
    let body = CreateRotation { credential };
    let rotation: Rotation = context.client.post(&["operator", "rotations"], &body).await?;
    context.output.note(&format!(
        "Rotating {key}; it goes on by itself, and `ks pool rotations` shows how far it is"
    ));
    show(&rotation, context)
}

/// Lists rotations.
///
/// # Errors
/// The server's.
pub(super) async fn list(context: &Context<'_>) -> anyhow::Result<()> {
    let query = PageQuery::default();
    let rotations: Vec<Rotation> = context
        .client
        .list(&["operator", "rotations"], &query, MOST)
        .await?;
    context.output.data(&rotations, || {
        let rows = rotations.iter().map(|rotation| {
            [
                rotation.id.to_string(),
                rotation.provider.clone(),
                rotation.step.as_str().to_owned(),
                moment(rotation.since),
                needs(rotation),
            ]
        });
        table(["ROTATION", "PROVIDER", "STEP", "SINCE", "NEEDS"], rows)
    })
}

/// Does something with one rotation.
///
/// # Errors
/// The server's.
pub(super) async fn one(command: RotationCommand, context: &Context<'_>) -> anyhow::Result<()> {
    let rotation: Rotation = match command {
        RotationCommand::Show(args) => get(&args.id, context).await?,
        RotationCommand::Give(args) => give(args, context).await?,
        RotationCommand::Revoked(args) => act(&args.id, "revoked", context).await?,
        RotationCommand::Undo(args) => act(&args.id, "undo", context).await?,
    };
    show(&rotation, context)
}

async fn get(id: &str, context: &Context<'_>) -> anyhow::Result<Rotation> {
    context.client.get(&["operator", "rotations", id], &()).await
}

async fn act(id: &str, what: &str, context: &Context<'_>) -> anyhow::Result<Rotation> {
    context.client.act(&["operator", "rotations", id, what]).await
}

async fn give(args: GiveArgs, context: &Context<'_>) -> anyhow::Result<Rotation> {
    let provider = get(&args.id, context).await?.provider;
    let known: Provider = context.client.get(&["providers", &provider], &()).await?;
    let fields = secret_input::fields(&args.secret, &wanted(&known), context.output)?;
    warn_of_shape(&provider, &fields, context);
    let body = json!({"secret": secret(&fields)});
    let path = ["operator", "rotations", &args.id, "key"];
    context.client.post(&path, &body).await
}

/// What a rotation needs to go on, in a few words.
fn needs(rotation: &Rotation) -> String {
    let id = rotation.id;
    match (rotation.waits_for, &rotation.problem) {
        (Some(WaitsFor::Key), _) => format!("a new key: `ks pool rotation give {id}`"),
        (Some(WaitsFor::Revocation), _) => {
            format!("the old key revoked at the vendor: `ks pool rotation revoked {id}`")
        }
        (None, Some(problem)) => problem.clone(),
        (None, None) => "-".to_owned(),
    }
}

fn show(rotation: &Rotation, context: &Context<'_>) -> anyhow::Result<()> {
    context.output.data(rotation, || {
        facts([
            ("Rotation", rotation.id.to_string()),
            ("Provider", rotation.provider.clone()),
            (
                "Step",
                format!("{} since {}", rotation.step.as_str(), moment(rotation.since)),
            ),
            ("Needs", needs(rotation)),
            ("Old key", rotation.old.to_string()),
            ("New key", or_dash(rotation.new)),
            ("Keys are made by", rotation.driver.as_str().to_owned()),
            ("Name at the vendor", rotation.key_name.clone()),
            ("Ended", rotation.ended_at.map_or_else(|| "-".to_owned(), moment)),
        ])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole() {
        let days = |seconds| whole(Duration::from_secs(seconds), 86_400, "x").ok();
        assert_eq!((days(86_400 * 90), days(86_401)), (Some(90), None));
        assert_eq!(driver("openai"), Ok(Driver::OpenAi));
        assert!(driver("acme").is_err());
    }
}
