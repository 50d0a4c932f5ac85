//! What an agent may do: its policy, and the decision over one request.

mod book;
mod budget;
mod credit;
mod grant;
mod label;
mod pool;
mod price;
mod scope;
mod tenant;
mod top_up;

pub use book::{Listing, Markup, PriceBook, PriceRule, PriceTier, Rate, Sold};
pub use budget::{BudgetAction, BudgetMode, BudgetPolicy, Call, Each, MAX_END_USER, Raise, Unit};
pub use credit::CreditPolicy;
pub use grant::{Fallback, Former, Grant};
pub use label::{AGREEMENT_NEEDED, Demand, LabelRule, OWN_KEYS_ONLY, demanded, forbidden};
pub use pool::{PoolPolicy, PoolState};
pub use price::{OwnPrice, UnitPrice};
pub use scope::{ScopePolicy, SuspendedProvider, Suspension};
pub use tenant::{PausedBy, PoolRule, TenantPolicy};
pub use top_up::{Card, CardCharge, TopUpPolicy};

use crate::abuse;
use crate::deny::Deny;
use crate::ids::{AgentId, BudgetId, OrgId, ProjectId, ProviderId, TokenId};
use crate::time::Micros;
use crate::token::TokenHash;

/// Whose credential is used. Chosen per grant, never changed silently.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    minicbor::Encode,
    minicbor::Decode,
)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Source {
    /// The customer's own credential.
    #[n(0)]
    Byok,
    /// The operator's pool.
    #[n(1)]
    Marketplace,
}

impl Source {
    /// The name in the API and in `x-keystore-source`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Byok => "byok",
            Self::Marketplace => "marketplace",
        }
    }
}

/// Whether an operation reads or writes, for scopes.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    minicbor::Encode,
    minicbor::Decode,
)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Access {
    /// Does not change anything at the vendor and costs nothing worth a limit.
    #[n(0)]
    Read,
    /// Everything else.
    #[n(1)]
    Write,
}

/// What a scope allows on its provider: `provider:<slug>:read`, `:write` or `:*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum ScopeAction {
    /// Operations that read.
    #[n(0)]
    Read,
    /// Operations that write.
    #[n(1)]
    Write,
    /// Both. Not credential-minting operations: those are denied to everyone.
    #[n(2)]
    All,
}

impl ScopeAction {
    /// Whether this action covers `access`.
    pub const fn covers(self, access: Access) -> bool {
        matches!(
            (self, access),
            (Self::All, _) | (Self::Read, Access::Read) | (Self::Write, Access::Write)
        )
    }

    /// The last part of a scope.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::All => "*",
        }
    }

    /// The action of the scope `text`, which must be `provider:<provider>:<action>`.
    pub fn of_scope(text: &str, provider: &str) -> Option<Self> {
        let action = text
            .strip_prefix("provider:")?
            .strip_prefix(provider)?
            .strip_prefix(':')?;
        match action {
            "read" => Some(Self::Read),
            "write" => Some(Self::Write),
            "*" => Some(Self::All),
            _ => None,
        }
    }
}

/// The state of an agent.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    minicbor::Encode,
    minicbor::Decode,
)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum AgentStatus {
    /// Serves requests.
    #[n(0)]
    Active,
    /// Refused with `agent_paused` until it is resumed.
    #[n(1)]
    Paused,
    /// Refused for good, as an unknown token is.
    #[n(2)]
    Revoked,
}

impl AgentStatus {
    /// The name in the API and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Revoked => "revoked",
        }
    }
}

/// Everything about an agent that decides over its requests. Its CBOR form is what is stored and authenticated by a MAC, so
/// that somebody who can only write to the database cannot widen it.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct AgentPolicy {
    /// The agent.
    #[n(0)]
    pub agent: AgentId,
    /// Its organization.
    #[n(1)]
    pub org: OrgId,
    /// Its project.
    #[n(2)]
    pub project: ProjectId,
    /// Active, paused or revoked.
    #[n(3)]
    pub status: AgentStatus,
    /// From this time on the agent is refused as an unknown token is.
    #[n(4)]
    pub expires_at: Option<Micros>,
    /// The providers it may use.
    #[n(5)]
    pub grants: Vec<Grant>,
    /// Requests a minute per provider; `None` is the deployment's default, 0 blocks.
    #[n(6)]
    pub rpm_limit: Option<u32>,
    /// Requests a UTC day per provider; `None` is the deployment's default, 0 blocks.
    #[n(7)]
    pub rpd_limit: Option<u32>,
    /// The budgets that its spending counts against, each of which must admit a call.
    #[n(8)]
    pub budgets: Vec<BudgetId>,
    /// Models it may name; empty means all.
    #[n(9)]
    pub allowed_models: Vec<String>,
    /// Networks it may call from, as `address/prefix`; empty means all.
    #[n(10)]
    pub allowed_ips: Vec<String>,
    /// Labels.
    #[n(11)]
    pub labels: Vec<String>,
    /// Every request must say for which end user it is.
    #[n(12)]
    #[cbor(default)]
    pub end_users: bool,
    /// Tokens a minute per provider; `None` is no limit, 0 blocks.
    #[n(13)]
    pub tpm_limit: Option<u32>,
    /// Calls at the same time per provider; `None` is no limit, 0 blocks.
    #[n(14)]
    pub max_concurrency: Option<u32>,
    /// The rules against abuse that are set for it alone.
    #[n(15)]
    #[cbor(default)]
    pub abuse: abuse::Rules,
    /// The rule that paused it, while it is paused by one.
    #[n(16)]
    pub paused_by: Option<abuse::Kind>,
}

