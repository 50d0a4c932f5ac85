//! What a running call hangs on: the agent that it was permitted to, as that is now.
//!
//! A call holds the agent that it was permitted with. When something that the agent was made from changes, the call looks again
//! and either goes on under the agent as it is now, or ends with the reason why it may not. A rotated credential does not end a
//! call; one that was disabled or deleted does, and so does a grant that names another one, unless the grant was moved between the
//! customer's own credential and the pool: then calls end where they began. A pooled credential that is taken out of its pool ends no call
//! either. What the end of a token, an agent
//! or a credential needs is no change but a clock: it is looked at while anything of the three has an end.
//!
//! Which models and addresses an agent may use is asked when a call begins, not again.

use std::sync::Arc;
use std::time::Duration;

use keystore_catalog::ProviderRef;
use keystore_core::policy::{Access, Source};
use keystore_core::{Deny, Micros};

use crate::Proxy;
use crate::authorize::Permit;
use crate::cache::{Agent, ReadyCredential, ReadyGrant, Running};

/// How long a wait for an end may be without a look at the clock, which may be set.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// What one call was permitted, and the agent as it was when that was last looked at.
pub(crate) struct Leash {
    proxy: Arc<Proxy>,
    agent: Running,
    provider: ProviderRef,
    access: Access,
    source: Source,
    credential: Arc<ReadyCredential>,
}

impl Leash {
    /// For a call of `permit` with `credential`. From here on, a change of the agent reaches the call.
    pub(crate) fn new(proxy: &Arc<Proxy>, permit: &Permit, credential: &Arc<ReadyCredential>) -> Self {
        Self {
            proxy: Arc::clone(proxy),
            agent: Running::under(&permit.agent),
            provider: permit.provider().clone(),
            access: permit.operation.access,
            source: permit.source(),
            credential: Arc::clone(credential),
        }
    }

    /// The agent as it was last looked at.
    pub(crate) fn agent(&self) -> &Arc<Agent> {
        self.agent.agent()
    }

    /// Looks again at the agent, which may have changed since the call was permitted, and at the clock: the last thing before its first
    /// byte is sent.
    ///
    /// # Errors
    ///
    /// Why the call may not be made. [`Deny::AuthStale`] also when the credential was rotated in this very moment: the intent
    /// names the old version, so the client asks again.
    pub(crate) async fn confirm(&mut self) -> Result<(), Deny> {
        if self.agent.is_current() {
            // What has an end may have come to it meanwhile.
            return self.check(self.agent.agent());
        }
        self.look_again().await?;
        let id = self.credential.id;
        let current = self.grant().and_then(|grant| grant.version(id));
        match self.source == Source::Marketplace || current == Some(self.credential.version) {
            true => Ok(()),
            false => Err(Deny::AuthStale),
        }
    }

    /// Returns once the call must end, with the reason. May be dropped and called again.
    pub(crate) async fn ended(&mut self) -> Deny {
        loop {
            match self.ends_at() {
                None => self.agent.calls.changed().await,
                Some(at) => {
                    let wait = at.since(self.proxy.clock.now()).min(LONGEST_WAIT);
                    let changed = tokio::time::timeout(wait, self.agent.calls.changed());
                    // Either way it is looked at.
                    let _ = changed.await;
                }
            }
            if let Err(deny) = self.look_again().await {
                return deny;
            }
        }
    }

    /// Does `work`, unless the call must end before it is done.
    ///
    /// # Errors
    ///
    /// Why the call must end.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Deny> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            deny = self.ended() => Err(deny),
        }
    }

    /// Notes that the call was cut.
    pub(crate) fn count_cut(&self) {
        self.agent.calls.count_cut();
    }

    fn grant(&self) -> Option<&ReadyGrant> {
        self.agent.grant(&self.provider.slug)
    }

    /// When the token, the agent or the credential ends, whichever is first.
    pub(crate) fn ends_at(&self) -> Option<Micros> {
        let ends = [
            self.agent.token.expires_at,
            self.agent.policy.expires_at,
            self.credential_expires_at(self.grant()),
        ];
        ends.into_iter().flatten().min()
    }

    fn credential_expires_at(&self, grant: Option<&ReadyGrant>) -> Option<Micros> {
        match self.source {
            Source::Byok => grant?.expires_at(self.credential.id),
            Source::Marketplace => self.credential.expires_at,
        }
    }

    /// Asks whether the agent as it is now permits the call, and if so goes on under that. If not, the call stays among those of the
    /// agent that changed until it is over, so that whoever waits for them waits for it. An agent that changed again before the
    /// call was counted under it is looked up again: nobody waits for the call there.
    async fn look_again(&mut self) -> Result<(), Deny> {
        while !self.agent.is_current() {
            let current = self.proxy.agents.successor(self.agent.agent()).await?;
            let current = Running::under(&current.ok_or(Deny::InvalidToken)?);
            self.check(current.agent())?;
            self.agent = current;
        }
        self.check(self.agent.agent())
    }

    fn check(&self, agent: &Agent) -> Result<(), Deny> {
        let now = self.proxy.clock.now();
        agent.token.check(now)?;
        agent.check_status(now)?;
        agent.check_provider(&self.provider.slug)?;
        let provider = || self.provider.slug.to_string();
        let grant = agent
            .grant(&self.provider.slug)
            .ok_or_else(|| Deny::ProviderNotGranted { provider: provider() })?;
        if !grant.grant.allows(self.access) {
            return Err(Deny::ScopeDenied {
                provider: provider(),
                access: self.access,
            });
        }
        match self.source {
            Source::Byok if grant.version(self.credential.id).is_none() => {
                return Err(Deny::CredentialMissing { provider: provider() });
            }
            Source::Marketplace if !grant.may_use_pool() => {
                return Err(Deny::ProviderNotGranted { provider: provider() });
            }
            Source::Marketplace => agent.check_enabled(&self.provider.slug)?,
            Source::Byok => {}
        }
        if self
            .credential_expires_at(Some(grant))
            .is_some_and(|at| at <= now)
        {
            return Err(Deny::CredentialExpired {
                provider: provider(),
                credential: self.credential.name.clone(),
            });
        }
        Ok(())
    }
}
