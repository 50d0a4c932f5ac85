//! Roles in an organization, as the API names them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a member or a management key may do; the table of rights stands in the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, the organization itself included.
    Owner,
    /// Everything but billing and the organization itself.
    Admin,
    /// Agents, tokens and budgets.
    Member,
    /// Usage, budgets and billing.
    Billing,
    /// Reading.
    Viewer,
}

impl Role {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Billing => "billing",
            Self::Viewer => "viewer",
        }
    }
}
