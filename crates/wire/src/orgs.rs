//! Organizations: `GET|POST /v1/orgs` are those of a person, `GET|PATCH|DELETE /v1/org` is the one that the caller speaks for.

use keystore_core::ids::OrgId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::time::Time;

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Org {
    /// The id.
    #[schema(value_type = String, example = "org_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: OrgId,
    /// The name in URLs, unique in the deployment.
    #[schema(example = "acme-inc")]
    pub slug: String,
    /// The name.
    #[schema(example = "Acme Inc")]
    pub name: String,
    /// The IANA time zone whose days, weeks and months its budgets follow.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
    /// Whether its events are mailed to its owners and admins.
    pub event_mails: bool,
    /// Whether its members need a second factor: who has none can only set one up.
    pub second_factor_required: bool,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// `POST /v1/orgs`: another organization of the same person, who owns it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "Acme Labs", "timeZone": "Europe/Berlin"}))]
pub struct CreateOrg {
    /// The name.
    pub name: String,
    /// The name in URLs; made from the name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// The IANA time zone of its budgets; UTC when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// `PATCH /v1/org`. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateOrg {
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Acme")]
    pub name: Option<String>,
    /// A new name in URLs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// A new time zone; budgets follow it from their next window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
    /// Whether events are mailed to owners and admins; they are, until this says no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_mails: Option<bool>,
    /// Whether members need a second factor. Who says yes in a session needs one first. Management keys go on working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_factor_required: Option<bool>,
}

/// `DELETE /v1/org`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeleteOrg {
    /// The organization's slug, so that nobody ends another one than they think.
    #[serde(default)]
    pub confirm: String,
}
