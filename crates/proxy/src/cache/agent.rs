//! One agent as one of its tokens speaks for it: checked against its MACs once, then read by every request.

use std::net::IpAddr;
use std::sync::Arc;

use keystore_catalog::ProviderRef;
use keystore_core::budget::BudgetTerms;
use keystore_core::deny::{Malformed, RateScope};
use keystore_core::ids::{BudgetId, CredentialId, ProjectId, ProviderId};
use keystore_core::policy::{
    AgentPolicy, BudgetPolicy, CreditPolicy, Grant, LabelRule, OwnPrice, ScopePolicy, Source, TokenPolicy,
    demanded, forbidden,
};
use keystore_core::record;
use keystore_core::token::TokenHash;
use keystore_core::window::{Window, Zone};
use keystore_core::{Deny, Micros};
use keystore_store::credits::Credit;
use keystore_store::policies::{LoadedBudget, LoadedToken};
use keystore_store::scopes::Scope;
use keystore_vault::PolicyMac;
use uuid::Uuid;

use super::calls::Calls;
use super::credential::{ReadyCredential, ReadyGrant};
use super::index::token_source;
use super::network::Network;
use super::providers::OwnProviders;
use crate::admit::Ceiling;
use crate::counters::{Counters, RateKey};
use crate::learned::Limits;
use crate::watch::Watched;

/// An agent, checked and resolved.
pub(crate) struct Agent {
    pub(crate) name: String,
    pub(crate) token: TokenPolicy,
    pub(crate) policy: AgentPolicy,
    pub(crate) budgets: Vec<BudgetTerms>,
    /// The rates of its organization and its project, where these are limited.
    pub(crate) ceilings: Vec<Ceiling>,
    pub(crate) grants: Vec<ReadyGrant>,
    /// What is counted of it, where a rule against abuse asks.
    pub(crate) watched: Option<Arc<Watched>>,
    /// What its organization pays by contracts of its own.
    pub(crate) own_prices: Vec<OwnPrice>,
    /// The providers of the marketplace that its organization has enabled.
    marketplace: Vec<String>,
    labels: Labels,
    /// Why none of its requests is served, where its organization or its project is stopped.
    suspended: Option<Deny>,
    /// The providers that its organization has stopped.
    suspended_providers: Vec<String>,
    /// The providers of its organization that it was made from.
    providers: Vec<ProviderId>,
    networks: Vec<Network>,
    /// What runs under it.
    pub(crate) calls: Arc<Calls>,
}

