//! Signed checkpoints, proofs and exports of the audit log: `GET /v1/audit/checkpoints`, `/v1/audit/proofs/{id}`, `/v1/audit/export`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::time::Time;

/// The form of a proof file.
pub const PROOF_FORMAT: &str = "keystore-audit-proof/v1";

/// The form of an export.
pub const EXPORT_FORMAT: &str = "keystore-audit-export/v1";

/// What checkpoints are checked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditKey {
    /// The verifier key of C2SP signed notes: name, id and Ed25519 key. Keep a copy of it where nobody of the server can change it.
    #[schema(
        example = "keystore/dep_01jd3w8f0qe7ys4c9p2m5n6r7t+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    )]
    pub key: String,
}

/// A signed statement about the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditCheckpoint {
    /// Records of the whole deployment's log.
    #[schema(example = 1024)]
    pub size: u64,
    /// When it was signed.
    pub at: Time,
    /// The C2SP signed note.
    #[schema(example = "keystore.example/audit\n4711\nqINS1GRFhWHwdkUeqLEoP4yEMkTBBzxBkGwGQlVlVcs=\n")]
    pub note: String,
}

/// Which checkpoints, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListAuditCheckpoints {
    /// How many, 1 to 500; 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A record of the log with the proof that it is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProvenRecord {
    /// Its index in the whole deployment's log, from 0.
    pub index: u64,
    /// Its bytes in base64: canonical CBOR, whose SHA-256 after a zero byte is the leaf.
    #[schema(example = "qINS1GRFhWHwdkUeqLEoP4yEMkTBBzxBkGwGQlVlVcs=")]
    pub leaf: String,
    /// The hashes from the leaf to the root, in base64 (RFC 6962, 2.1.1).
    #[schema(example = json!(["VGhlIGhhc2ggb2YgYSBzaWJsaW5nIGluIHRoZSB0cmU="]))]
    pub proof: Vec<String>,
    /// What the bytes say.
    pub record: Value,
    /// Of a change: what was and what is, with its salt, whose SHA-256 the leaf holds. Absent once it was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
}

/// The proof that a call or a change is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditProof {
    /// `keystore-audit-proof/v1`.
    #[schema(example = "keystore-audit-proof/v1")]
    pub format: String,
    /// The signed note that the proofs lead to.
    #[schema(example = "keystore.example/audit\n4711\nqINS1GRFhWHwdkUeqLEoP4yEMkTBBzxBkGwGQlVlVcs=\n")]
    pub checkpoint: String,
    /// Its records.
    pub records: Vec<ProvenRecord>,
}

/// The form of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportForm {
    /// A line of JSON each, with its proof: the form that can be verified.
    #[default]
    Ndjson,
    /// For spreadsheets.
    Csv,
    /// A line of JSON each, in the Open Cybersecurity Schema Framework.
    Ocsf,
}

/// What is exported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportAudit {
    /// `ndjson` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub format: Option<ExportForm>,
    /// Of this project (id or slug) alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// From this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// The size of an older checkpoint: the export shows that the log goes on from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
}

/// The first line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportHead {
    /// `keystore-audit-export/v1`.
    pub format: String,
    /// The signed note that the proofs lead to.
    pub checkpoint: String,
    /// The organization.
    pub org_id: String,
    /// The project, where it is of one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// From when on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Before when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// The size of the older checkpoint that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The proof that the log goes on from it (RFC 6962, 2.1.2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consistency: Vec<String>,
}

/// The last line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportEnd {
    /// Lines between it and the first.
    pub records: u64,
}

/// What is to be checked: the caller's part of the log, or all that is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyAudit {
    /// An older checkpoint, as a signed note, that the log must go on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "keystore.example/audit\n4711\nqINS1GRFhWHwdkUeqLEoP4yEMkTBBzxBkGwGQlVlVcs=\n")]
    pub checkpoint: Option<String>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditVerified {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// Records that were looked at.
    pub records: u64,
    /// Records of the whole deployment that the checkpoint covers.
    pub size: u64,
    /// The first record that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_bad_index: Option<u64>,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A value that is to be found in the log, where it stands hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HashAuditValue {
    /// The value, as it stood in the query, decoded.
    #[schema(example = "cursor-42")]
    pub value: String,
}

/// How it stands there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HashedAuditValue {
    /// HMAC-SHA256 under a key of the organization, the first 16 bytes in hexadecimal.
    #[schema(example = "hmac-5bdcc146bf60754e6a042426089575c7")]
    pub hash: String,
}
