//! What whoever holds an agent's token may be told: whose it is, what it opens, what is left of its limits, and why its last call was
//! refused. For the control plane, which answers agents with it.
//!
//! It serves no call and counts nothing. The words of a refusal are those of `refuse`.

use std::net::IpAddr;
use std::sync::Arc;

use keystore_catalog::ProviderRef;
use keystore_core::budget::{Applied, BudgetTerms, BudgetView};
use keystore_core::deny::RateScope;
use keystore_core::ids::RequestId;
use keystore_core::policy::{AgentPolicy, Grant, Source, TokenPolicy};
use keystore_core::rate::{RateLimits, Rates, Used};
use keystore_core::{Deny, Micros};
use keystore_wire::problem::Code;

use crate::Proxy;
use crate::cache::{Agent, ReadyGrant};
use crate::lock::lock;
use crate::refuse::{self, Refusal, RefusalContext};

/// The agents whose last refusal is kept at a time.
pub(crate) const KEPT_REFUSALS: usize = 1 << 14;

/// An agent, as one of its tokens speaks for it.
pub struct Holder(Arc<Agent>);

/// A refusal in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The code.
    pub code: Code,
    /// What and why.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// A grant and how it stands.
pub struct Opened<'a> {
    /// The grant.
    pub grant: &'a Grant,
    /// Its provider.
    pub provider: &'a ProviderRef,
    /// What has been used of the agent's rates there.
    pub used: Used,
    /// Why every call there would be refused now, as far as that is known before one is made.
    pub refused: Option<Deny>,
}

/// A limit that all agents of a project or of the organization share.
pub struct Shared {
    /// Whose.
    pub scope: RateScope,
    /// The limits.
    pub limits: RateLimits,
    /// What has been used of them.
    pub used: Used,
}

/// A call that was refused.
#[derive(Debug, Clone)]
pub struct LastRefusal {
    /// The request.
    pub request: RequestId,
    /// When.
    pub at: Micros,
    /// The provider; empty before that was known.
    pub provider: String,
    refusal: Refusal,
}

impl Proxy {
    /// The agent behind a `ks_` value.
    ///
    /// # Errors
    ///
    /// `InvalidToken` for one that is unknown, expired or revoked; `AddressNotAllowed`, if it may not be used from there; `AuthStale`.
    /// A paused agent is an agent.
    pub async fn holder(&self, value: &[u8], from: Option<IpAddr>) -> Result<Holder, Deny> {
        let agent = self.agent(keystore_vault::hash_token(value)).await?;
        if let Some(address) = from {
            agent.check_address(address)?;
        }
        Ok(Holder(agent))
    }

    /// The limits of an agent at each provider.
    pub fn limits(&self, policy: &AgentPolicy) -> RateLimits {
        RateLimits {
            rpm: Some(policy.rpm_limit.unwrap_or(self.config.default_rpm)),
            rpd: Some(policy.rpd_limit.unwrap_or(self.config.default_rpd)),
            tpm: policy.tpm_limit,
            concurrency: policy.max_concurrency,
        }
    }

    /// Its grants, and how they stand.
    pub fn opened<'a>(&self, holder: &'a Holder) -> Vec<Opened<'a>> {
        let agent = &holder.0;
        let opened = |ready: &'a ReadyGrant| Opened {
            grant: &ready.grant,
            provider: &ready.provider,
            used: self.used(&mut lock(&ready.rates)),
            refused: check(agent, ready).err(),
        };
        agent.grants.iter().map(opened).collect()
    }

    /// The limits that it shares with others.
    pub fn shared(&self, holder: &Holder) -> Vec<Shared> {
        let shared = holder.0.ceilings.iter().map(|ceiling| Shared {
            scope: ceiling.scope,
            limits: ceiling.limits,
            used: self.used(&mut lock(&ceiling.rates)),
        });
        shared.collect()
    }

    /// The budgets that its calls count in, and where they stand; those that each of its end users has are left out.
    pub fn budgets<'a>(&self, holder: &'a Holder) -> Vec<(&'a BudgetTerms, BudgetView)> {
        let now = self.clock.now();
        let own = holder.0.budgets.iter();
        own.filter(|terms| terms.policy.end_user.is_none())
            .map(|terms| (terms, self.counters.view(now, &Applied::all(terms))))
            .collect()
    }

    /// Its last call that was refused since the server started.
    pub fn last_refusal(&self, holder: &Holder) -> Option<Arc<LastRefusal>> {
        self.refusals.get(&holder.0.policy.agent)
    }

    /// A refusal of the agent of this name in words.
    pub fn explain(&self, agent: &str, deny: Deny) -> Explained {
        self.in_words(agent, &Refusal::Deny(deny), RequestId::new(uuid::Uuid::nil()))
    }

    /// Why it was refused then.
    pub fn explain_last(&self, holder: &Holder, last: &LastRefusal) -> Explained {
        self.in_words(holder.name(), &last.refusal, last.request)
    }

    /// Keeps a refusal for whoever asks.
    pub(crate) fn note_refusal(&self, agent: &Agent, request: RequestId, provider: &str, refusal: &Refusal) {
        let last = LastRefusal {
            request,
            at: self.clock.now(),
            provider: provider.to_owned(),
            refusal: refusal.clone(),
        };
        self.refusals.insert(agent.policy.agent, Arc::new(last));
    }

    fn in_words(&self, agent: &str, refusal: &Refusal, request: RequestId) -> Explained {
        let context = RefusalContext {
            request,
            agent: Some(agent),
            budget_status: None,
            now: self.clock.now(),
        };
        let (message, remedy) = refuse::explain(refusal, &context);
        Explained {
            code: refusal.code(),
            message,
            remedy,
        }
    }

    fn used(&self, rates: &mut Rates) -> Used {
        rates.used(self.arrival())
    }
}

impl Holder {
    /// The agent's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What holds for it.
    pub fn policy(&self) -> &AgentPolicy {
        &self.0.policy
    }

    /// What holds for the token.
    pub fn token(&self) -> &TokenPolicy {
        &self.0.token
    }

    /// Whether any of its calls is served at `now`.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn check(&self, now: Micros) -> Result<(), Deny> {
        self.0.check_status(now)
    }
}

/// Whether calls at a provider can be served, as far as the agent itself knows.
fn check(agent: &Agent, ready: &ReadyGrant) -> Result<(), Deny> {
    let provider = &ready.grant.provider;
    agent.check_provider(provider)?;
    match ready.grant.source {
        Source::Marketplace => {
            agent.check_enabled(provider)?;
            agent.check_labels(Source::Marketplace, provider, None, &[])
        }
        Source::Byok if !ready.has_credential() && ready.grant.fallback.is_none() => {
            Err(Deny::CredentialMissing {
                provider: provider.clone(),
            })
        }
        Source::Byok => Ok(()),
    }
}
