//! Exactly as many first requests as a budget fits reach the provider, however many come at once.

use std::sync::Arc;
use std::time::Duration;

use keystore_testkit::counts::soak;
use keystore_testkit::limits::raise_open_files;
use reqwest::StatusCode;
use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::load::{Mix, Way};
use super::node::Site;
use super::truth::{self, Sums};

/// What the budget fits.
const FITS: usize = 10;

/// So many come at once.
const AT_ONCE: [usize; 4] = [2, 64, 1_024, 4_096];

/// Rounds on the same data, before everything is compared.
const ROUNDS_A_SITE: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_first_requests_as_a_budget_fits_are_forwarded() {
    // Each caller has a connection of its own, in this process and in the server's.
    raise_open_files(20_000).unwrap();
    let rounds = soak(200, 1);
    let (mut sums, mut done) = (Sums::default(), 0);
    while done < rounds {
        let more = ROUNDS_A_SITE.min(rounds - done);
        sums += several(more).await;
        done += more;
    }
    println!("{rounds} rounds of {AT_ONCE:?} at once: {sums:?}");
}

async fn several(rounds: usize) -> Sums {
    let mut site = Site::start().await;
    let way = Way::of(&site, Mix::default());
    let mut call = 0;
    for round in 0..rounds {
        for at_once in AT_ONCE {
            let limit = json!({"limit": FITS.to_string(), "unit": "calls", "window": "total"});
            let budget = site.owner.post("/v1/budgets", &limit).await.expect(201);
            let before = site.upstream.count();
            let answered = burst(&way, at_once, &mut call).await;
            let fits = at_once.min(FITS);
            assert_eq!(
                (answered, site.upstream.count() - before),
                (fits, fits),
                "round {round}, {at_once} at once"
            );
            let path = format!("/v1/budgets/{}", budget["id"].as_str().unwrap());
            site.owner.delete(&path).await.expect(204);
        }
    }
    site.nothing_is_held().await;
    site.stop().await;
    let (store, _) = site.store().await;
    let sums = truth::check_calls(&store, &site.upstream.log()).await;
    store.close().await;
    sums
}

/// Sends them all at the same moment. How many were answered; the others were refused for the budget.
async fn burst(way: &Way, at_once: usize, call: &mut usize) -> usize {
    let start = Arc::new(Barrier::new(at_once));
    let mut calls = JoinSet::new();
    for _ in 0..at_once {
        *call += 1;
        let (start, request) = (Arc::clone(&start), way.request(*call, false, "head-delay-ms=5"));
        calls.spawn(async move {
            start.wait().await;
            let answer = request.timeout(Duration::from_secs(60)).send().await.unwrap();
            let status = answer.status();
            assert!(
                [StatusCode::OK, StatusCode::PAYMENT_REQUIRED].contains(&status),
                "{status}"
            );
            answer.bytes().await.unwrap();
            status == StatusCode::OK
        });
    }
    calls
        .join_all()
        .await
        .into_iter()
        .filter(|answered| *answered)
        .count()
}
