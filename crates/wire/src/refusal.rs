//! The body of a refusal on the data plane: one shape that the vendors' SDKs turn into their own exceptions with our message.
//!
//! OpenAI's read `error.message` and `error.code`, Anthropic's `type` and `error.type`, Resend's `name` and `message`, Tavily's
//! `detail.error`.

use keystore_core::NanoUsd;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Time;

/// The body of every refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "type": "error",
    "error": {
        "type": "budget_exceeded", "code": "budget_exceeded",
        "message": "This call may cost up to $0.03, which the budget of $50.00 does not afford.",
        "limitType": "budget", "limit": "50.00", "spent": "49.98", "held": "0.02",
        "resetAt": "2026-12-01T00:00:00.000Z", "remedy": "Raise the budget, or ask for less output."
    },
    "name": "budget_exceeded",
    "message": "This call may cost up to $0.03, which the budget of $50.00 does not afford.",
    "detail": {"error": "This call may cost up to $0.03, which the budget of $50.00 does not afford."},
    "requestId": "req_01jd3w8f0qe7ys4c9p2m5n6r7t"
}))]
pub struct RefusalBody {
    /// Always `error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The refusal and its facts.
    pub error: RefusalFacts,
    /// The code again.
    pub name: String,
    /// The message again.
    pub message: String,
    /// The message a third time.
    pub detail: RefusalDetail,
    /// The request's id; absent from the answer to a bad token, which is the same bytes for everyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// All that Tavily's SDKs read of an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusalDetail {
    /// The message.
    pub error: String,
}

/// What was refused, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusalFacts {
    /// The code, under the name that Anthropic's SDK reads.
    #[serde(rename = "type")]
    pub kind: String,
    /// The stable code.
    pub code: String,
    /// What, why, what to do.
    pub message: String,
    /// Which limit: `rpm`, `rpd`, `budget`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_type: Option<String>,
    /// The limit: requests, or US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// Settled in this window, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub spent: Option<NanoUsd>,
    /// Held by running calls, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub held: Option<NanoUsd>,
    /// What this call would have had to hold, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub needed: Option<NanoUsd>,
    /// When the limit starts anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_at: Option<Time>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}
