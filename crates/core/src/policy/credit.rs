//! What an organization may spend at the marketplace.

use super::{BudgetPolicy, Source};
use crate::ids::{BudgetId, OrgId};
use crate::money::NanoUsd;
use crate::window::Window;

/// What an organization has paid in and may owe. Stored and authenticated as `AgentPolicy` is. Without one, there is no credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct CreditPolicy {
    /// The organization.
    #[n(0)]
    pub org: OrgId,
    /// All that was ever paid in, given or given back, less what was taken out or expired. What was spent is not taken off.
    #[n(1)]
    pub granted: NanoUsd,
    /// How far spending may go beyond that, to be paid by invoice; zero where everything is paid before.
    #[n(2)]
    pub limit: NanoUsd,
}

impl CreditPolicy {
    /// Nothing.
    pub const fn none(org: OrgId) -> Self {
        Self {
            org,
            granted: NanoUsd::ZERO,
            limit: NanoUsd::ZERO,
        }
    }

    /// The id under which the spending of `org` is counted: its own, which no budget has.
    pub const fn counter(org: OrgId) -> BudgetId {
        BudgetId::new(org.uuid())
    }

    /// The one byte form that is stored and authenticated.
    pub fn canonical(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }

    /// Credit as the budget that it is: over all calls with pooled credentials, for ever, strict. Every call of the marketplace counts
    /// against it in the same step as against all others.
    pub fn budget(&self) -> BudgetPolicy {
        let limit = self.granted.0.saturating_add(self.limit.0);
        BudgetPolicy {
            source: Some(Source::Marketplace),
            ..BudgetPolicy::new(Self::counter(self.org), self.org, limit, Window::Total)
        }
    }
}
