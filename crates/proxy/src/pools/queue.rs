//! Who gets which member of a pool, and who waits for one: the pure pool of `core` behind a lock, with a way to wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keystore_core::Clock;
use keystore_core::ids::CredentialId;
use keystore_core::pool::{
    Asked, Call, Chosen, MemberStatus, MemberTerms, Outcome, Pool, QueueTerms, Quota, Refusal, Ticket, Turn,
};
use tokio::sync::oneshot;

use crate::lock::lock;

/// How many calls may wait for a member: a burst is evened out, a lasting excess is refused.
const TERMS: QueueTerms = QueueTerms {
    per_tenant: 64,
    in_all: 512,
};

/// The pool of one provider, for as long as the process lives.
pub(crate) struct Queue {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    pool: Pool,
    waiting: HashMap<Ticket, oneshot::Sender<Result<Chosen, Refusal>>>,
}

impl Queue {
    /// A pool without members.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let state = State {
            pool: Pool::new(TERMS),
            waiting: HashMap::new(),
        };
        Arc::new(Self {
            clock,
            state: Mutex::new(state),
        })
    }

    /// Takes in which members there are.
    pub(crate) fn configure(&self, members: &[MemberTerms]) {
        let now = self.clock.boottime();
        self.change(|pool| pool.configure(now, TERMS, members));
    }

    /// Takes in what the vendor said of a member's limits.
    pub(crate) fn learn(&self, member: CredentialId, quotas: &[Quota]) {
        let now = self.clock.boottime();
        self.change(|pool| pool.learn(now, member, quotas));
    }

    /// How the members are.
    pub(crate) fn members(&self) -> Vec<MemberStatus> {
        lock(&self.state).pool.members(self.clock.boottime())
    }

    /// How many calls wait.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.state).pool.waiting()
    }

    /// A member for a call, at once or when its turn comes.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(crate) async fn place(self: &Arc<Self>, call: Call) -> Result<Place, Refusal> {
        let (asked, turn) = {
            let mut state = lock(&self.state);
            let (asked, turns) = state.pool.ask(self.clock.boottime(), call);
            let turn = match asked {
                Asked::Waits(ticket) => {
                    let (sender, turn) = oneshot::channel();
                    state.waiting.insert(ticket, sender);
                    Some(turn)
                }
                Asked::Granted(..) | Asked::Refused(_) => None,
            };
            state.deliver(turns);
            (asked, turn)
        };
        match (asked, turn) {
            (Asked::Refused(refusal), _) => Err(refusal),
            (Asked::Granted(ticket, chosen), _) => Ok(self.granted(ticket, chosen)),
            (Asked::Waits(ticket), Some(turn)) => Box::pin(self.wait(ticket, turn)).await,
            (Asked::Waits(_), None) => Err(Refusal::NoMember),
        }
    }

    /// Waits for the turn of a ticket; whoever waits looks after the time for all.
    async fn wait(
        self: &Arc<Self>,
        ticket: Ticket,
        mut turn: oneshot::Receiver<Result<Chosen, Refusal>>,
    ) -> Result<Place, Refusal> {
        // A call that goes away gives up its place in the queue, or the one that it has just got.
        let mut held = Held {
            queue: Arc::clone(self),
            ticket,
            outcome: Outcome::Unknown,
        };
        loop {
            let now = self.clock.boottime();
            let next = lock(&self.state).pool.next_wake(now);
            let wait = next.map_or(Duration::from_secs(1), |next| next.saturating_sub(now));
            // Never without a pause: a clock that stands still must not make this turn for ever.
            let wait = wait.max(Duration::from_millis(1));
            match tokio::time::timeout(wait, &mut turn).await {
                Ok(Ok(Ok(chosen))) => {
                    held.outcome = Outcome::Unknown;
                    return Ok(Place { held, chosen });
                }
                Ok(Ok(Err(refusal))) => return Err(refusal),
                // The sender is kept until it is used.
                Ok(Err(_)) => return Err(Refusal::NoMember),
                Err(_) => {
                    let now = self.clock.boottime();
                    self.change(|pool| pool.wake(now));
                }
            }
        }
    }

    fn granted(self: &Arc<Self>, ticket: Ticket, chosen: Chosen) -> Place {
        let held = Held {
            queue: Arc::clone(self),
            ticket,
            outcome: Outcome::Unknown,
        };
        Place { held, chosen }
    }

    fn change(&self, change: impl FnOnce(&mut Pool) -> Vec<Turn>) {
        let mut state = lock(&self.state);
        let turns = change(&mut state.pool);
        state.deliver(turns);
    }
}

impl State {
    fn deliver(&mut self, turns: Vec<Turn>) {
        for turn in turns {
            if let Some(waiting) = self.waiting.remove(&turn.ticket) {
                // Whoever is gone gives its place back when it is dropped.
                let _ = waiting.send(turn.result);
            }
        }
    }
}

/// A ticket that is released when this is dropped.
struct Held {
    queue: Arc<Queue>,
    ticket: Ticket,
    outcome: Outcome,
}

impl Drop for Held {
    fn drop(&mut self) {
        let now = self.queue.clock.boottime();
        let mut state = lock(&self.queue.state);
        state.waiting.remove(&self.ticket);
        let turns = state.pool.release(now, self.ticket, self.outcome);
        state.deliver(turns);
    }
}

/// A member for one call, until this is dropped.
pub(crate) struct Place {
    held: Held,
    chosen: Chosen,
}

impl Place {
    /// The member.
    pub(crate) fn member(&self) -> CredentialId {
        self.chosen.member
    }

    /// The version of its key that counts for the call.
    pub(crate) fn version(&self) -> u32 {
        self.chosen.version
    }

    /// What the call shows of the member. Without it nothing is known.
    pub(crate) fn shows(&mut self, outcome: Outcome) {
        self.held.outcome = outcome;
    }
}
