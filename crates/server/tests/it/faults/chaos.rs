//! Everything at once, in one process that lives: clients leave at any byte, providers fail, tasks panic. Nothing stays held, and what
//! providers report is charged to the nano-dollar.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keystore_store::failpoints::{Action, POINTS};
use keystore_testkit::counts::soak;
use keystore_testkit::dice::Dice;
use tokio::task::JoinSet;

use super::load::{Mix, Way};
use super::node::Site;
use super::truth;

const CALLERS: u64 = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_ends_a_call_nothing_stays_held_and_what_is_reported_is_charged() {
    let calls = soak(10_000, 600);
    let mut site = Site::start().await;
    let mix = Mix {
        leaves: 40,
        upstream_fails: 10,
        slow_ms: 15,
    };
    let way = Way::of(&site, mix);
    let states: Vec<&str> = POINTS
        .iter()
        .map(|point| point.name)
        .filter(|name| name.starts_with("exchange."))
        .collect();
    let (mut dice, next) = (Dice::new(4), Arc::new(AtomicUsize::new(0)));
    let mut running = JoinSet::new();
    for caller in 0..CALLERS {
        let (way, next) = (way.clone(), Arc::clone(&next));
        let mut dice = Dice::new(caller + 1);
        running.spawn(async move {
            loop {
                let call = next.fetch_add(1, Ordering::Relaxed);
                if call >= calls {
                    return;
                }
                way.call(call, &mut dice).await;
            }
        });
    }
    // A panic for every twentieth call, wherever one is.
    let mut told = 0;
    while !running.is_empty() {
        let made = next.load(Ordering::Relaxed) / 20;
        while told < made {
            site.set(states[dice.below(states.len() as u64) as usize], Action::Panic, 1);
            told += 1;
        }
        let pause = std::time::Duration::from_millis(5);
        if let Ok(Some(ended)) = tokio::time::timeout(pause, running.join_next()).await {
            ended.unwrap();
        }
    }
    site.nothing_is_held().await;
    let acted = site
        .acted()
        .await
        .expect("a panic in a request is the end of that request alone");
    let panics: u64 = acted.values().sum();
    assert!(panics as usize > calls / 40, "{acted:?}");
    site.stop().await;
    let (store, spent) = site.store().await;
    let sums = truth::check(&store, spent, &site.upstream.log()).await;
    store.close().await;
    let statuses = way.seen.statuses.lock().unwrap().clone();
    println!("{calls} calls, {panics} panics, answered {statuses:?}: {sums:?}");
    assert!(sums.exact > calls / 3, "{sums:?}");
    assert!(
        sums.panicked > calls / 100 && statuses[&500] > 0,
        "{sums:?} {statuses:?}"
    );
}
