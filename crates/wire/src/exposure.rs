//! What the operator may lose with each customer: `GET /v1/operator/exposure`.

use keystore_core::NanoUsd;
use keystore_core::ids::OrgId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// By which terms bills are to be paid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExposureQuery {
    /// What an invoice left to pay is overdue after so many days, 0 to 365; 30 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0, maximum = 365)]
    pub overdue_after_days: Option<u32>,
}

/// What may be lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exposures {
    /// By customer, those with the most at risk first.
    pub data: Vec<Exposure>,
    /// What all have used beyond what they paid.
    #[schema(value_type = String, example = "1200.00")]
    pub used: NanoUsd,
    /// What running calls of all hold.
    #[schema(value_type = String, example = "3.10")]
    pub held: NanoUsd,
    /// What may be lost with all.
    #[schema(value_type = String, example = "1202.00")]
    pub at_risk: NanoUsd,
    /// What all owe by invoices.
    #[schema(value_type = String, example = "800.00")]
    pub billed: NanoUsd,
    /// What of it is overdue.
    #[schema(value_type = String, example = "150.00")]
    pub overdue: NanoUsd,
}

/// What may be lost with a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exposure {
    /// The customer.
    #[schema(value_type = String, example = "org_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub org_id: OrgId,
    /// Its name; empty where it has ended.
    #[schema(example = "Acme")]
    pub name: String,
    /// How far its spending may go beyond what was paid.
    #[schema(value_type = String, example = "500.00")]
    pub limit: NanoUsd,
    /// What it has used beyond what was paid, billed or not.
    #[schema(value_type = String, example = "320.50")]
    pub used: NanoUsd,
    /// What its running calls hold.
    #[schema(value_type = String, example = "0.42")]
    pub held: NanoUsd,
    /// What may be lost: what it will have used beyond what was paid when the running calls cost what they hold.
    #[schema(value_type = String, example = "320.92")]
    pub at_risk: NanoUsd,
    /// What it owes by invoices; part of `used`.
    #[schema(value_type = String, example = "200.00")]
    pub billed: NanoUsd,
    /// What of that is overdue.
    #[schema(value_type = String, example = "0.00")]
    pub overdue: NanoUsd,
}
