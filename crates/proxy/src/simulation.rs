//! One node under everything that may happen to it, seed by seed: calls at the same time, clients that leave, vendors that fail,
//! panics, revocations, limits that change, and crashes at any step, each followed by a start on the file as it is.
//!
//! Real are the cache of agents, the leash, the counters, the reservation, the meter, the settlement, the journal with its
//! projections and its recovery on SQLite, and what outlives a client. In the hand of the run are the vendor, the clients, the
//! clock and the ids. The vendor keeps its own account (`upstream.rs`), and at the end of a seed it is compared with the journal's:
//! no forward without an intent, no charge lost, doubled or too small, none too large but what was held when the node ended, no
//! strict budget overspent, nothing held, nothing sent after a revocation was acknowledged.
//!
//! One seed gives the same steps each time. What a crash finds in memory may still reach the file or not, as with any crash: the
//! checks allow both.

mod node;
mod plan;
mod upstream;
mod world;

use std::ops::Range;

use keystore_testkit::counts::soak;
use tokio::runtime::{Builder, Runtime};

use node::Protocol;
use upstream::{Broken, Truth};

/// Runs in so many tests, so that they run beside each other.
const PARTS: usize = 4;
/// Within so many seeds, each wrong protocol is found out.
const FOUND_WITHIN: u64 = 200;

/// A node's own runtime: with it everything goes that is not in the file.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// 3,000 seeds, 100,000 in the soak; those of `KEYSTORE_SIMULATION_SEEDS` alone where that names one (`7`) or some (`7..9`).
#[expect(
    clippy::disallowed_methods,
    reason = "the environment says which seeds are run"
)]
fn seeds() -> Range<u64> {
    let Ok(named) = std::env::var("KEYSTORE_SIMULATION_SEEDS") else {
        return 0..soak(100_000, 3_000) as u64;
    };
    let (first, end) = named.split_once("..").unwrap_or((&named, ""));
    let first = first.parse().unwrap();
    first..end.parse().unwrap_or(first + 1)
}

fn report(seed: u64, protocol: Protocol, truth: &Truth) -> String {
    let (steps, broken) = (truth.steps.join("\n"), &truth.broken);
    format!("seed {seed} of {protocol:?} broke {broken:?}:\n{steps}")
}

fn part(number: usize) {
    for seed in seeds().skip(number).step_by(PARTS) {
        let truth = plan::run(seed, Protocol::Real);
        let report = || report(seed, Protocol::Real, &truth);
        assert!(truth.broken.is_empty(), "{}", report());
    }
}

#[test]
fn nothing_breaks_in_the_first_part() {
    part(0);
}

#[test]
fn nothing_breaks_in_the_second_part() {
    part(1);
}

#[test]
fn nothing_breaks_in_the_third_part() {
    part(2);
}

#[test]
fn nothing_breaks_in_the_fourth_part() {
    part(3);
}

/// The same steps, and the same end.
#[test]
fn a_seed_reproduces_its_run() {
    for seed in 0..20 {
        let [first, again] = [(); 2].map(|()| plan::run(seed, Protocol::Real));
        assert_eq!(first.steps, again.steps, "seed {seed}");
    }
}

/// Finds out that a protocol is wrong, and in what.
fn is_caught(protocol: Protocol, expected: Broken) {
    let caught = (0..FOUND_WITHIN).any(|seed| plan::run(seed, protocol).broken.contains(&expected));
    assert!(caught, "{protocol:?} passes for right");
}

#[test]
fn a_check_before_the_act_is_caught() {
    is_caught(Protocol::CheckThenAct, Broken::OverLimit);
}

#[test]
fn a_journal_written_after_the_dispatch_is_caught() {
    is_caught(Protocol::JournalAfterDispatch, Broken::NoIntent);
}

#[test]
fn a_cache_that_believes_for_a_while_is_caught() {
    is_caught(Protocol::CacheForAWhile, Broken::AfterRevocation);
}

#[test]
fn a_meter_that_ends_with_its_client_is_caught() {
    is_caught(Protocol::MeterWithClient, Broken::Overcharged);
}
