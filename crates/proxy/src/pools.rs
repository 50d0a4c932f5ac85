//! The operator's pools as this node knows them: which credentials serve a provider at the marketplace, and for how much.
//!
//! A pool is loaded when it is first asked for and again after anything of a pool, of the price book or of a pooled credential changed.
//! What is learned of its members, and who waits for one, outlives that.

mod queue;
#[cfg(test)]
mod queue_tests;
mod selling;
mod tenants;
mod uses;

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use keystore_core::abuse::Signs;
use keystore_core::ids::{CredentialId, OrgId};
use keystore_core::policy::{PoolPolicy, PoolState, PriceBook, Source};
use keystore_core::pool::{MemberStatus, MemberTerms};
use keystore_core::{Clock, Deny, Micros};
use keystore_store::credentials::CredentialStatus;
use keystore_store::policies::LoadedCredential;
use keystore_store::pools::PoolCredential;
use keystore_store::{Change, Store, StoreError, pool_tenants, pools, price_books};
use keystore_vault::{PolicyMac, Vault, VaultError};
use tokio::sync::OnceCell;

use crate::cache::{ReadyCredential, authentic, serving};
use crate::learned::{Learned, Limits};
use crate::lock::lock;
use crate::upstream::CredentialKey;
pub(crate) use queue::{Place, Queue};
pub(crate) use selling::{Offer, Selling};
pub(crate) use tenants::Tenants;
pub(crate) use uses::{Uses, of, of_call};

/// How often a load is tried that changes keep overtaking.
const ATTEMPTS: usize = 8;

/// The pools of this node.
pub(crate) struct Pools {
    store: Store,
    policy_mac: PolicyMac,
    limits: Arc<Limits>,
    clock: Arc<dyn Clock>,
    ready: Mutex<HashMap<String, Arc<Pool>>>,
    queues: Mutex<HashMap<String, Arc<Queue>>>,
    /// Every credential that is, or was, in a pool that was loaded.
    members: Mutex<HashSet<CredentialId>>,
    /// What vendors held to be abuse, by provider and customer.
    signs: Mutex<HashMap<(String, OrgId), Signs>>,
    /// How they are used.
    pub(crate) uses: Uses,
    /// Counts changes; a pool of an older generation is loaded again.
    generation: AtomicU64,
}

/// The pool of a provider.
pub(crate) struct Pool {
    provider: String,
    generation: u64,
    /// Who serves, oldest first.
    pub(crate) members: Vec<Arc<Member>>,
    /// What they are sold for.
    pub(crate) selling: Selling,
    /// What the operator says of the customers there.
    pub(crate) tenants: Tenants,
    /// Who gets which of them.
    pub(crate) queue: Arc<Queue>,
}

/// A credential of a pool, with its policy.
pub(crate) struct Member {
    pub(crate) policy: PoolPolicy,
    stored: LoadedCredential,
    learned: Arc<Learned>,
    ready: OnceCell<Arc<ReadyCredential>>,
}

impl Pools {
    /// With none loaded. From now on it hears of changes.
    pub(crate) fn new(
        store: Store,
        policy_mac: PolicyMac,
        limits: Arc<Limits>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let pools = Arc::new(Self {
            store,
            policy_mac,
            limits,
            clock,
            ready: Mutex::default(),
            queues: Mutex::default(),
            members: Mutex::default(),
            signs: Mutex::default(),
            uses: Uses::default(),
            generation: AtomicU64::new(0),
        });
        let listening = Arc::downgrade(&pools);
        pools.store.on_change(Arc::new(move |changes, _| {
            let Some(pools) = listening.upgrade() else { return };
            let concerns = |change: &Change| match change {
                // The keys of the operator's organization may have changed; those of others seldom do.
                Change::Market | Change::Org(_) => true,
                Change::Credential(id) => lock(&pools.members).contains(id),
                _ => false,
            };
            if changes.iter().any(concerns) {
                pools.generation.fetch_add(1, Ordering::SeqCst);
            }
        }));
        pools
    }

    /// Whether nothing changed since the pool was loaded.
    pub(crate) fn is_current(&self, pool: &Pool) -> bool {
        pool.generation == self.generation.load(Ordering::SeqCst)
    }

    /// Whether a call of `tenant` that chose its member in `pool` may still be sent with it.
    pub(crate) async fn keeps(&self, pool: &Pool, credential: CredentialKey, tenant: OrgId) -> bool {
        if self.is_current(pool) {
            return true;
        }
        let now = self.get(&pool.provider).await;
        now.is_ok_and(|now| {
            let is_it = |member: &Arc<Member>| {
                member.policy.credential == credential.credential
                    && member.stored.version == credential.version
                    && member.policy.state == PoolState::Active
            };
            now.members.iter().any(is_it) && now.tenants.paused(tenant).is_none()
        })
    }

    /// The pool of a provider as it is now.
    pub(crate) async fn get(&self, provider: &str) -> Result<Arc<Pool>, Deny> {
        let known = lock(&self.ready).get(provider).cloned();
        if let Some(pool) = known.filter(|pool| self.is_current(pool)) {
            return Ok(pool);
        }
        // On the heap, so that calls that need no load carry no room for one.
        Box::pin(self.load(provider)).await
    }

