//! Events that are told to a webhook while the server is killed (SIGKILL) at any time: each arrives, and none is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keystore_testkit::counts::soak;
use keystore_testkit::dice::Dice;
use serde_json::{Value, json};

use super::node::Site;
use crate::support::{Client, Receiver};
use crate::webhooks::signed_by;

const HOOK: &str = "/hook";

/// Events between two kills, at most.
const BURST: u64 = 40;

/// Makes agents until the server is gone. Counts those whose making was acknowledged.
async fn make_agents(owner: Client, made: Arc<AtomicUsize>, round: usize) {
    for number in 0.. {
        let body = json!({"name": format!("agent {round}-{number}"), "providers": []});
        let request = owner.request("POST", "/v1/agents").json(&body);
        match request.send().await {
            Ok(answer) if answer.status() == 201 => made.fetch_add(1, Ordering::SeqCst),
            _ => return,
        };
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_told_at_least_once_whenever_the_server_is_killed() {
    let events = soak(1_000, 100);
    let (mut site, mut dice) = (Site::start().await, Dice::new(28));
    let receiver = Receiver::start().await;
    site.kill();
    site.allow(receiver.authority());
    site.run(&[]).await.unwrap();
    let hook = json!({"url": receiver.url(HOOK), "events": ["agent.created"]});
    let hook = site.owner.post("/v1/webhooks", &hook).await.expect(201);
    let secret = hook["endpoint"]["secret"].as_str().unwrap();

    let made = Arc::new(AtomicUsize::new(0));
    let mut kills = 0;
    // How many events there are between two kills is up to the machine.
    while made.load(Ordering::SeqCst) < events || kills <= events / 50 {
        // Now and then the receiver is down, too.
        receiver.status(HOOK, if dice.hits(25) { 503 } else { 200 });
        let until = made.load(Ordering::SeqCst) + usize::try_from(dice.below(BURST)).unwrap();
        let making = tokio::spawn(make_agents(site.owner.clone(), Arc::clone(&made), kills));
        while made.load(Ordering::SeqCst) < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(dice.below(200))).await;
        site.kill();
        making.await.unwrap();
        kills += 1;
        site.run(&[]).await.unwrap();
    }
    receiver.status(HOOK, 200);

    let happened = happened(&site.owner).await;
    assert!(happened.len() >= made.load(Ordering::SeqCst));
    let begun = Instant::now();
    let arrived = loop {
        let got = receiver.got();
        let arrived: BTreeSet<_> = got
            .iter()
            .map(|one| one.header("webhook-id").to_owned())
            .collect();
        let taken = site.owner.get(&deliveries(&hook, "pending")).await.expect(200);
        if arrived.is_superset(&happened) && taken["data"] == json!([]) {
            break got;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{} are missing\n{}",
            happened.difference(&arrived).count(),
            site.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(arrived.iter().all(|one| signed_by(one, secret)));
    let ids: BTreeSet<_> = arrived
        .iter()
        .map(|one| one.header("webhook-id").to_owned())
        .collect();
    assert_eq!(ids, happened, "nothing is told that did not happen");
    let dead = site.owner.get(&deliveries(&hook, "dead")).await.expect(200);
    assert_eq!(dead["data"], json!([]));
    println!(
        "{kills} kills: {} events, {} messages",
        happened.len(),
        arrived.len()
    );
    site.stop().await;
}

fn deliveries(hook: &Value, status: &str) -> String {
    let id = hook["endpoint"]["id"].as_str().unwrap();
    format!("/v1/webhooks/{id}/deliveries?status={status}")
}

/// The ids of the events that a webhook of this kind has to be told of.
async fn happened(owner: &Client) -> BTreeSet<String> {
    let (mut ids, mut after) = (BTreeSet::new(), String::new());
    loop {
        let path = format!("/v1/events?kind=agent.created&limit=500{after}");
        let page = owner.get(&path).await.expect(200);
        for event in page["data"].as_array().unwrap() {
            // The agent of the site was there before.
            if event["data"]["name"] != "agent" {
                ids.insert(event["id"].as_str().unwrap().to_owned());
            }
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return ids,
        }
    }
}
