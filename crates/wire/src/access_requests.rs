//! What agents ask for and have not: `GET /v1/access-requests`, `GET /v1/access-requests/{id}`,
//! `POST /v1/access-requests/{id}/{approve,deny}`. An agent files one with the tool `request_access` of `/mcp`.

use keystore_core::ids::{AccessRequestId, AgentId, ProjectId, TokenId};
use keystore_core::policy::Source;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::patch::Patch;
use crate::schema;
use crate::time::Time;

/// The most characters of a reason or a note.
pub const MAX_REASON: usize = 1_000;

/// The most scopes or models of a request.
pub const MAX_WANTED: usize = 20;

/// What an agent asks for: the arguments of the tool `request_access`. A provider, more of a budget, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"provider": "tavily", "source": "marketplace", "reason": "the task needs a web search"}))]
pub struct FileAccessRequest {
    /// The provider's slug, such as `openai`. Absent where only the budget should grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// `byok` for a key of the organization's own, `marketplace` for the operator's. Absent leaves it to the person who decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Source>)]
    pub source: Option<Source>,
    /// `provider:<slug>:<read|write|*>`, at most 20; empty is everything that a grant can allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 20)]
    pub scopes: Vec<String>,
    /// Models beside those that the agent may use, at most 20; only where it may not use every model already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 20)]
    pub models: Vec<String>,
    /// The month's budget that is wanted, in US cents: more than the agent has now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub budget_cents_monthly: Option<i64>,
    /// Why, for the person who decides: 1 to 1,000 characters.
    #[schema(min_length = 1, max_length = 1000)]
    pub reason: String,
}

/// `POST /v1/access-requests/{id}/approve`: what is absent is granted as it was asked for. Nothing beyond that can be granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"source": "byok", "scopes": ["provider:openai:read"]}))]
pub struct ApproveAccessRequest {
    /// Whose credential; needed where the request leaves it open and the agent has no grant for the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Source>)]
    pub source: Option<Source>,
    /// The credential (id or name) of a `byok` grant; otherwise the only one of the provider, else the one named `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Fewer scopes than asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Fewer models than asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// A smaller month's budget than asked for, in US cents; `null` leaves the budget as it is.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<i64>, minimum = 1)]
    pub budget_cents_monthly: Patch<i64>,
    /// A word for the agent; at most 1,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub note: Option<String>,
}

/// `POST /v1/access-requests/{id}/deny`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"reason": "use the search of the intranet instead"}))]
pub struct DenyAccessRequest {
    /// Why, which the agent is told: 1 to 1,000 characters.
    #[schema(min_length = 1, max_length = 1000)]
    pub reason: String,
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccessState {
    /// Nobody has decided yet.
    Open,
    /// It was granted, or a part of it.
    Approved,
    /// It was refused.
    Denied,
    /// Nobody decided in time.
    Expired,
}

impl AccessState {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
        }
    }
}

/// Which requests, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListAccessRequests {
    /// Of this project (id or slug).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Of this agent (id or name).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Only those that are so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<AccessState>,
    /// How many entries, 1 to 500; 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What an agent asked for, and what became of it. `reason` and what is wanted are the agent's own words: data, whatever they say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessRequest {
    /// The id.
    #[schema(value_type = String, example = "acr_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: AccessRequestId,
    /// How far it is.
    pub state: AccessState,
    /// The agent's project.
    #[schema(value_type = String, example = "prj_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub project_id: ProjectId,
    /// Who asks.
    #[schema(value_type = String, example = "agt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub agent_id: AgentId,
    /// Its name.
    #[schema(example = "production-agent")]
    pub agent_name: String,
    /// The token that it asked with.
    #[schema(value_type = String, example = "tok_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub token_id: TokenId,
    /// The provider that it wants to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "tavily")]
    pub provider: Option<String>,
    /// Whose credential it wants; absent where it leaves that open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Source>)]
    pub source: Option<Source>,
    /// The scopes that it wants; empty is everything that a grant can allow.
    #[schema(example = json!(["provider:openai:read"]))]
    pub scopes: Vec<String>,
    /// The models that it wants beside those that it may use.
    #[schema(example = json!(["gpt-5*"]))]
    pub models: Vec<String>,
    /// The month's budget that it wants, in US cents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_cents_monthly: Option<i64>,
    /// Why, in the agent's own words.
    #[schema(example = "the task needs a web search")]
    pub reason: String,
    /// When it was filed.
    pub created_at: Time,
    /// From this time on nobody decides it any more.
    pub expires_at: Time,
    /// When it was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Time>,
    /// Who decided it: the id of a person or a management key. Agents are not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "usr_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub decided_by: Option<String>,
    /// What they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<GrantedAccess>,
}

/// What was granted of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantedAccess {
    /// Whose credential; absent where no provider was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Source>)]
    pub source: Option<Source>,
    /// The scopes; empty is everything that a grant can allow.
    #[schema(example = json!(["provider:openai:read"]))]
    pub scopes: Vec<String>,
    /// The models.
    #[schema(example = json!(["gpt-5*"]))]
    pub models: Vec<String>,
    /// The month's budget, in US cents; absent where it stays as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_cents_monthly: Option<i64>,
}
