//! How the operator's pools are used: `GET /v1/operator/pool-use`.

use keystore_core::ids::{CredentialId, OrgId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::time::Time;

/// Which uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PoolUseQuery {
    /// What to group by, with commas: `provider`, `org`, `credential`, `day`, `hour`. `provider,credential` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Of hours from this time on; the last 24 hours when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Of hours up to this time; now when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Of this provider (slug) alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// How the pools were used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolUseReport {
    /// From the hour of this time on.
    pub since: Time,
    /// Up to the hour of this time, itself included.
    pub until: Time,
    /// The sums.
    pub rows: Vec<PoolUse>,
    /// All of them together.
    pub total: PoolUse,
}

/// A sum. What was not grouped by is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolUse {
    /// The provider's slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub org_id: Option<OrgId>,
    /// The pooled credential; absent also for calls that got none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub credential_id: Option<CredentialId>,
    /// When the hour or the UTC day began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// Calls that got a key.
    pub granted: u64,
    /// Those of them that waited for it.
    pub waited: u64,
    /// How long these waited, together, in milliseconds.
    pub waited_ms: u64,
    /// Calls that got none: the pool was full, or had no key that works.
    pub refused: u64,
    /// Calls that went on with another key.
    pub failed_over: u64,
    /// The largest share of the vendor's own limit that was used, in thousandths, as far as the vendor said it.
    pub most_used_permille: u32,
}
