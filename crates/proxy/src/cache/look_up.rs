//! How an agent is looked up, and how a change finds those that were made from what it changed: between the two no agent is lost
//! that changed while it was loaded.

use std::sync::Arc;

use keystore_core::Deny;
use keystore_store::Change;

use super::agent::Agent;
use super::index::Index;

/// How often a load is tried that changes keep overtaking.
const ATTEMPTS: usize = 8;

/// Loads an agent as it is now: one that a change overtook is loaded again. `None` when there is none.
pub(super) async fn look_up<Load: Future<Output = Result<Option<Agent>, Deny>>>(
    epoch: impl Fn() -> u64,
    index: &Index,
    load: impl Fn() -> Load,
) -> Result<Option<Arc<Agent>>, Deny> {
    for _ in 0..ATTEMPTS {
        let before = epoch();
        let Some(agent) = load().await? else {
            return Ok(None);
        };
        let agent = Arc::new(agent);
        // Known to the index before the epoch is looked at again: a change either is in the epoch or marks this agent.
        index.insert(&agent);
        if epoch() == before && agent.is_current() {
            return Ok(Some(agent));
        }
    }
    Err(Deny::AuthStale)
}

/// Marks the agents that were made from what changed; gives those that this is news for and that have calls running.
pub(super) fn mark(index: &Index, change: &Change) -> Vec<Arc<Agent>> {
    let mut stale = index.take(change);
    stale.retain(|agent| agent.mark_stale());
    stale
}
