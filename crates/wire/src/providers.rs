//! The catalog as clients see it: `GET /v1/providers?category=&limit=&after=`, `GET /v1/providers/{slug}`.

use keystore_core::policy::Access;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::schema;

/// Which providers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListProviders {
    /// Of this category only: `llm`, `search`, `email`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// How many entries, 1 to 500; 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
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
}

/// All that is known of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    pub unverified: Vec<String>,
}

/// A further host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// The name after `~`.
    pub alias: String,
    /// Where it is.
    pub url: String,
}

/// A part of a URL that is given with the credential and is not secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Param {
    /// Its name.
    pub name: String,
    /// A regular expression that the whole value must match.
    pub pattern: String,
    /// What to give.
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
