//! `ks pool`: the operator's keys, which customers use without having any.

mod rotations;
mod tenants;

use clap::{Args, Subcommand};
use keystore_core::Micros;
use keystore_core::ids::OrgId;
use keystore_wire::Patch;
use keystore_wire::credentials::VerifyFirst;
use keystore_wire::operator::{ListPool, PoolCredential, SetListing, UpdatePoolCredential};
use keystore_wire::providers::Provider;
use serde_json::{Value, json};

use super::Context;
use super::credentials::intake::{secret, wanted, warn_of_shape};
use super::find::MOST;
use crate::cli::{SecretArgs, name_and_value};
use crate::complete;
use crate::duration;
use crate::output::{advice, facts, table};
use crate::secret_input;

/// `ks pool`.
#[derive(Subcommand)]
pub(crate) enum PoolCommand {
    /// Add a key to a provider's pool; the provider is listed on the marketplace with its first
    #[command(
        after_help = "Examples:\n  ks pool add openai --name pool-1\n  printf %s \"$KEY\" | ks pool add openai --name pool-2 --key-stdin --weight 3\n  \
        ks pool add tavily --dedicated-to org_01jd3w8f0qe7ys4c9p2m5n6r7t --max-concurrency 20\n\n\
        Act as the operator: sign in and `ks org switch operator`, or KS_API_KEY with a key of that organization."
    )]
    Add(AddArgs),
    /// List the keys of the pools and how they do
    #[command(after_help = "Examples:\n  ks pool list\n  ks pool list --provider openai --output json")]
    List(ListArgs),
    /// Show a key of a pool
    #[command(
        after_help = "Examples:\n  ks pool show openai/pool-1\n  ks pool show crd_01jd3w8f0qe7ys4c9p2m5n6r7t"
    )]
    Show(MemberArgs),
    /// Change whom a key serves, and how much
    #[command(
        after_help = "Examples:\n  ks pool update openai/pool-1 --weight 5\n  ks pool update openai/pool-1 --max-concurrency none --dedicated-to none"
    )]
    Update(UpdateArgs),
    /// Let a key end what it began and take no more
    #[command(after_help = "Example:\n  ks pool drain openai/pool-1")]
    Drain(MemberArgs),
    /// Let a key that drains serve again
    #[command(after_help = "Example:\n  ks pool resume openai/pool-1")]
    Resume(MemberArgs),
    /// Take a key out of its pool and delete it; calls that run end on it
    #[command(after_help = "Example:\n  ks pool remove openai/pool-1")]
    Remove(MemberArgs),
    /// List what was said of customers inside the pools
    #[command(after_help = "Examples:\n  ks pool tenants\n  ks pool tenants --provider openai --output json")]
    Tenants(ListArgs),
    /// Change a customer's share and cap inside a pool, pause it there, or let it go on
    #[command(
        after_help = "Examples:\n  ks pool tenant openai org_01jd3w8f0qe7ys4c9p2m5n6r7t --weight 3 --max-concurrency 50\n  \
        ks pool tenant openai org_01jd3w8f0qe7ys4c9p2m5n6r7t --pause\n  ks pool tenant openai org_01jd3w8f0qe7ys4c9p2m5n6r7t --resume"
    )]
    Tenant(tenants::TenantArgs),
    /// Show or set by which rule customers are paused for what vendors hold to be abuse
    #[command(
        after_help = "Examples:\n  ks pool abuse\n  ks pool abuse openai pause:5/24h\n  ks pool abuse openai off"
    )]
    Abuse(tenants::AbuseArgs),
    /// Show or set how a key is renewed
    #[command(
        after_help = "Examples:\n  ks pool plan openai/pool-1 --driver openai --admin openai-admin --account proj_abc --vendor-key svc_acct_abc --every 90d\n  \
        ks pool plan tavily/pool-1 --driver manual --every 180d\n  ks pool plan openai/pool-1"
    )]
    Plan(rotations::PlanArgs),
    /// Renew a key: a new one takes its place, and it is revoked at the vendor
    #[command(after_help = "Example:\n  ks pool rotate openai/pool-1")]
    Rotate(MemberArgs),
    /// List the rotations, and what they need
    #[command(after_help = "Example:\n  ks pool rotations")]
    Rotations,
    /// Show a rotation, give it a key, undo it
    #[command(
        subcommand,
        after_help = "Examples:\n  ks pool rotation show rot_01jd3w8f0qe7ys4c9p2m5n6r7t\n  ks pool rotation undo rot_01jd3w8f0qe7ys4c9p2m5n6r7t"
    )]
    Rotation(rotations::RotationCommand),
    /// Let customers see a provider and enable it
    #[command(after_help = "Example:\n  ks pool publish openai")]
    Publish(ProviderArgs),
    /// Hide a provider; who has enabled it keeps it
    #[command(after_help = "Example:\n  ks pool hide openai")]
    Hide(ProviderArgs),
}

