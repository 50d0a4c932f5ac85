//! The calls that run under an agent as it was loaded: how they learn that it changed, and how whoever changed it learns what
//! became of them.

use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::{Mutex, Notify};

use super::agent::Agent;

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
    fn begin(&self) {
        self.running.fetch_add(1, Ordering::SeqCst);
    }

    /// A call is over, or goes on under another agent.
    fn end(&self) {
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

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Barrier;
    use std::time::Duration;

    use super::*;

    /// As many calls of an agent that does not matter.
    pub(crate) fn running(count: usize) -> Arc<Calls> {
        let calls = Arc::new(Calls::default());
        (0..count).for_each(|_| calls.begin());
        calls
    }

    /// As many of them are over.
    pub(crate) fn end(calls: &Calls, count: usize) {
        (0..count).for_each(|_| calls.end());
    }

    #[test]
    fn a_call_is_seen_by_a_change_or_sees_it() {
        for _ in 0..5_000 {
            let (calls, both) = (Calls::default(), Barrier::new(2));
            let (went_on, was_seen) = std::thread::scope(|scope| {
                let call = scope.spawn(|| {
                    both.wait();
                    calls.begin();
                    calls.are_current()
                });
                both.wait();
                let was_seen = calls.mark_stale();
                (call.join().unwrap(), was_seen)
            });
            assert!(was_seen || !went_on);
        }
    }

    #[tokio::test]
    async fn a_change_is_heard_of_whenever_it_is_asked_for() {
        let calls = running(1);
        let early = tokio::time::timeout(Duration::from_millis(20), calls.changed());
        assert!(early.await.is_err());
        let (heard, news) = tokio::join!(calls.changed(), async { calls.mark_stale() });
        assert_eq!((heard, news), ((), true));
        calls.changed().await;
        assert!(!calls.mark_stale(), "that is no news");
        assert!(!Calls::default().mark_stale(), "nobody has to be waited for");
    }
}
