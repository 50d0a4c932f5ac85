use std::sync::Arc;
use std::time::Duration;

use super::reached::REMEMBERED_EPOCHS;
use super::{Calls, Reached};
use crate::lock::lock;

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

#[test]
fn what_has_left_is_forgotten_in_time() {
    let reached = Reached::default();
    let running = running(1);
    for epoch in 0..1_000 {
        let idle = Arc::new(Calls::default());
        let calls = if epoch == 0 { Arc::clone(&running) } else { idle };
        reached.note(epoch, [calls].into_iter());
    }
    assert!(lock(&reached.0).len() <= REMEMBERED_EPOCHS as usize + 1);
    assert_eq!(reached.by(999).len(), 2, "the newest, and what still runs");
}
