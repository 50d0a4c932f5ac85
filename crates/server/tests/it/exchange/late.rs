//! No request that arrives after a revocation was acknowledged is forwarded, and one that is on its way is looked at once more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keystore_testkit::upstream::FakeUpstream;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{CHAT, MODELS, chat, openai, record};
use crate::support::{Caller, Setup, TestApp};

/// How often a token is revoked under traffic; `scripts/soak` asks for more.
fn rounds() -> usize {
    std::env::var("KEYSTORE_TEST_REVOCATIONS").map_or(100, |rounds| rounds.parse().unwrap())
}

/// Callers of one token at a time, each with a request every [`PAUSE`]: 500 a second together.
const CALLERS: usize = 5;
const PAUSE: Duration = Duration::from_millis(10);

/// Traffic with one token, each request marked by whether it was sent after the revocation was acknowledged.
struct Traffic {
    acknowledged: Arc<AtomicBool>,
    late: Arc<AtomicUsize>,
    calls: JoinSet<usize>,
}

impl Traffic {
    fn start(caller: &Caller) -> Self {
        let acknowledged = Arc::new(AtomicBool::new(false));
        let late = Arc::new(AtomicUsize::new(0));
        let mut calls = JoinSet::new();
        for _ in 0..CALLERS {
            calls.spawn(call(caller.clone(), Arc::clone(&acknowledged), Arc::clone(&late)));
        }
        Self {
            acknowledged,
            late,
            calls,
        }
    }

    /// Lets every caller send after the acknowledgement. Gives how many requests there were.
    async fn end(self) -> usize {
        self.acknowledged.store(true, Ordering::SeqCst);
        let count = self.calls.join_all().await.into_iter().sum();
        assert_eq!(self.late.load(Ordering::SeqCst), 3 * CALLERS);
        count
    }
}

/// Sends until three requests were sent after the acknowledgement; gives how many there were in all.
async fn call(caller: Caller, acknowledged: Arc<AtomicBool>, late: Arc<AtomicUsize>) -> usize {
    let (mut count, mut after) = (0, 0);
    while after < 3 {
        let is_late = acknowledged.load(Ordering::SeqCst);
        let mark = if is_late { "late" } else { "early" };
        let reply = caller
            .send(caller.request("GET", MODELS).header("x-marked", mark))
            .await;
        if is_late {
            reply.refused(401, "invalid_token");
            late.fetch_add(1, Ordering::SeqCst);
            after += 1;
        } else {
            assert!([200, 401, 503].contains(&reply.status), "{}", reply.text());
        }
        count += 1;
        tokio::time::sleep(PAUSE).await;
    }
    count
}

#[tokio::test]
async fn no_request_after_a_revocation_is_forwarded() {
    let app = TestApp::start().await;
    openai(&app, json!({"rpmLimit": 1_000_000, "rpdLimit": 1_000_000})).await;
    let owner = app.owner_client();
    let (begun, mut requests, mut took) = (Instant::now(), 0, Vec::new());
    for round in 0..rounds() {
        let new = json!({"agentId": "agent", "name": format!("t{round}")});
        let made = owner.post("/v1/tokens", &new).await.expect(201);
        let traffic = Traffic::start(&app.caller(made["token"].as_str().unwrap()));
        tokio::time::sleep(Duration::from_millis(20 + round as u64 % 17)).await;
        let revoke = format!("/v1/tokens/{}/revoke", made["id"].as_str().unwrap());
        let asked = Instant::now();
        owner.post(&revoke, &Value::Null).await.expect(200);
        took.push(asked.elapsed());
        requests += traffic.end().await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    took.sort_unstable();
    let percentile = |of: usize| took[(took.len() - 1) * of / 100];
    println!(
        "{} revocations, {requests} requests ({:.0} a second): acknowledged after {:?} (p50), {:?} (p99)",
        took.len(),
        requests as f64 / seconds,
        percentile(50),
        percentile(99),
    );
    let forwarded = app.fake_upstream().log();
    let late = forwarded
        .iter()
        .filter(|seen| seen.header("x-marked") == Some("late"));
    assert_eq!(late.count(), 0);
    assert!(forwarded.len() >= took.len(), "what was early was forwarded");
    app.finish().await;
}

#[tokio::test]
async fn what_is_taken_back_while_the_connection_is_made_is_not_sent() {
    let app = TestApp::with(Setup {
        upstream: Some(FakeUpstream::start_tls().await),
        ..Setup::default()
    })
    .await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let owner = app.owner_client();
    // The credential is open, the intent is written, the handshake does not come.
    app.fake_upstream().hold_connections(true);
    let call = tokio::spawn({
        let caller = caller.clone();
        async move { caller.post(CHAT, &chat(json!({"max_tokens": 100}))).await }
    });
    while app.fake_upstream().connections() == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    owner
        .post("/v1/agents/agent/pause", &Value::Null)
        .await
        .expect(200);
    app.fake_upstream().hold_connections(false);
    let reply = call.await.unwrap();
    reply.refused(403, "agent_paused");
    let record = record(&app, &reply.id()).await;
    assert_eq!(
        (&record["ending"], &record["cost"]),
        (&json!("not_sent"), &json!("0.00")),
        "{record:#}"
    );
    owner
        .post("/v1/agents/agent/resume", &Value::Null)
        .await
        .expect(200);
    assert_eq!(app.fake_upstream().count(), 0, "nothing was sent");
    caller
        .post(CHAT, &chat(json!({"max_tokens": 100})))
        .await
        .expect(200);
    app.finish().await;
}
