//! Disks that fail under a running server: nothing new is forwarded, what runs ends and is not lost, and it is over when the fault is.

use std::time::{Duration, Instant};

use keystore_store::Durability;
use keystore_store::requests::{self, Filter};
use keystore_testkit::counts::{soak, within};
use keystore_testkit::disk::Fault;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::load::{Mix, Way};
use super::node::Site;
use super::truth;
use crate::support::Answer;

/// Streams that run when the fault begins.
const STREAMS: usize = 8;
/// Calls at a time.
const CALLERS: usize = 16;
/// After so many of them a stream has come, piece by piece.
const OUTPUT_TOKENS: u64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_closes_the_door_and_loses_nothing() {
    println!(
        "back after {:?}",
        fails(Fault::Full, Durability::Process, false).await
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_disk_closes_the_door_and_loses_nothing() {
    println!(
        "back after {:?}",
        fails(Fault::ReadOnly, Durability::Process, false).await
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_does_not_sync_closes_the_door_and_loses_nothing() {
    println!(
        "back after {:?}",
        fails(Fault::NoSync, Durability::Process, false).await
    );
}

/// Where every record is synced, the first that cannot be is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_does_not_sync_forwards_nothing_that_must_survive_a_power_cut() {
    println!(
        "back after {:?}",
        fails(Fault::NoSync, Durability::Power, false).await
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_full_disk_kept_in_the_spool_survives_a_kill() {
    fails(Fault::Full, Durability::Process, true).await;
}

/// A fault under load; `killed`: the process is, before the fault ends. How long it took to be over it.
async fn fails(fault: Fault, durability: Durability, killed: bool) -> Duration {
    let mut site = Site::start_on_a_disk(durability).await;
    let way = Way::of(&site, Mix::default());
    let mut call = 0;
    let mut next = || {
        call += 1;
        call
    };
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        let fake = format!("chunk-delay-ms=60; output-tokens={OUTPUT_TOKENS}");
        let mut answer = way.request(next(), true, &fake).send().await.unwrap();
        assert!(answer.chunk().await.unwrap().is_some(), "it has begun");
        streams.spawn(async move {
            let mut text = Vec::new();
            while let Some(piece) = answer.chunk().await.unwrap() {
                text.extend_from_slice(&piece);
            }
            String::from_utf8(text).unwrap()
        });
    }
    let disk = site.disk.as_ref().unwrap();
    disk.fail(fault).unwrap();
    if fault == Fault::NoSync && durability == Durability::Process {
        // Until it is noticed, calls go through: they are promised to survive the process, and they do.
        let begun = Instant::now();
        while way.request(next(), false, "").send().await.unwrap().status() != 503 {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "the disk is never synced"
            );
        }
    }
    let before = site.upstream.count();
    for _ in 0..soak(1_000, 100).div_ceil(CALLERS) {
        let mut calls = JoinSet::new();
        for _ in 0..CALLERS {
            calls.spawn(way.request(next(), false, "").send());
        }
        for answer in calls.join_all().await {
            let answer = answer.unwrap();
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["x-keystore-error"]),
                (503, &"audit_unavailable".parse().unwrap())
            );
        }
    }
    assert_eq!(site.upstream.count(), before, "nothing is forwarded");
    control_plane(&site, fault).await;
    for text in streams.join_all().await {
        assert!(
            text.ends_with("data: [DONE]\n\n"),
            "it ends as if nothing were: {text}"
        );
    }
    if killed {
        // What was settled a moment ago is on its way to the spool.
        site.spooled(|spool| (1..=STREAMS).all(|call| names(spool, &truth::model(call))))
            .await;
        site.kill();
    }
    let disk = site.disk.as_ref().unwrap();
    assert!(disk.refused().unwrap() > 0);
    disk.mend().unwrap();
    if killed {
        site.run(&[]).await.unwrap();
    }
    let mended = Instant::now();
    while way.request(next(), false, "").send().await.unwrap().status() != 200 {
        assert!(
            mended.elapsed() < within(Duration::from_secs(5)),
            "back within five seconds"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = mended.elapsed();
    write(&site).await.expect(201);
    site.nothing_is_held().await;
    site.stop().await;
    let (store, spent) = site.store().await;
    let sums = truth::check(&store, spent, &site.upstream.log()).await;
    assert_eq!((sums.crashed, sums.other), (0, 0), "{sums:?}");
    let streamed = Filter::default();
    let mut conn = store.read().await.unwrap();
    let org = keystore_store::orgs::list(&mut conn, None, 1).await.unwrap()[0].id;
    let rows = requests::list(&mut conn, org, &streamed, None, 1_000_000)
        .await
        .unwrap()
        .rows;
    let ended = rows
        .iter()
        .filter(|row| row.usage["output_text"] == OUTPUT_TOKENS);
    assert_eq!(ended.count(), STREAMS, "the outcomes of the streams are there");
    drop(conn);
    store.close().await;
    took
}

/// Whether bytes in CBOR hold this short text.
fn names(bytes: &[u8], text: &str) -> bool {
    let text = [&[0x60 | text.len() as u8][..], text.as_bytes()].concat();
    bytes.windows(text.len()).any(|some| some == text)
}

/// What can be read is read, what would have to be written is refused, cleanly.
async fn control_plane(site: &Site, fault: Fault) {
    for path in ["/v1/agents", "/v1/budgets", "/v1/requests?limit=5", "/v1/audit"] {
        site.owner.get(path).await.expect(200);
    }
    if fault == Fault::NoSync {
        // The database takes writes and does not sync each: what it says is kept by the process's end, as always.
        return;
    }
    let login = json!({"email": "owner@example.com", "password": crate::support::PASSWORD});
    let answers = [
        write(site).await,
        site.owner.post("/v1/agents/agent/pause", &Value::Null).await,
        site.owner.post("/v1/auth/login", &login).await,
        site.owner
            .patch("/v1/agents/agent", &json!({"rpmLimit": 5}))
            .await,
        site.owner.delete("/v1/agents/agent").await,
    ];
    for answer in answers {
        answer.expect_problem(503, "store_unavailable");
    }
}

async fn write(site: &Site) -> Answer {
    let token = json!({"agentId": "agent", "name": "another"});
    site.owner.post("/v1/tokens", &token).await
}
