//! What a usage costs, and the most that a request can cost.

use super::list::{Buckets, Layers};
use super::terms::{PLAIN, Terms, Unsaid};
use super::{ModelPrice, Tier};
use crate::money::NanoUsd;
use crate::usage::{Bucket, Usage};

/// The smallest output cap that is worth a call: below it a request is refused rather than cut short.
pub const MIN_OUTPUT_CAP: u64 = 256;

/// Units of a price, times the thousandths of a surcharge.
pub(super) const UNITS_PER_PRICE: i128 = 1_000_000 * 1_000;

/// Buckets of input tokens.
pub(super) const INPUT: [Bucket; 12] = [
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
pub(super) const OUTPUT: [Bucket; 5] = [
    Bucket::OutputText,
    Bucket::Reasoning,
    Bucket::AudioOut,
    Bucket::ImageOut,
    Bucket::VideoOut,
];

/// The most that one kind of unit is believed to cost a call, in nano-dollars: a million dollars. Sums of it fit, whatever an answer claims.
const MOST_OF_A_LINE: i128 = 1_000_000_000_000_000;
const _: () = assert!(
    MOST_OF_A_LINE * (Bucket::COUNT as i128) < i64::MAX as i128,
    "a charge fits"
);

/// Something was used that the row has no price for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpriced {
    /// The first bucket without a price.
    pub bucket: Bucket,
    /// What the buckets with a price cost: never more than the true cost.
    pub priced: NanoUsd,
}

/// What one kind of unit costs of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The kind.
    pub bucket: Bucket,
    /// How many were used.
    pub units: u64,
    /// What they cost together.
    pub amount: NanoUsd,
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
    /// What the request asks for.
    pub terms: Terms<'a>,
    /// Fees per call: the bucket and the most calls, `None` where nothing bounds them.
    pub calls: &'a [(Bucket, Option<u64>)],
}

/// The dearest price of every bucket among several lists.
struct Dearest([Option<i64>; Bucket::COUNT]);

impl Dearest {
    fn see(&mut self, prices: &Layers<'_>, buckets: impl Iterator<Item = Bucket>) {
        for bucket in buckets {
            let known = &mut self.0[bucket as usize];
            *known = (*known).max(prices.get(bucket));
        }
    }

    fn get(&self, bucket: Bucket) -> Option<i64> {
        self.0[bucket as usize]
    }
}

/// The dearest price of any bucket of a kind of tokens among several lists, found without asking for each bucket: one that is not
/// written costs as another of its kind, and where the plain one is written all of them have a price.
pub(super) struct DearestTokens {
    kind: Buckets,
    /// The one that stands in for all others of the kind.
    plain: Bucket,
    /// The dearest that is written, if one is.
    written: Option<i64>,
    /// Whether the plain one is written in any list.
    all: bool,
}

impl DearestTokens {
    pub(super) const fn new(kind: &[Bucket], plain: Bucket) -> Self {
        Self {
            kind: Buckets::of(kind),
            plain,
            written: None,
            all: false,
        }
    }

    pub(super) fn see(&mut self, prices: &Layers<'_>) {
        self.written = self.written.max(prices.dearest(self.kind));
        self.all = self.all || prices.has(self.plain);
    }

    /// Whether any bucket of the kind has a price.
    pub(super) fn is_known(&self) -> bool {
        self.written.is_some()
    }

    /// `None` if a bucket of the kind has no price.
    pub(super) fn get(&self) -> Option<i64> {
        self.written.filter(|_| self.all).map(|price| price.max(0))
    }
}

/// The parts of a bound.
struct Parts {
    /// All but the output.
    fixed: i128,
    /// The price of a token of output.
    output_price: i64,
    /// What tokens cost, in thousandths of their prices.
    surcharge: u32,
}

