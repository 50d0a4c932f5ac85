//! Step 5: whether this agent may do this. Gives the permit that every later step reads.

use std::sync::Arc;

use keystore_catalog::{Billing, Operation, OperationMatch, ProviderRef, UsageShape};
use keystore_core::deny::Malformed;
use keystore_core::policy::{Access, Source};
use keystore_core::{Deny, Micros};

use crate::Proxy;
use crate::authenticate::Caller;
use crate::budgets;
use crate::cache::{Agent, ReadyGrant};
use crate::parse::CleanRequest;
use crate::pools::Pool;
use crate::route::Target;

/// An agent, a provider that it may use, and the operation it asks for.
#[derive(Clone)]
pub(crate) struct Permit {
    pub(crate) agent: Arc<Agent>,
    pub(crate) operation: Permitted,
    pub(crate) target: Target,
    /// For whom it is made, where the agent must say so.
    pub(crate) end_user: Option<String>,
    /// The pool that serves it, if one does.
    pub(crate) pool: Option<Arc<Pool>>,
    grant: usize,
}

/// An operation by its number, with what is asked of it most: a permit keeps its agent, which keeps the provider, so that it
/// borrows nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permitted {
    number: Option<usize>,
    pub(crate) access: Access,
    pub(crate) billing: Billing,
    pub(crate) usage_shape: UsageShape,
    pub(crate) max_body_bytes: Option<u64>,
}

impl From<OperationMatch<'_>> for Permitted {
    fn from(found: OperationMatch<'_>) -> Self {
        Self {
            number: found.number,
            access: found.access,
            billing: found.billing,
            usage_shape: found.usage_shape,
            max_body_bytes: found.max_body_bytes,
        }
    }
}

impl Permit {
    /// The grant that opens the provider to the agent.
    pub(crate) fn grant(&self) -> &ReadyGrant {
        &self.agent.grants[self.grant]
    }

    /// Goes on under the agent as it is now, where that is served in the same way.
    pub(crate) fn renew(&mut self, agent: Arc<Agent>, now: Micros) -> Result<(), Deny> {
        let slug = self.target.slug();
        agent.token.check(now)?;
        agent.check_status(now)?;
        agent.check_provider(slug)?;
        let grant = agent.grants.iter().position(|ready| ready.grant.provider == slug);
        let grant = grant.ok_or_else(|| Deny::ProviderNotGranted {
            provider: slug.to_owned(),
        })?;
        if !agent.grants[grant].is_as(self.grant()) || !agent.is_marked_as(&self.agent) {
            return Err(Deny::AuthStale);
        }
        (self.agent, self.grant) = (agent, grant);
        Ok(())
    }

    /// The provider.
    pub(crate) fn provider(&self) -> &ProviderRef {
        &self.grant().provider
    }

    /// Whose credential serves it.
    pub(crate) fn source(&self) -> Source {
        match self.pool {
            None => Source::Byok,
            Some(_) => Source::Marketplace,
        }
    }

    /// How it is billed. What a vendor bills in another way is sold by the call, or not at all.
    pub(crate) fn billing(&self) -> Billing {
        match (self.operation.billing, self.source()) {
            (Billing::External, Source::Marketplace) => Billing::PerCall,
            (billing, _) => billing,
        }
    }

    /// The operation as the provider's file describes it, if it does.
    pub(crate) fn known(&self) -> Option<&Operation> {
        self.provider().operations.get(self.operation.number?)
    }

    /// The operation's name, or `other`.
    pub(crate) fn operation_name(&self) -> &str {
        self.known().map_or("other", |known| &known.name)
    }

    /// The price row, where the request does not name a model.
    pub(crate) fn price_model(&self) -> Option<&str> {
        self.known()?.price_model.as_deref()
    }
}

impl Permit {
    /// By which row a call is priced that names no model. What the vendor bills in another way is sold by the operation's own name.
    pub(crate) fn price_row(&self) -> Option<&str> {
        let named = self.pool.as_ref().map(|_| self.operation_name());
        self.price_model().or(named)
    }
}

impl Proxy {
    /// The permit for what the caller asks.
    pub(crate) fn authorize<B>(&self, caller: Caller, request: &CleanRequest<B>) -> Result<Permit, Deny> {
        let Caller { agent, target } = caller;
        let slug = || target.slug().to_owned();
        let grant = agent
            .grants
            .iter()
            .position(|ready| ready.grant.provider == target.slug() && self.exists(&ready.provider))
            .ok_or_else(|| self.no_grant(target.slug()))?;
        agent.check_provider(target.slug())?;
        let ready = &agent.grants[grant];
        let provider = &ready.provider;
        if request.has_encoded_slash() && !provider.path_encoded_slash {
            return Err(Deny::Malformed(Malformed::Path));
        }
        let operation = provider.operation(request.method().as_str(), target.alias(), target.upstream_path());
        if operation.minting {
            return Err(Deny::OperationDenied {
                provider: slug(),
                operation: operation.name.to_owned(),
            });
        }
        if !ready.grant.allows(operation.access) {
            return Err(Deny::ScopeDenied {
                provider: slug(),
                access: operation.access,
            });
        }
        Ok(Permit {
            end_user: budgets::end_user(&agent, request.headers())?,
            operation: operation.into(),
            pool: None,
            agent,
            target,
            grant,
        })
    }

    fn exists(&self, provider: &keystore_catalog::Provider) -> bool {
        self.config.dev || !provider.dev_only
    }

    /// Of providers that an organization defined, only those that are granted to the agent exist for it.
    fn no_grant(&self, slug: &str) -> Deny {
        match keystore_catalog::provider(slug).filter(|provider| self.exists(provider)) {
            Some(provider) => Deny::ProviderNotGranted {
                provider: provider.slug.to_string(),
            },
            None => Deny::UnknownProvider {
                slug: slug.to_owned(),
            },
        }
    }
}
