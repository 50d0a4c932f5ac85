//! Traffic: `GET /v1/requests`, `GET /v1/requests/{id}`, and `GET /v1/requests/stream`, which is server-sent events: each has
//! the event name `request`, a [`Request`] as its data, and an id to resume from with `Last-Event-ID`.

use std::collections::BTreeMap;

use keystore_core::NanoUsd;
use keystore_core::ids::{AgentId, AttemptId, BudgetId, CredentialId, ProjectId, RequestId, TokenId};
use keystore_core::policy::{Source, Unit};
use keystore_core::record::Ending;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::schema;
use crate::time::Time;

/// The name of the stream's events.
pub const STREAM_EVENT: &str = "request";

/// Which requests. The newest come first; the stream takes the same filters, without `limit` and `after`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListRequests {
    /// Of this project (id or slug).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Of this agent (id or name).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// To this provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Of this model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// From this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Up to this time (exclusive).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// With this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Refused with this code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Refused (`true`) or not (`false`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<bool>,
    /// That cost at least this many US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, example = "0.05")]
    pub min_cost: Option<NanoUsd>,
    /// How many entries, 1 to 500; 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// One proxied request, or one refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The id, as in `x-keystore-request-id`.
    #[schema(value_type = String, example = "req_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: RequestId,
    /// The attempt at the upstream; absent for a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "att_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub attempt_id: Option<AttemptId>,
    /// When it was admitted or refused.
    pub at: Time,
    /// When it ended.
    pub ended_at: Time,
    /// The project.
    #[schema(value_type = String, example = "prj_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub project_id: ProjectId,
    /// The agent.
    #[schema(value_type = String, example = "agt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub agent_id: AgentId,
    /// The agent's name, while it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
    /// The token.
    #[schema(value_type = String, example = "tok_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub token_id: TokenId,
    /// The provider.
    #[schema(example = "openai")]
    pub provider: String,
    /// The operation's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "chat.completions")]
    pub operation: Option<String>,
    /// The HTTP method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The upstream path, without its query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The model that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model that the vendor says it served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_model: Option<String>,
    /// For whom it was made, where the agent must say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_user: Option<String>,
    /// Whose credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Source>)]
    pub source: Option<Source>,
    /// The credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "crd_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub credential_id: Option<CredentialId>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_version: Option<u32>,
    /// How the attempt ended; absent for a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Ending>)]
    pub ending: Option<Ending>,
    /// The upstream's status, or that of our refusal where nothing was attempted; 0 when no answer came.
    pub status: u16,
    /// The code of our own refusal or error, where the client was given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "budget_exceeded")]
    pub code: Option<String>,
    /// How many like requests this row stands for; more than 1 only for coalesced refusals.
    pub count: u32,
    /// What it cost, in US dollars.
    #[schema(value_type = String, example = "0.000125")]
    pub cost: NanoUsd,
    /// Units by bucket, such as `input_uncached`; what is 0 is absent.
    pub usage: BTreeMap<String, u64>,
    /// Marks on the charge.
    pub flags: Flags,
    /// What was held against which budgets while it ran; absent for a refusal, and without a budget.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<RequestHold>,
    /// When it came to its steps; absent for a refusal, after a crash, and for calls that were recorded before this was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Steps>,
    /// From admission to the first byte of the answer's body, in microseconds; 0 when there was none.
    pub first_byte_us: u64,
    /// From admission to the end, in microseconds.
    pub total_us: u64,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
}

/// A budget that a call was held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestHold {
    /// The budget, or its counter for one end user.
    #[schema(value_type = String, example = "bud_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub budget_id: BudgetId,
    /// What it counts.
    #[schema(value_type = schema::Unit)]
    pub unit: Unit,
    /// What was held, in the unit: the most that the call could use.
    #[schema(example = "0.0125")]
    pub amount: String,
    /// When the window began in which it counts.
    pub window_start: Time,
}

/// When a call came to its steps, in microseconds. Each but the first counts from its admission; 0 for a step that it did not come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Steps {
    /// From the head of the request to its admission: token, grant, rates, the wait for a place at a pool, the body, its price. Of a second
    /// attempt 0.
    #[schema(example = 310)]
    pub checked_us: u64,
    /// The intent was durable.
    #[schema(example = 420)]
    pub recorded_us: u64,
    /// The credential was opened and in its place, a connection was there, and what permits the call still stood.
    #[schema(example = 510)]
    pub sending_us: u64,
    /// The head of the vendor's answer was there.
    #[schema(example = 231_000)]
    pub answered_us: u64,
}

/// Marks on a charge; what is false is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Flags {
    /// The vendor reported no usage; it was estimated.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// There was no price.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unpriced: bool,
    /// The vendor reported more than was held.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub over_hold: bool,
    /// The vendor bills it in another way.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub external: bool,
}
