//! What was used and what it cost: `GET /v1/usage?by=agent,provider&since=&until=`; call by call, `GET /v1/usage/events`.

use std::collections::BTreeMap;

use keystore_core::NanoUsd;
use keystore_core::ids::{AgentId, ProjectId, RequestId};
use keystore_core::policy::Source;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::schema;
use crate::time::Time;

/// What usage can be grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The project.
    Project,
    /// The agent.
    Agent,
    /// The provider.
    Provider,
    /// The model.
    Model,
    /// Whose credential.
    Source,
    /// The UTC day.
    Day,
}

impl By {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Project,
        Self::Agent,
        Self::Provider,
        Self::Model,
        Self::Source,
        Self::Day,
    ];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Agent => "agent",
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Source => "source",
            Self::Day => "day",
        }
    }

    /// The one that is written `text`.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.as_str() == text)
    }
}

/// Which usage, and how it is grouped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// `project`, `agent`, `provider`, `model`, `source`, `day`, several with commas; `provider` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(example = "agent,provider")]
    pub by: Option<String>,
    /// From this time on, rounded down to its UTC day; the first day of the present UTC month when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Up to this time (exclusive), rounded up to the end of its UTC day; now when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Of this project (id or slug).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Of this agent (id or name).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Of this provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Of this model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// The answer to `GET /v1/usage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageReport {
    /// From this time on.
    pub since: Time,
    /// Up to this time.
    pub until: Time,
    /// One row a group, by falling cost; by day where days are asked for.
    pub data: Vec<UsageRow>,
    /// The sum of all rows.
    pub total: Totals,
}

/// One group. What it is grouped by is there; the rest is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageRow {
    /// The project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "prj_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub project_id: Option<ProjectId>,
    /// The agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "agt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub agent_id: Option<AgentId>,
    /// The agent's name, while it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
    /// The provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whose credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Source>)]
    pub source: Option<Source>,
    /// The UTC day (`YYYY-MM-DD`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-11-23")]
    pub day: Option<String>,
    /// The sums.
    #[serde(flatten)]
    pub totals: Totals,
}

/// Sums.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Calls that reached a provider.
    pub calls: u64,
    /// Of these, how many ended in an error.
    pub errors: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Input tokens that met no cache.
    pub input_tokens: u64,
    /// Input tokens read from a cache.
    pub cache_read_tokens: u64,
    /// Input tokens written to a cache.
    pub cache_write_tokens: u64,
    /// Output tokens without reasoning.
    pub output_tokens: u64,
    /// Output tokens spent on reasoning.
    pub reasoning_tokens: u64,
    /// The cost in US dollars.
    #[schema(value_type = String, example = "12.345")]
    pub cost: NanoUsd,
    /// What calls that run now may cost beside that, in US dollars; where no budget limits it, about.
    #[serde(default)]
    #[schema(value_type = String, example = "0.02")]
    pub held: NanoUsd,
}

/// What a call used, as a CloudEvent (<https://github.com/cloudevents/spec>, version 1.0), for meters such as OpenMeter or Lago.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageEvent {
    /// `1.0`.
    #[schema(example = "1.0")]
    pub specversion: String,
    /// The attempt: the same call always has the same id.
    #[schema(example = "att_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: String,
    /// The organization, as a path.
    #[schema(example = "/keystore/orgs/org_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub source: String,
    /// `keystore.usage`.
    #[serde(rename = "type")]
    #[schema(example = "keystore.usage")]
    pub kind: String,
    /// Whom to bill: the end user, where the agent names it; else the project.
    #[schema(example = "agt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub subject: String,
    /// When the call ended.
    pub time: Time,
    /// `application/json`.
    #[schema(example = "application/json")]
    pub datacontenttype: String,
    /// What it used.
    pub data: UsageData,
}

/// What a call used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageData {
    /// The request.
    #[schema(value_type = String, example = "req_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub request_id: RequestId,
    /// The project.
    #[schema(value_type = String, example = "prj_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub project_id: ProjectId,
    /// The agent.
    #[schema(value_type = String, example = "agt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub agent_id: AgentId,
    /// The end user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_user: Option<String>,
    /// The provider (slug).
    #[schema(example = "openai")]
    pub provider: String,
    /// The model that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whose credential.
    #[schema(value_type = schema::Source)]
    pub credential_source: Source,
    /// Units by name.
    pub usage: BTreeMap<String, u64>,
    /// What it cost, in dollars.
    #[schema(value_type = String, example = "0.0012")]
    pub cost: NanoUsd,
}

/// Which events of usage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageEventsQuery {
    /// Of this project (id or slug).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// How many, 1 to 500; 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before; from the beginning when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Events of usage, in the order in which the calls ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageEvents {
    /// The events.
    pub data: Vec<UsageEvent>,
    /// Where to go on from, now or later: always there, so that a meter comes again with it.
    #[schema(example = "000000000000004711")]
    pub next: String,
}
