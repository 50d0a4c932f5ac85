//! The operator's price book: what pooled credentials cost the operator, and what their use is sold for.
//!
//! A book has a version, and is replaced by the next one as a whole; a charge says by which version it was priced. A price is made of the
//! vendor's list, what the operator knows better about it ([`Rate::Cost`]), what is put on top ([`Rate::Markup`]), and what is
//! set outright ([`Rate::Sell`]). Of several rules of one kind the nearest counts: one for the organization before one for all, then
//! one for the model, for names like it, for the provider; of two that are as near, the one that is in force since later.

mod sell;

pub use sell::Sold;

use super::UnitPrice;
use crate::ids::OrgId;
use crate::time::Micros;
use crate::usage::Bucket;

/// What the operator sells, and for how much. Stored and authenticated as `AgentPolicy` is.
#[derive(Debug, Clone, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct PriceBook {
    /// Counts from 1; 0 is a book in which nobody has written.
    #[n(0)]
    pub version: u64,
    /// What is sold, each provider once.
    #[n(1)]
    pub listings: Vec<Listing>,
    /// The rules, oldest first.
    #[n(2)]
    pub rules: Vec<PriceRule>,
}

/// A provider that is sold.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Listing {
    /// Its slug.
    #[n(0)]
    pub provider: String,
    /// Whether customers see it and can enable it. Who has enabled it keeps it.
    #[n(1)]
    pub published: bool,
}

/// A price, or what is put on prices, for as long as it is in force.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct PriceRule {
    /// Only this provider; `None` for all.
    #[n(0)]
    pub provider: Option<String>,
    /// Only this model, by the name that is asked for or the one in the list; `*` at the end stands for the rest of a name.
    #[n(1)]
    pub model: Option<String>,
    /// Only for this organization; `None` for all.
    #[n(2)]
    pub org: Option<OrgId>,
    /// In force from this time; `None` is since ever.
    #[n(3)]
    pub from: Option<Micros>,
    /// In force until this time (exclusive); `None` is until further notice.
    #[n(4)]
    pub until: Option<Micros>,
    /// What it sets.
    #[n(5)]
    pub rate: Rate,
}

/// What a rule sets.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Rate {
    /// What the operator pays the vendor, where the list says otherwise or nothing.
    #[n(0)]
    Cost {
        /// The prices; what is not named has that of the list.
        #[n(0)]
        units: Vec<UnitPrice>,
        /// Prices of long input, ascending; the list's where there is none.
        #[n(1)]
        tiers: Vec<PriceTier>,
        /// The most tokens of input and output together, where the list does not say.
        #[n(2)]
        context_window: Option<u64>,
        /// The most tokens of output, where the list does not say.
        #[n(3)]
        max_output_tokens: Option<u64>,
    },
    /// What is put on what the operator pays.
    #[n(1)]
    Markup(#[n(0)] Markup),
    /// What customers pay, whatever the operator does.
    #[n(2)]
    Sell {
        /// The prices; what is not named is sold at cost with its markup.
        #[n(0)]
        units: Vec<UnitPrice>,
        /// Prices of long input, ascending.
        #[n(1)]
        tiers: Vec<PriceTier>,
    },
}

/// Prices of a request whose input is long.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct PriceTier {
    /// More input tokens than this, cached ones included.
    #[n(0)]
    pub above_input_tokens: u64,
    /// The prices.
    #[n(1)]
    pub units: Vec<UnitPrice>,
}

/// What is put on a price: first a share of it, then an amount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Markup {
    /// Only on units of this kind, by the number of its bucket; `None` on all.
    #[n(0)]
    bucket: Option<u8>,
    /// Hundredths of a per cent: 1,250 is 12.5 %. At least -10,000.
    #[n(1)]
    pub basis_points: i32,
    /// Nano-dollars for a million units.
    #[n(2)]
    pub per_million: i64,
}

impl Markup {
    /// On units of `bucket`, or on all.
    pub fn new(bucket: Option<Bucket>, basis_points: i32, per_million: i64) -> Self {
        Self {
            bucket: bucket.map(|bucket| bucket as u8),
            basis_points,
            per_million,
        }
    }

    /// The kind of units that it is for; `None` for all.
    pub fn bucket(self) -> Option<Bucket> {
        Bucket::ALL.get(usize::from(self.bucket?)).copied()
    }

    /// `price` with the markup, rounded up; never negative.
    pub fn on(self, price: i64) -> i64 {
        let with = self.share(price.into()) + i128::from(self.per_million);
        i64::try_from(with.max(0)).unwrap_or(i64::MAX)
    }

    /// An amount that the vendor states, with the share that is put on it, rounded up; never negative.
    pub fn on_amount(self, amount: i64) -> i64 {
        i64::try_from(self.share(amount.into()).max(0)).unwrap_or(i64::MAX)
    }

    fn share(self, price: i128) -> i128 {
        let scaled = price * (10_000 + i128::from(self.basis_points));
        scaled.div_euclid(10_000) + i128::from(scaled.rem_euclid(10_000) != 0)
    }
}

impl PriceBook {
    /// The one byte form that is stored and authenticated.
    pub fn canonical(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }

    /// The listing of a provider.
    pub fn listing(&self, provider: &str) -> Option<&Listing> {
        self.listings.iter().find(|listing| listing.provider == provider)
    }
}

impl PriceRule {
    /// Whether it is in force at a time.
    pub fn is_in_force(&self, at: Micros) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }

    fn is_for(&self, org: OrgId, provider: &str, names: &[&str]) -> bool {
        let covers = |pattern: &str| match pattern.strip_suffix('*') {
            Some(beginning) => names.iter().any(|name| name.starts_with(beginning)),
            None => names.contains(&pattern),
        };
        self.org.is_none_or(|only| only == org)
            && self.provider.as_deref().is_none_or(|only| only == provider)
            && self.model.as_deref().is_none_or(covers)
    }

    /// How near it is to what it is for: the greater, the nearer.
    fn nearness(&self) -> (bool, usize, bool, bool, Option<Micros>) {
        let model = self
            .model
            .as_deref()
            .map_or(0, |model| match model.strip_suffix('*') {
                Some(beginning) => 1 + beginning.len(),
                None => usize::MAX,
            });
        let bucket = matches!(self.rate, Rate::Markup(markup) if markup.bucket.is_some());
        (
            self.org.is_some(),
            model,
            self.provider.is_some(),
            bucket,
            self.from,
        )
    }
}

#[cfg(test)]
mod tests;