impl Agent {
    /// The agent, if every row is what we once wrote and the rows belong together.
    ///
    /// # Errors
    ///
    /// What does not fit, for the log.
    pub(super) fn verify(
        loaded: LoadedToken,
        hash: TokenHash,
        own: &OwnProviders,
        mac: &PolicyMac,
        kept: (&Counters, &Limits),
    ) -> Result<Self, &'static str> {
        let LoadedToken {
            identity,
            scopes,
            budgets,
            credentials,
            providers,
            credit,
        } = loaded;
        let token: TokenPolicy = authentic(mac, "token", &identity.token_policy, &identity.token_mac)?;
        let policy: AgentPolicy = authentic(mac, "agent", &identity.agent_policy, &identity.agent_mac)?;
        if token.token_hash() != hash || token.agent != policy.agent || policy.org != identity.org {
            return Err("token, agent and organization do not belong together");
        }
        let zone = Zone::named(
            &identity.time_zone,
            identity.previous_time_zone.as_deref(),
            identity.time_zone_changed_at,
        )
        .ok_or("the organization's time zone is not known")?;
        let limits = [
            scope(&policy, None, &scopes, mac)?,
            scope(&policy, Some(policy.project), &scopes, mac)?,
        ];
        let watched = Watched::of(&policy, limits.each_ref().map(|limits| limits.abuse), kept.0);
        let ceilings = limits
            .iter()
            .filter(|limits| !limits.ceiling.is_none())
            .map(|limits| ceiling(limits, kept.0))
            .collect();
        let suspended = limits.iter().find_map(|scope| scope.check().err());
        let suspended_providers = limits.iter().flat_map(|scope| &scope.suspended_providers);
        let suspended_providers = suspended_providers.map(|one| one.provider.clone()).collect();
        let own_prices = limits
            .iter()
            .flat_map(|scope| scope.prices.iter().cloned())
            .collect();
        let named = limits
            .iter()
            .flat_map(|scope| &scope.budgets)
            .chain(&policy.budgets);
        let mut budgets = terms(&policy, named, &budgets, mac, &zone)?;
        if policy.grants.iter().any(Grant::reaches_pool) {
            budgets.push(BudgetTerms {
                policy: credit_of(&policy, credit.as_ref(), mac)?.budget(),
                zone: zone.clone(),
            });
            budgets.extend(fallback_caps(&policy, &zone));
        }
        let [org_scope, project_scope] = &limits;
        let labels = Labels::of(&policy, org_scope, project_scope);
        let networks = policy
            .allowed_ips
            .iter()
            .map(|text| Network::parse(text))
            .collect::<Option<_>>();
        let grants = policy
            .grants
            .iter()
            .filter_map(|grant| {
                // A provider that is neither defined nor in the catalog any more is granted to nobody.
                let provider = own.find(&grant.provider)?;
                Some(ReadyGrant::new(grant, provider, &policy, &credentials, kept))
            })
            .collect();
        Ok(Self {
            name: identity.agent_name,
            watched,
            suspended,
            suspended_providers,
            networks: networks.ok_or("an allowed network cannot be read")?,
            token,
            budgets,
            ceilings,
            grants,
            own_prices,
            marketplace: org_scope.marketplace.clone(),
            labels,
            providers: providers.iter().map(|row| row.id).collect(),
            policy,
            calls: Arc::default(),
        })
    }

    /// Whether nothing that this agent was made from has changed.
    pub(crate) fn is_current(&self) -> bool {
        self.calls.are_current()
    }

    /// Whether the same labels and rules hold for its calls as for those of `other`, and the same has to be said of end users.
    pub(crate) fn is_marked_as(&self, other: &Self) -> bool {
        self.labels == other.labels && self.policy.end_users == other.policy.end_users
    }

    /// Whether it is served at `now`, before anything else about a request is known.
    pub(crate) fn check_status(&self, now: Micros) -> Result<(), Deny> {
        self.policy.check_status(now)?;
        self.suspended.clone().map_or(Ok(()), Err)
    }

    /// Whether its organization lets it call the provider.
    pub(crate) fn check_provider(&self, provider: &str) -> Result<(), Deny> {
        match self.suspended_providers.iter().any(|slug| slug == provider) {
            false => Ok(()),
            true => Err(Deny::ProviderSuspended {
                provider: provider.to_owned(),
            }),
        }
    }

    /// Whether its organization has the provider from the marketplace.
    pub(crate) fn check_enabled(&self, provider: &str) -> Result<(), Deny> {
        match self.marketplace.iter().any(|slug| slug == provider) {
            true => Ok(()),
            false => Err(Deny::NotEnabled {
                provider: provider.to_owned(),
            }),
        }
    }

    /// Whether the labels of its project, of itself and of the credential let the credential serve there.
    pub(crate) fn check_labels(
        &self,
        source: Source,
        provider: &str,
        host: Option<&str>,
        credential: &[String],
    ) -> Result<(), Deny> {
        let labels = self.labels.own.iter().chain(credential).map(String::as_str);
        match forbidden(&self.labels.rules, labels, (source, provider, host)) {
            None => Ok(()),
            Some(label) => Err(Deny::LabelForbids {
                label: label.to_owned(),
                provider: provider.to_owned(),
                source,
            }),
        }
    }

    /// Whether the credential has what the labels of its project, of itself and of the credential demand.
    pub(crate) fn check_demands(&self, provider: &str, credential: &ReadyCredential) -> Result<(), Deny> {
        let labels = self
            .labels
            .own
            .iter()
            .chain(&credential.labels)
            .map(String::as_str);
        let has = (credential.customer_key, credential.agreements.as_slice());
        match demanded(&self.labels.rules, labels, has) {
            None => Ok(()),
            Some((label, demand)) => Err(Deny::LabelDemands {
                label: label.to_owned(),
                provider: provider.to_owned(),
                demand,
            }),
        }
    }

    /// Notes that it has changed. Whether this is news, and calls run under it.
    pub(super) fn mark_stale(&self) -> bool {
        self.calls.mark_stale()
    }

    /// The ids of everything that this agent was made from.
    pub(super) fn sources(&self) -> impl Iterator<Item = Uuid> + '_ {
        [
            token_source(&self.token.hash),
            self.policy.agent.uuid(),
            self.policy.project.uuid(),
            self.policy.org.uuid(),
        ]
        .into_iter()
        .chain(self.budgets.iter().map(|terms| terms.policy.budget.uuid()))
        .chain(self.providers.iter().map(|provider| provider.uuid()))
        .chain(
            self.grants
                .iter()
                .flat_map(|ready| {
                    let former = ready.grant.former.and_then(|former| former.credential);
                    [ready.grant.credential, former]
                })
                .flatten()
                .map(CredentialId::uuid),
        )
    }

    /// The provider with this slug that the agent's organization defined for itself, if the agent is granted it.
    pub(crate) fn own_provider(&self, slug: &str) -> Option<&ProviderRef> {
        let provider = &self.grant(slug)?.provider;
        provider.is_custom().then_some(provider)
    }

    /// The grant for a provider.
    pub(crate) fn grant(&self, provider: &str) -> Option<&ReadyGrant> {
        self.grants.iter().find(|ready| ready.grant.provider == provider)
    }

    /// Whether the agent may call from this address.
    pub(crate) fn check_address(&self, address: IpAddr) -> Result<(), Deny> {
        let address = address.to_canonical();
        if self.networks.is_empty() || self.networks.iter().any(|network| network.contains(address)) {
            return Ok(());
        }
        Err(Deny::AddressNotAllowed)
    }

    /// Whether the agent may name this model, which must be one that can be recorded. With a list of models, a request that names none is refused too. An entry that
    /// ends with `*` allows every model that begins with what stands before it.
    pub(crate) fn check_model(&self, model: Option<&str>) -> Result<(), Deny> {
        let allowed = &self.policy.allowed_models;
        let named = model.unwrap_or_default();
        if !record::is_model_name(named) {
            return Err(Deny::Malformed(Malformed::Model));
        }
        let covers = |entry: &String| match entry.strip_suffix('*') {
            Some(beginning) => !named.is_empty() && named.starts_with(beginning),
            None => entry == named,
        };
        if allowed.is_empty() || allowed.iter().any(covers) {
            return Ok(());
        }
        Err(Deny::ModelNotAllowed {
            model: named.to_owned(),
        })
    }
}

