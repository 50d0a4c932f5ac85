//! `ks marketplace`: providers that the operator sells, without a key of one's own.

use clap::{Args, Subcommand};
use keystore_wire::marketplace::{ListListings, Listing, ListingDetail};

use super::Context;
use super::find::MOST;
use crate::output::{facts, table};

/// `ks marketplace`.
#[derive(Subcommand)]
pub(crate) enum MarketplaceCommand {
    /// List what is sold
    #[command(
        after_help = "Examples:\n  ks marketplace list\n  ks marketplace list --category search\n  ks marketplace list --search tavily --output json"
    )]
    List(ListArgs),
    /// Show what a provider costs here
    #[command(
        after_help = "Examples:\n  ks marketplace show openai\n  ks marketplace show tavily --output json"
    )]
    Show(ProviderArgs),
    /// Enable a provider: agents can then be granted it without a key
    #[command(
        after_help = "Examples:\n  ks marketplace enable tavily\n  ks token create --name bot --provider tavily:marketplace"
    )]
    Enable(ProviderArgs),
    /// Disable a provider: calls without a key of your own are refused at once, running ones are cut
    #[command(after_help = "Example:\n  ks marketplace disable tavily")]
    Disable(ProviderArgs),
}

/// `ks marketplace list`.
#[derive(Args)]
pub(crate) struct ListArgs {
    /// Of this category, such as llm, search or email
    #[arg(long)]
    category: Option<String>,
    /// Whose name or category has this in it
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only what the organization has enabled
    #[arg(long)]
    enabled: bool,
}

/// A provider.
#[derive(Args)]
pub(crate) struct ProviderArgs {
    /// The provider
    #[arg(value_name = "SLUG")]
    provider: String,
}

/// Does what the command says.
pub(crate) async fn run(command: MarketplaceCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        MarketplaceCommand::List(args) => list(args, context).await,
        MarketplaceCommand::Show(args) => show(&args.provider, context).await,
        MarketplaceCommand::Enable(args) => {
            let path = ["marketplace", &args.provider, "enable"];
            context.client.act_quietly(&path).await?;
            context.output.note(&format!(
                "Enabled {0}; grant it with `ks token create --name <agent> --provider {0}:marketplace`",
                args.provider
            ));
            Ok(())
        }
        MarketplaceCommand::Disable(args) => {
            let path = ["marketplace", &args.provider, "disable"];
            context.client.act_quietly(&path).await?;
            context.output.note(&format!("Disabled {}", args.provider));
            Ok(())
        }
    }
}

async fn list(args: ListArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let query = ListListings {
        category: args.category,
        search: args.search,
        enabled: args.enabled.then_some(true),
        ..ListListings::default()
    };
    let listings: Vec<Listing> = context.client.list(&["marketplace"], &query, MOST).await?;
    context.output.data(&listings, || {
        let rows = listings.iter().map(|listing| {
            let state = match (listing.enabled, listing.available) {
                (_, false) => "no key now",
                (true, true) => "enabled",
                (false, true) => "",
            };
            [
                listing.provider.clone(),
                listing.category.clone(),
                listing.models.to_string(),
                listing
                    .typical_call
                    .as_ref()
                    .map_or_else(String::new, |call| format!("${} ({})", call.cost, call.model)),
                state.to_owned(),
            ]
        });
        table(["PROVIDER", "CATEGORY", "PRICES", "TYPICAL CALL", "STATE"], rows)
    })
}

async fn show(provider: &str, context: &Context<'_>) -> anyhow::Result<()> {
    let detail: ListingDetail = context.client.get(&["marketplace", provider], &()).await?;
    context.output.data(&detail, || {
        let listing = &detail.listing;
        let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
        let about = facts([
            ("Provider", format!("{} ({})", listing.name, listing.provider)),
            ("Category", listing.category.clone()),
            ("Enabled", yes(listing.enabled)),
            ("Has a key now", yes(listing.available)),
            ("Prices", format!("version {}", detail.price_version)),
        ]);
        let rows = detail.prices.iter().map(|price| {
            let units = price.units.iter().map(|(name, price)| format!("{name} {price}"));
            [price.model.clone(), units.collect::<Vec<_>>().join(", ")]
        });
        format!("{about}\n{}", table(["MODEL", "DOLLARS A MILLION"], rows))
    })
}
