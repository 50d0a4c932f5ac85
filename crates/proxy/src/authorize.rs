//! Step 5: whether this agent may do this. Gives the permit that every later step reads.

use std::sync::Arc;

use keystore_catalog::{OperationMatch, Provider};
use keystore_core::Deny;
use keystore_core::deny::Malformed;

use crate::Proxy;
use crate::authenticate::Caller;
use crate::cache::{Agent, ReadyGrant};
use crate::parse::CleanRequest;
use crate::route::Target;

/// An agent, a provider that it may use, and the operation it asks for.
#[derive(Clone)]
pub(crate) struct Permit {
    pub(crate) agent: Arc<Agent>,
    pub(crate) provider: &'static Provider,
    pub(crate) operation: OperationMatch<'static>,
    pub(crate) target: Target,
    grant: usize,
}

impl Permit {
    /// The grant that opens the provider to the agent.
    pub(crate) fn grant(&self) -> &ReadyGrant {
        &self.agent.grants[self.grant]
    }
}

impl Proxy {
    /// The permit for what the caller asks.
    pub(crate) fn authorize<B>(&self, caller: Caller, request: &CleanRequest<B>) -> Result<Permit, Deny> {
        let Caller { agent, target } = caller;
        let provider = keystore_catalog::provider(target.slug())
            .filter(|provider| self.config.dev || !provider.dev_only)
            .ok_or_else(|| Deny::UnknownProvider {
                slug: target.slug().to_owned(),
            })?;
        if request.has_encoded_slash() && !provider.path_encoded_slash {
            return Err(Deny::Malformed(Malformed::Path));
        }
        let slug = || provider.slug.clone().into_owned();
        let grant = agent
            .grants
            .iter()
            .position(|ready| ready.grant.provider == provider.slug)
            .ok_or_else(|| Deny::ProviderNotGranted { provider: slug() })?;
        let operation = provider.operation(request.method().as_str(), target.alias(), target.upstream_path());
        if operation.minting {
            return Err(Deny::OperationDenied {
                provider: slug(),
                operation: operation.name.to_owned(),
            });
        }
        if !agent.grants[grant].grant.allows(operation.access) {
            return Err(Deny::ScopeDenied {
                provider: slug(),
                access: operation.access,
            });
        }
        Ok(Permit {
            agent,
            provider,
            operation,
            target,
            grant,
        })
    }
}