impl AgentPolicy {
    /// An active agent that may use nothing yet, and that nothing of its own limits.
    pub fn new(agent: AgentId, org: OrgId, project: ProjectId) -> Self {
        Self {
            agent,
            org,
            project,
            status: AgentStatus::Active,
            expires_at: None,
            grants: Vec::new(),
            rpm_limit: None,
            rpd_limit: None,
            budgets: Vec::new(),
            allowed_models: Vec::new(),
            allowed_ips: Vec::new(),
            labels: Vec::new(),
            end_users: false,
            tpm_limit: None,
            max_concurrency: None,
            abuse: abuse::Rules::default(),
            paused_by: None,
        }
    }

    /// The one byte form that is stored and authenticated.
    pub fn canonical(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }

    /// The grant for a provider.
    pub fn grant(&self, provider: &str) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.provider == provider)
    }

    /// Whether the agent may be served at `now`, before anything else about the request is known.
    pub fn check_status(&self, now: Micros) -> Result<(), Deny> {
        let expired = self.expires_at.is_some_and(|at| now >= at);
        match self.status {
            AgentStatus::Revoked => Err(Deny::InvalidToken),
            _ if expired => Err(Deny::InvalidToken),
            AgentStatus::Paused => Err(Deny::AgentPaused(self.paused_by)),
            AgentStatus::Active => Ok(()),
        }
    }
}

/// What decides over one token of an agent. Stored and authenticated as `AgentPolicy` is.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct TokenPolicy {
    /// The token.
    #[n(0)]
    pub token: TokenId,
    /// SHA-256 of the `ks_` value.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub hash: [u8; 32],
    /// The agent it speaks for.
    #[n(2)]
    pub agent: AgentId,
    /// From this time on it is refused as an unknown token is.
    #[n(3)]
    pub expires_at: Option<Micros>,
    /// Whether it was revoked.
    #[n(4)]
    pub revoked: bool,
}

impl TokenPolicy {
    /// The one byte form that is stored and authenticated.
    pub fn canonical(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }

    /// The hash it is found by.
    pub fn token_hash(&self) -> TokenHash {
        TokenHash(self.hash)
    }

    /// Whether the token may be used at `now`.
    pub fn check(&self, now: Micros) -> Result<(), Deny> {
        if self.revoked || self.expires_at.is_some_and(|at| now >= at) {
            return Err(Deny::InvalidToken);
        }
        Ok(())
    }
}

/// A provider that an organization defined for itself. Stored and authenticated as `AgentPolicy` is, so that who writes rows of
/// the database cannot point it elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct ProviderPolicy {
    /// The provider.
    #[n(0)]
    pub provider: ProviderId,
    /// Its organization.
    #[n(1)]
    pub org: OrgId,
    /// The name in paths, scopes and commands; unique in the organization and none of the catalog's.
    #[n(2)]
    pub slug: String,
    /// What it is, in the TOML of `catalog/providers`.
    #[n(3)]
    pub definition: String,
    /// Its prices, in the TOML of `catalog/prices`.
    #[n(4)]
    pub prices: Option<String>,
}

impl ProviderPolicy {
    /// The one byte form that is stored and authenticated.
    pub fn canonical(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn policy() -> AgentPolicy {
        let id = Uuid::from_u128;
        AgentPolicy {
            grants: vec![Grant {
                scopes: vec![ScopeAction::Read],
                ..Grant::new("openai", Source::Byok, None)
            }],
            rpd_limit: Some(0),
            ..AgentPolicy::new(AgentId::new(id(1)), OrgId::new(id(2)), ProjectId::new(id(3)))
        }
    }

    #[test]
    fn status_and_expiry_decide_first() {
        let now = Micros(1_000);
        let mut agent = policy();
        assert_eq!(agent.check_status(now), Ok(()));
        agent.status = AgentStatus::Paused;
        assert_eq!(agent.check_status(now), Err(Deny::AgentPaused(None)));
        agent.paused_by = Some(abuse::Kind::SpendRate);
        assert_eq!(agent.check_status(now), Err(Deny::AgentPaused(agent.paused_by)));
        agent.expires_at = Some(now);
        assert_eq!(
            agent.check_status(now),
            Err(Deny::InvalidToken),
            "expired wins over paused"
        );
        agent.status = AgentStatus::Revoked;
        agent.expires_at = None;
        assert_eq!(agent.check_status(now), Err(Deny::InvalidToken));
    }

    #[test]
    fn scopes_cover_what_they_name() {
        let mut grant = policy().grants.remove(0);
        assert!(grant.allows(Access::Read) && !grant.allows(Access::Write));
        grant.scopes = vec![ScopeAction::All];
        assert!(grant.allows(Access::Read) && grant.allows(Access::Write));
        grant.scopes.clear();
        assert!(grant.allows(Access::Write));
        assert_eq!(
            ScopeAction::of_scope("provider:openai:*", "openai"),
            Some(ScopeAction::All)
        );
        for text in [
            "provider:openai:admin",
            "provider:open:read",
            "openai:read",
            "provider:openai:",
        ] {
            assert_eq!(ScopeAction::of_scope(text, "openai"), None, "{text}");
        }
    }

    #[test]
    fn the_stored_form_goes_round() {
        let agent = policy();
        assert_eq!(
            minicbor::decode::<AgentPolicy>(&agent.canonical()).unwrap(),
            agent
        );
    }
}
