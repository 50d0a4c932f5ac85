//! Budgets, to be read: `GET /v1/budgets`, `GET /v1/budgets/{id}`. They are made and changed as an agent's `budgetCentsMonthly`.

use keystore_core::NanoUsd;
use keystore_core::ids::{AgentId, BudgetId, ProjectId};
use keystore_core::policy::BudgetMode;
use keystore_core::window::Window;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;
use crate::time::Time;

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
