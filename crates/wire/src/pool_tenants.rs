//! Customers inside the operator's pools, `/v1/operator/pool-tenants`, and the rules by which they are paused, `/v1/operator/pool-rules`.

use keystore_core::abuse::Action;
use keystore_core::ids::OrgId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::patch::Patch;

/// What the operator says of a customer inside a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolTenant {
    /// The provider's slug.
    #[schema(example = "openai")]
    pub provider: String,
    /// The customer.
    #[schema(value_type = String, example = "org_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub org_id: OrgId,
    /// Its share of the grants while the pool is busy, against the other customers that wait.
    pub weight: u32,
    /// The most calls that it has running there at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u32>,
    /// Who has paused it: `operator` or `rule`. Absent where it is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_by: Option<String>,
}

/// What was said of customers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolTenants {
    /// By provider and organization. Who is not there has weight 1, no cap, and is not paused.
    pub data: Vec<PoolTenant>,
}

/// Of which pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListPoolTenants {
    /// Of this provider (slug) alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// `POST /v1/operator/pool-tenants`: what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"provider": "openai", "org": "org_01jd3w8f0qe7ys4c9p2m5n6r7t", "weight": 3, "maxConcurrency": 50}))]
pub struct SetPoolTenant {
    /// The provider's slug.
    pub provider: String,
    /// The customer (id).
    #[schema(value_type = String)]
    pub org: OrgId,
    /// Its share of the grants while the pool is busy, 1 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub weight: Option<u32>,
    /// The most calls that it has running there at the same time, 1 to 1,000,000; `null`: as many as the pool lets it.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    pub max_concurrency: Patch<u32>,
    /// `true`: it is not served; `false`: it is served again, whoever paused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
}

/// The rule of a pool: when a vendor holds so many calls of a customer to break its rules for use, the operator is told, or the customer
/// is paused there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolRule {
    /// The provider's slug.
    #[schema(example = "openai")]
    pub provider: String,
    /// `off`, `alert` or `pause`.
    #[schema(value_type = String, example = "pause")]
    pub action: Action,
    /// So many answers within the window are too many.
    pub threshold: u32,
    /// How long the window is.
    pub window_seconds: u32,
}

/// The rules of the pools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolRules {
    /// By provider. A pool that is not there has none.
    pub data: Vec<PoolRule>,
}

/// `POST /v1/operator/pool-rules`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"provider": "openai", "action": "pause", "threshold": 5, "windowSeconds": 86400}))]
pub struct SetPoolRule {
    /// The provider's slug.
    pub provider: String,
    /// `off`, `alert` or `pause`.
    #[schema(value_type = String, example = "pause")]
    pub action: Action,
    /// So many answers within the window are too many, 1 to 1,000,000; 5 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub threshold: Option<u32>,
    /// How long the window is, a minute to a day; a day when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 86_400)]
    pub window_seconds: Option<u32>,
}
