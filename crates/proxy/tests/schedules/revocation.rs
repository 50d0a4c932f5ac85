//! Revocation: once it is acknowledged, no byte of any call goes out, whoever was looked up, loaded or running when.
//!
//! Real are the calls of an agent, the index from things to agents, the look-up between them, and what is known of the calls that a
//! change reached. In place of the database stand a row and an epoch, and what the store promises of them: the row changes, then
//! the epoch, then the listeners are told, of one change after the other.

#[expect(dead_code, reason = "the product's own files, of which a part is used")]
#[path = "../../src/cache/calls.rs"]
mod calls;
#[path = "../../src/cache/index.rs"]
mod index;
#[path = "../../src/cache/look_up.rs"]
mod look_up;
#[path = "../../src/cache/reached.rs"]
mod reached;

use std::sync::Arc;

use keystore_core::ids::AgentId;
use keystore_store::Change;
use shuttle::future::block_on;
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use shuttle::thread;
use uuid::Uuid;

use self::agent::Agent;
use self::calls::Running;
use self::index::Index;
use self::reached::Reached;
use crate::lock::lock;
use crate::{under_all_schedules, under_schedules_until_caught};

const AGENT: Uuid = Uuid::from_u128(1);

/// In place of the product's agent: only what it was made from, and its calls.
mod agent {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::calls::Calls;

    #[derive(Default)]
    pub(crate) struct Agent {
        pub(crate) calls: Arc<Calls>,
    }

    impl Agent {
        pub(crate) fn is_current(&self) -> bool {
            self.calls.are_current()
        }

        pub(crate) fn mark_stale(&self) -> bool {
            self.calls.mark_stale()
        }

        pub(crate) fn sources(&self) -> impl Iterator<Item = Uuid> + '_ {
            std::iter::once(super::AGENT)
        }
    }
}

/// How an agent is looked up that is not ready.
type LookUp = fn(&Node) -> Option<Arc<Agent>>;
/// How a call looks again when its agent has changed: whether it may go on.
type LookAgain = fn(&Node, &mut Running) -> bool;

struct Node {
    /// The row: whether the agent is revoked.
    revoked: Mutex<bool>,
    epoch: AtomicU64,
    index: Index,
    ready: Mutex<Option<Arc<Agent>>>,
    reached: Reached,
    /// Whose turn it is to make a change.
    turn: Mutex<()>,
    look_up: LookUp,
    look_again: LookAgain,
    acknowledged: AtomicBool,
}

impl Node {
    fn new(look_up: LookUp, look_again: LookAgain) -> Arc<Self> {
        Arc::new(Self {
            revoked: Mutex::new(false),
            epoch: AtomicU64::new(0),
            index: Index::default(),
            ready: Mutex::new(None),
            reached: Reached::default(),
            turn: Mutex::new(()),
            look_up,
            look_again,
            acknowledged: AtomicBool::new(false),
        })
    }

    fn load(&self) -> Option<Agent> {
        let revoked = *lock(&self.revoked);
        (!revoked).then(Agent::default)
    }

    /// The agent as it is now.
    fn agent(&self) -> Option<Arc<Agent>> {
        if let Some(agent) = lock(&self.ready).clone().filter(|agent| agent.is_current()) {
            return Some(agent);
        }
        let agent = (self.look_up)(self)?;
        *lock(&self.ready) = Some(Arc::clone(&agent));
        Some(agent)
    }

