//! The most that a call can cost, and the hold on it.
//!
//! A bound is true whatever the vendor then reports, or there is none and the call is refused under a budget. Where the vendor
//! charges by units, the request says how many; where it charges by tokens, the body, the model's limits and the output cap do,
//! and a cap is put in where the client set none.

use std::borrow::Cow;

use keystore_catalog::{PriceRef, UsageShape};
use keystore_core::budget::{Amounts, Applied, Ask};
use keystore_core::policy::BudgetMode;
use keystore_core::price::{BoundInput, MIN_OUTPUT_CAP, ModelPrice, Terms};
use keystore_core::record::HeldBudget;
use keystore_core::{Bucket, Deny, Micros, NanoUsd};

use super::{cap_member, unpriced};
use crate::Proxy;
use crate::authorize::Permit;
use crate::body::RequestFacts;
use crate::body::asked::{self, media};
use crate::body::form::Form;
use crate::budgets::Limited;
use crate::meter::{Asked, Stated};

/// Without a budget nothing is held; a crash settles at an estimate that takes at most this much output.
const ESTIMATED_OUTPUT: u64 = 1_024;
/// Speech is hardly ever coded with fewer bytes for a second: an estimate of its length should rather be too high.
const LEAST_BYTES_PER_SECOND: u64 = 2_000;

/// What a call may need at most, as far as the request says.
#[derive(Debug)]
pub(super) struct Needs<'a> {
    input: BoundInput<'a>,
    fees: Vec<(Bucket, Option<u64>)>,
    /// An output cap may be put in.
    can_cap: bool,
    /// The answer is fetched, and paid, later.
    later: bool,
    /// The units, where the vendor charges by them.
    pub(super) asked: Option<Asked>,
}

/// The prices of the models that may serve a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prices<'a> {
    /// That of the model that was asked for.
    pub(super) price: Option<&'a ModelPrice>,
    /// Those of models that may serve in its place.
    pub(super) others: &'a [Option<PriceRef>],
    /// What these were called.
    pub(super) other_names: &'a [Cow<'a, str>],
}

impl<'a> From<Option<&'a ModelPrice>> for Prices<'a> {
    fn from(price: Option<&'a ModelPrice>) -> Self {
        Self {
            price,
            others: &[],
            other_names: &[],
        }
    }
}

impl<'a> Prices<'a> {
    /// Every name of every model that may serve the call: as it was asked for, and as its price is listed.
    fn names(&self, model: Option<&'a str>) -> Vec<&'a str> {
        let asked = model
            .into_iter()
            .chain(self.other_names.iter().map(|name| &**name));
        let others = self.others.iter().filter_map(Option::as_deref);
        let listed = self.price.into_iter().chain(others).map(|price| &*price.model);
        asked.chain(listed).collect()
    }

    fn all(&self) -> impl Iterator<Item = Option<&ModelPrice>> {
        std::iter::once(self.price).chain(self.others.iter().map(Option::as_deref))
    }
}

/// What is held for a call.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) amount: NanoUsd,
    pub(super) budgets: Vec<HeldBudget>,
    pub(super) limited: Limited,
    /// How many tokens of output it is expected to make.
    pub(super) expected_output: u64,
    /// The cap that is to be put in.
    pub(super) output_cap: Option<u64>,
}

/// The operation, as far as it decides what a call needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Called<'a> {
    shape: UsageShape,
    path: &'a str,
    /// The member that says the seconds of a video.
    seconds: &'a str,
}

impl<'a> Called<'a> {
    pub(super) fn of(permit: &'a Permit) -> Self {
        let seconds = permit.known().and_then(|known| known.seconds.as_deref());
        Self {
            shape: permit.operation.usage_shape,
            path: permit.target.upstream_path(),
            seconds: seconds.unwrap_or_default(),
        }
    }
}

/// Nothing that is charged by tokens.
const NO_TOKENS: BoundInput<'static> = BoundInput {
    input_tokens: 0,
    unbounded_input: false,
    rounds: Some(1),
    n: 1,
    max_output: Some(0),
    terms: Terms {
        service_tier: None,
        inference_geo: None,
        host: "",
        chosen: &[],
    },
    calls: &[],
};

