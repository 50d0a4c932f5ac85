//! `ks provider`: the catalog, and the keys that are stored for it (which `credentials` deals with).

use clap::{Args, Subcommand};
use keystore_wire::credentials::Credential;
use keystore_wire::providers::{ListProviders, Provider, ProviderSummary};

use super::credentials::{self, AddArgs, RemoveArgs, RotateArgs, TestArgs};
use super::find::MOST;
use super::{Context, or_dash};
use crate::output::{facts, table};

/// `ks provider`.
#[derive(Subcommand)]
pub(crate) enum ProviderCommand {
    /// List the stored keys, or with --all the providers that there are
    #[command(
        after_help = "Examples:\n  ks provider list\n  ks provider list --all\n  ks provider list --category llm"
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
        ks provider add azure-openai --param resource=acme"
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
    /// Delete a stored key
    #[command(
        after_help = "Examples:\n  ks provider remove openai/staging\n  ks provider remove openai --yes"
    )]
    Remove(RemoveArgs),
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
}

/// `ks provider show`.
#[derive(Args)]
pub(crate) struct ShowArgs {
    /// The provider
    provider: String,
}

/// Does what the command says.
pub(crate) async fn run(command: ProviderCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        ProviderCommand::List(args) if args.all || args.category.is_some() => catalog(args, context).await,
        ProviderCommand::List(_) => credentials::list(context).await,
        ProviderCommand::Show(args) => show(&args.provider, context).await,
        ProviderCommand::Add(args) => credentials::add(args, context).await,
        ProviderCommand::Test(args) => credentials::test(&args, context).await,
        ProviderCommand::Rotate(args) => credentials::rotate(args, context).await,
        ProviderCommand::Remove(args) => credentials::remove(&args, context).await,
    }
}

async fn catalog(args: ListArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let query = ListProviders {
        category: args.category,
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
    let stored = credentials::of_provider(context, slug).await?;
    context.output.data(&provider, || described(&provider, &stored))
}

fn described(provider: &Provider, stored: &[Credential]) -> String {
    let mut rows = vec![
        ("Name", provider.slug.clone()),
        ("Title", provider.name.clone()),
        ("Category", provider.category.clone()),
        (
            "Base URL",
            provider
                .base_url
                .clone()
                .unwrap_or_else(|| "given with the key".to_owned()),
        ),
    ];
    rows.extend(
        provider
            .hosts
            .iter()
            .map(|host| ("Host", format!("{}~{}  {}", provider.slug, host.alias, host.url))),
    );
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
    rows.extend([
        ("Variables", provider.env.key.join(", ")),
        (
            "Can be tested",
            if provider.testable { "yes" } else { "no" }.to_owned(),
        ),
        ("Priced models", provider.priced_models.to_string()),
        ("Documentation", or_dash(provider.docs_url.clone())),
    ]);
    let closed = provider
        .operations
        .iter()
        .filter(|operation| operation.closed)
        .count();
    rows.push((
        "Operations",
        format!(
            "{} known, of these {closed} closed to agents",
            provider.operations.len()
        ),
    ));
    if !provider.unverified.is_empty() {
        rows.push(("Not confirmed", provider.unverified.join(", ")));
    }
    if stored.is_empty() {
        rows.push((
            "Stored keys",
            format!("none; `ks provider add {}` stores one", provider.slug),
        ));
    }
    rows.extend(stored.iter().map(|credential| {
        (
            "Stored key",
            format!(
                "{}  {}",
                credentials::name_of(credential),
                credential.status.as_str()
            ),
        )
    }));
    facts(rows)
}
