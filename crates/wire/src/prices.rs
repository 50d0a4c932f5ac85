//! What an organization pays by contracts of its own: `GET|POST /v1/prices`, `POST /v1/prices/unset`; and what is in force for a
//! model: `GET /v1/prices/in-force`.
//!
//! Prices are texts: decimal dollars for a million units (tokens, e-mails, seconds, …), so that they are exact.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::time::Time;

/// The most prices that an organization sets.
pub const MAX_PRICES: usize = 500;

/// `POST /v1/prices`: what the organization pays for a model with its own keys. Takes the place of what it set before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"provider": "openai", "model": "gpt-5.2", "units": {"input_uncached": "1.20", "output_text": "9.60"}}))]
pub struct SetPrice {
    /// The provider (slug).
    pub provider: String,
    /// The model, by the name that is asked for or the one in the price list; for vendors without models the row of the list, such as
    /// `email`.
    pub model: String,
    /// Dollars for a million units, by the name of the unit as usage shows it. What is not named has the price of the list.
    pub units: BTreeMap<String, String>,
    /// The most tokens of input and output together, where the list does not say: a strict budget needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// The most tokens of output, where the list does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
}

/// `POST /v1/prices/unset`: the price of the list counts again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"provider": "openai", "model": "gpt-5.2"}))]
pub struct UnsetPrice {
    /// The provider (slug).
    pub provider: String,
    /// The model, as it was set.
    pub model: String,
}

/// Prices of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Price {
    /// The provider (slug).
    #[schema(example = "openai")]
    pub provider: String,
    /// The model.
    #[schema(example = "gpt-5-nano")]
    pub model: String,
    /// Dollars for a million units, by the name of the unit as usage shows it.
    #[schema(example = json!({"input_uncached": "1.20", "output_text": "9.60"}))]
    pub units: BTreeMap<String, String>,
    /// The most tokens of input and output together, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// The most tokens of output, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// When the organization set it; absent for a price of the list alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_at: Option<Time>,
}

/// Which prices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListPrices {
    /// How many entries, 1 to 500; 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Of this provider (slug) alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// Which model's price.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PriceQuery {
    /// The provider (slug).
    #[param(example = "openai")]
    pub provider: String,
    /// The model.
    #[param(example = "gpt-5.2")]
    pub model: String,
}