impl<'a> Needs<'a> {
    /// What a request with a JSON body needs.
    pub(super) fn of_body(
        called: Called<'_>,
        body: &[u8],
        facts: &'a RequestFacts<'a>,
        terms: Terms<'a>,
        price: Option<&ModelPrice>,
    ) -> Self {
        let Called { shape, path, .. } = called;
        if let Some(asked) = units(called, body, facts, price) {
            return Self::by_units(Some(asked), terms);
        }
        let mut input = facts.bound_input(terms);
        let mut fees = facts.calls.clone();
        let mut can_cap = true;
        if makes_no_output(shape, path) {
            input.max_output = Some(0);
            input.input_tokens = input.input_tokens.saturating_add(asked::repeated_query(body));
        }
        if shape == UsageShape::Perplexity {
            // What it reasons and cites is on top of what the cap counts.
            (input.max_output, can_cap) = (None, false);
            fees.extend(price.and_then(perplexity_fee));
        }
        let has_songs = price.is_some_and(|price| price.prices.written(Bucket::Songs).is_some());
        let songs = has_songs.then(|| Asked {
            stated: Stated::Beside,
            ..asked::known(Bucket::Songs, facts.n)
        });
        fees.extend(songs.map(|songs| (songs.bucket, songs.most)));
        Self {
            input,
            fees,
            can_cap,
            later: facts.background,
            asked: songs,
        }
    }

    /// What a request with a form needs: the audio or the images in it are bounded by the context window only.
    pub(super) fn of_form(
        called: Called<'_>,
        body: &[u8],
        form: &Form<'_>,
        terms: Terms<'a>,
        price: Option<&ModelPrice>,
    ) -> Self {
        let prices = |bucket| price.is_some_and(|price| price.prices.written(bucket).is_some());
        let asked = match called.shape {
            UsageShape::Video => Some(media::video_of_form(form, called.seconds)),
            UsageShape::OpenaiAudio if prices(Bucket::Seconds) && !prices(Bucket::InputUncached) => {
                Some(asked::unknown(Bucket::Seconds, seconds(body.len() as u64)))
            }
            // The images that are sent may be charged too.
            UsageShape::OpenaiImages if prices(Bucket::Images) => {
                Some(asked::unknown(Bucket::Images, form.n.unwrap_or(1)))
            }
            _ => None,
        };
        if asked.is_some() {
            return Self::by_units(asked, terms);
        }
        Self {
            input: BoundInput {
                input_tokens: body.len() as u64,
                unbounded_input: true,
                n: form.n.unwrap_or(1),
                max_output: None,
                terms,
                ..NO_TOKENS
            },
            fees: Vec::new(),
            can_cap: false,
            later: false,
            asked: None,
        }
    }

    /// What a request needs that is charged by units alone.
    pub(super) fn of_units(called: Called<'_>, body: &[u8], terms: Terms<'a>) -> Self {
        let Called { shape, path, .. } = called;
        let asked = asked::read(shape, path, body).or_else(|| least(shape, body.len() as u64, None));
        Self::by_units(asked, terms)
    }

    /// How many tokens of output a call like this makes: as many as it asks for, up to those of a usual answer.
    fn expected_output(&self) -> u64 {
        let output = self
            .input
            .max_output
            .unwrap_or(ESTIMATED_OUTPUT)
            .min(ESTIMATED_OUTPUT);
        output.saturating_mul(self.input.n)
    }

    /// E-mails that the request asks for.
    fn emails(&self) -> i64 {
        let emails = self.asked.filter(|asked| asked.bucket == Bucket::Emails);
        emails.map_or(0, |asked| {
            i64::try_from(asked.most.unwrap_or(asked.units)).unwrap_or(i64::MAX)
        })
    }

    fn by_units(asked: Option<Asked>, terms: Terms<'a>) -> Self {
        Self {
            input: BoundInput { terms, ..NO_TOKENS },
            fees: asked
                .into_iter()
                .flat_map(|asked| {
                    let also = asked.also.map(|(bucket, units)| (bucket, Some(units)));
                    std::iter::once((asked.bucket, asked.most)).chain(also)
                })
                .collect(),
            can_cap: false,
            later: false,
            asked,
        }
    }
}

