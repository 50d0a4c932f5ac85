//! The price of a model as it is sold.

use std::borrow::Cow;

use super::{Markup, PriceBook, PriceRule, PriceTier, Rate};
use crate::ids::OrgId;
use crate::policy::UnitPrice;
use crate::price::{ModelPrice, Tier, UnitPrices};
use crate::time::Micros;
use crate::usage::Bucket;

/// What a model is sold for, and what it costs the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sold {
    /// What the customer pays.
    pub price: ModelPrice,
    /// What the operator pays the vendor; `None` where nobody has said.
    pub cost: Option<ModelPrice>,
    /// What is put on a cost that the vendor states itself.
    pub on_stated: Markup,
    /// From this time on it may be otherwise; `None` is until the book changes.
    pub until: Option<Micros>,
}

impl PriceBook {
    /// What `org` pays for `model` of `provider`, whose row of the list at that time is `listed`; `None` where neither the list nor the
    /// operator has a price.
    pub fn sell(
        &self,
        org: OrgId,
        provider: &str,
        model: &str,
        listed: Option<&ModelPrice>,
        at: Micros,
    ) -> Option<Sold> {
        let listed_name = listed.map(|listed| listed.model.as_ref());
        let names: Vec<&str> = std::iter::once(model).chain(listed_name).collect();
        let concerned = || {
            self.rules
                .iter()
                .filter(|rule| rule.is_for(org, provider, &names))
        };
        let in_force: Vec<&PriceRule> = concerned().filter(|rule| rule.is_in_force(at)).collect();
        let cost = cost(&in_force, model, listed);
        let marked = cost.as_ref().map(|cost| with_markup(cost, &in_force));
        let price = sell(&in_force, model, marked)?;
        Some(Sold {
            price,
            cost,
            on_stated: nearest(&in_force, |rate| match rate {
                Rate::Markup(markup) if covers(*markup, Bucket::VendorCostNanos) => Some(*markup),
                _ => None,
            })
            .unwrap_or_default(),
            until: concerned()
                .flat_map(|rule| [rule.from, rule.until])
                .flatten()
                .filter(|boundary| *boundary > at)
                .min(),
        })
    }
}

/// Of the rules of one kind the nearest; of two that are as near, the younger.
fn nearest<'a, T>(rules: &[&'a PriceRule], of: impl Fn(&'a Rate) -> Option<T>) -> Option<T> {
    let kind = rules
        .iter()
        .filter_map(|rule| Some((rule.nearness(), of(&rule.rate)?)));
    kind.max_by_key(|(nearness, _)| *nearness).map(|(_, found)| found)
}

fn covers(markup: Markup, bucket: Bucket) -> bool {
    markup.bucket().is_none_or(|only| only == bucket)
}

fn cost(rules: &[&PriceRule], model: &str, listed: Option<&ModelPrice>) -> Option<ModelPrice> {
    let set = nearest(rules, |rate| match rate {
        Rate::Cost {
            units,
            tiers,
            context_window,
            max_output_tokens,
        } => Some((units, tiers, *context_window, *max_output_tokens)),
        _ => None,
    });
    let Some((units, tiers, context_window, max_output_tokens)) = set else {
        return listed.cloned();
    };
    let mut cost = over(listed.cloned(), model, units, tiers);
    cost.context_window = context_window.or(cost.context_window);
    cost.max_output_tokens = max_output_tokens.or(cost.max_output_tokens);
    Some(cost)
}

fn sell(rules: &[&PriceRule], model: &str, marked: Option<ModelPrice>) -> Option<ModelPrice> {
    let set = nearest(rules, |rate| match rate {
        Rate::Sell { units, tiers } => Some((units, tiers)),
        _ => None,
    });
    match set {
        Some((units, tiers)) => Some(over(marked, model, units, tiers)),
        None => marked,
    }
}

/// `row` with these prices in it.
fn over(row: Option<ModelPrice>, model: &str, units: &[UnitPrice], tiers: &[PriceTier]) -> ModelPrice {
    let mut row = row.unwrap_or_else(|| ModelPrice::flat(Cow::Owned(model.to_owned()), UnitPrices::NONE));
    row.prices = UnitPrice::over(&row.prices, units);
    if !tiers.is_empty() {
        let of = |tier: &PriceTier| Tier {
            above_input_tokens: tier.above_input_tokens,
            prices: UnitPrice::over(&UnitPrices::NONE, &tier.units),
        };
        row.tiers = tiers.iter().map(of).collect();
    }
    row
}

fn with_markup(cost: &ModelPrice, rules: &[&PriceRule]) -> ModelPrice {
    let of = |bucket| {
        nearest(rules, |rate| match rate {
            Rate::Markup(markup) if covers(*markup, bucket) => Some(*markup),
            _ => None,
        })
    };
    let mut row = cost.clone();
    // A price that stands for another one has a markup of its own where the operator says so.
    for rule in rules {
        if let Rate::Markup(markup) = rule.rate
            && let Some(bucket) = markup.bucket()
        {
            row = row.with_written(bucket);
        }
    }
    row.map_prices(|bucket, price| of(bucket).map_or(price, |markup| markup.on(price)))
}
