//! By which of its prices a row charges a request: what it asks for, what it chose, where it is served.

use std::borrow::Cow;

use super::list::{Layers, UnitPrices};
use super::{Choice, ModelPrice, Place, Tier, Variant};

/// A member of a request with its value, as a choice knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The names that lead to the member, with dots between them.
    pub member: Cow<'static, str>,
    /// A text or a number; anything else is a value that no choice knows.
    pub value: String,
}

/// What a request asks for, or what the vendor says that it served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms<'a> {
    /// The service tier.
    pub service_tier: Option<&'a str>,
    /// Where inference runs, by the vendor's word for it.
    pub inference_geo: Option<&'a str>,
    /// The alias of the host that the request goes to; empty for the base host.
    pub host: &'a str,
    /// The members that the row's choices look at, as far as the request has them.
    pub chosen: &'a [Chosen],
}

/// Names under which vendors report, or clients ask for, the base prices: OpenAI `default`, Anthropic `standard` and
/// `standard_only`, Groq `on_demand`.
const STANDARD_TIERS: [&str; 4] = ["default", "standard", "standard_only", "on_demand"];

/// Names under which Anthropic reports, or clients ask for, inference anywhere.
const ANYWHERE: [&str; 2] = ["global", "not_available"];

/// A surcharge of nothing.
pub(super) const PLAIN: u32 = 1_000;

static NO_CHOICE: UnitPrices = UnitPrices::NONE;

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The tier for this much input.
fn tier_for(tiers: &[Tier], input_tokens: u64) -> Option<&Tier> {
    tiers
        .iter()
        .filter(|tier| tier.above_input_tokens < input_tokens)
        .max_by_key(|tier| tier.above_input_tokens)
}

impl Choice {
    fn holds(&self, chosen: &[Chosen]) -> bool {
        self.when.iter().all(|(member, value)| {
            chosen
                .iter()
                .any(|said| said.member == *member && said.value.eq_ignore_ascii_case(value))
        })
    }
}

impl ModelPrice {
    /// The members of a request that the row's choices look at; one may come several times.
    pub fn chosen_by(&self) -> impl Iterator<Item = &str> {
        self.choices
            .iter()
            .flat_map(|choice| choice.when.iter())
            .map(|(member, _)| member.as_ref())
    }

