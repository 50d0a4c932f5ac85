//! Agents: `GET|POST /v1/agents`, `GET|PATCH|DELETE /v1/agents/{id}`, `POST /v1/agents/{id}/{pause,resume,revoke}`.
//!
//! Making an agent makes no token; see [`crate::tokens`].

use keystore_core::NanoUsd;
use keystore_core::abuse::Kind;
use keystore_core::ids::{AgentId, BudgetId, CredentialId, ProjectId};
use keystore_core::policy::{AgentStatus, Source};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::patch::Patch;
use crate::schema;
use crate::time::Time;

/// The highest `rpmLimit`, `rpdLimit` and `maxConcurrency`.
pub const MAX_RATE_LIMIT: u32 = keystore_core::rate::MAX_LIMIT;

/// The highest `tpmLimit`.
pub const MAX_TPM_LIMIT: u32 = 1_000_000_000;

/// A provider that an agent may use, as a request names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "openai", "source": "byok", "scopes": ["provider:openai:*"]}))]
pub struct GrantInput {
    /// The provider's slug.
    pub name: String,
    /// Whose credential.
    #[schema(value_type = schema::Source)]
    pub source: Source,
    /// The credential (id or name). When absent: the only one of the provider, else the one named `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// `provider:<slug>:<read|write|*>`; empty is everything but credential-minting operations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// What serves while the agent's own credential is missing, disabled, expired or refused. Without it, nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackInput>,
}

/// The pool in place of a credential that cannot serve, up to a cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"source": "marketplace", "budgetCentsMonthly": 500}))]
pub struct FallbackInput {
    /// `marketplace`.
    #[schema(value_type = schema::Source)]
    pub source: Source,
    /// The most US cents in a calendar month that are spent so, at least 1.
    #[schema(minimum = 1)]
    pub budget_cents_monthly: i64,
}

/// A provider that an agent may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The provider's slug.
    #[schema(example = "openai")]
    pub name: String,
    /// Whose credential.
    #[schema(value_type = schema::Source)]
    pub source: Source,
    /// The credential; absent until one is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "crd_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub credential_id: Option<CredentialId>,
    /// `provider:<slug>:<read|write|*>`; empty is everything but credential-minting operations.
    #[schema(example = json!(["provider:openai:*"]))]
    pub scopes: Vec<String>,
    /// What serves while the agent's own credential cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackInput>,
}

