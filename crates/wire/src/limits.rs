//! What all calls of an organization or a project together may not pass: `GET|PATCH /v1/org/limits`,
//! `GET|PATCH /v1/projects/{id}/limits`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::patch::Patch;

/// Ceilings over all agents and providers; `null` does not limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Requests in any minute.
    pub rpm_limit: Option<u32>,
    /// Requests in a UTC day.
    pub rpd_limit: Option<u32>,
    /// Tokens of input and output in any minute.
    pub tpm_limit: Option<u32>,
    /// Calls at the same time.
    pub max_concurrency: Option<u32>,
}

/// What is absent stays, `null` lifts a limit, 0 blocks. In force on the next request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"rpmLimit": 600, "maxConcurrency": 50}))]
pub struct UpdateLimits {
    /// Requests in any minute.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<u32>, maximum = 1_000_000)]
    pub rpm_limit: Patch<u32>,
    /// Requests in a UTC day.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<u32>, maximum = 1_000_000)]
    pub rpd_limit: Patch<u32>,
    /// Tokens of input and output in any minute.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<u32>, maximum = 1_000_000_000)]
    pub tpm_limit: Patch<u32>,
    /// Calls at the same time.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<u32>, maximum = 1_000_000)]
    pub max_concurrency: Patch<u32>,
}
