//! The source of the admission core, and of what revocation rests on, under many orders of the steps of its threads.
//!
//! The product's files are compiled here once more, with `sync` below in place of the product's: shuttle decides at every lock and
//! every atomic which thread goes on. A failure prints the schedule, which `shuttle::replay` runs again.
#![expect(clippy::unwrap_used, reason = "a failure is a failed test")]

#[expect(
    dead_code,
    unreachable_pub,
    reason = "the product's own file, of which a part is used"
)]
#[path = "../../src/counters.rs"]
mod counters;
#[path = "../../src/lock.rs"]
mod lock;

mod budgets;
mod pool;
mod rates;
mod revocation;

/// In place of the product's module of this name.
mod sync {
    pub(crate) use shuttle::sync::{Mutex, MutexGuard, PoisonError, atomic};

    /// Time does not help: who is not woken sleeps for ever, which is found.
    pub(crate) async fn sleep(_: std::time::Duration) {
        std::future::pending::<()>().await;
    }
}

use keystore_testkit::counts::soak;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

/// How many threads change places, at most, in half of the schedules: most mistakes need few.
const CHANGES: usize = 3;

/// Runs `test` under 10,000 schedules; under 100,000 where `KEYSTORE_SOAK` is set.
fn under_all_schedules(test: fn()) {
    let count = soak(100_000, 10_000);
    let mut config = Config::new();
    config.stack_size = 128 << 10;
    Runner::new(RandomScheduler::new(count / 2), config.clone()).run(test);
    Runner::new(PctScheduler::new(CHANGES, count / 2), config).run(test);
}

/// Runs a `test` that holds a mistake until a schedule shows it, which may take thousands: a hundred times as many at most.
fn under_schedules_until_caught(test: fn()) {
    for _ in 0..100 {
        under_all_schedules(test);
    }
}
