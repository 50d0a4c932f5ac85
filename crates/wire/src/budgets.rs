//! Budgets: `GET|POST /v1/budgets`, `GET|PATCH|DELETE /v1/budgets/{id}`, `POST|DELETE /v1/budgets/{id}/raise`,
//! `GET /v1/budgets/{id}/history`, `GET /v1/budgets/{id}/holds`, `POST /v1/budgets/check`.
//!
//! Amounts are texts in the unit of the budget: decimal dollars, or a whole number of things.

use keystore_core::ids::{AgentId, AttemptId, BudgetId, ProjectId, RequestId};
use keystore_core::policy::{BudgetAction, BudgetMode, Source, Unit};
use keystore_core::window::Window;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::patch::Patch;
use crate::schema;
use crate::time::Time;

/// The most budgets that an organization, a project or an agent has by itself.
pub const MAX_BUDGETS: usize = 100;

/// What a budget is narrowed to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum BudgetScope {
    /// All calls of the organization.
    Org,
    /// Those of a project.
    Project,
    /// Those of an agent.
    Agent,
    /// Those to a provider.
    Provider,
    /// Those of a model.
    Model,
    /// Those for an end user.
    EndUser,
}

/// `POST /v1/budgets`. What is named narrows which calls count; with nothing named, all calls of the organization do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"project": "customer-42", "limit": "100.00", "window": "month", "thresholds": [50, 80, 100]}))]
pub struct CreateBudget {
    /// Only calls of this project (id or slug); the caller's own, when the caller is bound to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Only calls of this agent (id or name).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Only calls to this provider (slug).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Only calls of this model, by its name in the price list or the name that is asked for; `*` at the end stands for the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Only calls for this end user, as `x-keystore-end-user` names it; `*` gives each end user the limit for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_user: Option<String>,
    /// Only calls with credentials of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Source>)]
    pub source: Option<Source>,
    /// What may be used in a window, in the unit.
    #[schema(example = "100.00")]
    pub limit: String,
    /// What is counted; dollars when absent.
    #[serde(default)]
    #[schema(value_type = Option<schema::Unit>)]
    pub unit: Unit,
    /// How long the limit lasts.
    #[schema(value_type = schema::Window)]
    pub window: Window,
    /// How the limit holds; `strict` when absent.
    #[serde(default)]
    #[schema(value_type = Option<schema::BudgetMode>)]
    pub mode: BudgetMode,
    /// What happens at the limit; `deny` when absent.
    #[serde(default)]
    #[schema(value_type = Option<schema::BudgetAction>)]
    pub action: BudgetAction,
    /// Percentages of the limit, 1 to 100, that are announced once a window as `usage.threshold`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<u8>,
}

/// `PATCH /v1/budgets/{id}`: what is absent stays. In force on the next request; what was used stays used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"limit": "150.00"}))]
pub struct UpdateBudget {
    /// What may be used in a window, in the unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// How long the limit lasts, from the end of the present window on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Window>)]
    pub window: Option<Window>,
    /// How the limit holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::BudgetMode>)]
    pub mode: Option<BudgetMode>,
    /// What happens at the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::BudgetAction>)]
    pub action: Option<BudgetAction>,
    /// All thresholds; `null` is none.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<Vec<u8>>)]
    pub thresholds: Patch<Vec<u8>>,
}

/// `POST /v1/budgets/{id}/raise`: another limit for the time being. It ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"limit": "500.00", "until": "2026-12-01T00:00:00.000Z"}))]
pub struct Raise {
    /// The limit until then, in the unit.
    pub limit: String,
    /// When the budget's own limit is back.
    pub until: Time,
}

/// Which counter of a budget.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BudgetQuery {
    /// That of this end user, where the budget counts each by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_user: Option<String>,
}

/// Which windows or holds of a budget.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Those for this end user, where the budget counts each by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_user: Option<String>,
    /// How many entries, 1 to 500; 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A budget and where it stands in its present window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// The id.
    #[schema(value_type = String, example = "bud_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: BudgetId,
    /// What it is narrowed to most.
    pub scope: BudgetScope,
    /// The project it is narrowed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "prj_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub project_id: Option<ProjectId>,
    /// The agent it is narrowed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "agt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub agent_id: Option<AgentId>,
    /// The provider it is narrowed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model it is narrowed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The end user it is narrowed to; `*` is each by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_user: Option<String>,
    /// The kind of credentials it is narrowed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Source>)]
    pub source: Option<Source>,
    /// The limit, in the unit.
    #[schema(example = "50.00")]
    pub limit: String,
    /// What is counted.
    #[schema(value_type = schema::Unit)]
    pub unit: Unit,
    /// How long the limit lasts.
    #[schema(value_type = schema::Window)]
    pub window: Window,
    /// How it holds.
    #[schema(value_type = schema::BudgetMode)]
    pub mode: BudgetMode,
    /// What happens at the limit.
    #[schema(value_type = schema::BudgetAction)]
    pub action: BudgetAction,
    /// Percentages of the limit that are announced.
    pub thresholds: Vec<u8>,
    /// Another limit for the time being.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raise: Option<Raise>,
    /// Used in this window; of a budget that counts each end user by itself, by the one that was asked for.
    #[schema(example = "12.345")]
    pub spent: String,
    /// Held by running calls.
    #[schema(example = "0.02")]
    pub held: String,
    /// When the window ends; absent for a total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// What was used of a budget in one window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetWindow {
    /// When it began.
    pub start: Time,
    /// Used in it, in the unit.
    #[schema(example = "12.345")]
    pub spent: String,
}

/// What a running call holds against a budget. It ends with its call, however that ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetHold {
    /// The id.
    #[schema(value_type = String, example = "att_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: AttemptId,
    /// The request that it is held for.
    #[schema(value_type = String, example = "req_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub request_id: RequestId,
    /// The agent that called.
    #[schema(value_type = String, example = "agt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub agent_id: AgentId,
    /// The provider.
    #[schema(example = "openai")]
    pub provider: String,
    /// The model that the request named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What is held, in the unit of the budget.
    #[schema(example = "0.02")]
    pub amount: String,
    /// Since when.
    pub since: Time,
}

/// `POST /v1/budgets/check`: would such a call be admitted? Nothing is held and nothing is called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"agent": "production-agent", "provider": "openai", "model": "gpt-5-mini", "inputTokens": 2000, "maxOutputTokens": 1000}))]
pub struct CheckBudgets {
    /// The agent that would call (id or name).
    pub agent: String,
    /// The provider that it would call (slug).
    pub provider: String,
    /// The model that it would name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The end user that it would name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_user: Option<String>,
    /// Tokens of input; the price of the model tells what they cost. A request never holds less than one for each byte of its body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// The most tokens of output; the model's own most when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// What the call costs at most, in dollars, in place of tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// The money that the call moves, in dollars; nothing when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<String>,
}

/// Whether a call would be admitted, and what says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetCheck {
    /// Every budget that applies and denies would afford it.
    pub admitted: bool,
    /// What it may cost at most, in dollars; absent when it has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// Why it would not be admitted, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Every budget that applies.
    pub budgets: Vec<CheckedBudget>,
}

/// A budget that a call would count against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckedBudget {
    /// The budget, and where it stands.
    pub budget: Budget,
    /// What the call would hold, in the unit.
    #[schema(example = "0.0125")]
    pub needed: String,
    /// Whether the budget affords that.
    pub affords: bool,
}
