//! What happened, each thing once: `GET /v1/events`.

use keystore_core::ids::{EventId, ProjectId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::time::Time;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The id; ids ascend with time.
    #[schema(value_type = String, example = "evt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: EventId,
    /// What happened. `usage.threshold`: a budget reached one of its thresholds; `agent.budget_exceeded`: a call was refused for a
    /// budget; both once a window. `provider.circuit_opened`: the host of a credential fails, and calls are held back;
    /// `provider.circuit_closed`: it has answered again for five minutes. `credential.invalid`: the vendor refuses a key.
    /// `abuse.detected`: a rule found too much of what an agent does, and paused it, or told, once an hour.
    /// `agent.key_in_answer`: an answer to an agent held what looks like a vendor's key, once an hour.
    /// `credential.expiring`, `credential.rotation_due`: a key ends, or should be rotated, within 14, 7, 1 or 0 days.
    /// `pool.abuse_detected`, for the operator: a vendor holds too many calls of a customer of a pool to break its rules for use.
    /// `invoice.created`: a month was invoiced. `top_up.failed`: a payment that began by itself was refused; `top_up.capped`: the
    /// month's limit keeps credit from being topped up; for the operator `top_up.waits`: such a payment waits for the operator, and
    /// `top_up.unclear`: nobody knows whether a card was charged.
    #[schema(example = "usage.threshold")]
    pub kind: String,
    /// The id of what it happened to.
    #[schema(example = "bud_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub subject: String,
    /// The project that it belongs to, if it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "prj_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub project_id: Option<ProjectId>,
    /// When it was noticed.
    pub at: Time,
    /// The facts; for budgets `threshold` (in percent), `spent`, `limit`, `unit` and `windowStart`; for keys `provider` and `name`, with
    /// the `host` that fails, the `version` that is refused, or `dueAt` and `withinDays`; for abuse `agent`, `rule`, `action`, what was
    /// `found` and the `threshold` (dollars or requests), and `windowSeconds`; for a key in an answer `agent`, `provider`, the `form` of
    /// the key, the `request`, and whether it was `takenOut`; for invoices `month`, `total` and `due`.
    pub data: Value,
}

/// Which events, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListEvents {
    /// How many entries, 1 to 500; 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Of this project (id or slug) alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Of this kind alone, such as `usage.threshold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}
