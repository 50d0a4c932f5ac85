//! The calls that run under an agent as it was loaded: how they learn that it changed, and how whoever changed it learns what
//! became of them.

use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{Mutex, Notify};

use super::agent::Agent;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// What an agent and its running calls share.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    stale: AtomicBool,
    changed: Notify,
    running: AtomicUsize,
    cut: AtomicU64,
    left: Notify,
    /// Whose turn it is to look the agent up again, and whether it is known that it is gone.
    pub(super) turn: Mutex<bool>,
}

impl Calls {
    /// Whether nothing that the agent was made from has changed.
    pub(super) fn are_current(&self) -> bool {
        !self.stale.load(Ordering::SeqCst)
    }

    /// Tells every call that the agent changed. Whether this is news, and calls run.
    pub(crate) fn mark_stale(&self) -> bool {
        let news = !self.stale.swap(true, Ordering::SeqCst);
        self.changed.notify_waiters();
        // A call counts itself before it looks at the mark: either it is seen here, or it sees the mark.
        news && self.are_running()
    }

    /// Returns once the agent has changed.
    pub(crate) async fn changed(&self) {
        let mut notified = pin!(self.changed.notified());
        notified.as_mut().enable();
        if self.are_current() {
            notified.await;
        }
    }

    /// Whether a call runs under the agent.
    pub(crate) fn are_running(&self) -> bool {
        self.running.load(Ordering::SeqCst) > 0
    }

    /// Returns once no call runs any more under an agent that changed.
    pub(crate) async fn have_left(&self) {
        loop {
            let mut left = pin!(self.left.notified());
            left.as_mut().enable();
            if !self.are_running() {
                return;
            }
            left.await;
        }
    }

    /// One more call runs.
    pub(super) fn begin(&self) {
        self.running.fetch_add(1, Ordering::SeqCst);
    }

    /// A call is over, or goes on under another agent.
    pub(super) fn end(&self) {
        let last = self.running.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && !self.are_current() {
            self.left.notify_waiters();
        }
    }

    /// Notes that a call was cut.
    pub(crate) fn count_cut(&self) {
        self.cut.fetch_add(1, Ordering::SeqCst);
    }

    /// How many calls were cut because of what the agent changed to.
    pub(crate) fn cut(&self) -> u64 {
        self.cut.load(Ordering::SeqCst)
    }
}

/// An agent with one more call running under it, for as long as this lives.
pub(crate) struct Running(Arc<Agent>);

impl Running {
    /// Counts a call.
    pub(crate) fn under(agent: &Arc<Agent>) -> Self {
        agent.calls.begin();
        Self(Arc::clone(agent))
    }

    /// The agent.
    pub(crate) fn agent(&self) -> &Arc<Agent> {
        &self.0
    }
}

impl Deref for Running {
    type Target = Agent;

    fn deref(&self) -> &Agent {
        &self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.calls.end();
    }
}
