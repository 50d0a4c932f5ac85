//! What opens a provider to an agent: whose credential, for which operations, and what else may serve.

use super::{Access, ScopeAction, Source};
use crate::ids::{BudgetId, CredentialId};
use crate::money::NanoUsd;

/// One provider that an agent may use. At most one per agent and provider.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Grant {
    /// The provider's slug.
    #[n(0)]
    pub provider: String,
    /// Whose credential is used.
    #[n(1)]
    pub source: Source,
    /// The credential; always set for `byok` (chosen when the grant is made), never for `marketplace`.
    #[n(2)]
    pub credential: Option<CredentialId>,
    /// What is allowed; empty means every operation except credential-minting ones.
    #[n(3)]
    pub scopes: Vec<ScopeAction>,
    /// What serves a `byok` grant while its own credential cannot.
    #[n(4)]
    pub fallback: Option<Fallback>,
    /// What it was moved away from: calls that began there end there.
    #[n(5)]
    pub former: Option<Former>,
}

/// The pool serves where the customer's own credential is missing, disabled, expired or refused. Only where it is written here, and
/// never beyond the cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Fallback {
    /// What may be spent so in a month.
    #[n(0)]
    pub monthly: NanoUsd,
    /// What the cap is counted under.
    #[n(1)]
    pub budget: BudgetId,
}

/// Where a grant got its credential before it was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Former {
    /// Whose.
    #[n(0)]
    pub source: Source,
    /// Which; of `byok` alone.
    #[n(1)]
    pub credential: Option<CredentialId>,
}

impl Grant {
    /// A grant of everything but what mints credentials, without a fallback.
    pub fn new(provider: impl Into<String>, source: Source, credential: Option<CredentialId>) -> Self {
        Self {
            provider: provider.into(),
            source,
            credential,
            scopes: Vec::new(),
            fallback: None,
            former: None,
        }
    }

    /// Whether an operation of this kind is allowed.
    pub fn allows(&self, access: Access) -> bool {
        self.scopes.is_empty() || self.scopes.iter().any(|scope| scope.covers(access))
    }

    /// Whether the pool may serve it: by itself, as a fallback, or a call that began there before it was moved.
    pub fn reaches_pool(&self) -> bool {
        self.source == Source::Marketplace || self.fallback.is_some()
    }
}