/// The units that a JSON body asks for, if the vendor charges by them.
fn units(
    called: Called<'_>,
    body: &[u8],
    facts: &RequestFacts<'_>,
    price: Option<&ModelPrice>,
) -> Option<Asked> {
    let prices = |bucket| price.is_some_and(|price| price.prices.written(bucket).is_some());
    // The images that are sent may be charged too.
    let bounded = |asked: Asked| Asked {
        most: asked.most.filter(|_| !facts.has_images && !facts.unbounded_input),
        ..asked
    };
    match called.shape {
        UsageShape::Video => {
            let asked = media::video(body, called.seconds);
            let also = asked.also.filter(|(bucket, _)| prices(*bucket));
            Some(Asked { also, ..asked })
        }
        UsageShape::OpenaiImages if prices(Bucket::Images) => {
            Some(bounded(asked::known(Bucket::Images, facts.n)))
        }
        UsageShape::OpenaiImages if prices(Bucket::Pixels) => Some(bounded(media::pixels(body, facts.n))),
        // Speech that is charged by its tokens is not charged by its letters.
        UsageShape::OpenaiAudio if prices(Bucket::InputUncached) => None,
        shape => asked::read(shape, called.path, body),
    }
}

/// The unit of a vendor of whose calls only the answer tells the units, and the fewest that a call can use.
pub(super) fn least(shape: UsageShape, request_bytes: u64, price: Option<&ModelPrice>) -> Option<Asked> {
    let bucket = match shape {
        UsageShape::Deepgram => return Some(asked::unknown(Bucket::Seconds, seconds(request_bytes))),
        UsageShape::Assemblyai | UsageShape::Replicate => Bucket::Seconds,
        UsageShape::Elevenlabs => return Some(asked::unknown(Bucket::Characters, request_bytes.max(1))),
        // Its unit is that of the model's price.
        UsageShape::Fal => [
            Bucket::Images,
            Bucket::Seconds,
            Bucket::Characters,
            Bucket::Requests,
        ]
        .into_iter()
        .find(|bucket| price.is_some_and(|price| price.prices.written(*bucket).is_some()))
        .unwrap_or(Bucket::Credits),
        UsageShape::Firecrawl | UsageShape::Pinecone | UsageShape::Tavily => Bucket::Credits,
        UsageShape::Exa => Bucket::Requests,
        UsageShape::Serper => Bucket::Searches,
        UsageShape::Resend => Bucket::Emails,
        _ => return None,
    };
    Some(asked::unknown(bucket, 1))
}

fn seconds(bytes: u64) -> u64 {
    bytes.div_ceil(LEAST_BYTES_PER_SECOND).max(1)
}

/// A fee for each request; or one for each search of deep research, of which there is no most.
fn perplexity_fee(price: &ModelPrice) -> Option<(Bucket, Option<u64>)> {
    let has = |bucket| price.prices.written(bucket).is_some();
    if has(Bucket::Requests) {
        return Some((Bucket::Requests, Some(1)));
    }
    has(Bucket::WebSearches).then_some((Bucket::WebSearches, None))
}

/// Whether all that an operation makes is numbers.
fn makes_no_output(shape: UsageShape, path: &str) -> bool {
    let last = path.rsplit(['/', ':']).next().unwrap_or_default();
    matches!(
        shape,
        UsageShape::OpenaiEmbeddings | UsageShape::Voyage | UsageShape::Jina
    ) || matches!(last, "embed" | "embedContent" | "batchEmbedContents" | "classify")
}

