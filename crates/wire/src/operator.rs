//! The operator's side of the marketplace: `POST /v1/operator`, pools (`/v1/operator/pool…`), what is sold
//! (`/v1/operator/listings`) and for how much (`/v1/operator/prices…`). Only callers in the operator's own organization reach it.

use std::collections::BTreeMap;

use keystore_core::ids::{CredentialId, OrgId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::credentials::CredentialStatus;
use crate::patch::Patch;
use crate::secret::SecretFields;
use crate::time::Time;

/// `POST /v1/operator`: the organization in which the operator acts, with a key for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operator {
    /// The organization.
    #[schema(value_type = String, example = "org_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub org_id: OrgId,
    /// A management key of it, shown this once; absent where the organization was there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "ksm_…")]
    pub api_key: Option<String>,
}

/// `POST /v1/operator/pool`: a key that serves customers.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"provider": "openai", "name": "pool-1", "secret": "sk-…", "weight": 2}))]
pub struct CreatePoolCredential {
    /// The provider's slug.
    pub provider: String,
    /// The name, unique for the provider; `default` when absent.
    #[serde(default)]
    pub name: Option<String>,
    /// The secret.
    pub secret: SecretFields,
    /// What the provider's URLs need to be given.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// A base URL, where the provider may be self-hosted.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Its share of the calls beside the others', 1 to 1,000; 1 when absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    pub weight: Option<u32>,
    /// The one organization (id) that it serves; all when absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub dedicated_to: Option<OrgId>,
    /// Calls at the same time, 1 to 1,000,000; as many as the vendor lets it when absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub max_concurrency: Option<u32>,
    /// When the vendor ends the key.
    #[serde(default)]
    pub expires_at: Option<Time>,
}

/// `PATCH /v1/operator/pool/{credential}`: what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"weight": 3, "maxConcurrency": null}))]
pub struct UpdatePoolCredential {
    /// Its share of the calls beside the others', 1 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub weight: Option<u32>,
    /// The one organization (id) that it serves; `null` is all.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<String>)]
    pub dedicated_to: Patch<OrgId>,
    /// Calls at the same time, 1 to 1,000,000; `null` is as many as the vendor lets it.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    pub max_concurrency: Patch<u32>,
    /// Whether it ends what it began and takes no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<bool>,
}

/// A key in a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolCredential {
    /// The credential.
    #[schema(value_type = String, example = "crd_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: CredentialId,
    /// The provider's slug.
    #[schema(example = "openai")]
    pub provider: String,
    /// Its name.
    #[schema(example = "pool-1")]
    pub name: String,
    /// `pending`, `verified`, `active`, `draining` or `revoked`.
    #[schema(example = "active")]
    pub state: String,
    /// What is known of whether the vendor takes it.
    pub status: CredentialStatus,
    /// The version in use.
    pub version: u32,
    /// Its share of the calls.
    pub weight: u32,
    /// The one organization that it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub dedicated_to: Option<OrgId>,
    /// Calls at the same time, where that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u32>,
    /// How it does on this node.
    pub health: PoolHealth,
    /// When the vendor ends the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When it was added.
    pub created_at: Time,
}

/// How a key does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolHealth {
    /// `idle` (not called since the start), `usable`, `cooling` (at the vendor's limit), `key_refused` or `draining`.
    #[schema(example = "usable")]
    pub state: String,
    /// Calls that run on it.
    pub in_flight: u32,
    /// How much of the vendor's limit is left, in thousandths, as far as it is known.
    pub left_permille: u32,
    /// When it is used again, of one that cools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usable_at: Option<Time>,
}

/// Which pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListPool {
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

/// `POST /v1/operator/listings`: whether customers see a provider and can enable it. Who has enabled it keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"provider": "openai", "published": true}))]
pub struct SetListing {
    /// The provider's slug.
    pub provider: String,
    /// Whether it is published; else it is hidden.
    pub published: bool,
}

/// A rule of the price book. Exactly one of `cost`, `markup` and `sell` is given. Of several rules of a kind the nearest counts: one for
/// the organization before one for all, then one for the model, for names like it, for the provider; then the one in force since later.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"provider": "openai", "markup": {"percent": "12.5"}}))]
pub struct PriceRule {
    /// Only this provider (slug); all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Only this model, `*` at the end standing for the rest of a name; for operations without a model the row of the list, or the
    /// operation's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Only for this organization (id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub org: Option<OrgId>,
    /// In force from then; since ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<Time>,
    /// In force until then; until further notice when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_to: Option<Time>,
    /// What the operator pays the vendor, where the list says otherwise or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostPrice>,
    /// What is put on what the operator pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub markup: Option<Markup>,
    /// What customers pay, whatever the operator does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sell: Option<SellPrice>,
}

/// What the operator pays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CostPrice {
    /// Dollars for a million units, by the name of the unit as usage shows it. What is not named has the price of the list.
    pub units: BTreeMap<String, String>,
    /// Prices of long input, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<PriceTier>,
    /// The most tokens of input and output together, where the list does not say: without it or `maxOutputTokens` a model that makes
    /// text is not sold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// The most tokens of output, where the list does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
}

/// What customers pay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SellPrice {
    /// Dollars for a million units, by the name of the unit. What is not named is sold at cost with its markup.
    pub units: BTreeMap<String, String>,
    /// Prices of long input, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<PriceTier>,
}

/// Prices of requests whose input is long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PriceTier {
    /// More input tokens than this, cached ones included.
    pub above_input_tokens: u64,
    /// Dollars for a million units, by the name of the unit.
    pub units: BTreeMap<String, String>,
}

/// What is put on a price: first a share, then an amount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Markup {
    /// Only on this unit, by its name in usage; on all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Per cent with at most two decimals, -100 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "12.5")]
    pub percent: Option<String>,
    /// Dollars for a million units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "0.10")]
    pub per_million: Option<String>,
}

/// `POST /v1/operator/prices`: the next version of the price book.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"add": [{"provider": "openai", "markup": {"percent": "12.5"}}]}))]
pub struct ChangePrices {
    /// Rules to add. One that is for the same as another, in force at the same time, takes its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<PriceRule>,
    /// Numbers of rules to take away, as `GET /v1/operator/prices` counts them in version `base`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<u32>,
    /// All other rules go.
    #[serde(default)]
    pub replace: bool,
    /// The version that this is a change of; refused when another one is in force. Needed with `remove` and `replace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<u64>,
    /// Only say what would change.
    #[serde(default)]
    pub dry_run: bool,
}

/// The price book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceBook {
    /// The version in force; 0 while nobody has written.
    pub version: u64,
    /// What is sold.
    pub listings: Vec<SetListing>,
    /// The rules, oldest first; the number of a rule is its place, from 0.
    pub rules: Vec<PriceRule>,
}

/// What a change of the price book does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceChange {
    /// The version that is in force now, or would be.
    pub version: u64,
    /// The rules that came.
    pub added: Vec<PriceRule>,
    /// The rules that went.
    pub removed: Vec<PriceRule>,
}
