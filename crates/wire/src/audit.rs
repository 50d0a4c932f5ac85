//! The audit log: `GET /v1/audit`. Who changed what; traffic is in `requests`.

use keystore_core::ids::{ProjectId, RequestId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::time::Time;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Its place in the organization's log: 1, 2, 3, … without gaps.
    #[schema(example = 42)]
    pub seq: u64,
    /// When.
    pub at: Time,
    /// The operation, as it is named in this description.
    #[schema(example = "create_agent")]
    pub action: String,
    /// Who: the id of a person, a management key or an agent; `system` for the server itself, `anonymous` for who did not prove who they are.
    #[schema(example = "usr_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub actor: String,
    /// Their address, or the key's name, while they exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "ada@example.com")]
    pub actor_name: Option<String>,
    /// What was changed: an id.
    #[schema(example = "agt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub subject: String,
    /// The project it belongs to, if it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "prj_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub project_id: Option<ProjectId>,
    /// The address that the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "192.0.2.7")]
    pub address: Option<String>,
    /// The request's id, as in its `x-request-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "req_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub request_id: Option<RequestId>,
    /// What it was; `null` for what is new. Never a secret.
    pub before: Value,
    /// What it is now; `null` for what is gone. Never a secret.
    pub after: Value,
}

/// Which entries, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListAudit {
    /// How many entries, 1 to 500; 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Of this project (id or slug) alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Of this operation alone, such as `create_agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// By this person or management key (id) alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// On this thing (id) alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// From this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}
