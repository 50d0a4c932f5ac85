//! What holds for everything in an organization or in a project.

use crate::ids::{BudgetId, OrgId, ProjectId};
use crate::rate::RateLimits;

/// What decides over every call of an organization, or of one of its projects. Stored and authenticated as `AgentPolicy` is. There
/// is one for each, always: a missing one is as bad as a changed one.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct ScopePolicy {
    /// The organization.
    #[n(0)]
    pub org: OrgId,
    /// The project; `None` for the organization itself.
    #[n(1)]
    pub project: Option<ProjectId>,
    /// The budgets that its calls count against, besides those of their agents.
    #[n(2)]
    pub budgets: Vec<BudgetId>,
    /// What all of its calls together may not pass, at whatever provider.
    #[n(5)]
    #[cbor(default)]
    pub ceiling: RateLimits,
}

impl ScopePolicy {
    /// That limits nothing.
    pub fn open(org: OrgId, project: Option<ProjectId>) -> Self {
        Self {
            org,
            project,
            budgets: Vec::new(),
            ceiling: RateLimits::default(),
        }
    }

    /// The one byte form that is stored and authenticated.
    pub fn canonical(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }
}
