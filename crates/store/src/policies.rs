//! What the request path needs to know about one token, in few queries.
//!
//! Nothing here is checked: the caller verifies the MACs of token, agent and budgets and refuses the token when one is
//! wrong, when a budget that the agent's policy names is missing, or when ids do not fit together.

use std::collections::BTreeMap;

use keystore_core::Micros;
use keystore_core::ids::{AgentId, BudgetId, CredentialId, KekId, OrgId, ProjectId, ProviderId, TokenId};
use keystore_core::policy::Source;
use keystore_core::token::TokenHash;

use crate::credentials::CredentialStatus;
use crate::credits::{self, Credit};
use crate::db::{Conn, fetch_all, fetch_optional, row, sql};
use crate::error::StoreError;
use crate::scopes::Scope;

/// A token with all that decides over its requests.
#[derive(Clone)]
pub struct LoadedToken {
    /// The token and its agent.
    pub identity: LoadedIdentity,
    /// What holds for its organization and for its project.
    pub scopes: Vec<Scope>,
    /// The budgets of the agent, of its project and of its organization.
    pub budgets: Vec<LoadedBudget>,
    /// The credentials of its `byok` grants, each in its current version, and those that grants were moved away from. A grant whose
    /// credential was deleted has none.
    pub credentials: Vec<LoadedCredential>,
    /// What its organization may spend at the marketplace, if it ever had credit.
    pub credit: Option<Credit>,
    /// The providers of its grants that its organization defined for itself.
    pub providers: Vec<LoadedProvider>,
}

row! {
    /// A token and its agent.
    #[derive(Clone)]
    pub struct LoadedIdentity {
        /// The token.
        pub token: TokenId,
        /// The canonical bytes of its policy.
        pub token_policy: Vec<u8>,
        /// Their MAC.
        pub token_mac: Vec<u8>,
        /// The agent.
        pub agent: AgentId,
        /// Its organization.
        pub org: OrgId,
        /// Its project.
        pub project: ProjectId,
        /// Its name.
        pub agent_name: String,
        /// The canonical bytes of its policy.
        pub agent_policy: Vec<u8>,
        /// Their MAC.
        pub agent_mac: Vec<u8>,
        /// The organization's IANA time zone, for the windows of budgets.
        pub time_zone: String,
        /// The one before.
        pub previous_time_zone: Option<String>,
        /// When it was changed.
        pub time_zone_changed_at: Option<Micros>,
    }
}

row! {
    /// A budget that may count the agent's calls.
    #[derive(Clone)]
    pub struct LoadedBudget {
        /// The budget.
        pub id: BudgetId,
        /// The canonical bytes of its policy.
        pub policy: Vec<u8>,
        /// Their MAC.
        pub mac: Vec<u8>,
    }
}

row! {
    /// A provider that the organization defined for itself.
    #[derive(Clone)]
    pub struct LoadedProvider {
        /// The provider.
        pub id: ProviderId,
        /// The canonical bytes of its policy.
        pub policy: Vec<u8>,
        /// Their MAC.
        pub mac: Vec<u8>,
    }
}

row! {
    /// A credential in its current version, sealed, with the wrapped KEK that its data key is under.
    #[derive(Clone)]
    pub struct LoadedCredential {
        /// The credential.
        pub id: CredentialId,
        /// Its current version.
        pub version: u32,
        /// The provider's slug.
        pub provider: String,
        /// Its name.
        pub name: String,
        /// Whose it is.
        pub source: Source,
        /// What is known about it.
        pub status: CredentialStatus,
        /// URL parameters by name.
        pub params: BTreeMap<String, String>,
        /// From this time on it is not used.
        pub expires_at: Option<Micros>,
        /// Labels.
        pub labels: Vec<String>,
        /// The sealed field map.
        pub sealed: Vec<u8>,
        /// The canonical destination policy that it is bound to.
        pub policy: Vec<u8>,
        /// The KEK.
        pub kek: KekId,
        /// Its generation.
        pub kek_generation: u32,
        /// The KEK's key, wrapped by the root key.
        pub kek_wrapped: Vec<u8>,
        /// The organization's own key that wraps inside of the root key.
        pub kek_customer: Option<String>,
        /// Agreements with the vendor by kind.
        pub agreements: serde_json::Value,
    }
}

sql! {
    IDENTITY = "SELECT t.id AS token, t.policy AS token_policy, t.mac AS token_mac, a.id AS agent, a.org AS org, \
            a.project AS project, a.name AS agent_name, a.policy AS agent_policy, a.mac AS agent_mac, o.time_zone, o.previous_time_zone, o.time_zone_changed_at \
        FROM tokens t JOIN agents a ON a.id = t.agent JOIN orgs o ON o.id = a.org WHERE t.hash = $1";
    SCOPES = "SELECT org, project, policy, mac FROM scope_policies WHERE org = $1 AND (project IS NULL OR project = $2)";
    BUDGETS = "SELECT id, policy, mac FROM budgets \
        WHERE org = $1 AND (agent = $2 OR (agent IS NULL AND (project IS NULL OR project = $3))) ORDER BY id";
    PROVIDERS = "SELECT p.id, p.policy, p.mac FROM agent_grants g \
        JOIN custom_providers p ON p.org = g.org AND p.slug = g.provider \
        WHERE g.org = $1 AND g.agent = $2 ORDER BY p.id";
    CREDENTIALS = "SELECT c.id, v.version, c.provider, c.name, c.source, c.status, c.params, c.expires_at, c.labels, v.sealed, \
            v.policy, v.kek, v.kek_generation, k.wrapped AS kek_wrapped, k.customer AS kek_customer, c.agreements \
        FROM agent_grants g JOIN credentials c ON c.id IN (g.credential, g.former) AND c.org = g.org \
            JOIN credential_versions v ON v.credential = c.id AND v.version = c.current_version \
            JOIN keks k ON k.id = v.kek AND k.org = c.org \
        WHERE g.org = $1 AND g.agent = $2 AND c.source = 'byok' ORDER BY c.id";
}

/// Everything about the token with this hash; `None` when there is none. Revoked and expired ones are found too: their
/// policies say so.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn load(conn: &mut Conn, hash: TokenHash) -> Result<Option<LoadedToken>, StoreError> {
    let Some(identity) = fetch_optional!(conn, LoadedIdentity, IDENTITY, hash)? else {
        return Ok(None);
    };
    let LoadedIdentity {
        org, project, agent, ..
    } = identity;
    let scopes = fetch_all!(conn, Scope, SCOPES, org, project)?;
    let budgets = fetch_all!(conn, LoadedBudget, BUDGETS, org, agent, project)?;
    let credentials = fetch_all!(conn, LoadedCredential, CREDENTIALS, org, agent)?;
    let providers = fetch_all!(conn, LoadedProvider, PROVIDERS, org, agent)?;
    let credit = credits::get(conn, org).await?;
    Ok(Some(LoadedToken {
        identity,
        scopes,
        budgets,
        credentials,
        providers,
        credit,
    }))
}
