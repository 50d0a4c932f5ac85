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

const UNITS_PER_PRICE: i128 = 1_000_000;

/// Buckets of input tokens.
const INPUT: [Bucket; 12] = [
    Bucket::InputUncached,
    Bucket::CacheRead,
    Bucket::CacheWrite,
    Bucket::CacheWrite5m,
    Bucket::CacheWrite1h,
    Bucket::AudioIn,
    Bucket::AudioCacheRead,
    Bucket::ImageIn,
    Bucket::ImageCacheRead,
    Bucket::VideoIn,
    Bucket::AudioCacheWrite,
    Bucket::Citations,
];

/// Buckets of output tokens.
const OUTPUT: [Bucket; 5] = [
    Bucket::OutputText,
    Bucket::Reasoning,
    Bucket::AudioOut,
    Bucket::ImageOut,
    Bucket::VideoOut,
];

/// Names under which vendors report, or clients ask for, the base prices: OpenAI `default`, Anthropic `standard` and
/// `standard_only`, Groq `on_demand`.
const STANDARD_TIERS: [&str; 4] = ["default", "standard", "standard_only", "on_demand"];

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
    /// No more input tokens than this can come from the body itself.
    pub input_tokens: u64,
    /// The body refers to input that it does not contain: the context window bounds it instead.
    pub unbounded_input: bool,
    /// How often the vendor reads the input: once, and once more after each call of a tool that it runs itself; `None` where
    /// nothing bounds that.
    pub rounds: Option<u64>,
    /// How many answers are made.
    pub n: u64,
    /// The output cap that the upstream will see, per answer; `None` is the model's own maximum.
    pub max_output: Option<u64>,
    /// The service tier that the request asks for.
    pub service_tier: Option<&'a str>,
    /// Fees per call: the bucket and the most calls, `None` where nothing bounds them.
    pub calls: &'a [(Bucket, Option<u64>)],
}

impl UnitPrices {
    /// No price at all.
    pub const NONE: Self = Self([None; Bucket::COUNT]);

    /// The same prices with `price` for `bucket`.
    #[must_use]
    pub const fn with(mut self, bucket: Bucket, price: i64) -> Self {
        self.0[bucket as usize] = Some(price);
        self
    }

    /// The price that is written for `bucket`.
    pub const fn written(&self, bucket: Bucket) -> Option<i64> {
        self.0[bucket as usize]
    }

    /// The price of `bucket`: the written one, or that of a bucket which vendors charge no less for.
    ///
    /// - Reasoning, audio, image and video output without a price cost what text output costs.
    /// - A cache write without a price costs as the dearest kind of cache write that has one, else as uncached input.
    /// - A cache read without a price gets no discount: it costs what the same input costs uncached.
    /// - Audio, image and video input without a price cost what text input costs, and so do cited pages. Audio that is written to
    ///   a cache costs as other audio.
    /// - Calls, searches, pages and the like have no substitute, and neither have uncached input and text output.
    pub fn get(&self, bucket: Bucket) -> Option<i64> {
        use Bucket::{
            AudioCacheRead, AudioCacheWrite, AudioIn, AudioOut, CacheRead, CacheWrite, CacheWrite1h,
            CacheWrite5m, Citations, ImageCacheRead, ImageIn, ImageOut, InputUncached, OutputText, Reasoning,
            VideoIn, VideoOut,
        };
        let substitute = || match bucket {
            Reasoning | AudioOut | ImageOut | VideoOut => self.written(OutputText),
            CacheWrite | CacheWrite5m | CacheWrite1h => [CacheWrite, CacheWrite5m, CacheWrite1h]
                .into_iter()
                .filter_map(|write| self.written(write))
                .max()
                .or(self.written(InputUncached)),
            AudioCacheRead | AudioCacheWrite => self.written(AudioIn).or(self.written(InputUncached)),
            ImageCacheRead => self.written(ImageIn).or(self.written(InputUncached)),
            CacheRead | AudioIn | ImageIn | VideoIn | Citations => self.written(InputUncached),
            _ => None,
        };
        self.written(bucket).or_else(substitute)
    }

    /// `over` where it says something, these prices elsewhere.
    fn overlaid(&self, over: &Self) -> Self {
        Self(std::array::from_fn(|index| over.0[index].or(self.0[index])))
    }

    /// The dearer price of every bucket, substitutes included.
    fn dearest(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|index| {
            let bucket = Bucket::ALL[index];
            self.get(bucket).max(other.get(bucket))
        }))
    }

    /// The dearest price of any of `buckets`; `None` if one of them has none.
    fn dearest_of(&self, buckets: &[Bucket]) -> Option<i64> {
        buckets
            .iter()
            .map(|bucket| self.get(*bucket))
            .try_fold(0, |dearest: i64, price| Some(dearest.max(price?)))
    }
}