    /// Tells of a change of the row, and gives its epoch.
    fn tell(&self, change: &Change) -> u64 {
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst) + 1;
        let reached = look_up::mark(&self.index, change);
        let calls = reached.iter().map(|agent| Arc::clone(&agent.calls));
        self.reached.note(epoch, calls);
        epoch
    }

    /// Waits for the calls that a change reached, and acknowledges it.
    fn acknowledge(&self, epoch: u64) {
        for (calls, _) in self.reached.by(epoch) {
            block_on(calls.have_left());
        }
        self.acknowledged.store(true, Ordering::SeqCst);
    }

    /// Revokes the agent.
    fn revoke(&self) {
        let turn = lock(&self.turn);
        *lock(&self.revoked) = true;
        let epoch = self.tell(&Change::Agent(AgentId::new(AGENT)));
        drop(turn);
        self.acknowledge(epoch);
    }

    /// A change that takes nothing away.
    fn edit(&self) {
        let _turn = lock(&self.turn);
        self.tell(&Change::Agent(AgentId::new(AGENT)));
    }

    /// As [`Node::revoke`], of a store that tells of several changes at once.
    fn revoke_at_once(&self) {
        *lock(&self.revoked) = true;
        let epoch = self.tell(&Change::Agent(AgentId::new(AGENT)));
        self.acknowledge(epoch);
    }

    /// A call up to its first byte.
    fn begin(&self) -> Option<Running> {
        let mut running = Running::under(&self.agent()?);
        // The last thing before the first byte.
        if !running.is_current() && !(self.look_again)(self, &mut running) {
            return None;
        }
        self.send();
        Some(running)
    }

    fn send(&self) {
        let late = self.acknowledged.load(Ordering::SeqCst);
        assert!(!late, "sent after the acknowledgement");
    }

    /// A call with a short answer.
    fn call(&self) {
        drop(self.begin());
    }

    /// A call with an answer that lasts until it is cut.
    fn stream(&self) {
        let Some(mut running) = self.begin() else { return };
        loop {
            block_on(running.calls.changed());
            if !(self.look_again)(self, &mut running) {
                running.calls.count_cut();
                return;
            }
            self.send();
        }
    }
}

/// As the product's leash does it: it counts the call, and looks whether the agent has changed until then.
fn look_again(node: &Node, running: &mut Running) -> bool {
    while !running.is_current() {
        let Some(agent) = node.agent() else { return false };
        *running = Running::under(&agent);
    }
    true
}

/// One that trusts the agent that it found.
fn look_again_once(node: &Node, running: &mut Running) -> bool {
    let Some(agent) = node.agent() else { return false };
    *running = Running::under(&agent);
    true
}

/// The product's look-up.
fn look_up(node: &Node) -> Option<Arc<Agent>> {
    let epoch = || node.epoch.load(Ordering::SeqCst);
    let found = look_up::look_up(epoch, &node.index, || async { Ok(node.load()) });
    block_on(found).ok()?
}

/// One that does not look at the epoch again.
fn look_up_once(node: &Node) -> Option<Arc<Agent>> {
    let agent = Arc::new(node.load()?);
    node.index.insert(&agent);
    Some(agent)
}

/// Calls beside a change that takes nothing away and one that takes everything away.
fn run(call: fn(&Node), revoke: fn(&Node), look_up: LookUp, look_again: LookAgain) {
    let node = Node::new(look_up, look_again);
    let threads = [call, call, Node::call, Node::edit, revoke].map(|step| {
        let node = Arc::clone(&node);
        thread::spawn(move || step(&node))
    });
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(node.agent().is_none(), "served after the acknowledgement");
}

#[test]
fn nothing_is_sent_after_the_acknowledgement() {
    under_all_schedules(|| run(Node::call, Node::revoke, look_up, look_again));
}

/// Not even by a call that is cut, and each of them hears of it.
#[test]
fn every_stream_has_ended_by_the_acknowledgement() {
    under_all_schedules(|| run(Node::stream, Node::revoke, look_up, look_again));
}

#[test]
#[should_panic(expected = "after the acknowledgement")]
fn a_look_up_that_a_change_overtakes_is_caught() {
    under_schedules_until_caught(|| run(Node::call, Node::revoke, look_up_once, look_again));
}

#[test]
#[should_panic(expected = "after the acknowledgement")]
fn a_second_look_that_a_change_overtakes_is_caught() {
    under_schedules_until_caught(|| run(Node::call, Node::revoke, look_up, look_again_once));
}

#[test]
#[should_panic(expected = "after the acknowledgement")]
fn changes_that_are_told_at_once_are_caught() {
    under_schedules_until_caught(|| run(Node::call, Node::revoke_at_once, look_up, look_again));
}
