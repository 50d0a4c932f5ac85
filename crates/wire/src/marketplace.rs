//! The customer's side of the marketplace: `GET /v1/marketplace`, `GET /v1/marketplace/{provider}`, `POST …/{enable,disable}`; and
//! moving agents between their own credentials and the pool: `GET|POST /v1/migrations`, `POST /v1/migrations/{id}/undo`.

use std::collections::BTreeMap;

use keystore_core::NanoUsd;
use keystore_core::ids::{AgentId, CredentialId, MoveId};
use keystore_core::policy::Source;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::schema;
use crate::time::Time;

/// Which listings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListListings {
    /// How many entries, 1 to 500; 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Of this category alone, such as `llm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Whose slug, name or category has this in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Only those that the organization has enabled, or has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// A provider that is sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// The provider's slug.
    #[schema(example = "openai")]
    pub provider: String,
    /// Its name for people.
    #[schema(example = "OpenAI")]
    pub name: String,
    /// What kind of provider it is.
    #[schema(example = "llm")]
    pub category: String,
    /// Whether the organization has enabled it.
    pub enabled: bool,
    /// Whether the pool has a key that serves the organization.
    pub available: bool,
    /// How many models, or other things, have a price.
    pub models: u32,
    /// What a typical call costs: of a model of middling price 1,000 tokens of input and 500 of output, else one of the cheapest thing that
    /// is sold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typical_call: Option<TypicalCall>,
}

/// What a call costs about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TypicalCall {
    /// The model, or the row of the price list.
    #[schema(example = "gpt-5-nano")]
    pub model: String,
    /// What it costs, in dollars.
    #[schema(value_type = String, example = "0.0012")]
    pub cost: NanoUsd,
}

/// A provider that is sold, with its prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListingDetail {
    /// As in the list.
    #[serde(flatten)]
    pub listing: Listing,
    /// The version of the price book.
    pub price_version: u64,
    /// What the organization pays, by model.
    pub prices: Vec<ListingPrice>,
}

/// What an organization pays for a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListingPrice {
    /// The model, or the row of the price list.
    #[schema(example = "gpt-5-nano")]
    pub model: String,
    /// Dollars for a million units, by the name of the unit as usage shows it.
    #[schema(example = json!({"input_uncached": "1.97", "output_text": "15.75"}))]
    pub units: BTreeMap<String, String>,
}

/// `POST /v1/migrations`: moves grants of a provider between the agents' own credentials and the pool, all in one step. The tokens stay.
/// Calls that run end where they began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"provider": "openai", "to": "marketplace", "agents": ["research-bot"], "dryRun": true}))]
pub struct CreateMigration {
    /// The provider's slug.
    pub provider: String,
    /// Where to.
    #[schema(value_type = schema::Source)]
    pub to: Source,
    /// The agents (ids, or names in the caller's project); all that are granted the provider from the other side when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<Vec<String>>,
    /// The credential (id or name) to move to; as for a grant when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Only say what it would do.
    #[serde(default)]
    pub dry_run: bool,
}

/// A move of grants, or what one would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Migration {
    /// Its id; absent of a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "mov_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: Option<MoveId>,
    /// The provider's slug.
    #[schema(example = "openai")]
    pub provider: String,
    /// Where to.
    #[schema(value_type = schema::Source)]
    pub to: Source,
    /// The agents that moved, each with where it was.
    pub agents: Vec<MovedAgent>,
    /// What the last 30 days would have cost there; of a dry run alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<MigrationEffect>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// When it was undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_at: Option<Time>,
}

/// An agent that moved, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MovedAgent {
    /// The agent.
    #[schema(value_type = String, example = "agt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: AgentId,
    /// Its name.
    #[schema(example = "production-agent")]
    pub name: String,
    /// The credential before, of `byok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub from_credential_id: Option<CredentialId>,
    /// The credential after, of `byok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub to_credential_id: Option<CredentialId>,
    /// What keeps it from moving; of a dry run alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obstacles: Vec<String>,
}

/// What a move would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MigrationEffect {
    /// Calls of these agents in the last 30 days.
    pub calls: u64,
    /// What they cost.
    #[schema(value_type = String, example = "120.00")]
    pub cost: NanoUsd,
    /// What the same tokens would have cost there; absent where a model that they used has no price there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "135.00")]
    pub cost_there: Option<NanoUsd>,
    /// Models that they used and that have no price there.
    #[schema(example = json!([]))]
    pub unpriced: Vec<String>,
    /// What is otherwise there, in words: limits, who bills, whose quota.
    #[schema(example = json!(["the pool allows 60 requests in a minute"]))]
    pub notes: Vec<String>,
}