/// The tier for this much input.
fn tier_for(tiers: &[Tier], input_tokens: u64) -> Option<&Tier> {
    tiers
        .iter()
        .filter(|tier| tier.above_input_tokens < input_tokens)
        .max_by_key(|tier| tier.above_input_tokens)
}

impl ModelPrice {
    /// What `usage` costs: for every bucket `ceil(units * price / 10^6)`, at the tier that all input tokens together reach
    /// and at the prices of the service tier that the vendor says it served.
    ///
    /// No service tier is the base prices. One that the row does not know is charged at the dearest prices of the row. A
    /// variant without tiers of its own costs at least what the base prices' tier costs. A sum beyond the range of
    /// `NanoUsd` stops at its end.
    ///
    /// # Errors
    /// A bucket that was used has no price.
    pub fn charge(&self, usage: &Usage, service_tier: Option<&str>) -> Result<NanoUsd, Unpriced> {
        let prices = self.served_prices(service_tier, usage.input_tokens());
        let mut sum = 0_i128;
        let mut unpriced = None;
        for (bucket, units) in usage.iter() {
            match prices.get(bucket) {
                Some(price) => sum = sum.saturating_add(line(units.into(), price)),
                None => unpriced = unpriced.or(Some(bucket)),
            }
        }
        match unpriced {
            Some(bucket) => Err(Unpriced {
                bucket,
                priced: narrowed(sum),
            }),
            None => Ok(narrowed(sum)),
        }
    }

    /// The most that a request can cost, whatever the vendor then reports within the bounds of `request`; `None` if that is
    /// not known, which makes the request unpriced under a budget.
    ///
    /// Every input token is taken at the dearest input price (cache writes and reachable long-input tiers included), every
    /// output token at the dearest output price, over every service tier in which the request may be served: the one it
    /// asks for and the base prices, or all of them if it asks for none, for `auto` or for an unknown one, since vendors
    /// then decide by the account's settings. An output cap counts as it is given; without one the model's maximum counts,
    /// or its context window.
    pub fn bound(&self, request: &BoundInput<'_>) -> Option<NanoUsd> {
        let (fixed, output_price) = self.bound_parts(request)?;
        let output = match output_price {
            0 => 0,
            price => {
                let cap = request.max_output.or(self.max_output_ceiling())?;
                line(i128::from(request.n).checked_mul(cap.into())?, price)
            }
        };
        Some(narrowed(fixed.saturating_add(output)))
    }

    /// The largest output cap per answer with which the request costs at most `headroom`, and at most the model's own
    /// maximum; `u64::MAX` if output costs nothing and no maximum is known. `None` if not even the input fits, or nothing
    /// bounds it. What `request` says of a cap is ignored.
    pub fn affordable_output(&self, request: &BoundInput<'_>, headroom: NanoUsd) -> Option<u64> {
        let (fixed, output_price) = self.bound_parts(request)?;
        let rest = i128::from(headroom.0)
            .checked_sub(fixed)
            .filter(|rest| *rest >= 0)?;
        let ceiling = self.max_output_ceiling().unwrap_or(u64::MAX);
        let per_token = i128::from(request.n).saturating_mul(output_price.into());
        let affordable = match per_token {
            0 => ceiling,
            _ => u64::try_from(rest.saturating_mul(UNITS_PER_PRICE) / per_token).unwrap_or(u64::MAX),
        };
        Some(affordable.min(ceiling))
    }

    /// The bound without the output, and the price of an output token.
    fn bound_parts(&self, request: &BoundInput<'_>) -> Option<(i128, i64)> {
        let window = self.input_ceiling();
        let rounds = request.rounds?;
        let input_tokens = match window {
            // What a tool adds to the input stands nowhere before the call.
            _ if rounds > 1 => window?.saturating_mul(rounds),
            _ if request.unbounded_input => window?,
            Some(window) => request.input_tokens.min(window),
            None => request.input_tokens,
        };
        let called = request.calls.iter().map(|(bucket, _)| *bucket);
        let asked = INPUT.into_iter().chain(OUTPUT).chain(called);
        let prices = self.reachable_prices(request.service_tier, input_tokens, &asked);
        let input = match input_tokens {
            // What is not charged by tokens needs no price of tokens.
            0 => 0,
            tokens => line(tokens.into(), prices.dearest_of(&INPUT)?),
        };
        // A model without any output price makes no output: embeddings.
        let output_price = match OUTPUT.iter().all(|bucket| prices.get(*bucket).is_none()) {
            true => 0,
            false => prices.dearest_of(&OUTPUT)?,
        };
        let mut fixed = input.saturating_add(ROUNDING);
        for (bucket, most) in request.calls {
            let fee = match prices.get(*bucket)? {
                0 => 0,
                price => line((*most)?.into(), price),
            };
            fixed = fixed.saturating_add(fee);
        }
        Some((fixed, output_price))
    }

