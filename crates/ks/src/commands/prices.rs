//! `ks price`: what the organization pays by contracts of its own; and of the operator, what pooled keys are sold for ([`book`]).

mod book;

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
    /// The operator: show the price book, by which pooled keys are sold
    #[command(after_help = "Examples:\n  ks price book\n  ks price book --output json > prices.json")]
    Book,
    /// The operator: put a markup on what pooled keys cost
    #[command(
        after_help = "Examples:\n  ks price markup --percent 10\n  ks price markup openai --percent 12.5 --per-million 0.05\n  \
        ks price markup 'openai/gpt-5*' --percent 8 --org org_01jd3w8f0qe7ys4c9p2m5n6r7t --from 2099-01-01\n\n\
        Of several markups the nearest counts: for the organization, for the model, for names like it, for the provider."
    )]
    Markup(book::MarkupArgs),
    /// The operator: set what customers pay, whatever it costs
    #[command(
        after_help = "Examples:\n  ks price sell tavily/search --unit credits=8000\n  ks price sell openai/models.list --unit requests=0\n\n\
        What a vendor bills in no way that is known is sold only by the name of its operation."
    )]
    Sell(book::RateArgs),
    /// The operator: set what the vendor is paid, where the list says otherwise or nothing
    #[command(after_help = "Example:\n  ks price cost openai/gpt-5.2 --input 1.40 --output-text 11.20")]
    Cost(book::RateArgs),
    /// The operator: take the rules of a file into the price book
    #[command(
        after_help = "Examples:\n  ks price import prices.json\n  ks price import prices.json --replace"
    )]
    Import(book::FileArgs),
    /// The operator: say what a file would change in the price book
    #[command(after_help = "Examples:\n  ks price diff prices.json\n  ks price diff prices.json --replace")]
    Diff(book::FileArgs),
    /// The operator: take rules out of the price book
    #[command(after_help = "Example:\n  ks price drop 3 4")]
    Drop(book::DropArgs),
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
    #[command(flatten)]
    units: Units,
    /// With your own keys, which is what this sets in any case; the operator's prices are `ks price sell`, `cost` and `markup`
    #[arg(long)]
    byok: bool,
}

/// Prices by unit.
#[derive(Args)]
pub(crate) struct Units {
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

impl Units {
    /// Dollars for a million, by the name of the unit.
    ///
    /// # Errors
    /// There is none.
    fn by_name(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let named = [
            (Bucket::InputUncached, &self.input),
            (Bucket::OutputText, &self.output_text),
            (Bucket::CacheRead, &self.cache_read),
            (Bucket::CacheWrite, &self.cache_write),
        ];
        let named = named
            .into_iter()
            .filter_map(|(bucket, price)| Some((bucket.name().to_owned(), price.clone()?)));
        let units: BTreeMap<_, _> = named.chain(self.units.iter().cloned()).collect();
        match units.is_empty() {
            false => Ok(units),
            true => Err(advice(
                "no price is named",
                "give `--input`, `--output-text` or `--unit NAME=DOLLARS`",
            )),
        }
    }
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
        PriceCommand::Book => book::book(context).await,
        PriceCommand::Markup(args) => book::markup(args, context).await,
        PriceCommand::Sell(args) => book::sell(args, context).await,
        PriceCommand::Cost(args) => book::cost(args, context).await,
        PriceCommand::Import(args) => book::import(args, false, context).await,
        PriceCommand::Diff(args) => book::import(args, true, context).await,
        PriceCommand::Drop(args) => book::drop(args, context).await,
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
    let units = args.units.by_name()?;
    let (provider, model) = args.model;
    let body = SetPrice {
        provider,
        model,
        units,
        context_window: args.units.context_window,
        max_output_tokens: args.units.max_output,
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
