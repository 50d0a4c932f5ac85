//! The operator's side of `ks price`: the price book, by which pooled keys are sold.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use keystore_core::Micros;
use keystore_core::ids::OrgId;
use keystore_wire::operator::{
    ChangePrices, CostPrice, Markup, PriceBook, PriceChange, PriceRule, SellPrice,
};

use super::super::{Context, moment};
use super::Units;
use crate::duration;
use crate::output::{advice, table};

/// For what a rule of the price book is.
#[derive(Args)]
pub(crate) struct For {
    /// The provider, or PROVIDER/MODEL; `*` at the end of a model stands for the rest of a name. Without one: everything
    #[arg(value_name = "PROVIDER[/MODEL]")]
    what: Option<String>,
    /// Only for this organization (id)
    #[arg(long, value_name = "ORG")]
    org: Option<OrgId>,
    /// In force from then: a date, or a time
    #[arg(long, value_name = "WHEN", value_parser = duration::parse_future)]
    from: Option<Micros>,
    /// In force until then: a date, or a time
    #[arg(long, value_name = "WHEN", value_parser = duration::parse_future)]
    until: Option<Micros>,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
}

/// `ks price markup`.
#[derive(Args)]
pub(crate) struct MarkupArgs {
    #[command(flatten)]
    rule: For,
    /// Per cent, with at most two decimals
    #[arg(long, value_name = "PERCENT", allow_hyphen_values = true)]
    percent: Option<String>,
    /// Dollars for a million units
    #[arg(long, value_name = "DOLLARS")]
    per_million: Option<String>,
    /// Only on this unit, by its name in usage
    #[arg(long, value_name = "UNIT")]
    unit: Option<String>,
}

/// `ks price sell` and `ks price cost`.
#[derive(Args)]
pub(crate) struct RateArgs {
    #[command(flatten)]
    rule: For,
    #[command(flatten)]
    units: Units,
}

/// `ks price import` and `ks price diff`.
#[derive(Args)]
pub(crate) struct FileArgs {
    /// A JSON file with rules, as `ks price book --output json` writes them
    file: PathBuf,
    /// All rules that the file does not have go
    #[arg(long)]
    replace: bool,
}

/// `ks price drop`.
#[derive(Args)]
pub(crate) struct DropArgs {
    /// The numbers of the rules, as `ks price book` shows them
    #[arg(required = true, value_name = "NUMBER")]
    numbers: Vec<u32>,
}

/// `ks price book`.
pub(crate) async fn book(context: &Context<'_>) -> anyhow::Result<()> {
    let book = get(context).await?;
    context.output.data(&book, || {
        let listings = book.listings.iter().map(|listing| {
            let state = if listing.published { "published" } else { "hidden" };
            [listing.provider.clone(), state.to_owned()]
        });
        let listings = table(["PROVIDER", "LISTING"], listings);
        format!("Version {}\n\n{listings}\n{}", book.version, rules(&book.rules))
    })
}

/// `ks price markup`.
pub(crate) async fn markup(args: MarkupArgs, context: &Context<'_>) -> anyhow::Result<()> {
    if args.percent.is_none() && args.per_million.is_none() {
        return Err(advice(
            "no markup is named",
            "give `--percent` or `--per-million`",
        ));
    }
    let markup = Markup {
        unit: args.unit,
        percent: args.percent,
        per_million: args.per_million,
    };
    let rule = PriceRule {
        markup: Some(markup),
        ..rule(&args.rule)
    };
    add(vec![rule], args.rule.dry_run, context).await
}

/// `ks price sell`.
pub(crate) async fn sell(args: RateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let sell = SellPrice {
        units: args.units.by_name()?,
        tiers: Vec::new(),
    };
    let rule = PriceRule {
        sell: Some(sell),
        ..rule(&args.rule)
    };
    add(vec![rule], args.rule.dry_run, context).await
}

/// `ks price cost`.
pub(crate) async fn cost(args: RateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let cost = CostPrice {
        units: args.units.by_name()?,
        tiers: Vec::new(),
        context_window: args.units.context_window,
        max_output_tokens: args.units.max_output,
    };
    let rule = PriceRule {
        cost: Some(cost),
        ..rule(&args.rule)
    };
    add(vec![rule], args.rule.dry_run, context).await
}

/// `ks price import`, and `ks price diff` where it is a dry run.
pub(crate) async fn import(args: FileArgs, dry_run: bool, context: &Context<'_>) -> anyhow::Result<()> {
    let text =
        std::fs::read(&args.file).with_context(|| format!("{} cannot be read", args.file.display()))?;
    let rules = read(&text)
        .with_context(|| format!("{} is not a list of rules, nor a price book", args.file.display()))?;
    let base = match args.replace {
        true => Some(get(context).await?.version),
        false => None,
    };
    let change = ChangePrices {
        add: rules,
        replace: args.replace,
        base,
        dry_run,
        ..ChangePrices::default()
    };
    send(&change, context).await
}

