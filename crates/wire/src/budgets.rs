//! Budgets: `GET|POST /v1/budgets`, `GET|PATCH|DELETE /v1/budgets/{id}`. An agent's `budgetCentsMonthly` is one of them.

use keystore_core::NanoUsd;
use keystore_core::ids::{AgentId, BudgetId, ProjectId};
use keystore_core::policy::BudgetMode;
use keystore_core::window::Window;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;
use crate::time::Time;

/// `POST /v1/budgets`. What is named narrows the budget; nothing named is the whole organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"agent": "production-agent", "limit": "50.00", "window": "month"}))]
pub struct CreateBudget {
    /// Calls of this project (id or slug).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Calls of this agent (id or name).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Calls to this provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Calls to this model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The limit in US dollars.
    #[schema(value_type = String, example = "50.00")]
    pub limit: NanoUsd,
    /// How long it lasts before it starts anew.
    #[schema(value_type = schema::Window)]
    pub window: Window,
    /// How it is kept; `strict` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::BudgetMode>)]
    pub mode: Option<BudgetMode>,
}

/// `PATCH /v1/budgets/{id}`: in force at once; what is spent stays spent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"limit": "75.00"}))]
pub struct UpdateBudget {
    /// A new limit in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub limit: Option<NanoUsd>,
    /// A new mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::BudgetMode>)]
    pub mode: Option<BudgetMode>,
}

/// A budget and where it stands in its present window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// The id.
    #[schema(value_type = String, example = "bud_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: BudgetId,
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
    /// The limit in US dollars.
    #[schema(value_type = String, example = "50.00")]
    pub limit: NanoUsd,
    /// How long it lasts.
    #[schema(value_type = schema::Window)]
    pub window: Window,
    /// How it is kept.
    #[schema(value_type = schema::BudgetMode)]
    pub mode: BudgetMode,
    /// Settled in this window, in US dollars.
    #[schema(value_type = String, example = "12.345")]
    pub spent: NanoUsd,
    /// Held by running calls, in US dollars.
    #[schema(value_type = String, example = "0.02")]
    pub held: NanoUsd,
    /// When the window ends; absent for a total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}