    async fn load(&self, provider: &str) -> Result<Arc<Pool>, Deny> {
        let unavailable = |error: StoreError| {
            tracing::error!(provider, %error, "a pool cannot be loaded");
            Deny::AuthStale
        };
        for _ in 0..ATTEMPTS {
            let generation = self.generation.load(Ordering::SeqCst);
            let mut conn = self.store.read().await.map_err(unavailable)?;
            let (rows, credentials) = pools::load(&mut conn, provider).await.map_err(unavailable)?;
            let book = price_books::newest(&mut conn).await.map_err(unavailable)?;
            let said = pool_tenants::list(&mut conn, Some(provider))
                .await
                .map_err(unavailable)?;
            let rules = pool_tenants::rules(&mut conn, Some(provider))
                .await
                .map_err(unavailable)?;
            drop(conn);
            // A credential that changes from here on is heard of.
            lock(&self.members).extend(rows.iter().map(|row| row.credential));
            let members = rows.iter().map(|row| self.member(row, provider, &credentials));
            let members = members.collect::<Result<Vec<_>, _>>();
            let book = book.map_or(Ok(PriceBook::default()), |book| {
                authentic(&self.policy_mac, "price_book", &book.policy, &book.mac)
            });
            let tenants = Tenants::of(&self.policy_mac, provider, &said, &rules);
            let (members, book, tenants) = match (members, book, tenants) {
                (Ok(members), Ok(book), Ok(tenants)) => (members, book, tenants),
                (Err(reason), ..) | (_, Err(reason), _) | (.., Err(reason)) => {
                    tracing::error!(provider, reason, "the rows of a pool are not authentic");
                    return Err(Deny::NoPoolCredential {
                        provider: provider.to_owned(),
                    });
                }
            };
            let pool = Arc::new(Pool {
                provider: provider.to_owned(),
                generation,
                members: members.into_iter().flatten().collect(),
                selling: Selling::of(provider, book),
                tenants,
                queue: self.queue(provider),
            });
            if self.is_current(&pool) {
                pool.queue.configure(&pool.terms(self.clock.now()));
                lock(&self.ready).insert(provider.to_owned(), Arc::clone(&pool));
                return Ok(pool);
            }
        }
        Err(Deny::AuthStale)
    }

    /// How the members of a pool do, and how many calls wait there.
    pub(crate) fn status(&self, provider: &str) -> (Vec<MemberStatus>, usize) {
        let queue = lock(&self.queues).get(provider).cloned();
        queue.map_or_else(Default::default, |queue| (queue.members(), queue.waiting()))
    }

    /// How many calls wait at each pool.
    pub(crate) fn waiting(&self) -> Vec<(String, usize)> {
        let queues = lock(&self.queues);
        let waiting = queues
            .iter()
            .map(|(provider, queue)| (provider.clone(), queue.waiting()));
        waiting.collect()
    }

    fn queue(&self, provider: &str) -> Arc<Queue> {
        let mut queues = lock(&self.queues);
        let queue = queues
            .entry(provider.to_owned())
            .or_insert_with(|| Queue::new(Arc::clone(&self.clock)));
        Arc::clone(queue)
    }

    /// The member that a row describes; `None` where its credential is gone or may not be used.
    fn member(
        &self,
        row: &PoolCredential,
        provider: &str,
        credentials: &[LoadedCredential],
    ) -> Result<Option<Arc<Member>>, &'static str> {
        let policy: PoolPolicy = authentic(&self.policy_mac, "pool", &row.policy, &row.mac)?;
        if policy.credential != row.credential || policy.org != row.org || policy.provider != provider {
            return Err("a pooled credential belongs elsewhere");
        }
        let usable = |stored: &&LoadedCredential| {
            let is_good = !matches!(
                stored.status,
                CredentialStatus::Disabled | CredentialStatus::Invalid
            );
            stored.id == policy.credential
                && stored.provider == provider
                && stored.source == Source::Marketplace
                && is_good
        };
        let stored = credentials.iter().find(usable).cloned();
        let stored = stored.filter(|_| policy.state.finishes());
        Ok(stored.map(|stored| {
            Arc::new(Member {
                learned: self.limits.of(policy.credential),
                policy,
                stored,
                ready: OnceCell::new(),
            })
        }))
    }
}

impl Pool {
    /// The member whose place a call has got; `None` where it has changed since.
    pub(crate) fn member(&self, place: &Place) -> Option<&Arc<Member>> {
        let is_it = |member: &&Arc<Member>| {
            member.policy.credential == place.member() && member.stored.version == place.version()
        };
        self.members.iter().find(is_it)
    }

    /// What the queue needs to know of the members.
    fn terms(&self, now: Micros) -> Vec<MemberTerms> {
        let terms = self.members.iter().map(|member| {
            let PoolPolicy {
                credential,
                state,
                weight,
                dedicated_to,
                max_concurrency,
                ..
            } = &member.policy;
            let is_over = member.stored.expires_at.is_some_and(|at| at <= now);
            MemberTerms {
                id: *credential,
                version: member.stored.version,
                weight: NonZeroU32::new(*weight).unwrap_or(NonZeroU32::MIN),
                dedicated_to: *dedicated_to,
                max_in_flight: max_concurrency.and_then(NonZeroU32::new),
                is_draining: *state != PoolState::Active || is_over,
            }
        });
        terms.collect()
    }
}

impl Member {
    /// From this time on it is not used.
    pub(crate) fn expires_at(&self) -> Option<Micros> {
        self.stored.expires_at
    }

    /// The credential, its keys unwrapped at first use.
    pub(crate) async fn credential(&self, vault: &Vault) -> Result<Arc<ReadyCredential>, VaultError> {
        if let Some(ready) = self.ready.get() {
            return Ok(Arc::clone(ready));
        }
        let init = self
            .ready
            .get_or_try_init(|| serving(vault, self.policy.org, &self.stored, Arc::clone(&self.learned)));
        Ok(Arc::clone(Box::pin(init).await?))
    }
}
