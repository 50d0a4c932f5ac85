//! The queue of a pool: whoever asks, goes away or is let go when, no call waits for ever beside a free key, no more run than may, and
//! whoever goes away leaves its place.
//!
//! Real is the queue, with the pure pool behind it. Nobody is woken by time: a call that nobody lets go is a deadlock, which shuttle finds.

#[expect(dead_code, reason = "the product's own file, of which a part is used")]
#[path = "../../src/pools/queue.rs"]
mod queue;

use std::collections::HashMap;
use std::future::{Future as _, poll_fn};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use keystore_core::ids::{CredentialId, OrgId};
use keystore_core::pool::{
    Asked, Call, Chosen, MemberTerms, Outcome, Pool, QueueTerms, Refusal, TenantTerms, Ticket, Turn,
};
use keystore_core::{Clock, Micros};
use shuttle::future::block_on;
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;
use tokio::sync::oneshot;
use uuid::Uuid;

use self::queue::Queue;
use crate::lock::lock;
use crate::{under_all_schedules, under_schedules_until_caught};

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn now(&self) -> Micros {
        Micros(0)
    }

    fn boottime(&self) -> Duration {
        Duration::ZERO
    }
}

fn member(number: u128, is_draining: bool) -> MemberTerms {
    MemberTerms {
        id: CredentialId::new(Uuid::from_u128(number)),
        version: 1,
        weight: NonZeroU32::MIN,
        dedicated_to: None,
        max_in_flight: Some(NonZeroU32::MIN),
        is_draining,
    }
}

fn call(tenant: u128) -> Call {
    Call {
        tenant: OrgId::new(Uuid::from_u128(tenant)),
        terms: TenantTerms::default(),
        excluded: Vec::new(),
        deadline: Duration::from_secs(60),
    }
}

/// Two keys, each for one call at a time.
const KEYS: usize = 2;

/// Calls of two customers come and go, one goes away while it waits, and a key drains and comes back. `visit` makes one call with the place
/// that it gets, `leave` begins one and goes away.
fn run<Q: Send + Sync + 'static>(
    queue: Q,
    visit: fn(&Q, u128, &AtomicUsize),
    leave: fn(&Q, u128),
    drain: fn(&Q, bool),
) -> Arc<Q> {
    let (queue, running) = (Arc::new(queue), Arc::new(AtomicUsize::new(0)));
    let mut threads = Vec::new();
    for tenant in [1, 1, 2] {
        let (queue, running) = (Arc::clone(&queue), Arc::clone(&running));
        threads.push(thread::spawn(move || {
            for _ in 0..2 {
                visit(&queue, tenant, &running);
            }
        }));
    }
    let leaver = Arc::clone(&queue);
    threads.push(thread::spawn(move || leave(&leaver, 2)));
    let operator = Arc::clone(&queue);
    threads.push(thread::spawn(move || {
        drain(&operator, true);
        drain(&operator, false);
    }));
    for thread in threads {
        thread.join().unwrap();
    }
    queue
}

/// While it has its place, no more run than there are keys.
fn is_one_of(running: &AtomicUsize) {
    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
    assert!(now <= KEYS, "{now} run at {KEYS} keys");
    thread::yield_now();
    running.fetch_sub(1, Ordering::SeqCst);
}

fn visit(queue: &Arc<Queue>, tenant: u128, running: &AtomicUsize) {
    let mut place = block_on(queue.place(call(tenant))).ok().unwrap();
    is_one_of(running);
    place.shows(Outcome::Answered);
}

/// Gets its place and keeps it.
fn visit_for_ever(queue: &Arc<Queue>, tenant: u128, running: &AtomicUsize) {
    let place = block_on(queue.place(call(tenant))).ok().unwrap();
    is_one_of(running);
    if tenant == 2 {
        std::mem::forget(place);
    }
}

fn leave(queue: &Arc<Queue>, tenant: u128) {
    let mut waiting = Box::pin(queue.place(call(tenant)));
    let looked = block_on(poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))));
    drop(looked);
    drop(waiting);
}

fn drain(queue: &Arc<Queue>, drains: bool) {
    queue.configure(&[member(1, false), member(2, drains)]);
}

fn real() -> Arc<Queue> {
    let queue = Queue::new(Arc::new(Still));
    drain(&queue, false);
    queue
}

#[test]
fn nobody_waits_for_ever_and_no_more_run_than_may() {
    under_all_schedules(|| {
        let queue = run(real(), visit, leave, drain);
        assert_eq!(queue.waiting(), 0);
        assert!(queue.members().iter().all(|member| member.in_flight == 0));
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_place_that_is_not_given_back_is_caught() {
    under_schedules_until_caught(|| {
        run(real(), visit_for_ever, leave, drain);
    });
}

/// A queue that is wrong: it looks whether a call has to wait, and only then, in a second step, notes whom to tell.
struct Hasty(Mutex<State>);

struct State {
    pool: Pool,
    waiting: HashMap<Ticket, oneshot::Sender<Result<Chosen, Refusal>>>,
}

const TERMS: QueueTerms = QueueTerms {
    per_tenant: 64,
    in_all: 512,
};

impl Hasty {
    fn new() -> Self {
        let hasty = Self(Mutex::new(State {
            pool: Pool::new(TERMS),
            waiting: HashMap::new(),
        }));
        hasty.drain(false);
        hasty
    }

    fn change(&self, change: impl FnOnce(&mut Pool) -> Vec<Turn>) {
        let mut state = lock(&self.0);
        let turns = change(&mut state.pool);
        for turn in turns {
            if let Some(waiting) = state.waiting.remove(&turn.ticket) {
                let _ = waiting.send(turn.result);
            }
        }
    }

    fn drain(&self, drains: bool) {
        let members = [member(1, false), member(2, drains)];
        self.change(|pool| pool.configure(Duration::ZERO, TERMS, &members));
    }

    fn visit(&self, tenant: u128, running: &AtomicUsize) {
        let mut asked = None;
        self.change(|pool| {
            let (answer, turns) = pool.ask(Duration::ZERO, call(tenant));
            asked = Some(answer);
            turns
        });
        let ticket = match asked.unwrap() {
            Asked::Granted(ticket, _) => ticket,
            Asked::Waits(ticket) => {
                let (sender, turn) = oneshot::channel();
                lock(&self.0).waiting.insert(ticket, sender);
                block_on(turn).unwrap().unwrap();
                ticket
            }
            Asked::Refused(refusal) => panic!("{refusal:?}"),
        };
        is_one_of(running);
        self.change(|pool| pool.release(Duration::ZERO, ticket, Outcome::Answered));
    }
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_turn_that_comes_before_anybody_listens_is_caught() {
    under_schedules_until_caught(|| {
        run(Hasty::new(), Hasty::visit, |_, _| (), Hasty::drain);
    });
}