    /// Shows the lists of prices by which a request with this much input is served; where there are several, the dearest price
    /// of a bucket counts.
    pub(super) fn each_served(
        &self,
        terms: &Terms<'_>,
        input_tokens: u64,
        see: &mut impl FnMut(&Layers<'_>),
    ) {
        let tier = terms
            .service_tier
            .filter(|name| !is_one_of(&STANDARD_TIERS, name));
        let known = tier.and_then(|name| self.variant(name));
        self.each_choice(terms, &mut |choice| match (tier, known) {
            (Some(_), Some(variant)) => self.see_variant(variant, choice, input_tokens, see),
            (Some(_), None) => {
                see(&self.base(choice, input_tokens));
                self.see_variants(choice, input_tokens, see);
            }
            (None, _) => see(&self.base(choice, input_tokens)),
        });
    }

    /// Shows every list of prices by which a request with at most this much input may be served.
    pub(super) fn each_reachable(
        &self,
        terms: &Terms<'_>,
        most_input_tokens: u64,
        see: &mut impl FnMut(&Layers<'_>),
    ) {
        let is_standard = terms
            .service_tier
            .is_some_and(|name| is_one_of(&STANDARD_TIERS, name));
        let known = terms.service_tier.and_then(|name| self.variant(name));
        let thresholds = self
            .all_tiers()
            .map(|tier| tier.above_input_tokens.saturating_add(1))
            .filter(|tokens| *tokens <= most_input_tokens);
        for input_tokens in std::iter::once(0).chain(thresholds) {
            self.each_choice(terms, &mut |choice| {
                see(&self.base(choice, input_tokens));
                match known {
                    _ if is_standard => {}
                    Some(variant) => self.see_variant(variant, choice, input_tokens, see),
                    None => self.see_variants(choice, input_tokens, see),
                }
            });
        }
    }

    /// The tiers of the base prices and of every variant.
    pub(super) fn all_tiers(&self) -> impl Iterator<Item = &Tier> {
        self.variants
            .iter()
            .flat_map(|variant| variant.tiers.iter())
            .chain(self.tiers.iter())
    }

    /// What the tokens cost where the request is served, in thousandths of their prices. A place that the row does not know costs
    /// as its dearest; where inference runs and nobody says it is `unsaid`: anywhere, or the dearest too.
    pub(super) fn surcharge(&self, terms: &Terms<'_>, unsaid: Unsaid) -> u32 {
        let geo = terms.inference_geo.filter(|geo| !is_one_of(&ANYWHERE, geo));
        let is_known = geo.is_some_and(|geo| {
            self.surcharges
                .iter()
                .any(|surcharge| matches!(&surcharge.place, Place::Inference(known) if known.eq_ignore_ascii_case(geo)))
        });
        let applies = |place: &Place| match (place, geo) {
            (Place::Host(alias), _) => alias == terms.host,
            (Place::Inference(known), Some(geo)) => !is_known || known.eq_ignore_ascii_case(geo),
            (Place::Inference(_), None) => unsaid == Unsaid::Dearest && terms.inference_geo.is_none(),
        };
        self.surcharges
            .iter()
            .filter(|surcharge| applies(&surcharge.place))
            .map(|surcharge| surcharge.per_mille)
            .fold(PLAIN, u32::max)
    }

    /// Shows the prices of what the request chose: none where it chose nothing, all where nothing is known to be it.
    fn each_choice(&self, terms: &Terms<'_>, see: &mut impl FnMut(&UnitPrices)) {
        if terms.chosen.is_empty() {
            return see(&NO_CHOICE);
        }
        if let Some(choice) = self.choices.iter().find(|choice| choice.holds(terms.chosen)) {
            return see(&choice.prices);
        }
        see(&NO_CHOICE);
        for choice in self.choices.iter() {
            see(&choice.prices);
        }
    }

    fn base<'a>(&'a self, choice: &'a UnitPrices, input_tokens: u64) -> Layers<'a> {
        match tier_for(&self.tiers, input_tokens) {
            Some(tier) => Layers::of([&tier.prices, choice, &self.prices]),
            None => Layers::of([choice, &self.prices]),
        }
    }

    pub(super) fn variant(&self, name: &str) -> Option<&Variant> {
        self.variants
            .iter()
            .find(|variant| variant.service_tier.eq_ignore_ascii_case(name))
    }

    fn see_variants(&self, choice: &UnitPrices, input_tokens: u64, see: &mut impl FnMut(&Layers<'_>)) {
        for variant in self.variants.iter() {
            self.see_variant(variant, choice, input_tokens, see);
        }
    }

    /// A variant without tiers of its own costs at least what the tier of the base prices costs.
    fn see_variant(
        &self,
        variant: &Variant,
        choice: &UnitPrices,
        input_tokens: u64,
        see: &mut impl FnMut(&Layers<'_>),
    ) {
        if let Some(tier) = tier_for(&variant.tiers, input_tokens) {
            return see(&Layers::of([&tier.prices, &variant.prices, choice, &self.prices]));
        }
        see(&Layers::of([&variant.prices, choice, &self.prices]));
        if variant.tiers.is_empty() && tier_for(&self.tiers, input_tokens).is_some() {
            see(&self.base(choice, input_tokens));
        }
    }
}

/// What it means that nobody says where inference runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsaid {
    /// Anywhere: vendors do so unless they are told, and report where.
    Anywhere,
    /// Perhaps at the dearest place, which the settings of the account may choose.
    Dearest,
}
