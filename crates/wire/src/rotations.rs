//! Rotations of the operator's pooled keys: `/v1/operator/rotations…`, and by which plan a key is renewed
//! (`/v1/operator/pool/{pooled}/plan`).

use keystore_core::ids::{CredentialId, RotationId};
use keystore_core::rotation::{Driver, Step};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;
use crate::secret::SecretFields;
use crate::time::Time;

/// `POST /v1/operator/pool/{pooled}/plan`: how the key is renewed, in place of what was set before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"driver": "openai", "admin": "crd_01jd3w8f0qe7ys4c9p2m5n6r7t", "account": "proj_abc", "everyDays": 90}))]
pub struct SetKeyPlan {
    /// Who makes and revokes the keys.
    #[schema(value_type = schema::Driver)]
    pub driver: Driver,
    /// The credential (id) of the operator's organization that the vendor's API for keys takes: of `openai-admin`, or one of OpenRouter
    /// that manages keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub admin: Option<CredentialId>,
    /// Where the vendor keeps the keys: at OpenAI, the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The vendor's id of the key that is in use: at OpenAI, that of its service account. Without it the operator is asked to revoke that
    /// key when it is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_key: Option<String>,
    /// A rotation begins by itself every so many days, 1 to 3,650; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3650)]
    pub every_days: Option<u32>,
    /// How long the old and the new key serve side by side, 60 to 604,800 seconds; 600 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 604_800)]
    pub overlap_seconds: Option<u32>,
}

/// How the key of a pooled credential is renewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyPlan {
    /// The credential.
    #[schema(value_type = String, example = "crd_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub credential: CredentialId,
    /// Who makes and revokes its keys.
    #[schema(value_type = schema::Driver)]
    pub driver: Driver,
    /// The credential that the vendor's API for keys takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub admin: Option<CredentialId>,
    /// Where the vendor keeps the keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The vendor's id of the key that is in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_key: Option<String>,
    /// How often a rotation begins by itself, in days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_days: Option<u32>,
    /// How long both keys serve, in seconds.
    pub overlap_seconds: u32,
    /// When the next rotation begins by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Time>,
}

/// `POST /v1/operator/rotations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRotation {
    /// The pooled credential whose key is renewed (id).
    #[schema(value_type = String, example = "crd_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub credential: CredentialId,
}

/// `POST /v1/operator/rotations/{rotation}/key`: the key that the rotation waits for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"secret": "sk-…"}))]
pub struct GiveKey {
    /// The secret.
    pub secret: SecretFields,
}

/// What a rotation waits for that only the operator can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WaitsFor {
    /// A new key: `POST …/key`.
    Key,
    /// That the old key is revoked at the vendor: `POST …/revoked`.
    Revocation,
}

/// A rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// Its id.
    #[schema(value_type = String, example = "rot_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: RotationId,
    /// The provider's slug.
    #[schema(example = "openai")]
    pub provider: String,
    /// The credential whose key goes.
    #[schema(value_type = String, example = "crd_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub old: CredentialId,
    /// The credential that takes its place, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub new: Option<CredentialId>,
    /// Who makes and revokes the keys.
    #[schema(value_type = schema::Driver)]
    pub driver: Driver,
    /// How far it is.
    #[schema(value_type = schema::Step)]
    pub step: Step,
    /// When the step began.
    pub since: Time,
    /// What the operator has to do for it to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitsFor>,
    /// How often something failed in this step.
    pub failures: u32,
    /// What failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// When it is tried again, of one that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Time>,
    /// The name of the new key at the vendor, which no other key there has.
    #[schema(example = "keystore-rotation-2026-11")]
    pub key_name: String,
    /// The vendor's id of the old key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_key: Option<String>,
    /// The vendor's id of the new key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_key: Option<String>,
    /// When it began.
    pub created_at: Time,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
}
