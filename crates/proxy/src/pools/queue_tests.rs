//! Calls that wait, leave, and are let go, in the time of tokio's tests.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keystore_core::ids::{CredentialId, OrgId};
use keystore_core::pool::{Call, MemberState, MemberTerms, Outcome, Refusal, TenantTerms};
use keystore_core::{Clock, Micros};
use keystore_testkit::dice::Dice;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::queue::Queue;
use crate::lock::lock;

/// The time that tokio's timers have.
struct Timers(Instant);

impl Clock for Timers {
    fn now(&self) -> Micros {
        Micros(0).plus(self.boottime())
    }

    fn boottime(&self) -> Duration {
        self.0.elapsed()
    }
}

fn key(number: u128) -> CredentialId {
    CredentialId::new(Uuid::from_u128(number))
}

fn member(number: u128, most: u32) -> MemberTerms {
    MemberTerms {
        id: key(number),
        version: 1,
        weight: NonZeroU32::MIN,
        dedicated_to: None,
        max_in_flight: NonZeroU32::new(most),
        is_draining: false,
    }
}

fn queue(members: &[MemberTerms]) -> Arc<Queue> {
    let queue = Queue::new(Arc::new(Timers(Instant::now())));
    queue.configure(members);
    queue
}

fn call(queue: &Queue, tenant: u128, patience: Duration) -> Call {
    Call {
        tenant: OrgId::new(Uuid::from_u128(tenant)),
        terms: TenantTerms::default(),
        excluded: Vec::new(),
        deadline: queue.clock.boottime() + patience,
    }
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_member_that_is_back_before_they_thought_wakes_those_that_wait() {
    let queue = queue(&[member(1, 1)]);
    let mut first = queue.place(call(&queue, 1, LONG)).await.ok().unwrap();
    let mut waiting = JoinSet::new();
    waiting.spawn({
        let queue = Arc::clone(&queue);
        let call = call(&queue, 1, LONG);
        async move { queue.place(call).await.map(|_| queue.clock.boottime()) }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    first.shows(Outcome::Limited {
        retry_after: Some(Duration::from_secs(2)),
    });
    drop(first);
    let at = waiting.join_next().await.unwrap().unwrap().unwrap();
    assert!((2_100..2_110).contains(&at.as_millis()), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_for_long_enough_is_told_at_that_time() {
    let queue = queue(&[member(1, 1)]);
    let _held = queue.place(call(&queue, 1, LONG)).await.ok().unwrap();
    let patience = Duration::from_millis(1_500);
    let refusal = queue.place(call(&queue, 2, patience)).await.err().unwrap();
    assert!(matches!(refusal, Refusal::Waited { .. }));
    let at = queue.clock.boottime();
    assert!((1_500..1_510).contains(&at.as_millis()), "{at:?}");
    assert_eq!(queue.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_whenever_leaves_no_place_behind() {
    let mut all = 0;
    for seed in 0..20 {
        let queue = queue(&[member(1, 2), member(2, 3)]);
        let running = Arc::new([const { AtomicUsize::new(0) }; 2]);
        let mut tasks = JoinSet::new();
        for number in 0..120 {
            let (queue, running) = (Arc::clone(&queue), Arc::clone(&running));
            let mut dice = Dice::new(seed * 1_000 + number);
            tasks.spawn(async move {
                let ms = |dice: &mut Dice, most| Duration::from_millis(dice.below(most));
                tokio::time::sleep(ms(&mut dice, 50)).await;
                let asked = queue.place(call(&queue, u128::from(number % 4), ms(&mut dice, 60)));
                // Some leave while they wait, or in the moment in which they are let go.
                let Ok(Ok(mut place)) = tokio::time::timeout(ms(&mut dice, 40), asked).await else {
                    return 0;
                };
                let (of, most) = match place.member() == key(1) {
                    true => (&running[0], 2),
                    false => (&running[1], 3),
                };
                assert!(of.fetch_add(1, Ordering::SeqCst) < most, "over the cap");
                tokio::time::sleep(ms(&mut dice, 8)).await;
                of.fetch_sub(1, Ordering::SeqCst);
                if dice.hits(10) {
                    let retry_after = Some(ms(&mut dice, 5));
                    place.shows(Outcome::Limited { retry_after });
                }
                1
            });
        }
        while let Some(done) = tasks.join_next().await {
            all += done.unwrap();
        }
        let state = lock(&queue.state);
        assert!(state.waiting.is_empty());
        assert_eq!(state.pool.waiting(), 0);
        let members = state.pool.members(queue.clock.boottime());
        assert!(members.iter().all(|member| member.in_flight == 0), "{members:?}");
        assert!(
            members
                .iter()
                .all(|member| member.state != MemberState::KeyRefused)
        );
    }
    assert!(all > 800, "{all} were served");
}