/// `ks pool add`.
#[derive(Args)]
pub(crate) struct AddArgs {
    /// The provider
    #[arg(add = complete::providers())]
    provider: String,
    /// The key's name, unique for the provider
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    secret: SecretArgs,
    /// What the provider's address needs to be given; may be given several times
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = name_and_value)]
    params: Vec<(String, String)>,
    /// The address of a self-hosted provider
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Its share of the calls beside the others', 1 to 1000
    #[arg(long, value_name = "N")]
    weight: Option<u32>,
    /// The one organization (id) that it serves
    #[arg(long, value_name = "ORG")]
    dedicated_to: Option<OrgId>,
    /// The most calls at the same time
    #[arg(long, value_name = "N")]
    max_concurrency: Option<u32>,
    /// When the vendor ends the key: 90d, a date, or a time
    #[arg(long, value_name = "WHEN", value_parser = duration::parse_future)]
    expires: Option<Micros>,
    /// Do not ask the provider whether the key works
    #[arg(long)]
    no_verify: bool,
}

/// `ks pool list`.
#[derive(Args)]
pub(crate) struct ListArgs {
    /// Of this provider
    #[arg(long, value_name = "SLUG")]
    provider: Option<String>,
}

/// A key of a pool.
#[derive(Args)]
pub(crate) struct MemberArgs {
    /// PROVIDER/NAME, the provider where it has one key, or the key's id
    #[arg(value_name = "KEY")]
    key: String,
}

/// A provider.
#[derive(Args)]
pub(crate) struct ProviderArgs {
    /// The provider
    #[arg(value_name = "SLUG", add = complete::providers())]
    provider: String,
}

/// `ks pool update`.
#[derive(Args)]
pub(crate) struct UpdateArgs {
    /// PROVIDER/NAME, the provider where it has one key, or the key's id
    #[arg(value_name = "KEY")]
    key: String,
    /// Its share of the calls beside the others', 1 to 1000
    #[arg(long, value_name = "N")]
    weight: Option<u32>,
    /// The one organization (id) that it serves; none for all
    #[arg(long, value_name = "ORG")]
    dedicated_to: Option<String>,
    /// The most calls at the same time; none for as many as the vendor lets it
    #[arg(long, value_name = "N")]
    max_concurrency: Option<String>,
}

/// Does what the command says.
pub(crate) async fn run(command: PoolCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        PoolCommand::Add(args) => add(args, context).await,
        PoolCommand::List(args) => list(args, context).await,
        PoolCommand::Show(args) => show(&find(&args.key, context).await?, context),
        PoolCommand::Update(args) => {
            let change = UpdatePoolCredential {
                weight: args.weight,
                dedicated_to: or_none(args.dedicated_to.as_deref(), "an organization's id")?,
                max_concurrency: or_none(args.max_concurrency.as_deref(), "a number")?,
                draining: None,
            };
            change_member(&args.key, &change, "Changed", context).await
        }
        PoolCommand::Drain(args) => drain(&args.key, true, context).await,
        PoolCommand::Resume(args) => drain(&args.key, false, context).await,
        PoolCommand::Remove(args) => {
            let member = find(&args.key, context).await?;
            context
                .client
                .delete(&["operator", "pool", &member.id.to_string()])
                .await?;
            context
                .output
                .note(&format!("Removed {}; calls that run end on it", name(&member)));
            Ok(())
        }
        PoolCommand::Tenants(args) => tenants::list(args.provider, context).await,
        PoolCommand::Tenant(args) => tenants::set(args, context).await,
        PoolCommand::Abuse(args) => tenants::abuse(args, context).await,
        PoolCommand::Plan(args) => rotations::plan(args, context).await,
        PoolCommand::Rotate(args) => rotations::rotate(&args.key, context).await,
        PoolCommand::Rotations => rotations::list(context).await,
        PoolCommand::Rotation(command) => rotations::one(command, context).await,
        PoolCommand::Publish(args) => publish(args.provider, true, context).await,
        PoolCommand::Hide(args) => publish(args.provider, false, context).await,
    }
}

async fn add(args: AddArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let provider: Provider = context.client.get(&["providers", &args.provider], &()).await?;
    let fields = secret_input::fields(&args.secret, &wanted(&provider), context.output)?;
    warn_of_shape(&args.provider, &fields, context);
    let mut body = json!({
        "provider": args.provider,
        "secret": secret(&fields),
        "params": args.params.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    });
    for (member, value) in [
        ("name", args.name.map(Value::from)),
        ("baseUrl", args.base_url.map(Value::from)),
        ("weight", args.weight.map(Value::from)),
        ("dedicatedTo", args.dedicated_to.map(|org| org.to_string().into())),
        ("maxConcurrency", args.max_concurrency.map(Value::from)),
        ("expiresAt", args.expires.map(|at| at.to_string().into())),
    ] {
        if let Some(value) = value {
            body[member] = value;
        }
    }
    let verify = !args.no_verify && provider.testable;
    let made: PoolCredential = {
        let _working = verify.then(|| {
            context
                .output
                .working("Asking the provider whether the key works")
        });
        context
            .client
            .post_with(&["operator", "pool"], &VerifyFirst { verify }, &body)
            .await?
    };
    context.output.note(&format!(
        "Stored {}, sealed; customers enable it with `ks marketplace enable {}`",
        name(&made),
        made.provider
    ));
    show(&made, context)
}

