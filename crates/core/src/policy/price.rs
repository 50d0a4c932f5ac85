//! What an organization pays by a contract of its own.

use std::borrow::Cow;

use crate::price::{ModelPrice, UnitPrices};
use crate::time::Micros;
use crate::usage::Bucket;

/// The price of one kind of unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct UnitPrice {
    /// The number of the bucket.
    #[n(0)]
    bucket: u8,
    /// Nano-dollars for a million units, not negative.
    #[n(1)]
    pub per_million: i64,
}

impl UnitPrice {
    /// What a million units of `bucket` cost.
    pub const fn new(bucket: Bucket, per_million: i64) -> Self {
        Self {
            bucket: bucket as u8,
            per_million,
        }
    }

    /// `prices` with `units` in their places.
    #[must_use]
    pub fn over(prices: &UnitPrices, units: &[Self]) -> UnitPrices {
        let known = units
            .iter()
            .filter_map(|unit| Some((unit.bucket()?, unit.per_million)));
        known.fold(prices.clone(), |prices, (bucket, price)| {
            prices.with(bucket, price)
        })
    }

    /// The unit; `None` for one that a newer version knows.
    pub fn bucket(self) -> Option<Bucket> {
        Bucket::ALL.get(usize::from(self.bucket)).copied()
    }
}

/// Prices that an organization pays for a model with its own keys, in place of those of the list.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct OwnPrice {
    /// The provider's slug.
    #[n(0)]
    pub provider: String,
    /// The model, by the name that is asked for or the one in the list.
    #[n(1)]
    pub model: String,
    /// The prices; what is not named has that of the list.
    #[n(2)]
    pub units: Vec<UnitPrice>,
    /// The most tokens of input and output together, where the list does not say.
    #[n(3)]
    pub context_window: Option<u64>,
    /// The most tokens of output, where the list does not say.
    #[n(4)]
    pub max_output_tokens: Option<u64>,
    /// When it was set.
    #[n(5)]
    pub set_at: Micros,
}

impl OwnPrice {
    /// Whether it is for `model` of `provider`, whose row of the list is `listed`.
    pub fn is_for(&self, provider: &str, model: &str, listed: Option<&ModelPrice>) -> bool {
        self.provider == provider
            && (self.model == model || listed.is_some_and(|listed| listed.model == self.model))
    }

    /// The row by which the model is charged: `listed` with these prices in it. Prices of tiers, service tiers and choices stay.
    pub fn over(&self, listed: Option<&ModelPrice>) -> ModelPrice {
        let unlisted = || ModelPrice::flat(Cow::Owned(self.model.clone()), UnitPrices::NONE);
        let mut price = listed.cloned().unwrap_or_else(unlisted);
        price.prices = UnitPrice::over(&price.prices, &self.units);
        price.context_window = self.context_window.or(price.context_window);
        price.max_output_tokens = self.max_output_tokens.or(price.max_output_tokens);
        price
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(units: Vec<UnitPrice>) -> OwnPrice {
        OwnPrice {
            provider: "openai".to_owned(),
            model: "gpt-x".to_owned(),
            units,
            context_window: None,
            max_output_tokens: Some(100),
            set_at: Micros(1),
        }
    }

    #[test]
    fn what_is_named_takes_the_place_of_the_list() {
        let input = own(vec![UnitPrice::new(Bucket::InputUncached, 7)]);
        let listed = ModelPrice {
            context_window: Some(1_000),
            max_output_tokens: Some(50),
            ..own(vec![
                UnitPrice::new(Bucket::InputUncached, 10),
                UnitPrice::new(Bucket::OutputText, 20),
            ])
            .over(None)
        };
        let price = input.over(Some(&listed));
        assert_eq!(price.prices.written(Bucket::InputUncached), Some(7));
        assert_eq!(price.prices.written(Bucket::OutputText), Some(20));
        assert_eq!(
            (price.context_window, price.max_output_tokens),
            (Some(1_000), Some(100))
        );
        let alone = input.over(None);
        assert_eq!(
            (alone.model.as_ref(), alone.prices.written(Bucket::OutputText)),
            ("gpt-x", None)
        );
    }

    #[test]
    fn it_is_found_by_the_name_that_is_asked_for_and_by_the_one_in_the_list() {
        let price = own(Vec::new());
        let listed = price.over(None);
        assert!(price.is_for("openai", "gpt-x", None));
        assert!(price.is_for("openai", "gpt-x-2026-01-01", Some(&listed)));
        assert!(!price.is_for("openai", "gpt-y", None));
        assert!(!price.is_for("azure-openai", "gpt-x", None));
    }

    #[test]
    fn the_stored_form_goes_round() {
        let price = own(vec![UnitPrice::new(Bucket::Emails, 400_000_000_000)]);
        let bytes = minicbor::to_vec(&price).unwrap();
        assert_eq!(minicbor::decode::<OwnPrice>(&bytes).unwrap(), price);
        assert_eq!(
            UnitPrice {
                bucket: 200,
                per_million: 1
            }
            .bucket(),
            None
        );
    }
}
