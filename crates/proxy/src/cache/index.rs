//! Who was made from what: the way from a change to the agents that it makes stale.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use keystore_store::Change;
use uuid::Uuid;

use super::agent::Agent;
use crate::lock::lock;
use crate::sync::Mutex;

/// Agents by the ids of everything they were made from.
#[derive(Default)]
pub(super) struct Index(Mutex<HashMap<Uuid, Users>>);

/// The agents that were made from one thing, and how many of them had been there when the dead ones were last cleared away.
#[derive(Default)]
struct Users {
    agents: Vec<Weak<Agent>>,
    cleared_at: usize,
}

impl Index {
    pub(super) fn insert(&self, agent: &Arc<Agent>) {
        let mut index = lock(&self.0);
        for source in agent.sources() {
            let users = index.entry(source).or_default();
            if users.agents.len() > 2 * users.cleared_at + 16 {
                users.agents.retain(|agent| agent.strong_count() > 0);
                users.cleared_at = users.agents.len();
            }
            users.agents.push(Arc::downgrade(agent));
        }
    }

    /// Takes everything out that was made from what changed.
    pub(super) fn take(&self, change: &Change) -> Vec<Arc<Agent>> {
        let source = match change {
            Change::Agent(id) => id.uuid(),
            Change::Token(hash) => token_source(&hash.0),
            Change::Credential(id) => id.uuid(),
            Change::Budget(id) => id.uuid(),
            Change::Provider(id) => id.uuid(),
            Change::Project(id) => id.uuid(),
            Change::Org(id) => id.uuid(),
            // No agent is made from it.
            Change::Market => return Vec::new(),
        };
        let users = lock(&self.0).remove(&source);
        let agents = users.map(|users| users.agents).unwrap_or_default();
        agents.iter().filter_map(Weak::upgrade).collect()
    }
}

/// A token as a key of the index: the first half of its hash is unique enough to mark by, and a mark too many does no harm.
pub(super) fn token_source(hash: &[u8; 32]) -> Uuid {
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    Uuid::from_bytes(half)
}
