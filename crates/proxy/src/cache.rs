//! The agents that this node knows, each with everything resolved that its requests need.
//!
//! A cached agent answers a request without a round trip. It is dropped the moment anything it was made from changes: the store
//! tells of changes before the call that made them returns, and an agent that was loaded while a change came in is loaded again.

mod agent;
mod calls;
mod credential;
mod index;
mod look_up;
mod network;
mod providers;
mod reached;

use std::sync::Arc;

use keystore_core::Deny;
use keystore_core::token::TokenHash;
use keystore_store::{Store, policies};
use keystore_vault::PolicyMac;
use quick_cache::sync::Cache;

pub(crate) use agent::{Agent, authentic};
pub(crate) use calls::{Calls, Running};
pub use credential::wrapped_kek;
pub(crate) use credential::{ReadyCredential, ReadyGrant, place, ready, serving};
use index::Index;
use providers::Providers;
pub(crate) use reached::Reached;

use crate::counters::Counters;
use crate::learned::Limits;
use crate::upstream::Upstreams;

/// How many tokens are kept ready.
const CAPACITY: usize = 1 << 20;

/// The agents behind tokens.
pub(crate) struct Agents {
    ready: Cache<TokenHash, Arc<Agent>>,
    index: Index,
    providers: Providers,
    store: Store,
    policy_mac: PolicyMac,
    counters: Arc<Counters>,
    limits: Arc<Limits>,
    reached: Reached,
}

impl Agents {
    /// With no agent yet.
    pub(crate) fn new(store: Store, policy_mac: PolicyMac, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self {
            ready: Cache::new(CAPACITY),
            index: Index::default(),
            providers: Providers::default(),
            store,
            policy_mac,
            counters,
            limits: Arc::default(),
            reached: Reached::default(),
        })
    }

    /// What is learned of the vendors' limits.
    pub(crate) fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// The running calls that recent changes reached.
    pub(crate) fn reached(&self) -> &Reached {
        &self.reached
    }

    /// From now on, what changes in the store goes stale here before the change's own call returns, and connections of a
    /// changed credential are closed.
    pub(crate) fn listen(self: &Arc<Self>, upstreams: Arc<Upstreams>) {
        let agents = Arc::downgrade(self);
        self.store.on_change(Arc::new(move |changes, epoch| {
            let Some(agents) = agents.upgrade() else { return };
            for change in changes {
                let reached = look_up::mark(&agents.index, change);
                let reached = reached.iter().map(|agent| Arc::clone(&agent.calls));
                agents.reached.note(epoch, reached);
                if let keystore_store::Change::Credential(credential) = change {
                    upstreams.forget(*credential);
                }
            }
        }));
    }

    /// The agent behind a token; `None` when there is no such token or its rows are not authentic.
    pub(crate) async fn get(&self, hash: TokenHash) -> Result<Option<Arc<Agent>>, Deny> {
        if let Some(agent) = self.ready.get(&hash).filter(|agent| agent.is_current()) {
            return Ok(Some(agent));
        }
        // On the heap, so that requests that need no look-up carry no room for one.
        Box::pin(self.look_up(hash)).await
    }

    /// The agent behind the token of `old`, which changed. Of the calls that ask at the same time one looks it up, and the others
    /// find what it found.
    pub(crate) async fn successor(&self, old: &Agent) -> Result<Option<Arc<Agent>>, Deny> {
        let mut gone = old.calls.turn.lock().await;
        if *gone {
            return Ok(None);
        }
        let found = self.get(old.token.token_hash()).await?;
        // A token that was deleted never comes back.
        *gone = found.is_none();
        Ok(found)
    }

    async fn look_up(&self, hash: TokenHash) -> Result<Option<Arc<Agent>>, Deny> {
        let found = look_up::look_up(|| self.store.epoch(), &self.index, || self.load(hash)).await?;
        match &found {
            Some(agent) => self.ready.insert(hash, Arc::clone(agent)),
            None => {
                self.ready.remove(&hash);
            }
        }
        Ok(found)
    }

    async fn load(&self, hash: TokenHash) -> Result<Option<Agent>, Deny> {
        let unavailable = |error: keystore_store::StoreError| {
            tracing::error!(%error, "an agent cannot be loaded");
            Deny::AuthStale
        };
        let mut conn = self.store.read().await.map_err(unavailable)?;
        let Some(loaded) = policies::load(&mut conn, hash).await.map_err(unavailable)? else {
            return Ok(None);
        };
        drop(conn);
        let token = loaded.identity.token;
        let providers = self.providers.read(&loaded, &self.policy_mac);
        let agent = providers.and_then(|providers| {
            Agent::verify(
                loaded,
                hash,
                &providers,
                &self.policy_mac,
                (&self.counters, &self.limits),
            )
        });
        if let Err(reason) = &agent {
            tracing::error!(%token, reason, "the rows of a token are not authentic");
        }
        Ok(agent.ok())
    }
}

#[cfg(test)]
pub(crate) mod tests;
