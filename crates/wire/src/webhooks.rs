//! Webhooks: addresses that an organization's events are told to, and each event on its way there: `GET|POST /v1/webhooks`,
//! `GET|PATCH|DELETE /v1/webhooks/{webhook}`, `POST …/test`, `POST …/rotate-secret`, `GET …/deliveries`,
//! `GET /v1/webhook-deliveries/{delivery}`, `POST …/redeliver`.

use keystore_core::ids::{DeliveryId, EventId, OrgId, ProjectId, WebhookId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::patch::Patch;
use crate::time::Time;

/// The most webhooks of an organization.
pub const MAX_WEBHOOKS: usize = 20;

/// The longest that a secret which was replaced signs beside its successor, in seconds: a week.
pub const MAX_OVERLAP_SECONDS: u32 = 604_800;

/// How long it does where nothing is said, in seconds: a day.
pub const DEFAULT_OVERLAP_SECONDS: u32 = 86_400;

/// Whether events are sent to a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebhookStatus {
    /// They are.
    Active,
    /// They are not.
    Disabled,
}

/// Why a webhook is disabled by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DisabledBecause {
    /// It took nothing for 72 hours.
    Failing,
    /// It answered 410.
    Gone,
    /// Its secret was destroyed with the organization's keys.
    Lost,
}

/// An address that events are told to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// The id.
    #[schema(value_type = String, example = "whk_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: WebhookId,
    /// A name, unique in the organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "billing")]
    pub name: Option<String>,
    /// The address.
    #[schema(example = "https://example.com/hooks/keystore")]
    pub url: String,
    /// What it is told of: kinds of events, groups such as `agent.*`, or `*`.
    #[schema(example = json!(["agent.*", "usage.threshold"]))]
    pub events: Vec<String>,
    /// What it is for.
    #[schema(example = "Alerts of the platform team")]
    pub description: String,
    /// Whether events are sent to it.
    pub status: WebhookStatus,
    /// Why it is disabled, where nobody did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_because: Option<DisabledBecause>,
    /// Since when it takes nothing; absent where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Time>,
    /// Until when the secret before this one signs, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_secret_until: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
    /// The `whsec_` secret that messages are signed with: in the answer that makes it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "whsec_…")]
    pub secret: Option<String>,
}

/// `POST /v1/webhooks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"url": "https://example.com/hooks/keystore", "events": ["agent.*", "usage.threshold"]}))]
pub struct CreateWebhook {
    /// The address: `https`, unless the operator allows the host and port.
    pub url: String,
    /// What it is told of: kinds of events, groups such as `agent.*`, or `*`.
    pub events: Vec<String>,
    /// A name, unique in the organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// The answer to `POST /v1/webhooks` and `POST /v1/webhooks/{webhook}/rotate-secret`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedWebhook {
    /// The webhook, with its secret, which is shown once; without it when the same request came before.
    pub endpoint: Webhook,
    /// Whether the secret was shown by an earlier answer to the same request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret_shown: bool,
    /// What to do where the secret was shown and is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// `PATCH /v1/webhooks/{webhook}`. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"events": ["*"], "enabled": true}))]
pub struct UpdateWebhook {
    /// Another address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// All that it is told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// A name; `null` is none.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<String>)]
    pub name: Patch<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether events are sent to it. What waited while it was disabled is sent then, unless it is older than 72 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// `POST /v1/webhooks/{webhook}/rotate-secret`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"overlapSeconds": 86400}))]
pub struct RotateWebhookSecret {
    /// For how long the secret before signs, too: at most 604800 (a week), 86400 (a day) by default, 0 for not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 604_800)]
    pub overlap_seconds: Option<u32>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryStatus {
    /// It is tried, or tried again.
    Pending,
    /// The receiver took it.
    Delivered,
    /// It was given up.
    Dead,
}

impl DeliveryStatus {
    /// The name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// An event on its way to a webhook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The id.
    #[schema(value_type = String, example = "dlv_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: DeliveryId,
    /// The webhook.
    #[schema(value_type = String, example = "whk_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub webhook_id: WebhookId,
    /// The event: what `webhook-id` says, in every attempt.
    #[schema(value_type = String, example = "evt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub event_id: EventId,
    /// What happened.
    #[schema(example = "agent.created")]
    pub event: String,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// How often it was tried since it was made, or redelivered.
    pub attempts: u32,
    /// When it was made, or redelivered.
    pub created_at: Time,
    /// When it was last tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried_at: Option<Time>,
    /// When it is tried next; absent at its end. Later where the webhook as a whole fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Time>,
    /// The status of the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 200)]
    pub answer_status: Option<u16>,
    /// How the last answer began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Why it was not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Which deliveries, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListDeliveries {
    /// How many entries, 1 to 500; 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Those that stand so alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub status: Option<DeliveryStatus>,
}

/// What is sent to a webhook: the body of every message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The event's id: the same in every attempt, so that a receiver can tell what it has seen.
    #[schema(value_type = String, example = "evt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: EventId,
    /// What happened.
    #[schema(example = "agent.created")]
    pub event: String,
    /// The same, where Standard Webhooks has it.
    #[serde(rename = "type")]
    #[schema(example = "agent.created")]
    pub kind: String,
    /// When it was noticed.
    pub timestamp: Time,
    /// The organization.
    #[schema(value_type = String, example = "org_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub org_id: OrgId,
    /// The project, if it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "prj_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub project_id: Option<ProjectId>,
    /// The id of what it happened to.
    #[schema(example = "agt_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub subject: String,
    /// The facts.
    pub data: Value,
}
