//! `ks price`: what the organization pays by contracts of its own.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use keystore_core::Bucket;
use keystore_wire::prices::{ListPrices, Price, PriceQuery, SetPrice, UnsetPrice};

use super::find::MOST;
use super::{Context, moment, or_dash};
use crate::output::{advice, facts, table};

/// `ks price`.
#[derive(Subcommand)]
pub(crate) enum PriceCommand {
    /// List the prices that the organization has set
    #[command(after_help = "Examples:\n  ks price list\n  ks price list --provider openai --output json")]
    List(ListArgs),
    /// Show what a model is charged by now
    #[command(after_help = "Examples:\n  ks price show openai/gpt-5.2\n  ks price show resend/email")]
    Show(ModelArgs),
    /// Set what you pay for a model with your own keys: for budgets, usage and dry runs
    #[command(
        after_help = "Examples:\n  ks price set openai/gpt-5.2 --input 1.20 --output-text 9.60\n  \
        ks price set azure-openai/my-deployment --input 1.75 --output-text 14 --context-window 400000 --max-output 128000\n  \
        ks price set resend/email --unit emails=400\n\n\
        Every price is in dollars for a million: tokens, e-mails, seconds. What is not named has the price of the list."
    )]
    Set(SetArgs),
    /// Let the price of the list count again
    #[command(after_help = "Example:\n  ks price unset openai/gpt-5.2")]
    Unset(ModelArgs),
}

/// `ks price list`.
#[derive(Args)]
pub(crate) struct ListArgs {
    /// Of this provider
    #[arg(long, value_name = "SLUG")]
    provider: Option<String>,
}

/// A model.
#[derive(Args)]
pub(crate) struct ModelArgs {
    /// The provider and the model
    #[arg(value_name = "PROVIDER/MODEL", value_parser = model)]
    model: (String, String),
}

/// `ks price set`.
#[derive(Args)]
pub(crate) struct SetArgs {
    /// The provider and the model, by the name that is asked for or the one in the list
    #[arg(value_name = "PROVIDER/MODEL", value_parser = model)]
    model: (String, String),
    /// A million tokens of input
    #[arg(long, value_name = "DOLLARS")]
    input: Option<String>,
    /// A million tokens of output
    #[arg(long, value_name = "DOLLARS")]
    output_text: Option<String>,
    /// A million tokens of input read from a cache
    #[arg(long, value_name = "DOLLARS")]
    cache_read: Option<String>,
    /// A million tokens of input written to a cache
    #[arg(long, value_name = "DOLLARS")]
    cache_write: Option<String>,
    /// A million of another unit, by its name in usage; may be given several times
    #[arg(long = "unit", value_name = "NAME=DOLLARS", value_parser = unit)]
    units: Vec<(String, String)>,
    /// The most tokens of input and output together, where the list does not say: a strict budget needs it
    #[arg(long, value_name = "TOKENS")]
    context_window: Option<u64>,
    /// The most tokens of output, where the list does not say
    #[arg(long, value_name = "TOKENS")]
    max_output: Option<u64>,
}

fn model(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((provider, model)) if !provider.is_empty() && !model.is_empty() => {
            Ok((provider.to_owned(), model.to_owned()))
        }
        _ => Err("expected a provider and a model, such as openai/gpt-5.2".to_owned()),
    }
}

fn unit(text: &str) -> Result<(String, String), String> {
    let (name, price) = text
        .split_once('=')
        .ok_or("expected a unit and its price, such as emails=400")?;
    match Bucket::ALL.iter().any(|bucket| bucket.name() == name) {
        true => Ok((name.to_owned(), price.to_owned())),
        false => Err(format!(
            "there is no unit `{name}`; `ks price show` names those of a model"
        )),
    }
}

/// Does what the command says.
pub(crate) async fn run(command: PriceCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        PriceCommand::List(args) => list(args, context).await,
        PriceCommand::Show(args) => {
            let (provider, model) = args.model;
            let query = PriceQuery { provider, model };
            let price: Price = context.client.get(&["prices", "in-force"], &query).await?;
            show(&price, context)
        }
        PriceCommand::Set(args) => set(args, context).await,
        PriceCommand::Unset(args) => {
            let (provider, model) = args.model;
            let said = format!("The price of the list counts again for {provider}/{model}");
            let body = UnsetPrice { provider, model };
            context.client.post_quietly(&["prices", "unset"], &body).await?;
            context.output.note(&said);
            Ok(())
        }
    }
}

async fn list(args: ListArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let query = ListPrices {
        provider: args.provider,
        ..ListPrices::default()
    };
    let prices: Vec<Price> = context.client.list(&["prices"], &query, MOST).await?;
    context.output.data(&prices, || {
        let rows = prices.iter().map(|price| {
            [
                format!("{}/{}", price.provider, price.model),
                units(price),
                price.set_at.map_or_else(String::new, moment),
            ]
        });
        table(["MODEL", "DOLLARS A MILLION", "SET"], rows)
    })
}

async fn set(args: SetArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let named = [
        (Bucket::InputUncached, args.input),
        (Bucket::OutputText, args.output_text),
        (Bucket::CacheRead, args.cache_read),
        (Bucket::CacheWrite, args.cache_write),
    ];
    let named = named
        .into_iter()
        .filter_map(|(bucket, price)| Some((bucket.name().to_owned(), price?)));
    let units: BTreeMap<_, _> = named.chain(args.units).collect();
    if units.is_empty() {
        return Err(advice(
            "no price is named",
            "give `--input`, `--output-text` or `--unit NAME=DOLLARS`",
        ));
    }
    let (provider, model) = args.model;
    let body = SetPrice {
        provider,
        model,
        units,
        context_window: args.context_window,
        max_output_tokens: args.max_output,
    };
    let price: Price = context.client.post(&["prices"], &body).await?;
    context
        .output
        .note(&format!("Set the price of {}/{}", price.provider, price.model));
    show(&price, context)
}

fn show(price: &Price, context: &Context<'_>) -> anyhow::Result<()> {
    context.output.data(price, || {
        let set = price.set_at.map_or_else(|| "by the list".to_owned(), moment);
        facts([
            ("Model", format!("{}/{}", price.provider, price.model)),
            ("Dollars a million", units(price)),
            ("Context window", or_dash(price.context_window)),
            ("Most output", or_dash(price.max_output_tokens)),
            ("Set", set),
        ])
    })
}

/// `input_uncached 1.20, output_text 9.60`.
fn units(price: &Price) -> String {
    let units = price.units.iter().map(|(name, price)| format!("{name} {price}"));
    units.collect::<Vec<_>>().join(", ")
}
