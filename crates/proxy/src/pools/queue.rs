//! Who gets which member of a pool, and who waits for one: the pure pool of `core` behind a lock, with a way to wait.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use keystore_core::Clock;
use keystore_core::ids::CredentialId;
use keystore_core::pool::{
    Asked, Call, Chosen, MemberStatus, MemberTerms, Outcome, Pool, QueueTerms, Quota, Refusal, Ticket, Turn,
};
use tokio::sync::{Notify, oneshot};

use crate::lock::lock;
use crate::sync::{Mutex, sleep};

/// How many calls may wait for a member: a burst is evened out, a lasting excess is refused.
const TERMS: QueueTerms = QueueTerms {
    per_tenant: 64,
    in_all: 512,
};

/// The pool of one provider, for as long as the process lives.
pub(crate) struct Queue {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) state: Mutex<State>,
    /// Tells those that wait that there is something to do earlier than they thought.
    earlier: Notify,
}

pub(super) struct State {
    pub(super) pool: Pool,
    pub(super) waiting: HashMap<Ticket, oneshot::Sender<Result<Chosen, Refusal>>>,
    /// When those that wait look after the time at the latest.
    next_wake: Option<Duration>,
}

impl Queue {
    /// A pool without members.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let state = State {
            pool: Pool::new(TERMS),
            waiting: HashMap::new(),
            next_wake: None,
        };
        Arc::new(Self {
            clock,
            state: Mutex::new(state),
            earlier: Notify::new(),
        })
    }

    /// Takes in which members there are.
    pub(crate) fn configure(&self, members: &[MemberTerms]) {
        let now = self.clock.boottime();
        self.change(now, |pool| pool.configure(now, TERMS, members));
    }

    /// Takes in what the vendor said of a member's limits.
    pub(crate) fn learn(&self, member: CredentialId, quotas: &[Quota]) {
        let now = self.clock.boottime();
        self.change(now, |pool| pool.learn(now, member, quotas));
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
        let (asked, asked_at, turn) = {
            let mut state = lock(&self.state);
            let now = self.clock.boottime();
            let (asked, turns) = state.pool.ask(now, call);
            let turn = match asked {
                Asked::Waits(ticket) => {
                    let (sender, turn) = oneshot::channel();
                    state.waiting.insert(ticket, sender);
                    Some(turn)
                }
                Asked::Granted(..) | Asked::Refused(_) => None,
            };
            self.deliver(&mut state, now, turns);
            (asked, now, turn)
        };
        match (asked, turn) {
            (Asked::Refused(refusal), _) => Err(refusal),
            (Asked::Granted(ticket, chosen), _) => Ok(self.granted(ticket, chosen)),
            (Asked::Waits(ticket), Some(turn)) => Box::pin(self.wait(ticket, asked_at, turn)).await,
            (Asked::Waits(_), None) => Err(Refusal::NoMember),
        }
    }

    /// Waits for the turn of a ticket; whoever waits looks after the time for all.
    async fn wait(
        self: &Arc<Self>,
        ticket: Ticket,
        asked_at: Duration,
        mut turn: oneshot::Receiver<Result<Chosen, Refusal>>,
    ) -> Result<Place, Refusal> {
        // A call that goes away gives up its place in the queue, or the one that it has just got.
        let mut held = Held {
            queue: Arc::clone(self),
            ticket,
            outcome: Outcome::Unknown,
        };
        loop {
            let mut earlier = pin!(self.earlier.notified());
            // From here on it is told, so that nothing is missed between the look at the time and the wait.
            earlier.as_mut().enable();
            let now = self.clock.boottime();
            let next = lock(&self.state).pool.next_wake(now);
            let wait = next.map_or(Duration::from_secs(1), |next| next.saturating_sub(now));
            // Never without a pause: a clock that stands still must not make this turn for ever.
            let wait = wait.max(Duration::from_millis(1));
            tokio::select! {
                biased;
                result = &mut turn => {
                    // The sender is kept until it is used.
                    let chosen = result.unwrap_or(Err(Refusal::NoMember))?;
                    held.outcome = Outcome::Unknown;
                    let waited = Some(self.clock.boottime().saturating_sub(asked_at));
                    return Ok(Place { held, chosen, waited });
                }
                () = earlier => {}
                () = sleep(wait) => {
                    let now = self.clock.boottime();
                    self.change(now, |pool| pool.wake(now));
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
        Place {
            held,
            chosen,
            waited: None,
        }
    }

    fn change(&self, now: Duration, change: impl FnOnce(&mut Pool) -> Vec<Turn>) {
        let mut state = lock(&self.state);
        let turns = change(&mut state.pool);
        self.deliver(&mut state, now, turns);
    }

    /// Tells those whose turn it is; and the others, where a member is back before they would look.
    fn deliver(&self, state: &mut State, now: Duration, turns: Vec<Turn>) {
        for turn in turns {
            if let Some(waiting) = state.waiting.remove(&turn.ticket) {
                // Whoever is gone gives its place back when it is dropped.
                let _ = waiting.send(turn.result);
            }
        }
        let next = state.pool.next_wake(now);
        if next.is_some_and(|next| state.next_wake.is_none_or(|known| next < known)) {
            self.earlier.notify_waiters();
        }
        state.next_wake = next;
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
        self.queue.deliver(&mut state, now, turns);
    }
}

/// A member for one call, until this is dropped.
pub(crate) struct Place {
    held: Held,
    chosen: Chosen,
    waited: Option<Duration>,
}

impl Place {
    /// How long the call waited for it; `None` where it had it at once.
    pub(crate) fn waited(&self) -> Option<Duration> {
        self.waited
    }

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