/// `POST /v1/agents`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "name": "production-agent", "providers": [{"name": "openai", "source": "byok"}],
    "rpmLimit": 120, "rpdLimit": 50000, "budgetCentsMonthly": 5000
}))]
pub struct CreateAgent {
    /// The name, unique in the project.
    pub name: String,
    /// The project (id or slug); the caller's own, or `default`, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// What it may use; at most one entry a provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<GrantInput>,
    /// Requests in any minute, per provider, 0 to 1,000,000; 0 blocks, absent is the deployment's default (60).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1_000_000)]
    pub rpm_limit: Option<u32>,
    /// Requests in a UTC day, per provider, 0 to 1,000,000; 0 blocks, absent is the deployment's default (10,000).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1_000_000)]
    pub rpd_limit: Option<u32>,
    /// Tokens of input and output in any minute, per provider, 0 to 1,000,000,000; 0 blocks, absent is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1_000_000_000)]
    pub tpm_limit: Option<u32>,
    /// Calls at the same time, per provider, 0 to 1,000,000; 0 blocks, absent is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1_000_000)]
    pub max_concurrency: Option<u32>,
    /// US cents in a calendar month of the organization's time zone; absent is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub budget_cents_monthly: Option<i64>,
    /// Models it may use, `*` at the end of a name matching the rest; empty is every model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_models: Vec<String>,
    /// Addresses it may be used from (CIDR); empty is every address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_ips: Vec<String>,
    /// Labels, such as `phi`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Every request must name its end user (`x-keystore-end-user`), for budgets and usage by end user.
    #[serde(default)]
    pub end_users: bool,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// `PATCH /v1/agents/{id}`: what is absent stays, `null` goes back to the default. In force on the next request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"rpmLimit": 120, "rpdLimit": null, "budgetCentsMonthly": 5000}))]
pub struct UpdateAgent {
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// All that it may use from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub providers: Option<Vec<GrantInput>>,
    /// Requests in any minute, per provider.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<u32>, maximum = 1_000_000)]
    pub rpm_limit: Patch<u32>,
    /// Requests in a UTC day, per provider.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<u32>, maximum = 1_000_000)]
    pub rpd_limit: Patch<u32>,
    /// Tokens in any minute, per provider; `null` is no limit.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<u32>, maximum = 1_000_000_000)]
    pub tpm_limit: Patch<u32>,
    /// Calls at the same time, per provider; `null` is no limit.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<u32>, maximum = 1_000_000)]
    pub max_concurrency: Patch<u32>,
    /// US cents in a calendar month; `null` is no limit.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<i64>, minimum = 0)]
    pub budget_cents_monthly: Patch<i64>,
    /// All models it may use; `null` or empty is every model.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<Vec<String>>)]
    pub allowed_models: Patch<Vec<String>>,
    /// All addresses it may be used from; `null` or empty is every address.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<Vec<String>>)]
    pub allowed_ips: Patch<Vec<String>>,
    /// All labels.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<Vec<String>>)]
    pub labels: Patch<Vec<String>>,
    /// Whether every request must name its end user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_users: Option<bool>,
    /// When it ends by itself; `null` is never.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<Time>)]
    pub expires_at: Patch<Time>,
}

/// Which agents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListAgents {
    /// Of this project (id or slug).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// How many entries, 1 to 500; 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// An agent: the identity that carries grants and limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// The id.
    #[schema(value_type = String, example = "agt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: AgentId,
    /// The name.
    #[schema(example = "production-agent")]
    pub name: String,
    /// The project.
    #[schema(value_type = String, example = "prj_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub project_id: ProjectId,
    /// What its requests meet.
    #[schema(value_type = schema::AgentStatus)]
    pub status: AgentStatus,
    /// The rule against abuse that paused it; absent where a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::AbuseKind>)]
    pub paused_by: Option<Kind>,
    /// What it may use.
    pub providers: Vec<Grant>,
    /// Requests in any minute, per provider; `null` is the deployment's default.
    pub rpm_limit: Option<u32>,
    /// Requests in a UTC day, per provider; `null` is the deployment's default.
    pub rpd_limit: Option<u32>,
    /// Tokens in any minute, per provider; `null` is no limit.
    pub tpm_limit: Option<u32>,
    /// Calls at the same time, per provider; `null` is no limit.
    pub max_concurrency: Option<u32>,
    /// US cents in a calendar month; `null` is no limit.
    pub budget_cents_monthly: Option<i64>,
    /// Where the month's budget stands; absent without one, and in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetState>,
    /// Models it may use; empty is every model.
    #[schema(example = json!(["gpt-5*"]))]
    pub allowed_models: Vec<String>,
    /// Addresses it may be used from; empty is every address.
    #[schema(example = json!(["203.0.113.0/24"]))]
    pub allowed_ips: Vec<String>,
    /// Labels.
    #[schema(example = json!(["phi"]))]
    pub labels: Vec<String>,
    /// Every request must name its end user.
    pub end_users: bool,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// Where a budget stands in its present window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetState {
    /// The budget.
    #[schema(value_type = String, example = "bud_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: BudgetId,
    /// Its limit in US dollars.
    #[schema(value_type = String, example = "50.00")]
    pub limit: NanoUsd,
    /// Settled in this window, in US dollars.
    #[schema(value_type = String, example = "12.345")]
    pub spent: NanoUsd,
    /// Held by running calls, in US dollars.
    #[schema(value_type = String, example = "0.02")]
    pub held: NanoUsd,
    /// When the window ends; absent for a total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Time>,
}
