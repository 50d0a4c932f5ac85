//! What happened, each thing once: `GET /v1/events`.

use keystore_core::ids::{EventId, ProjectId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::time::Time;

macro_rules! kinds {
    ($($name:ident = $text:literal, $about:literal;)*) => {
        /// What can happen.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $about] $name,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The kind as it stands in answers and messages.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// What it means, in a sentence.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$name => $about),* }
            }
        }
    };
}

kinds! {
    AgentCreated = "agent.created", "An agent was made.";
    AgentDeleted = "agent.deleted", "An agent was deleted for good.";
    BudgetExceeded = "agent.budget_exceeded", "A call was refused for a budget; once a window.";
    UsageThreshold = "usage.threshold", "A budget reached one of its thresholds; once a window.";
    AbuseDetected = "abuse.detected", "A rule found too much of what an agent does, and paused it, or told, once an hour.";
    KeyInAnswer = "agent.key_in_answer", "An answer to an agent held what looks like a vendor's key; once an hour.";
    AccessRequested = "access.requested", "An agent asks for access.";
    AccessDecided = "access.decided", "Somebody approved or denied what an agent asked for.";
    CircuitOpened = "provider.circuit_opened", "The host of a credential fails, and calls are held back.";
    CircuitClosed = "provider.circuit_closed", "It has answered again for five minutes.";
    CredentialInvalid = "credential.invalid", "The vendor refuses a key.";
    CredentialExpiring = "credential.expiring", "A key ends within 14, 7, 1 or 0 days.";
    CredentialRotationDue = "credential.rotation_due", "A key should be rotated within 14, 7, 1 or 0 days.";
    CredentialRotated = "credential.rotated", "A key was replaced by another.";
    KekRotated = "kek.rotated", "The organization has a new generation of its key-encryption key.";
    InvoiceCreated = "invoice.created", "A month was invoiced.";
    TopUpFailed = "top_up.failed", "A payment that began by itself was refused.";
    TopUpCapped = "top_up.capped", "The month's limit keeps credit from being topped up.";
    TopUpWaits = "top_up.waits", "For the operator: a payment that began by itself waits for the operator.";
    TopUpUnclear = "top_up.unclear", "For the operator: nobody knows whether a card was charged.";
    PoolAbuse = "pool.abuse_detected", "For the operator: a vendor holds too many calls of a customer of a pool to break its rules.";
    PoolRotationWaits = "pool.rotation_waits", "For the operator: the rotation of a pooled key waits for a person.";
    PoolKeyRotated = "pool.key_rotated", "For the operator: a pooled key was renewed.";
    PoolRotationUndone = "pool.rotation_undone", "For the operator: the rotation of a pooled key was undone.";
    AuditSinkFailed = "audit.sink_failed", "For the operator: a checkpoint of the audit log did not reach a sink, or none can be signed.";
    WebhookDisabled = "webhook.disabled", "A webhook took nothing for 72 hours, or answered 410, and is disabled.";
    WebhookTest = "webhook.test", "Somebody tests a webhook; sent to that one alone, whatever it is told of.";
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The id; ids ascend with time.
    #[schema(value_type = String, example = "evt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: EventId,
    /// What happened; `docs/operations.md` says what every kind means.
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
    /// the key, the `request`, and whether it was `takenOut`; for access `agent`, `agentId` and `provider`, with what is wanted and the
    /// agent's `reason`, or the `state`, what was `granted` and the `note`; for invoices `month`, `total` and `due`.
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