async fn list(args: ListArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let members = members(args.provider, context).await?;
    context.output.data(&members, || {
        let rows = members.iter().map(|member| {
            [
                name(member),
                member.state.clone(),
                member.health.state.clone(),
                member.health.in_flight.to_string(),
                format!("{}%", member.health.left_permille / 10),
                member.weight.to_string(),
                member
                    .dedicated_to
                    .map_or_else(|| "all".to_owned(), |org| org.to_string()),
            ]
        });
        table(
            [
                "KEY",
                "STATE",
                "HEALTH",
                "RUNNING",
                "LIMIT LEFT",
                "WEIGHT",
                "SERVES",
            ],
            rows,
        )
    })
}

async fn members(provider: Option<String>, context: &Context<'_>) -> anyhow::Result<Vec<PoolCredential>> {
    let query = ListPool {
        provider,
        ..ListPool::default()
    };
    context.client.list(&["operator", "pool"], &query, MOST).await
}

async fn find(key: &str, context: &Context<'_>) -> anyhow::Result<PoolCredential> {
    let (provider, wanted) = key
        .split_once('/')
        .map_or((key, None), |(slug, name)| (slug, Some(name)));
    let fits = |member: &PoolCredential| {
        member.id.to_string() == key
            || (member.provider == provider && wanted.is_none_or(|wanted| member.name == wanted))
    };
    let mut found = members(None, context).await?;
    found.retain(fits);
    match found.as_slice() {
        [_] => Ok(found.swap_remove(0)),
        [] => Err(advice(
            format!("no pool has the key `{key}`"),
            "`ks pool list` shows what there is",
        )),
        several => {
            let names: Vec<_> = several.iter().map(name).collect();
            Err(advice(
                format!("`{key}` has several keys"),
                format!("name one: {}", names.join(", ")),
            ))
        }
    }
}

fn or_none<T: std::str::FromStr>(text: Option<&str>, what: &str) -> anyhow::Result<Patch<T>> {
    match text {
        None => Ok(Patch::Keep),
        Some("none") => Ok(Patch::Reset),
        Some(text) => match text.parse() {
            Ok(value) => Ok(Patch::Set(value)),
            Err(_) => anyhow::bail!("expected {what}, or none, not `{text}`"),
        },
    }
}

async fn drain(key: &str, draining: bool, context: &Context<'_>) -> anyhow::Result<()> {
    let change = UpdatePoolCredential {
        draining: Some(draining),
        ..UpdatePoolCredential::default()
    };
    let said = if draining { "Draining" } else { "Resumed" };
    change_member(key, &change, said, context).await
}

async fn change_member(
    key: &str,
    change: &UpdatePoolCredential,
    said: &str,
    context: &Context<'_>,
) -> anyhow::Result<()> {
    let id = find(key, context).await?.id.to_string();
    let changed: PoolCredential = context.client.patch(&["operator", "pool", &id], change).await?;
    context.output.note(&format!("{said} {}", name(&changed)));
    show(&changed, context)
}

async fn publish(provider: String, published: bool, context: &Context<'_>) -> anyhow::Result<()> {
    let said = match published {
        true => format!("Published {provider}; customers see it in `ks marketplace list`"),
        false => format!("Hid {provider}; who has enabled it keeps it"),
    };
    let body = SetListing { provider, published };
    let _: Value = context.client.post(&["operator", "listings"], &body).await?;
    context.output.note(&said);
    Ok(())
}

fn name(member: &PoolCredential) -> String {
    format!("{}/{}", member.provider, member.name)
}

fn show(member: &PoolCredential, context: &Context<'_>) -> anyhow::Result<()> {
    context.output.data(member, || {
        let health = &member.health;
        let until = health
            .usable_at
            .map_or_else(String::new, |at| format!(" until {}", super::moment(at)));
        facts([
            ("Key", name(member)),
            ("Id", member.id.to_string()),
            ("State", member.state.clone()),
            ("Health", format!("{}{until}", health.state)),
            ("Running", health.in_flight.to_string()),
            ("Limit left", format!("{}%", health.left_permille / 10)),
            ("Version", member.version.to_string()),
            ("Weight", member.weight.to_string()),
            (
                "Serves",
                member
                    .dedicated_to
                    .map_or_else(|| "all".to_owned(), |org| org.to_string()),
            ),
            ("Most at once", super::or_dash(member.max_concurrency)),
            (
                "Expires",
                member.expires_at.map_or_else(|| "-".to_owned(), super::moment),
            ),
        ])
    })
}
