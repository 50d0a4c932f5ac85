//! The kill switch: `GET|POST /v1/revocations`, `DELETE /v1/revocations/{id}`.

use keystore_core::ids::RevocationId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::time::Time;

/// What a revocation stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RevocationScope {
    /// Every agent of the organization. Can be lifted.
    Org,
    /// Every agent of a project. Can be lifted.
    Project,
    /// Every call of the organization to a provider. Can be lifted.
    Provider,
    /// An agent, for good.
    Agent,
    /// A token, for good.
    Token,
}

impl RevocationScope {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Org => "org",
            Self::Project => "project",
            Self::Provider => "provider",
            Self::Agent => "agent",
            Self::Token => "token",
        }
    }

    /// Whether it can be lifted.
    pub const fn can_be_lifted(self) -> bool {
        !matches!(self, Self::Agent | Self::Token)
    }
}

/// `POST /v1/revocations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"scope": "project", "id": "customer-42", "reason": "their key leaked"}))]
pub struct CreateRevocation {
    /// What kind of thing is stopped.
    pub scope: RevocationScope,
    /// Which one: an id, a name or slug where it has one, the slug of a provider. Absent for the organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Why, for whoever reads it later; at most 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `POST /v1/revocations`, the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RevocationQuery {
    /// 0: do not wait for calls under way; the answer is 202 with `propagated: false`. 1, or absent: wait, for a second at most.
    #[serde(default = "one")]
    #[param(maximum = 1)]
    pub wait: u8,
}

const fn one() -> u8 {
    1
}

/// Something that is stopped until it is lifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revocation {
    /// The id that it is lifted by.
    #[schema(value_type = String, example = "rvk_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: RevocationId,
    /// What kind of thing is stopped: `org`, `project` or `provider`.
    pub scope: RevocationScope,
    /// Its id, or the slug of the provider.
    #[schema(example = "prj_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub subject: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when.
    pub created_at: Time,
}

/// The answer to `POST /v1/revocations`. When it is given, no request that arrives later is forwarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revoked {
    /// The id that it is lifted by; absent for an agent and a token, which are revoked for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "rvk_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: Option<RevocationId>,
    /// What kind of thing was stopped.
    pub scope: RevocationScope,
    /// Its id, or the slug of the provider.
    #[schema(example = "prj_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub subject: String,
    /// Every call that was under way and concerned has ended, too. If not, the rest of them end within a second.
    pub propagated: bool,
    /// How long that was waited for, in milliseconds.
    pub waited_ms: u64,
    /// How many calls that were under way were cut, up to this answer.
    pub streams_cut: u64,
}
