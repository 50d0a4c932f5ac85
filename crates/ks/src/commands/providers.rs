//! `ks provider`: the providers, and the keys that are stored for it (which `credentials` deals with).

use std::time::Duration;

use clap::{Args, Subcommand};
use keystore_wire::credentials::{Credential, UpstreamLimit};
use keystore_wire::providers::{Billing, ListProviders, Provider, ProviderSummary};

use super::credentials::{self, AddArgs, RemoveArgs, ResealArgs, RotateArgs, TestArgs, UpdateArgs};
use super::definitions::{self, DefineArgs, UndefineArgs};
use super::find::MOST;
use super::{Context, moment, or_dash};
use crate::complete;
use crate::output::{facts, table};

/// `ks provider`.
#[derive(Subcommand)]
pub(crate) enum ProviderCommand {
    /// List the stored keys, or with --all the providers that there are
    #[command(
        after_help = "Examples:\n  ks provider list\n  ks provider list --due 14d\n  ks provider list --all\n  \
        ks provider list --category llm\n  ks provider list --search mail\n  ks provider list --custom"
    )]
    List(ListArgs),
    /// Show what is known of a provider, and the keys stored for it
    #[command(after_help = "Example:\n  ks provider show openai")]
    Show(ShowArgs),
    /// Store a provider's key
    #[command(
        after_help = "Examples:\n  ks provider add openai                          asks for the key\n  \
        printf %s \"$KEY\" | ks provider add openai --key-stdin\n  \
        ks provider add openai --name staging --key-file ./key\n  \
        ks provider add twilio --field account_sid=@sid.txt --key-file token.txt\n  \
        ks provider add azure-openai --param resource=acme\n  \
        ks provider add openai --expires 2027-06-30 --rotate-after 90d --agreement dpa=2026-05-01"
    )]
    Add(AddArgs),
    /// Ask the provider whether a stored key works
    #[command(after_help = "Examples:\n  ks provider test openai\n  ks provider test openai/staging")]
    Test(TestArgs),
    /// Put a new key in place of the old one; tokens stay as they are
    #[command(
        after_help = "Examples:\n  ks provider rotate openai\n  ks provider rotate openai/staging --key-file ./new-key"
    )]
    Rotate(RotateArgs),
    /// Change what is known of a stored key: its name, labels, agreements, dates
    #[command(
        after_help = "Examples:\n  ks provider update openai --expires 2027-06-30 --rotate-after 90d\n  \
        ks provider update openai/staging --name test --label phi\n  \
        ks provider update openai --rotate-after none"
    )]
    Update(UpdateArgs),
    /// Seal stored keys for where their provider is now
    #[command(after_help = "Examples:\n  ks provider reseal acme\n  ks provider reseal acme/staging")]
    Reseal(ResealArgs),
    /// Delete a stored key
    #[command(
        after_help = "Examples:\n  ks provider remove openai/staging\n  ks provider remove openai --yes\n  \
        ks provider remove openai --force             though agents are granted it"
    )]
    Remove(RemoveArgs),
    /// Define a provider of your own, or change its definition
    #[command(
        after_help = "Examples:\n  ks provider define --file acme.toml\n  ks provider define acme --file provider.toml --prices prices.toml"
    )]
    Define(DefineArgs),
    /// Delete the definition of a provider of your own
    #[command(
        after_help = "Examples:\n  ks provider undefine acme\n  ks provider undefine acme --force --yes"
    )]
    Undefine(UndefineArgs),
}

/// `ks provider list`.
#[derive(Args)]
pub(crate) struct ListArgs {
    /// Every provider of the catalog, not only those with a stored key
    #[arg(long)]
    all: bool,
    /// Providers of this category: llm, search, email, …
    #[arg(long, value_name = "CATEGORY")]
    category: Option<String>,
    /// Providers whose name has this in it
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Providers that your organization defined
    #[arg(long)]
    custom: bool,
    /// Stored keys that end or should be rotated within this time
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse, conflicts_with_all = ["all", "category", "search", "custom"])]
    due: Option<Duration>,
}

/// `ks provider show`.
#[derive(Args)]
pub(crate) struct ShowArgs {
    /// The provider
    #[arg(add = complete::providers())]
    provider: String,
}

/// Does what the command says.
pub(crate) async fn run(command: ProviderCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        ProviderCommand::List(args)
            if args.all || args.custom || args.category.is_some() || args.search.is_some() =>
        {
            catalog(args, context).await
        }
        ProviderCommand::List(args) => credentials::list(args.due, context).await,
        ProviderCommand::Show(args) => show(&args.provider, context).await,
        ProviderCommand::Add(args) => credentials::add(args, context).await,
        ProviderCommand::Test(args) => credentials::test(&args, context).await,
        ProviderCommand::Rotate(args) => credentials::rotate(args, context).await,
        ProviderCommand::Update(args) => credentials::update(args, context).await,
        ProviderCommand::Reseal(args) => credentials::reseal(&args, context).await,
        ProviderCommand::Remove(args) => credentials::remove(&args, context).await,
        ProviderCommand::Define(args) => definitions::define(args, context).await,
        ProviderCommand::Undefine(args) => definitions::undefine(&args, context).await,
    }
}

