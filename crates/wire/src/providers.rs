//! Providers as clients see them, the catalog's and those that an organization defined for itself: `GET|POST /v1/providers`,
//! `GET|PATCH|DELETE /v1/providers/{slug}`.

use keystore_core::policy::Access;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::patch::Patch;
use crate::schema;

/// Which providers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListProviders {
    /// Of this category only: `llm`, `search`, `email`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Of those only whose slug or name contains this, in whatever case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Those only that the organization defined for itself, or, with `false`, those of the catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<bool>,
    /// How many entries, 1 to 500; 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// `POST /v1/providers`: a provider of the organization's own. Answers [`Provider`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"slug": "acme", "definition": {
    "name": "Acme", "category": "llm", "base_url": "https://api.acme.example", "inject": [{"header": "x-acme-key"}]
}}))]
pub struct CreateProvider {
    /// The name in paths, scopes and commands; none of the catalog's.
    pub slug: String,
    /// What a file of `catalog/providers` says, as JSON.
    #[schema(value_type = Object)]
    pub definition: Map<String, Value>,
    /// What a file of `catalog/prices` says, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub prices: Option<Map<String, Value>>,
}

/// `PATCH /v1/providers/{slug}`: changes a provider of the organization's own. Answers [`Provider`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"definition": {"docs_url": "https://acme.example/docs", "verify": null}}))]
pub struct UpdateProvider {
    /// The members to change, as a merge patch (RFC 7396): an absent one stays, `null` takes one away, a table is merged and
    /// every other value replaced.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub definition: Map<String, Value>,
    /// Other prices; `null` for none.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<Object>)]
    pub prices: Patch<Map<String, Value>>,
}

/// A provider in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderSummary {
    /// The name in paths, scopes and commands.
    #[schema(example = "openai")]
    pub slug: String,
    /// The name for people.
    #[schema(example = "OpenAI")]
    pub name: String,
    /// The category.
    #[schema(example = "llm")]
    pub category: String,
    /// The vendor's documentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs_url: Option<String>,
    /// Whether the organization defined it for itself.
    #[serde(default)]
    pub custom: bool,
}

/// All that is known of a provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// The name in paths, scopes and commands.
    #[schema(example = "openai")]
    pub slug: String,
    /// The name for people.
    #[schema(example = "OpenAI")]
    pub name: String,
    /// The category.
    #[schema(example = "llm")]
    pub category: String,
    /// The vendor's documentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs_url: Option<String>,
    /// The base URL, perhaps with `{param}`; absent where it must be given with the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://api.openai.com")]
    pub base_url: Option<String>,
    /// Further hosts, reached as `/v1/<slug>~<alias>/…`.
    pub hosts: Vec<Host>,
    /// Whether a credential may name a base URL of its own.
    pub self_hosted: bool,
    /// What a credential has to give besides secrets.
    pub params: Vec<Param>,
    /// The fields of a credential's secret; the main one is `key`.
    pub fields: Vec<Field>,
    /// Whether a credential can be tested.
    pub testable: bool,
    /// The variables that the vendor's SDKs read.
    pub env: Env,
    /// The operations that are known by name.
    pub operations: Vec<Operation>,
    /// How many models have a price.
    pub priced_models: u32,
    /// Parts of this description that were not confirmed with the vendor.
    #[schema(example = json!([]))]
    pub unverified: Vec<String>,
    /// How the credential is put into requests: kinds and places, never values.
    #[serde(default)]
    #[schema(example = json!(["authorization: Bearer {key}"]))]
    pub auth: Vec<String>,
    /// Whether the organization defined it for itself.
    #[serde(default)]
    pub custom: bool,
    /// The definition of a custom one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub definition: Option<Map<String, Value>>,
    /// The prices of a custom one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub prices: Option<Map<String, Value>>,
}

/// A further host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// The name after `~`.
    #[schema(example = "eu")]
    pub alias: String,
    /// Where it is.
    #[schema(example = "https://eu.api.openai.com")]
    pub url: String,
}

/// A part of a URL that is given with the credential and is not secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Param {
    /// Its name.
    #[schema(example = "resource")]
    pub name: String,
    /// A regular expression that the whole value must match.
    #[schema(example = "[A-Za-z0-9-]{2,64}")]
    pub pattern: String,
    /// What to give.
    #[schema(example = "the name of the resource")]
    pub description: String,
}

/// A field of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    /// Its name.
    #[schema(example = "key")]
    pub name: String,
    /// Its name for people.
    #[schema(example = "API key")]
    pub label: String,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it is secret.
    pub secret: bool,
}

/// The variables that the vendor's SDKs read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Env {
    /// Variables that hold the key.
    #[schema(example = json!(["OPENAI_API_KEY"]))]
    pub key: Vec<String>,
    /// Variables that hold the base URL.
    pub base_url: Vec<BaseUrlVar>,
}

/// A variable that holds a base URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BaseUrlVar {
    /// The variable.
    #[schema(example = "OPENAI_BASE_URL")]
    pub name: String,
    /// What its value ends with, after `{proxy}/v1/<slug>`.
    #[schema(example = "/v1")]
    pub path: String,
}

/// How the vendor bills an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Billing {
    /// By what it uses.
    Metered,
    /// By the call.
    PerCall,
    /// In another way, or not at all.
    External,
}

/// An operation that is known by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Its name.
    #[schema(example = "chat.completions")]
    pub name: String,
    /// Its methods; empty is every method.
    #[schema(example = json!(["POST"]))]
    pub methods: Vec<String>,
    /// Its path pattern.
    #[schema(example = "/v1/chat/completions")]
    pub path: String,
    /// Whether it reads or writes; absent goes by the method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Access>)]
    pub access: Option<Access>,
    /// How it is billed.
    pub billing: Billing,
    /// Whether it makes or shows credentials: closed to every agent.
    pub closed: bool,
}