impl ModelPrice {
    /// What `usage` costs: for every bucket `ceil(units * price / 10^6)`, at the tier that all input tokens together reach
    /// and at the prices of the service tier that the vendor says it served; tokens with the surcharge of the place.
    ///
    /// No service tier is the base prices, and no place is anywhere. One that the row does not know is charged at the dearest
    /// prices of the row, and so is what a request chose and no choice says. A variant without tiers of its own costs at least
    /// what the base prices' tier costs. No kind of unit costs a call more than a million dollars: more is not used, whatever an answer claims.
    ///
    /// # Errors
    /// A bucket that was used has no price.
    pub fn charge(&self, usage: &Usage, terms: &Terms<'_>) -> Result<NanoUsd, Unpriced> {
        let mut sum = 0_i128;
        let mut unpriced = None;
        self.each_line(usage, terms, |bucket, _, amount| match amount {
            Some(amount) => sum = sum.saturating_add(amount),
            None => unpriced = unpriced.or(Some(bucket)),
        });
        match unpriced {
            Some(bucket) => Err(Unpriced {
                bucket,
                priced: narrowed(sum),
            }),
            None => Ok(narrowed(sum)),
        }
    }

    /// What makes up [`ModelPrice::charge`], a line for each bucket that was used and has a price. Their amounts sum to it.
    pub fn lines(&self, usage: &Usage, terms: &Terms<'_>) -> Vec<Line> {
        let mut lines = Vec::new();
        self.each_line(usage, terms, |bucket, units, amount| {
            lines.extend(amount.map(|amount| Line {
                bucket,
                units,
                amount: narrowed(amount),
            }));
        });
        lines
    }

    fn each_line(&self, usage: &Usage, terms: &Terms<'_>, mut see: impl FnMut(Bucket, u64, Option<i128>)) {
        let used = || usage.iter().map(|(bucket, _)| bucket);
        let mut prices = Dearest([None; Bucket::COUNT]);
        self.each_served(terms, usage.input_tokens(), &mut |list| prices.see(list, used()));
        let surcharge = self.surcharge(terms, Unsaid::Anywhere);
        for (bucket, units) in usage.iter() {
            let per_mille = if bucket.is_tokens() { surcharge } else { PLAIN };
            let amount = prices
                .get(bucket)
                .map(|price| line(units.into(), price, per_mille).min(MOST_OF_A_LINE));
            see(bucket, units, amount);
        }
    }

    /// The most that a request can cost, whatever the vendor then reports within the bounds of `request`; `None` if that is
    /// not known, which makes the request unpriced under a budget.
    ///
    /// Every input token is taken at the dearest input price (cache writes and reachable long-input tiers included), every
    /// output token at the dearest output price, over every service tier in which the request may be served: the one it
    /// asks for and the base prices, or all of them if it asks for none, for `auto` or for an unknown one, since vendors
    /// then decide by the account's settings. So it is with the place where inference runs. An output cap counts as it is given;
    /// without one the model's maximum counts, or its context window.
    pub fn bound(&self, request: &BoundInput<'_>) -> Option<NanoUsd> {
        let parts = self.bound_parts(request)?;
        let output = match parts.output_price {
            0 => 0,
            price => {
                let cap = request.max_output.or(self.max_output_ceiling())?;
                line(
                    i128::from(request.n).checked_mul(cap.into())?,
                    price,
                    parts.surcharge,
                )
            }
        };
        Some(narrowed(parts.fixed.saturating_add(output)))
    }

    /// The largest output cap per answer with which the request costs at most `headroom`, and at most the model's own
    /// maximum; `u64::MAX` if output costs nothing and no maximum is known. `None` if not even the input fits, or nothing
    /// bounds it. What `request` says of a cap is ignored.
    pub fn affordable_output(&self, request: &BoundInput<'_>, headroom: NanoUsd) -> Option<u64> {
        let parts = self.bound_parts(request)?;
        let rest = i128::from(headroom.0)
            .checked_sub(parts.fixed)
            .filter(|rest| *rest >= 0)?;
        let ceiling = self.max_output_ceiling().unwrap_or(u64::MAX);
        let per_token = i128::from(request.n)
            .saturating_mul(parts.output_price.into())
            .saturating_mul(parts.surcharge.into());
        let affordable = match per_token {
            0 => ceiling,
            _ => u64::try_from(rest.saturating_mul(UNITS_PER_PRICE) / per_token).unwrap_or(u64::MAX),
        };
        Some(affordable.min(ceiling))
    }

