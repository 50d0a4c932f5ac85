//! Rules that watch agents: `GET|PATCH /v1/org/abuse-rules`, `/v1/projects/{id}/abuse-rules`, `/v1/agents/{id}/abuse-rules`.
//!
//! Thresholds are texts, as the limits of budgets are: decimal dollars for the spend rate, whole numbers of requests for the others.

use keystore_core::abuse::Action;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::patch::Patch;
use crate::schema;

/// The rules in force in a place: of each kind the one that is set there, else the one above; `null` where none is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AbuseRules {
    /// So many requests are refused for what the agent does.
    pub refusals: Option<AbuseRule>,
    /// Calls cost so many dollars.
    pub spend_rate: Option<AbuseRule>,
    /// So many requests have the same method, path and body.
    pub identical_requests: Option<AbuseRule>,
}

/// A rule in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AbuseRule {
    /// What happens when the rule finds so much.
    #[schema(value_type = schema::AbuseAction)]
    pub action: Action,
    /// How much is too much: dollars, or a number of requests.
    #[schema(example = "60")]
    pub threshold: String,
    /// Within so many seconds.
    #[schema(example = 60)]
    pub window_seconds: u32,
    /// Where it is set.
    pub set_by: SetBy,
}

/// Where a rule is set. What is set nearer to an agent counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum SetBy {
    /// For all agents of the organization.
    Org,
    /// For those of a project.
    Project,
    /// For one agent.
    Agent,
}

impl SetBy {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Org => "org",
            Self::Project => "project",
            Self::Agent => "agent",
        }
    }
}

/// What is absent stays as it is set, `null` takes the rule away: then what is set above counts. In force on the next request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "refusals": {"action": "alert"},
    "spendRate": {"action": "pause", "threshold": "20.00", "windowSeconds": 600},
    "identicalRequests": null
}))]
pub struct UpdateAbuseRules {
    /// So many requests are refused; 60 in 60 seconds where nothing else is said.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<SetAbuseRule>)]
    pub refusals: Patch<SetAbuseRule>,
    /// Calls cost so many dollars; 10.00 in 600 seconds where nothing else is said.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<SetAbuseRule>)]
    pub spend_rate: Patch<SetAbuseRule>,
    /// So many identical requests; 30 in 60 seconds where nothing else is said.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<SetAbuseRule>)]
    pub identical_requests: Patch<SetAbuseRule>,
}

/// A rule, whole: what is absent has its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetAbuseRule {
    /// `alert`: an event; `pause`: the agent is paused as well, until a person resumes it; `off`: no rule here, whatever is set above.
    #[schema(value_type = schema::AbuseAction)]
    pub action: Action,
    /// How much is too much: dollars above 0, or 1 to 1,000,000 requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<String>,
    /// Within so many seconds, 10 to 3,600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 10, maximum = 3_600)]
    pub window_seconds: Option<u32>,
}
