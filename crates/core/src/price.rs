//! Prices, and what a usage costs.
//!
//! Prices are integers of nano-dollars per **million** units, so that $0.0375 per million tokens is exact. A bucket without a
//! price is unpriced, never free: zero must be written.

use std::borrow::Cow;

use crate::money::NanoUsd;
use crate::usage::{Bucket, Usage};

/// Nano-dollars per million units, by bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitPrices(pub [Option<i64>; Bucket::COUNT]);

/// Prices that replace the base prices for the whole request when its input is long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// The tier applies when all input tokens together, cached ones included, are more than this.
    pub above_input_tokens: u64,
    /// The prices; a bucket that is `None` here keeps its base price.
    pub prices: UnitPrices,
}

/// Prices under a condition that the request states or the answer reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The vendor's service tier (`flex`, `priority`, `fast`, `batch`, …).
    pub service_tier: Cow<'static, str>,
    /// The prices; a bucket that is `None` here keeps its base price.
    pub prices: UnitPrices,
    /// Long-input tiers of this variant, ascending.
    pub tiers: Cow<'static, [Tier]>,
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

/// The smallest output cap that is worth a call: below it a request is refused rather than cut short.
pub const MIN_OUTPUT_CAP: u64 = 256;

/// Something was used that the row has no price for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpriced {
    /// The first bucket without a price.
    pub bucket: Bucket,
    /// What the buckets with a price cost: never more than the true cost.
    pub priced: NanoUsd,
}

/// What a request can use at most, read off its body before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoundInput<'a> {
    /// No more input tokens than this can come from the body itself (see `RequestFacts::input_tokens`).
    pub input_tokens: u64,
    /// The body refers to input that it does not contain: the context window bounds it instead.
    pub unbounded_input: bool,
    /// How many answers are made.
    pub n: u64,
    /// The output cap that the upstream will see, per answer; `None` is the model's own maximum.
    pub max_output: Option<u64>,
    /// The service tier that the request asks for.
    pub service_tier: Option<&'a str>,
    /// Fees per call: the bucket and the most calls, `None` where nothing bounds them.
    pub calls: &'a [(Bucket, Option<u64>)],
}

impl ModelPrice {
    /// What `usage` costs, at the prices of the service tier that the vendor says it served.
    pub fn charge(&self, usage: &Usage, service_tier: Option<&str>) -> Result<NanoUsd, Unpriced> {
        todo!()
    }
    /// The most that a request can cost; `None` if that is not known, which makes it unpriced under a budget.
    pub fn bound(&self, request: &BoundInput<'_>) -> Option<NanoUsd> {
        todo!()
    }
    /// The largest output cap per answer with which the request costs at most `headroom`; `None` if not even its input
    /// fits, or nothing bounds it.
    pub fn affordable_output(&self, request: &BoundInput<'_>, headroom: NanoUsd) -> Option<u64> {
        todo!()
    }
}