/// `ks price drop`.
pub(crate) async fn drop(args: DropArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let change = ChangePrices {
        remove: args.numbers,
        base: Some(get(context).await?.version),
        ..ChangePrices::default()
    };
    send(&change, context).await
}

/// The rules of a file: a price book, or the list alone.
fn read(text: &[u8]) -> serde_json::Result<Vec<PriceRule>> {
    match serde_json::from_slice::<PriceBook>(text) {
        Ok(book) => Ok(book.rules),
        Err(_) => serde_json::from_slice(text),
    }
}

async fn get(context: &Context<'_>) -> anyhow::Result<PriceBook> {
    context.client.get(&["operator", "prices"], &()).await
}

fn rule(what: &For) -> PriceRule {
    let (provider, model) = match what.what.as_deref().map(|what| what.split_once('/')) {
        Some(Some((provider, model))) => (Some(provider.to_owned()), Some(model.to_owned())),
        _ => (what.what.clone(), None),
    };
    PriceRule {
        provider,
        model,
        org: what.org,
        effective_from: what.from.map(Into::into),
        effective_to: what.until.map(Into::into),
        ..PriceRule::default()
    }
}

async fn add(rules: Vec<PriceRule>, dry_run: bool, context: &Context<'_>) -> anyhow::Result<()> {
    let change = ChangePrices {
        add: rules,
        dry_run,
        ..ChangePrices::default()
    };
    send(&change, context).await
}

async fn send(change: &ChangePrices, context: &Context<'_>) -> anyhow::Result<()> {
    let changed: PriceChange = context.client.post(&["operator", "prices"], change).await?;
    let count = (changed.added.len(), changed.removed.len());
    context.output.note(&match (count, change.dry_run) {
        ((0, 0), _) => format!("Nothing changes: version {} is as this", changed.version),
        ((added, removed), true) => format!("Would add {added} rules and take away {removed}"),
        ((added, removed), false) => format!(
            "Version {} is in force: {added} rules added, {removed} taken away",
            changed.version
        ),
    });
    context.output.data(&changed, || {
        let signed = |sign: &str, rules: &[PriceRule]| {
            let lines = rules
                .iter()
                .map(|rule| format!("{sign} {}\n", words(rule).join("  ")));
            lines.collect::<String>()
        };
        format!("{}{}", signed("-", &changed.removed), signed("+", &changed.added))
    })
}

fn rules(rules: &[PriceRule]) -> String {
    let rows = rules.iter().enumerate().map(|(number, rule)| {
        let [what, org, rate, force] = words(rule);
        [number.to_string(), what, org, rate, force]
    });
    table(["#", "FOR", "ORGANIZATION", "RULE", "IN FORCE"], rows)
}

/// For what, for whom, how much, when.
fn words(rule: &PriceRule) -> [String; 4] {
    let what = match (&rule.provider, &rule.model) {
        (None, None) => "everything".to_owned(),
        (Some(provider), None) => provider.clone(),
        (provider, Some(model)) => format!("{}/{model}", provider.as_deref().unwrap_or("*")),
    };
    let org = rule.org.map_or_else(|| "all".to_owned(), |org| org.to_string());
    let units = |units: &BTreeMap<String, String>| {
        let each = units.iter().map(|(name, price)| format!("{name} {price}"));
        each.collect::<Vec<_>>().join(", ")
    };
    let rate = if let Some(markup) = &rule.markup {
        let share = markup.percent.as_ref().map(|percent| format!("+{percent}%"));
        let amount = markup
            .per_million
            .as_ref()
            .map(|amount| format!("+${amount} a million"));
        let parts: Vec<_> = share.into_iter().chain(amount).collect();
        let unit = markup
            .unit
            .as_ref()
            .map_or_else(String::new, |unit| format!(" on {unit}"));
        format!("markup {}{unit}", parts.join(" "))
    } else if let Some(sell) = &rule.sell {
        format!("sell {}", units(&sell.units))
    } else if let Some(cost) = &rule.cost {
        format!("cost {}", units(&cost.units))
    } else {
        String::new()
    };
    let force = match (rule.effective_from, rule.effective_to) {
        (None, None) => "always".to_owned(),
        (Some(from), None) => format!("from {}", moment(from)),
        (None, Some(until)) => format!("until {}", moment(until)),
        (Some(from), Some(until)) => format!("{} to {}", moment(from), moment(until)),
    };
    [what, org, rate, force]
}
