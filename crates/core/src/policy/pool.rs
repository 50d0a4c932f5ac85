//! A credential of the operator's pool: whom it serves, and how much.

use crate::ids::{CredentialId, OrgId};
use crate::words::words;

words! {
    /// Where a pooled credential stands in its life.
    PoolState {
        /// Stored, not tried.
        Pending = 0 "pending",
        /// The vendor takes it; it serves nobody yet.
        Verified = 1 "verified",
        /// Serves.
        Active = 2 "active",
        /// Ends what it began and takes no more.
        Draining = 3 "draining",
        /// Over.
        Revoked = 4 "revoked",
    }
}

impl PoolState {
    /// Whether calls that run on it may end there.
    pub const fn finishes(self) -> bool {
        matches!(self, Self::Active | Self::Draining)
    }
}

/// A credential in a provider's pool. Stored and authenticated as `AgentPolicy` is.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct PoolPolicy {
    /// The credential.
    #[n(0)]
    pub credential: CredentialId,
    /// The operator's organization, which it belongs to.
    #[n(1)]
    pub org: OrgId,
    /// The provider's slug.
    #[n(2)]
    pub provider: String,
    /// Where it stands.
    #[n(3)]
    pub state: PoolState,
    /// Its share of the calls, beside the others'; at least 1.
    #[n(4)]
    pub weight: u32,
    /// The one organization that it serves; `None` for all.
    #[n(5)]
    pub dedicated_to: Option<OrgId>,
    /// Calls at the same time; `None` is as many as the vendor lets it.
    #[n(6)]
    pub max_concurrency: Option<u32>,
}

impl PoolPolicy {
    /// The one byte form that is stored and authenticated.
    pub fn canonical(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }

    /// Whether it may serve `org` at all.
    pub fn serves(&self, org: OrgId) -> bool {
        self.dedicated_to.is_none_or(|only| only == org)
    }
}
