//! Stored secrets of providers: `GET|POST /v1/credentials`, `GET|DELETE /v1/credentials/{id}`,
//! `PATCH /v1/credentials/{id}`, `POST /v1/credentials/{id}/{rotate,test,reseal}`. A value goes in and never comes out.

use std::collections::BTreeMap;

use keystore_core::ids::{CredentialId, ProjectId};
use keystore_core::policy::Source;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::patch::Patch;
use crate::schema;
use crate::secret::SecretFields;
use crate::time::Time;

/// The name of a credential that is given none.
pub const DEFAULT_NAME: &str = "default";

/// `POST /v1/credentials`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"provider": "openai", "name": "default", "secret": "sk-…"}))]
pub struct CreateCredential {
    /// The provider's slug.
    pub provider: String,
    /// The project (id or slug); the caller's own, or `default`, when absent.
    #[serde(default)]
    pub project: Option<String>,
    /// The name, unique per project and provider; `default` when absent.
    #[serde(default)]
    pub name: Option<String>,
    /// The secret.
    pub secret: SecretFields,
    /// What the provider's URLs need to be given.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// A base URL, where the provider may be self-hosted.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Labels, such as `phi`.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Agreements with the vendor, such as `dpa` and `baa`.
    #[serde(default)]
    pub agreements: BTreeMap<String, Agreement>,
    /// When the vendor ends the key.
    #[serde(default)]
    pub expires_at: Option<Time>,
    /// When it should be rotated.
    #[serde(default)]
    pub rotate_after: Option<Time>,
}

/// `POST /v1/credentials/{id}/rotate`: a new version; calls that run finish on the old one. Answers [`Credential`].
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"secret": "sk-…"}))]
pub struct RotateCredential {
    /// The new secret, with every field.
    pub secret: SecretFields,
    /// When the vendor ends the new key.
    #[serde(default)]
    pub expires_at: Option<Time>,
    /// When the new key should be rotated.
    #[serde(default)]
    pub rotate_after: Option<Time>,
}

/// `PATCH /v1/credentials/{id}`: what is absent stays, `null` takes away. Answers [`Credential`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"expiresAt": "2027-01-01T00:00:00Z", "labels": ["phi"]}))]
pub struct UpdateCredential {
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<Vec<String>>)]
    pub labels: Patch<Vec<String>>,
    /// Agreements, all of them.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<BTreeMap<String, Agreement>>)]
    pub agreements: Patch<BTreeMap<String, Agreement>>,
    /// When the vendor ends the key.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<Time>)]
    pub expires_at: Patch<Time>,
    /// When it should be rotated.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<Time>)]
    pub rotate_after: Patch<Time>,
}

/// Whether a secret is tried before it is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VerifyFirst {
    /// Ask the vendor first, and store nothing that it refuses (`credential_refused`). What it can give no answer about is stored
    /// as `untested`.
    #[serde(default)]
    pub verify: bool,
}

/// Which credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListCredentials {
    /// Of this project (id or slug).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Of this provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Only those that end, or should be rotated, within this many days, or already have: 0 to 365.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0, maximum = 365)]
    pub due: Option<u16>,
    /// How many entries, 1 to 500; 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// An agreement with a vendor about the data that a credential's calls carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"date": "2026-05-01", "link": "https://example.com/dpa.pdf"}))]
pub struct Agreement {
    /// When it was signed (`YYYY-MM-DD`).
    pub date: String,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// What is known of a credential's validity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CredentialStatus {
    /// Not tested since it was stored or rotated.
    Untested,
    /// The vendor accepted it.
    Active,
    /// The vendor refused it.
    Invalid,
    /// Switched off.
    Disabled,
}

impl CredentialStatus {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Untested => "untested",
            Self::Active => "active",
            Self::Invalid => "invalid",
            Self::Disabled => "disabled",
        }
    }
}

/// A credential, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// The id.
    #[schema(value_type = String, example = "crd_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: CredentialId,
    /// The project.
    #[schema(value_type = String, example = "prj_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub project_id: ProjectId,
    /// The provider's slug.
    #[schema(example = "openai")]
    pub provider: String,
    /// The name.
    #[schema(example = "default")]
    pub name: String,
    /// Whose it is.
    #[schema(value_type = schema::Source)]
    pub source: Source,
    /// What is known of its validity.
    pub status: CredentialStatus,
    /// The version in use, from 1.
    pub version: u32,
    /// What was given for the provider's URLs.
    pub params: BTreeMap<String, String>,
    /// Its base URL, where it has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Labels.
    #[schema(example = json!(["phi"]))]
    pub labels: Vec<String>,
    /// Agreements.
    pub agreements: BTreeMap<String, Agreement>,
    /// When the vendor ends the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When it should be rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_after: Option<Time>,
    /// When it was last used, to the minute or so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
    /// When it was last tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested_at: Option<Time>,
    /// Whether its provider's hosts or its place in requests have changed since it was sealed. What it was sealed for is in force
    /// until `POST /v1/credentials/{id}/reseal`.
    #[serde(default)]
    pub reseal_needed: bool,
    /// What the vendor's answers said of its limits, as far as this server has seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstream_limits: Vec<UpstreamLimit>,
    /// When it was stored.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// A limit of a vendor, as its answers tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpstreamLimit {
    /// What is limited, in the vendor's words: `requests`, `tokens`, `input-tokens`, `requests-day`, …; `retry` for the end of a
    /// pause that the vendor asked for.
    #[schema(example = "requests")]
    pub subject: String,
    /// How much there is in a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// How much was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// When there is all of it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Time>,
    /// When the vendor said so.
    pub observed_at: Time,
}

/// What a test found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TestVerdict {
    /// The vendor accepts the credential.
    Valid,
    /// The vendor refuses it.
    Invalid,
    /// The vendor could not be asked, or the catalog knows no way to ask it.
    Unknown,
}

/// The answer to `POST /v1/credentials/{id}/test`. A refused credential is an answer, not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialTest {
    /// What was found.
    pub verdict: TestVerdict,
    /// The vendor's status, where it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    /// What was found, in words that never hold the value.
    #[schema(example = "the provider accepts the key")]
    pub detail: String,
    /// How long the vendor took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// The credential as it stands now.
    pub credential: Credential,
}