    fn bound_parts(&self, request: &BoundInput<'_>) -> Option<Parts> {
        let window = self.input_ceiling();
        let rounds = request.rounds?;
        let input_tokens = match window {
            // What a tool adds to the input stands nowhere before the call.
            _ if rounds > 1 => window?.saturating_mul(rounds),
            _ if request.unbounded_input => window?,
            Some(window) => request.input_tokens.min(window),
            None => request.input_tokens,
        };
        let mut input_price = DearestTokens::new(&INPUT, Bucket::InputUncached);
        let mut output_price = DearestTokens::new(&OUTPUT, Bucket::OutputText);
        self.each_reachable(&request.terms, input_tokens, &mut |list| {
            input_price.see(list);
            output_price.see(list);
        });
        let surcharge = self.surcharge(&request.terms, Unsaid::Dearest);
        let input = match input_tokens {
            // What is not charged by tokens needs no price of tokens.
            0 => 0,
            tokens => line(tokens.into(), input_price.get()?, surcharge),
        };
        // A model without any output price makes no output: embeddings.
        let output_price = match output_price.is_known() {
            false => 0,
            true => output_price.get()?,
        };
        let mut fixed = input.saturating_add(ROUNDING);
        for (bucket, most) in request.calls {
            let mut dearest = None;
            self.each_reachable(&request.terms, input_tokens, &mut |list| {
                dearest = dearest.max(list.get(*bucket));
            });
            let fee = match dearest? {
                0 => 0,
                price => line((*most)?.into(), price, PLAIN),
            };
            fixed = fixed.saturating_add(fee);
        }
        Some(Parts {
            fixed,
            output_price,
            surcharge,
        })
    }

    /// The most input tokens that the vendor takes. Not known if a price tier begins there or above: then the vendor takes
    /// more than the row says (Anthropic's long-context option).
    pub(super) fn input_ceiling(&self) -> Option<u64> {
        let ceiling = self.context_window.max(self.max_input_tokens)?;
        let beyond = |tier: &Tier| tier.above_input_tokens >= ceiling;
        (!self.all_tiers().any(beyond)).then_some(ceiling)
    }

    fn max_output_ceiling(&self) -> Option<u64> {
        self.max_output_tokens.or(self.context_window)
    }
}

/// A charge rounds every line up; a bound, which has one line for all input and one for all output, leaves room for that: a
/// nano-dollar for every kind of token, and some.
const ROUNDING: i128 = 24;
const _: () = assert!(INPUT.len() + OUTPUT.len() <= 24, "room for rounding");

/// `ceil(units * price * per_mille / 10^9)`; a negative price is none.
fn line(units: i128, price: i64, per_mille: u32) -> i128 {
    units
        .checked_mul(price.max(0).into())
        .and_then(|product| product.checked_mul(per_mille.into()))
        .and_then(|product| product.checked_add(UNITS_PER_PRICE - 1))
        .map_or(i128::MAX, per_price)
}

/// Divided by the units of a price: nearly always of what fits into 64 bits, which is far cheaper to divide.
pub(super) fn per_price(product: i128) -> i128 {
    const UNITS: u64 = UNITS_PER_PRICE as u64;
    match u64::try_from(product) {
        Ok(product) => (product / UNITS).into(),
        Err(_) => product / UNITS_PER_PRICE,
    }
}

fn narrowed(nanos: i128) -> NanoUsd {
    NanoUsd(i64::try_from(nanos).unwrap_or(i64::MAX))
}
