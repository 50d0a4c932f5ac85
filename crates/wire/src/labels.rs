//! What labels allow: `GET|POST /v1/labels`, `POST /v1/labels/unset`. Labels stand on projects, agents and credentials.

use keystore_core::policy::Source;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// `POST /v1/labels`: what is allowed where the label stands, in place of what was set before. In force on the next request. A list that is empty or absent allows everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"label": "eu-only", "sources": ["byok"], "providers": ["openai"], "hosts": ["eu.api.openai.com"]}))]
pub struct SetLabelRule {
    /// The label.
    pub label: String,
    /// Whose credentials may serve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::Source>)]
    pub sources: Vec<Source>,
    /// The providers (slugs) that may be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
    /// The hosts that may be called; `*.` at the beginning stands for the rest of a name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Whether the credential must be under a key that the organization holds itself (`/v1/kek/customer-key`).
    #[serde(default)]
    pub customer_key: bool,
    /// Kinds of agreements (`baa`, `dpa`) that must be on record with the credential.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agreements: Vec<String>,
}

/// `POST /v1/labels/unset`: what holds without a rule holds again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"label": "eu-only"}))]
pub struct UnsetLabelRule {
    /// The label.
    pub label: String,
}

/// A label and what it allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelRule {
    /// The label.
    #[schema(example = "phi")]
    pub label: String,
    /// Whose credentials may serve; empty is anybody's.
    #[schema(value_type = Vec<schema::Source>)]
    pub sources: Vec<Source>,
    /// The providers that may be called; empty is all.
    #[schema(example = json!(["openai", "anthropic"]))]
    pub providers: Vec<String>,
    /// The hosts that may be called; empty is all.
    #[schema(example = json!(["eu"]))]
    pub hosts: Vec<String>,
    /// Whether the credential must be under a key that the organization holds itself.
    pub customer_key: bool,
    /// Kinds of agreements that must be on record with the credential.
    #[schema(example = json!(["dpa"]))]
    pub agreements: Vec<String>,
    /// Whether it holds without anybody having set it.
    pub built_in: bool,
}