/// What an agent is marked with, and what that allows.
#[derive(PartialEq)]
struct Labels {
    rules: Vec<LabelRule>,
    /// Those of its project, then its own.
    own: Vec<String>,
}

impl Labels {
    fn of(policy: &AgentPolicy, org: &ScopePolicy, project: &ScopePolicy) -> Self {
        Self {
            rules: org.label_rules.clone(),
            own: project.labels.iter().chain(&policy.labels).cloned().collect(),
        }
    }
}

/// What the agent's organization may spend at the marketplace.
fn credit_of(
    policy: &AgentPolicy,
    stored: Option<&Credit>,
    mac: &PolicyMac,
) -> Result<CreditPolicy, &'static str> {
    let Some(row) = stored else {
        return Ok(CreditPolicy::none(policy.org));
    };
    let credit: CreditPolicy = authentic(mac, "credit", &row.policy, &row.mac)?;
    match credit.org == policy.org {
        true => Ok(credit),
        false => Err("a credit belongs elsewhere"),
    }
}

/// What may be spent where the pool stands in for credentials of the organization's own.
fn fallback_caps(policy: &AgentPolicy, zone: &Zone) -> Vec<BudgetTerms> {
    let caps = policy.grants.iter().filter_map(|grant| {
        let fallback = grant.fallback?;
        Some(BudgetTerms {
            policy: BudgetPolicy {
                project: Some(policy.project),
                agent: Some(policy.agent),
                provider: Some(grant.provider.clone()),
                source: Some(Source::Marketplace),
                ..BudgetPolicy::new(fallback.budget, policy.org, fallback.monthly.0, Window::Month)
            },
            zone: zone.clone(),
        })
    });
    caps.collect()
}

/// A policy row whose MAC is ours.
pub(crate) fn authentic<'b, T: minicbor::Decode<'b, ()>>(
    mac: &PolicyMac,
    purpose: &str,
    bytes: &'b [u8],
    tag: &[u8],
) -> Result<T, &'static str> {
    if !mac.verify(purpose, bytes, tag) {
        return Err("a policy's MAC is wrong");
    }
    minicbor::decode(bytes).map_err(|_| "a policy cannot be read")
}

/// What holds for the agent's organization, or for its project.
fn scope(
    policy: &AgentPolicy,
    project: Option<ProjectId>,
    rows: &[Scope],
    mac: &PolicyMac,
) -> Result<ScopePolicy, &'static str> {
    let row = rows
        .iter()
        .find(|row| row.project == project)
        .ok_or("the policy of the organization or of the project is missing")?;
    let scope: ScopePolicy = authentic(mac, "scope", &row.policy, &row.mac)?;
    match scope.org == policy.org && scope.project == project {
        true => Ok(scope),
        false => Err("a policy belongs elsewhere"),
    }
}

/// What all calls of an organization or a project together may not pass.
fn ceiling(scope: &ScopePolicy, counters: &Counters) -> Ceiling {
    let (kind, key) = match scope.project {
        Some(project) => (RateScope::Project, RateKey::Project(project)),
        None => (RateScope::Org, RateKey::Org(scope.org)),
    };
    Ceiling {
        scope: kind,
        rates: counters.rates(key),
        limits: scope.ceiling,
    }
}

/// The terms of every budget that is named; a missing one is as bad as a changed one.
fn terms<'a>(
    policy: &AgentPolicy,
    named: impl Iterator<Item = &'a BudgetId>,
    rows: &[LoadedBudget],
    mac: &PolicyMac,
    zone: &Zone,
) -> Result<Vec<BudgetTerms>, &'static str> {
    let of = |id: BudgetId| {
        let row = rows
            .iter()
            .find(|row| row.id == id)
            .ok_or("a budget is missing")?;
        let budget: BudgetPolicy = authentic(mac, "budget", &row.policy, &row.mac)?;
        let reaches = budget.project.is_none_or(|project| project == policy.project)
            && budget.agent.is_none_or(|agent| agent == policy.agent);
        if budget.budget != id || budget.org != policy.org || !reaches {
            return Err("a budget belongs elsewhere");
        }
        Ok(BudgetTerms {
            policy: budget,
            zone: zone.clone(),
        })
    };
    named.copied().map(of).collect()
}