impl Proxy {
    /// Holds the most that the call can cost at any of the models that may serve it, with the output cap that makes it so where the
    /// client set none. Where no budget limits its cost, the amount is what a crash would settle at; where budgets do so by estimate,
    /// it is that as well.
    pub(super) fn hold(
        &self,
        permit: &Permit,
        needs: &Needs<'_>,
        model: Option<&str>,
        prices: Prices<'_>,
        now: Micros,
    ) -> Result<Held, Deny> {
        let names = prices.names(model);
        let budgets = permit.budgets(&names);
        let limited = Limited::by(&budgets);
        // Where every budget holds the most that the call can cost, none asks what it costs about.
        let held_by_bound = limited == Limited::Strictly && !budgets.iter().any(holds_by_estimate);
        let estimate = match held_by_bound {
            true => NanoUsd::MAX,
            false => estimate(needs, prices.price),
        };
        let ask = |bound| Ask {
            bound: Amounts {
                usd: bound,
                calls: 1,
                emails: needs.emails(),
                usd_moved: NanoUsd::ZERO,
            },
            estimate,
        };
        let hold = |bound| {
            let held = self.counters.hold(now, &budgets, &ask(bound));
            held.map_err(|exceeded| permit.exceeded(exceeded))
        };
        if limited == Limited::No {
            return Ok(Held {
                amount: estimate,
                budgets: hold(estimate)?,
                limited,
                expected_output: needs.expected_output(),
                output_cap: None,
            });
        }
        let is_priced = prices.all().all(|price| price.is_some());
        // What the organization can say about a model itself: its price, and how long its answers may be.
        let lacks = |price: &ModelPrice| price.context_window.is_none() && price.max_output_tokens.is_none();
        let can_be_priced = !needs.later && model.is_some() && prices.price.is_none_or(lacks);
        let unpriced = || unpriced(permit, model, can_be_priced);
        if needs.later || !is_priced {
            return Err(unpriced());
        }
        let mut bound = BoundInput {
            calls: &needs.fees,
            ..needs.input
        };
        let mut output_cap = None;
        let caps = limited == Limited::Strictly && needs.can_cap && cap_member(permit).is_some();
        if bound.max_output.is_none() && caps {
            let headroom = self.counters.headroom(now, &budgets).unwrap_or(NanoUsd::ZERO);
            let caps = prices.all().map(|price| cap(price?, &bound, headroom));
            let cap = least_of(caps).ok_or_else(unpriced)?;
            // A whole window is no length that a vendor takes for an answer, and what affords that needs no cap.
            let is_window = |price: &ModelPrice| {
                price.context_window == Some(cap) && price.max_output_tokens.is_none_or(|most| most >= cap)
            };
            output_cap = Some(cap).filter(|_| !prices.all().flatten().any(is_window));
            bound.max_output = output_cap;
        }
        let amount = prices
            .all()
            .map(|price| price?.bound(&bound))
            .try_fold(NanoUsd::ZERO, |most, amount| Some(most.max(amount?)));
        let amount = match limited {
            Limited::Strictly => amount.ok_or_else(unpriced)?,
            // An estimate needs no bound.
            Limited::ByEstimate | Limited::No => amount.map_or(estimate, |most| most.min(estimate)),
        };
        Ok(Held {
            amount,
            budgets: hold(amount)?,
            limited,
            expected_output: needs.expected_output(),
            output_cap,
        })
    }
}

fn holds_by_estimate(budget: &Applied<'_>) -> bool {
    budget.terms.policy.mode == BudgetMode::Estimate
}

/// The least of several numbers; `None` if one of them is not known.
fn least_of(numbers: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    numbers.reduce(|least, number| Some(least?.min(number?)))?
}

/// The output cap to put in: what can be afforded of what the model can make. `None` if that is not known.
fn cap(price: &ModelPrice, bound: &BoundInput<'_>, headroom: NanoUsd) -> Option<u64> {
    let longest = price.max_output_tokens.or(price.context_window)?;
    let affordable = price.affordable_output(bound, headroom).unwrap_or(0);
    Some(affordable.max(MIN_OUTPUT_CAP).min(longest))
}

/// What a call without a budget costs about.
fn estimate(needs: &Needs<'_>, price: Option<&ModelPrice>) -> NanoUsd {
    let units = needs.asked.map(|asked| (asked.bucket, Some(asked.units)));
    let about = BoundInput {
        input_tokens: needs.input.input_tokens / 4,
        unbounded_input: false,
        rounds: Some(1),
        max_output: Some(
            needs
                .input
                .max_output
                .unwrap_or(ESTIMATED_OUTPUT)
                .min(ESTIMATED_OUTPUT),
        ),
        calls: units.as_slice(),
        ..needs.input
    };
    price
        .and_then(|price| price.bound(&about))
        .unwrap_or(NanoUsd::ZERO)
}
