//! What the operator says of a customer inside a pool, and of a pool as a whole.

use std::num::NonZeroU32;

use crate::abuse;
use crate::ids::OrgId;
use crate::pool::TenantTerms;
use crate::words::words;

words! {
    /// Who has paused a customer.
    PausedBy {
        /// A person.
        Operator = 0 "operator",
        /// The rule of the pool.
        Rule = 1 "rule",
    }
}

/// What holds for a customer inside a provider's pool. Stored and authenticated as `AgentPolicy` is.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct TenantPolicy {
    /// The customer.
    #[n(0)]
    pub org: OrgId,
    /// The provider's slug.
    #[n(1)]
    pub provider: String,
    /// Its share of the grants, against the other customers that wait; at least 1.
    #[n(2)]
    pub weight: u32,
    /// The most calls that it has running there at the same time.
    #[n(3)]
    pub max_concurrency: Option<u32>,
    /// Who has paused it there: it is not served.
    #[n(4)]
    pub paused: Option<PausedBy>,
}

impl TenantPolicy {
    /// What holds where nothing was said.
    pub fn usual(org: OrgId, provider: &str) -> Self {
        Self {
            org,
            provider: provider.to_owned(),
            weight: 1,
            max_concurrency: None,
            paused: None,
        }
    }

    /// The one byte form that is stored and authenticated.
    pub fn canonical(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }

    /// What the queue of the pool goes by.
    pub fn terms(&self) -> TenantTerms {
        TenantTerms {
            weight: NonZeroU32::new(self.weight).unwrap_or(NonZeroU32::MIN),
            max_in_flight: self.max_concurrency.and_then(NonZeroU32::new),
        }
    }
}

/// What holds for all customers of a provider's pool. Stored and authenticated as `AgentPolicy` is.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct PoolRule {
    /// The provider's slug.
    #[n(0)]
    pub provider: String,
    /// How many signs of abuse of one customer are too many, and what happens then.
    #[n(1)]
    pub abuse: abuse::Rule,
}

impl PoolRule {
    /// The one byte form that is stored and authenticated.
    pub fn canonical(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }
}
