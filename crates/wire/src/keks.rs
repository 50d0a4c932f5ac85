//! The key-encryption keys of the caller's organization: `/v1/kek…`. No key ever stands here.

use keystore_core::ids::ImportId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Time;

/// What a generation is still used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GenerationState {
    /// New credential versions are sealed under it.
    Active,
    /// Opens what was sealed under it before.
    Retiring,
    /// Nothing is sealed under it any more.
    Retired,
    /// The key is gone.
    Destroyed,
}

impl GenerationState {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
            Self::Destroyed => "destroyed",
        }
    }
}

/// A generation of the organization's key-encryption key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    /// Its number, from 1.
    pub generation: u32,
    /// What it is still used for.
    pub state: GenerationState,
    /// How many credential versions are sealed under it.
    pub credential_versions: u64,
    /// How often it may have wrapped a key: never less than it has.
    pub wraps: u64,
    /// Whether a customer made the key.
    pub imported: bool,
    /// The organization's own key that wraps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_key: Option<String>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last seen that nothing is sealed under it and that everything opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Time>,
}

/// The key that the organization holds itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerKey {
    /// Its name.
    #[schema(example = "aws:arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab")]
    pub key: String,
    /// Whether it can be used now.
    pub usable: bool,
    /// What its KMS says when not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// What is done to the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobStep {
    /// Data keys are wrapped by the active generation; verification follows.
    Rewrap,
    /// Everything is opened once.
    Verify,
}

/// What is being done to the keys, or was done last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KekJob {
    /// What is done.
    pub step: JobStep,
    /// How many credential versions were looked at in this step.
    pub done: u64,
    /// How many there were when it began.
    pub total: u64,
    /// How many of them do not open.
    pub failed: u64,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// When it began.
    pub started_at: Time,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
}

/// `GET /v1/kek`, and the answer to every change: the organization's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KekStatus {
    /// The generations, the oldest first.
    pub generations: Vec<Generation>,
    /// The key that the organization holds itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_key: Option<CustomerKey>,
    /// What is being done, or was done last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<KekJob>,
    /// After so many wraps there is another generation by itself.
    pub max_wraps: u64,
    /// After so many days there is another generation by itself.
    pub max_age_days: u64,
}

/// `POST /v1/kek/retire`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"generation": 1}))]
pub struct RetireKek {
    /// Its number.
    pub generation: u32,
}

/// `POST /v1/kek/destroy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"generation": 1, "confirm": 1}))]
pub struct DestroyKek {
    /// Its number.
    pub generation: u32,
    /// The number once more.
    pub confirm: u32,
}

/// `POST /v1/kek/shred`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"confirm": "acme"}))]
pub struct ShredKeks {
    /// The organization's slug.
    pub confirm: String,
}

/// What was shredded, and what that does not reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shredded {
    /// How many generations were destroyed.
    pub generations: u32,
    /// How many credential versions cannot be opened any more.
    pub credential_versions: u64,
    /// What is true of backups.
    #[schema(example = "The keys of Acme were destroyed on 2026-11-23.")]
    pub statement: String,
}

/// `POST /v1/kek/customer-key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"key": "aws:arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}))]
pub struct SetCustomerKey {
    /// The key's name; `null` puts the organization's keys under the deployment's root key alone.
    pub key: Option<String>,
}

/// A public key for one import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KekImport {
    /// Its id.
    #[schema(value_type = String, example = "imp_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: ImportId,
    /// The public key in PEM: RSA of 3,072 bits.
    #[schema(
        example = "-----BEGIN PUBLIC KEY-----\nMIIBojANBgkqhkiG9w0BAQEFAAOCAY8A…\n-----END PUBLIC KEY-----\n"
    )]
    pub public_key: String,
    /// How to wrap a key of 32 bytes under it: RSAES-OAEP, with SHA-256 for the hash and for MGF1.
    #[schema(example = "RSAES_OAEP_SHA_256")]
    pub algorithm: String,
    /// Until when it waits.
    pub expires_at: Time,
}

/// `POST /v1/kek/imports/finish`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FinishImport {
    /// The import's id.
    #[schema(value_type = String, example = "imp_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: ImportId,
    /// The wrapped key in base64.
    #[schema(example = "kG9tY2g1b3V0b2ZyYW5kb21ieXRlcw")]
    pub wrapped_key: String,
}
