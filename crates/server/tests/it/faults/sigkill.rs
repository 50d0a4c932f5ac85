//! `kill -9` at any time, under load: no charge is lost, none is made twice, and whatever reached the provider has its intent.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use keystore_testkit::counts::soak;
use keystore_testkit::dice::Dice;

use super::load::{Mix, Traffic, Way};
use super::node::Site;
use super::truth::{self, Sums};

/// Kills on the same data, before everything is compared.
const KILLS_A_SITE: usize = 20;
const CALLERS: u64 = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_nothing_and_charges_nothing_twice() {
    let sites = soak(100, 1);
    let (mut sums, mut dice) = (Sums::default(), Dice::new(9));
    for number in 0..sites {
        let found = killed_again_and_again(number as u64, &mut dice).await;
        assert!(
            found.complete > KILLS_A_SITE / 2 && found.crashed > KILLS_A_SITE / 2,
            "both kinds occurred: {found:?}"
        );
        sums += found;
    }
    println!("{} kills: {sums:?}", sites * KILLS_A_SITE);
}

async fn killed_again_and_again(seed: u64, dice: &mut Dice) -> Sums {
    let mut site = Site::start().await;
    let way = Way::of(&site, Mix::default());
    let next = Arc::new(AtomicUsize::new(0));
    let traffic = Traffic::start(&way, CALLERS, seed, &next);
    for _ in 0..KILLS_A_SITE {
        // A quarter of the kills come at any time of a start, the others while calls run.
        if dice.hits(25) {
            site.kill();
            site.launch(&[]);
        } else {
            calls_run(&site).await;
        }
        tokio::time::sleep(Duration::from_millis(dice.below(300))).await;
        site.kill();
        site.run(&[]).await.unwrap();
    }
    traffic.end().await;
    let whole = way.seen.whole.lock().unwrap().clone();
    site.nothing_is_held().await;
    site.stop().await;
    let (store, spent) = site.store().await;
    let log = site.upstream.log();
    let sums = truth::check(&store, spent, &log).await;
    store.close().await;
    let received: std::collections::BTreeSet<String> = log
        .iter()
        .map(|entry| entry.json()["model"].as_str().unwrap().to_owned())
        .collect();
    assert!(whole.iter().all(|call| received.contains(&truth::model(*call))));
    sums
}

/// Waits until the server forwards.
async fn calls_run(site: &Site) {
    let (before, begun) = (site.upstream.count(), Instant::now());
    while site.upstream.count() < before + 4 {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "nothing is forwarded\n{}",
            site.log()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
