//! How far a change has come: whether every call that it reached was cut or looked at again.
//!
//! A change of the store is in force on this node before the call that made it returns; what takes a moment is calls that run.
//! This is the one place that knows who has to be waited for. With one node that is the node's own calls; a deployment of many
//! nodes would wait here for their acknowledgements of the epoch, too.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::Proxy;
use crate::cache::Calls;

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Propagation {
    /// Every call that the change reached was cut, or goes on by right. If not, some still were neither when the time was up.
    pub propagated: bool,
    /// How long that was waited for.
    pub waited: Duration,
    /// How many calls were cut.
    pub streams_cut: u64,
}

/// Waits until all of them were cut or go on by right, at most `limit` long.
async fn settle(reached: &[(Arc<Calls>, u64)], limit: Duration) -> Propagation {
    let begun = Instant::now();
    let all = async {
        for (calls, _) in reached {
            calls.have_left().await;
        }
    };
    let propagated = tokio::time::timeout(limit, all).await.is_ok();
    Propagation {
        propagated,
        waited: begun.elapsed(),
        streams_cut: reached.iter().map(|(calls, before)| calls.cut() - before).sum(),
    }
}

impl Proxy {
    /// Waits until the change with this epoch has reached every running call that it concerns, at most `limit` long.
    pub async fn propagation(&self, epoch: u64, limit: Duration) -> Propagation {
        settle(&self.agents.reached().by(epoch), limit).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Reached;
    use crate::cache::tests::{end, running};

    /// As many calls of an agent that has changed.
    fn reached_calls(count: usize) -> Arc<Calls> {
        let calls = running(count);
        assert!(calls.mark_stale());
        calls
    }

    fn cut(calls: &Calls, count: usize) {
        (0..count).for_each(|_| calls.count_cut());
        end(calls, count);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_done_when_every_call_has_left() {
        let reached = Reached::default();
        let (one, other, later) = (reached_calls(3), reached_calls(2), reached_calls(1));
        reached.note(7, [&one, &other].map(Arc::clone).into_iter());
        reached.note(8, [Arc::clone(&later)].into_iter());
        cut(&one, 2);
        let calls = reached.by(7);
        let soon = settle(&calls, Duration::from_secs(1)).await;
        assert_eq!(
            (soon.propagated, soon.waited, soon.streams_cut),
            (false, Duration::from_secs(1), 2)
        );
        let last = async {
            end(&one, 1);
            cut(&other, 2);
        };
        let (done, ()) = tokio::join!(settle(&calls, Duration::from_secs(1)), last);
        assert_eq!((done.propagated, done.streams_cut), (true, 4));
        assert!(later.are_running(), "a later change is not waited for");
    }

    #[tokio::test(start_paused = true)]
    async fn calls_on_their_way_from_an_earlier_change_are_waited_for() {
        let reached = Reached::default();
        let (moving, gone) = (reached_calls(2), reached_calls(1));
        reached.note(7, [&moving, &gone].map(Arc::clone).into_iter());
        cut(&gone, 1);
        cut(&moving, 1);
        let calls = reached.by(8);
        assert!(!settle(&calls, Duration::from_millis(1)).await.propagated);
        cut(&moving, 1);
        let done = settle(&calls, Duration::from_millis(1)).await;
        assert_eq!(
            (done.propagated, done.streams_cut),
            (true, 1),
            "what was cut before is not counted again"
        );
    }
}