async fn catalog(args: ListArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let query = ListProviders {
        category: args.category,
        search: args.search,
        custom: args.custom.then_some(true),
        ..ListProviders::default()
    };
    let providers: Vec<ProviderSummary> = context.client.list(&["providers"], &query, MOST).await?;
    context.output.data(&providers, || {
        let rows = providers.iter().map(|provider| {
            [
                provider.slug.clone(),
                provider.category.clone(),
                provider.name.clone(),
                or_dash(provider.docs_url.clone()),
            ]
        });
        table(["NAME", "CATEGORY", "TITLE", "DOCUMENTATION"], rows)
    })
}

async fn show(slug: &str, context: &Context<'_>) -> anyhow::Result<()> {
    let provider: Provider = context.client.get(&["providers", slug], &()).await?;
    print(&provider, context).await
}

/// Shows a provider with the keys that are stored for it.
pub(super) async fn print(provider: &Provider, context: &Context<'_>) -> anyhow::Result<()> {
    let stored = credentials::of_provider(context, &provider.slug).await?;
    let proxy_url = context.proxy_url().await?;
    context
        .output
        .data(&provider, || described(provider, &stored, &proxy_url))
}

fn described(provider: &Provider, stored: &[Credential], proxy_url: &str) -> String {
    let mut rows = vec![
        ("Name", provider.slug.clone()),
        ("Title", provider.name.clone()),
        ("Category", provider.category.clone()),
        (
            "Defined by",
            if provider.custom {
                "your organization"
            } else {
                "the catalog"
            }
            .to_owned(),
        ),
        ("Documentation", or_dash(provider.docs_url.clone())),
    ];
    rows.extend(places(provider));
    rows.extend(settings(provider, proxy_url));
    rows.extend(operations(provider));
    rows.push(("Priced models", provider.priced_models.to_string()));
    if !provider.unverified.is_empty() {
        rows.push(("Not confirmed", provider.unverified.join(", ")));
    }
    if stored.is_empty() {
        rows.push((
            "Stored keys",
            format!("none; `ks provider add {}` stores one", provider.slug),
        ));
    }
    for credential in stored {
        rows.push((
            "Stored key",
            format!(
                "{}  {}",
                credentials::name_of(credential),
                credentials::status(credential)
            ),
        ));
        rows.extend(
            credential
                .upstream_limits
                .iter()
                .map(|limit| ("Vendor's limit", headroom(limit))),
        );
    }
    facts(rows)
}

/// Where it is, and what it takes to be let in.
fn places(provider: &Provider) -> Vec<(&'static str, String)> {
    let base = provider.base_url.clone();
    let mut rows = vec![(
        "Base URL",
        base.unwrap_or_else(|| "given with the key".to_owned()),
    )];
    rows.extend(
        provider
            .hosts
            .iter()
            .map(|host| ("Host", format!("{}~{}  {}", provider.slug, host.alias, host.url))),
    );
    rows.extend(provider.auth.iter().map(|place| ("Key goes to", place.clone())));
    rows.extend(provider.fields.iter().map(|field| {
        let kind = if field.required { "required" } else { "optional" };
        ("Field", format!("{}  {} ({kind})", field.name, field.label))
    }));
    rows.extend(
        provider
            .params
            .iter()
            .map(|param| ("Parameter", format!("{}  {}", param.name, param.description))),
    );
    let testable = if provider.testable { "yes" } else { "no" };
    rows.push(("Can be tested", testable.to_owned()));
    rows
}

/// The two settings of an SDK: where it calls, and what it takes for a key.
fn settings(provider: &Provider, proxy_url: &str) -> Vec<(&'static str, String)> {
    let base = format!("{}/v1/{}", proxy_url.trim_end_matches('/'), provider.slug);
    let mut rows: Vec<_> = provider
        .env
        .base_url
        .iter()
        .map(|variable| ("Setting", format!("{}={base}{}", variable.name, variable.path)))
        .collect();
    if rows.is_empty() {
        rows.push((
            "Setting",
            format!("base URL {base}, in the program: its SDK reads no variable for it"),
        ));
    }
    rows.extend(
        provider
            .env
            .key
            .iter()
            .map(|name| ("Setting", format!("{name}=<an agent's token>"))),
    );
    rows
}

fn operations(provider: &Provider) -> Vec<(&'static str, String)> {
    let each = provider.operations.iter().map(|operation| {
        let methods = match operation.methods.is_empty() {
            true => "any".to_owned(),
            false => operation.methods.join("|"),
        };
        let billing = match operation.billing {
            _ if operation.closed => "closed to agents",
            Billing::Metered => "metered",
            Billing::PerCall => "by the call",
            Billing::External => "external",
        };
        (
            "Operation",
            format!("{}  {methods} {}  ({billing})", operation.name, operation.path),
        )
    });
    each.collect()
}

fn headroom(limit: &UpstreamLimit) -> String {
    let mut words = limit.subject.clone();
    if let Some(remaining) = limit.remaining {
        words = format!("{words}  {remaining} left");
    }
    if let Some(most) = limit.limit {
        words = format!("{words} of {most}");
    }
    if let Some(at) = limit.resets_at {
        words = format!("{words}, resets {}", moment(at));
    }
    format!("{words}  (seen {})", moment(limit.observed_at))
}
