//! Management keys of the control plane: `GET|POST /v1/api-keys`, `GET|PATCH|DELETE /v1/api-keys/{id}` (deleting revokes).

use keystore_core::ids::{ApiKeyId, ProjectId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::role::Role;
use crate::time::Time;

/// A management key, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// The id.
    #[schema(value_type = String, example = "key_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: ApiKeyId,
    /// The name.
    #[schema(example = "ci")]
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The project it is bound to; absent for the whole organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "prj_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub project_id: Option<ProjectId>,
    /// When it was made.
    pub created_at: Time,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
    /// When it was last used, to the minute or so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
}

/// `POST /v1/api-keys`. Nobody can give a key more than they hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "ci", "role": "member", "expiresAt": "2027-01-01T00:00:00Z"}))]
pub struct CreateApiKey {
    /// The name, unique in the organization.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// A project (id or slug) to bind it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// When it ends by itself; absent is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// The answer to `POST /v1/api-keys`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedApiKey {
    /// The `ksm_` value, shown once; absent when the same request came before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "ksm_…")]
    pub key: Option<String>,
    /// Whether the value was shown by an earlier answer to the same request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret_shown: bool,
    /// What to do where the value was shown and is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The key.
    pub api_key: ApiKey,
}

/// `PATCH /v1/api-keys/{id}`. What a key may do, where and until when is not changed: make another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "ci-2"}))]
pub struct UpdateApiKey {
    /// A new name, unique in the organization.
    pub name: String,
}
