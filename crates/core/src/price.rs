//! Prices, and what a usage costs.
//!
//! Prices are integers of nano-dollars per **million** units, so that $0.0375 per million tokens is exact. A bucket without a
//! price is unpriced, never free: zero must be written.
//!
//! `list` holds prices by bucket, `terms` says which of a row's prices count, `charge` calculates.

use std::borrow::Cow;

use crate::usage::Bucket;

mod charge;
mod list;
mod terms;

pub use charge::{BoundInput, Line, MIN_OUTPUT_CAP, Unpriced};
use list::Layers;
pub use list::UnitPrices;
pub use terms::{Chosen, Terms};

/// Prices that replace the base prices for the whole request when its input is long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// The tier applies when all input tokens together, cached ones included, are more than this.
    pub above_input_tokens: u64,
    /// The prices; a bucket without one keeps its base price.
    pub prices: UnitPrices,
}

/// Prices under a condition that the request states or the answer reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The vendor's service tier (`flex`, `priority`, `fast`, `batch`, …).
    pub service_tier: Cow<'static, str>,
    /// The prices; a bucket without one keeps its base price.
    pub prices: UnitPrices,
    /// Long-input tiers of this variant, ascending.
    pub tiers: Cow<'static, [Tier]>,
}

/// Prices of what a request chooses: a resolution, a size, a quality. A request that chooses nothing has the base prices; one
/// that chooses what no choice of the row says has the dearest ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The members of the request, by the names that lead there with dots between them, and their values in any case. All must
    /// be so; the first choice that holds counts.
    pub when: Cow<'static, [(Cow<'static, str>, Cow<'static, str>)]>,
    /// The prices; a bucket without one keeps its base price.
    pub prices: UnitPrices,
}

/// What tokens cost more at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surcharge {
    /// The place.
    pub place: Place,
    /// What tokens cost there, in thousandths of their prices: 1,100 is a tenth more. At least 1,000.
    pub per_mille: u32,
}

/// Where a request is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Where the vendor says that inference ran, or the request asks for it to run (Anthropic's `inference_geo`).
    Inference(Cow<'static, str>),
    /// At the provider's host of this alias.
    Host(Cow<'static, str>),
}

/// How a model id in a request finds its row, after exact names and aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelMatch {
    /// Exactly this text.
    Equals(Cow<'static, str>),
    /// Begins with this text.
    StartsWith(Cow<'static, str>),
    /// Ends with this text.
    EndsWith(Cow<'static, str>),
    /// Contains this text.
    Contains(Cow<'static, str>),
    /// All of these.
    All(Cow<'static, [ModelMatch]>),
    /// One of these.
    Any(Cow<'static, [ModelMatch]>),
    /// None of these.
    Not(Cow<'static, [ModelMatch]>),
}

/// The price of one model (or of one priced thing, such as a search) of one provider in one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPrice {
    /// The vendor's id.
    pub model: Cow<'static, str>,
    /// Other ids of the same model.
    pub aliases: Cow<'static, [Cow<'static, str>]>,
    /// A rule for ids that are neither; rows are tried in the order in which they stand.
    pub rule: Option<ModelMatch>,
    /// The base prices.
    pub prices: UnitPrices,
    /// Long-input tiers, ascending by threshold.
    pub tiers: Cow<'static, [Tier]>,
    /// Prices per service tier.
    pub variants: Cow<'static, [Variant]>,
    /// Prices of what a request chooses.
    pub choices: Cow<'static, [Choice]>,
    /// What tokens cost more at some places.
    pub surcharges: Cow<'static, [Surcharge]>,
    /// The most tokens of input and output together, where known.
    pub context_window: Option<u64>,
    /// The most input tokens, where known.
    pub max_input_tokens: Option<u64>,
    /// The most output tokens, where known.
    pub max_output_tokens: Option<u64>,
    /// In force from this time, in seconds since the epoch; `None` is since ever.
    pub effective_from: Option<i64>,
    /// In force until this time (exclusive), in seconds since the epoch; `None` is until further notice.
    pub effective_to: Option<i64>,
}

impl ModelPrice {
    /// A row of base prices alone, in force since ever, of a model of which no more is known.
    pub const fn flat(model: Cow<'static, str>, prices: UnitPrices) -> Self {
        Self {
            model,
            aliases: Cow::Borrowed(&[]),
            rule: None,
            prices,
            tiers: Cow::Borrowed(&[]),
            variants: Cow::Borrowed(&[]),
            choices: Cow::Borrowed(&[]),
            surcharges: Cow::Borrowed(&[]),
            context_window: None,
            max_input_tokens: None,
            max_output_tokens: None,
            effective_from: None,
            effective_to: None,
        }
    }

    /// The same row with what stands for the price of `bucket` written out: in every list in which it is another than beneath. What a
    /// usage costs stays the same.
    #[must_use]
    pub fn with_written(mut self, bucket: Bucket) -> Self {
        let base = self.prices.clone();
        let written = |list: &UnitPrices, here: Option<i64>, beneath: Option<i64>| match here {
            Some(price) if here != beneath => list.clone().with(bucket, price),
            _ => list.clone(),
        };
        let above = |list: &UnitPrices| {
            let here = Layers::of([list, &base]).get(bucket);
            written(list, here, base.get(bucket))
        };
        let in_variant = |tier: &UnitPrices, variant: &UnitPrices| {
            let here = Layers::of([tier, variant, &base]).get(bucket);
            written(tier, here, Layers::of([variant, &base]).get(bucket))
        };
        self.prices = written(&base, base.get(bucket), None);
        for tier in self.tiers.to_mut() {
            tier.prices = above(&tier.prices);
        }
        for variant in self.variants.to_mut() {
            for tier in variant.tiers.to_mut() {
                tier.prices = in_variant(&tier.prices, &variant.prices);
            }
            variant.prices = above(&variant.prices);
        }
        for choice in self.choices.to_mut() {
            choice.prices = above(&choice.prices);
        }
        self
    }

    /// The same row with every price that is written in it changed.
    #[must_use]
    pub fn map_prices(mut self, price: impl Fn(Bucket, i64) -> i64) -> Self {
        let tiers = |tiers: &[Tier]| -> Cow<'static, [Tier]> {
            let of = |tier: &Tier| Tier {
                above_input_tokens: tier.above_input_tokens,
                prices: tier.prices.map(&price),
            };
            tiers.iter().map(of).collect()
        };
        self.prices = self.prices.map(&price);
        self.tiers = tiers(&self.tiers);
        for variant in self.variants.to_mut() {
            variant.prices = variant.prices.map(&price);
            variant.tiers = tiers(&variant.tiers);
        }
        for choice in self.choices.to_mut() {
            choice.prices = choice.prices.map(&price);
        }
        self
    }
}

#[cfg(test)]
mod tests;
