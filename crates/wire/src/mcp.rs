//! What an agent learns of itself at `/mcp`, with its own token: the answers of its tools.

use std::collections::BTreeMap;

use keystore_core::ids::{AgentId, BudgetId, ProjectId, RequestId, TokenId};
use keystore_core::policy::{BudgetAction, Source, Unit};
use keystore_core::window::Window;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access_requests::AccessRequest;
use crate::schema;
use crate::time::Time;

/// Who the agent is and what it may use: `whoami`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Whoami {
    /// The agent.
    #[schema(value_type = String, example = "agt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub agent_id: AgentId,
    /// Its name.
    pub name: String,
    /// Its project.
    #[schema(value_type = String, example = "prj_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub project_id: ProjectId,
    /// The token that it showed.
    #[schema(value_type = String, example = "tok_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub token_id: TokenId,
    /// Where calls go. The token stands in the place of every provider's key.
    #[schema(example = "https://keystore.example:8400")]
    pub proxy_url: String,
    /// Why none of its calls is served, where that is so: it is paused, or everything is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Why>,
    /// When the token or the agent ends, whichever is sooner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// What it may use.
    pub providers: Vec<OpenProvider>,
    /// Models it may use; empty is every model.
    pub allowed_models: Vec<String>,
    /// Every call must name its end user in `x-keystore-end-user`.
    pub end_users: bool,
}

/// A provider that an agent may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenProvider {
    /// The provider's slug.
    #[schema(example = "openai")]
    pub name: String,
    /// Whose credential serves its calls.
    #[schema(value_type = schema::Source)]
    pub source: Source,
    /// `provider:<slug>:<read|write|*>`; empty is everything but operations that make credentials.
    pub scopes: Vec<String>,
    /// What stands before the provider's own path.
    #[schema(example = "https://keystore.example:8400/v1/openai")]
    pub base_url: String,
    /// The variables from which the provider's SDKs read where to call, with their values.
    pub environment: BTreeMap<String, String>,
    /// Why every call there would be refused now, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Why>,
}

/// A refusal in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// The stable code.
    #[schema(example = "budget_exceeded")]
    pub code: String,
    /// What and why.
    pub message: String,
    /// What to do, and who can.
    pub remedy: String,
}

/// What is left of the agent's limits and budgets: `get_allowance`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Allowance {
    /// Its limits at each provider that it may use.
    pub providers: Vec<ProviderAllowance>,
    /// Limits that it shares with other agents.
    pub shared: Vec<SharedAllowance>,
    /// Budgets that its calls count in. One that the agent's end users have each for themselves is left out.
    pub budgets: Vec<BudgetLeft>,
}

/// Limits at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderAllowance {
    /// The provider's slug.
    #[schema(example = "openai")]
    pub name: String,
    /// The limits.
    pub limits: Vec<LimitLeft>,
}

/// Limits that all agents of a project or of the organization share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SharedAllowance {
    /// `project` or `org`.
    #[schema(example = "project")]
    pub scope: String,
    /// The limits.
    pub limits: Vec<LimitLeft>,
}

/// A limit, and how much of it is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitLeft {
    /// `rpm`: calls in any minute; `rpd`: in a UTC day; `tpm`: tokens in any minute; `concurrency`: calls at the same time.
    #[schema(example = "rpm")]
    pub kind: String,
    /// The limit.
    pub limit: u32,
    /// What is used.
    pub used: u32,
    /// What is left.
    pub remaining: u32,
}

/// A budget, and how much of it is left. Amounts are in its unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetLeft {
    /// The budget.
    #[schema(value_type = String, example = "bud_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: BudgetId,
    /// Whether it is the agent's own; otherwise others spend from it, too.
    pub own: bool,
    /// Only calls to this provider count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Only calls of this model count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What is counted.
    #[schema(value_type = schema::Unit)]
    pub unit: Unit,
    /// How long it lasts.
    #[schema(value_type = schema::Window)]
    pub window: Window,
    /// What happens at its limit.
    #[schema(value_type = schema::BudgetAction)]
    pub action: BudgetAction,
    /// The limit that is in force.
    #[schema(example = "50.00")]
    pub limit: String,
    /// What is settled.
    #[schema(example = "12.345")]
    pub spent: String,
    /// What running calls hold.
    #[schema(example = "0.02")]
    pub held: String,
    /// What is left.
    #[schema(example = "37.635")]
    pub remaining: String,
    /// When it begins anew; absent for a total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Time>,
}

/// The last call that was refused: `get_last_refusal`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastRefusal {
    /// Absent when none was, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<RefusedCall>,
}

/// A call that was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusedCall {
    /// The request, as in `x-keystore-request-id`.
    #[schema(value_type = String, example = "req_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub request_id: RequestId,
    /// When.
    pub at: Time,
    /// The provider; absent where it was not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Why.
    #[serde(flatten)]
    pub why: Why,
}

/// The agent's own access requests, newest first: `list_access_requests`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnAccessRequests {
    /// The newest, at most 50.
    pub access_requests: Vec<AccessRequest>,
}
