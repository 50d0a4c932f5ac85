//! What the operator sold, and what it cost: `GET /v1/operator/sales`; against what a vendor says it bills:
//! `POST /v1/operator/reconciliations`.

use keystore_core::NanoUsd;
use keystore_core::ids::{CredentialId, OrgId, TransactionId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::time::Time;

/// Which sales.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SalesQuery {
    /// What to group by, with commas: `provider`, `org`, `credential`, `day`. `provider` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Of UTC days from this time on; the first of the UTC month when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Of UTC days up to this time; now when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Of this provider (slug) alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// What was sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SalesReport {
    /// From this UTC day on.
    #[schema(example = "2026-11-01")]
    pub since: String,
    /// Up to this UTC day, itself included.
    #[schema(example = "2026-11-26")]
    pub until: String,
    /// The sums.
    pub rows: Vec<Sale>,
    /// All of them together.
    pub total: Sale,
}

/// A sum. What was not grouped by is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sale {
    /// The provider's slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub org_id: Option<OrgId>,
    /// The pooled credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub credential_id: Option<CredentialId>,
    /// The UTC day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// Calls.
    pub calls: u64,
    /// Calls that went on with another key.
    pub failed_over: u64,
    /// What customers were charged.
    #[schema(value_type = String, example = "110.00")]
    pub sold: NanoUsd,
    /// What it costs the operator, by the prices in the book.
    #[schema(value_type = String, example = "100.00")]
    pub vendor_cost: NanoUsd,
    /// The difference.
    #[schema(value_type = String, example = "10.00")]
    pub margin: NanoUsd,
}

/// `POST /v1/operator/reconciliations`: what a vendor says it bills, day by day, beside what its calls were thought to cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"provider": "openai", "report": {"object": "page", "data": [{"object": "bucket", "start_time": 1795651200,
    "end_time": 1795737600, "results": [{"object": "organization.costs.result", "amount": {"value": 1.25, "currency": "usd"}}]}]}}))]
pub struct Reconcile {
    /// The provider's slug.
    pub provider: String,
    /// The vendor's cost report as it gave it: a page, or a list of pages, of OpenAI's costs API (`GET /v1/organization/costs` by days).
    pub report: serde_json::Value,
    /// Post the differences into the operator's books, a transaction a day; otherwise they are only shown.
    #[serde(default)]
    pub post: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reconciliation {
    /// The provider's slug.
    #[schema(example = "openai")]
    pub provider: String,
    /// Day by day.
    pub days: Vec<ReconciledDay>,
    /// What the vendor bills for all of them.
    #[schema(value_type = String, example = "101.20")]
    pub billed: NanoUsd,
    /// What it was thought to cost.
    #[schema(value_type = String, example = "100.00")]
    pub metered: NanoUsd,
    /// How much more the vendor bills; negative where it bills less.
    #[schema(value_type = String, example = "1.20")]
    pub drift: NanoUsd,
}

/// A day of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReconciledDay {
    /// The UTC day.
    #[schema(example = "2026-11-22")]
    pub day: String,
    /// What the vendor bills.
    #[schema(value_type = String, example = "120.50")]
    pub billed: NanoUsd,
    /// What its calls were thought to cost.
    #[schema(value_type = String, example = "119.98")]
    pub metered: NanoUsd,
    /// The difference.
    #[schema(value_type = String, example = "0.52")]
    pub drift: NanoUsd,
    /// The transaction of the operator's books that holds the difference, once it is posted. A day is posted once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub transaction_id: Option<TransactionId>,
}
