//! Projects: `GET|POST /v1/projects`, `GET|PATCH /v1/projects/{id}`.

use keystore_core::ids::ProjectId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
    pub name: Option<String>,
    /// All labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
}
