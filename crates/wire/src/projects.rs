//! Projects: `GET|POST /v1/projects`, `GET|PATCH|DELETE /v1/projects/{id}`.

use keystore_core::ids::ProjectId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::time::Time;

/// A project: what holds credentials, agents and budgets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// The id.
    #[schema(value_type = String, example = "prj_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: ProjectId,
    /// The name in URLs and commands, unique in the organization.
    #[schema(example = "default")]
    pub slug: String,
    /// The name.
    #[schema(example = "Default")]
    pub name: String,
    /// Labels, such as `phi`.
    #[schema(example = json!([]))]
    pub labels: Vec<String>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// `POST /v1/projects`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "Customer 42", "slug": "customer-42"}))]
pub struct CreateProject {
    /// The name.
    pub name: String,
    /// The name in URLs; made from the name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

/// `PATCH /v1/projects/{id}`. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateProject {
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Customer 42")]
    pub name: Option<String>,
    /// A new name in URLs and commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "customer-42")]
    pub slug: Option<String>,
    /// All labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
}

/// `DELETE /v1/projects/{id}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeleteProject {
    /// Delete it though it is not empty: its agents, tokens, credentials, budgets and management keys go with it.
    #[serde(default)]
    pub force: bool,
}

/// The answer to deleting a project: what went with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletedProject {
    /// Agents.
    pub agents: u64,
    /// Their tokens.
    pub tokens: u64,
    /// Credentials.
    pub credentials: u64,
    /// Budgets.
    pub budgets: u64,
    /// Management keys.
    pub api_keys: u64,
}