    /// The most input tokens that the vendor takes. Not known if a price tier begins there or above: then the vendor takes
    /// more than the row says (Anthropic's long-context option).
    fn input_ceiling(&self) -> Option<u64> {
        let ceiling = self.context_window.max(self.max_input_tokens)?;
        let tiers = self
            .variants
            .iter()
            .flat_map(|variant| variant.tiers.iter())
            .chain(self.tiers.iter());
        let beyond = tiers
            .map(|tier| tier.above_input_tokens)
            .any(|threshold| threshold >= ceiling);
        (!beyond).then_some(ceiling)
    }

    fn max_output_ceiling(&self) -> Option<u64> {
        self.max_output_tokens.or(self.context_window)
    }

    fn served_prices(&self, service_tier: Option<&str>, input_tokens: u64) -> UnitPrices {
        let base = self.base_prices(input_tokens);
        match service_tier {
            None => base,
            Some(name) if is_standard(name) => base,
            Some(name) => match self.variant(name) {
                Some(variant) => self.variant_prices(variant, input_tokens),
                None => self.dearest_variant(base, input_tokens),
            },
        }
    }

    /// The dearest prices of `buckets` at which a request with at most this much input may be served, substitutes included; no
    /// other price.
    fn reachable_prices(
        &self,
        service_tier: Option<&str>,
        most_input_tokens: u64,
        buckets: &(impl Iterator<Item = Bucket> + Clone),
    ) -> UnitPrices {
        let mut dearest = UnitPrices::NONE;
        self.each_reachable(service_tier, most_input_tokens, |prices| {
            for bucket in buckets.clone() {
                let known = &mut dearest.0[bucket as usize];
                *known = (*known).max(prices.get(bucket));
            }
        });
        dearest
    }

    /// Shows every list of prices by which a request with at most this much input may be served.
    fn each_reachable(
        &self,
        service_tier: Option<&str>,
        most_input_tokens: u64,
        mut see: impl FnMut(&UnitPrices),
    ) {
        let tiers = self
            .variants
            .iter()
            .flat_map(|variant| variant.tiers.iter())
            .chain(self.tiers.iter());
        let thresholds = tiers
            .map(|tier| tier.above_input_tokens.saturating_add(1))
            .filter(|tokens| *tokens <= most_input_tokens);
        for input_tokens in std::iter::once(0).chain(thresholds) {
            see(&self.base_prices(input_tokens));
            match service_tier.map(|name| (is_standard(name), self.variant(name))) {
                Some((true, _)) => {}
                Some((false, Some(variant))) => see(&self.variant_prices(variant, input_tokens)),
                Some((false, None)) | None => {
                    for variant in self.variants.iter() {
                        see(&self.variant_prices(variant, input_tokens));
                    }
                }
            }
        }
    }

    fn base_prices(&self, input_tokens: u64) -> UnitPrices {
        match tier_for(&self.tiers, input_tokens) {
            Some(tier) => self.prices.overlaid(&tier.prices),
            None => self.prices,
        }
    }

    fn variant(&self, name: &str) -> Option<&Variant> {
        self.variants
            .iter()
            .find(|variant| variant.service_tier.eq_ignore_ascii_case(name))
    }

    fn variant_prices(&self, variant: &Variant, input_tokens: u64) -> UnitPrices {
        let prices = self.prices.overlaid(&variant.prices);
        match tier_for(&variant.tiers, input_tokens) {
            Some(tier) => prices.overlaid(&tier.prices),
            None if variant.tiers.is_empty() && tier_for(&self.tiers, input_tokens).is_some() => {
                prices.dearest(&self.base_prices(input_tokens))
            }
            None => prices,
        }
    }

    fn dearest_variant(&self, base: UnitPrices, input_tokens: u64) -> UnitPrices {
        self.variants.iter().fold(base, |dearest, variant| {
            dearest.dearest(&self.variant_prices(variant, input_tokens))
        })
    }
}

/// A charge rounds every line up; a bound, which has one line for all input and one for all output, leaves room for that: a
/// nano-dollar for every kind of token, and some.
const ROUNDING: i128 = 24;
const _: () = assert!(INPUT.len() + OUTPUT.len() <= 24, "room for rounding");

fn is_standard(service_tier: &str) -> bool {
    STANDARD_TIERS
        .iter()
        .any(|name| name.eq_ignore_ascii_case(service_tier))
}

/// `ceil(units * price / 10^6)`; a negative price is none.
fn line(units: i128, price: i64) -> i128 {
    units
        .checked_mul(price.max(0).into())
        .and_then(|product| product.checked_add(UNITS_PER_PRICE - 1))
        .map_or(i128::MAX, |product| product / UNITS_PER_PRICE)
}

fn narrowed(nanos: i128) -> NanoUsd {
    NanoUsd(i64::try_from(nanos).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
