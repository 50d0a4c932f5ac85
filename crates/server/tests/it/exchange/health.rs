//! Vendors that fail: calls are held back until one finds them well. And keys that vendors refuse: their owners see it.

use std::sync::Arc;
use std::time::Duration;

use keystore_testkit::clock::MockClock;
use keystore_testkit::upstream::FakeUpstream;
use serde_json::{Value, json};

use super::{CHAT, MESSAGES, MODELS, arrived, budget, chat, leave, message, openai, record};
use crate::support::{Caller, Reply, Setup, TestApp};

/// So many failures in a row are one too many.
const FAILURES: usize = 10;

async fn list(caller: &Caller, fake: &str) -> Reply {
    caller
        .send(caller.request("GET", MODELS).header("x-fake", fake))
        .await
}

/// The host fails so often that its circuit opens.
async fn fail(caller: &Caller) {
    for _ in 0..FAILURES {
        list(caller, "status=500").await.expect(500);
    }
}

/// The counter of OpenAI with this name; 0 before it counts.
async fn counted(app: &TestApp, name: &str) -> u64 {
    let metrics = app.anonymous().get("/metrics").await.expect(200);
    let name = format!("{name}{{provider=\"openai\"}} ");
    let line = metrics
        .as_str()
        .unwrap()
        .lines()
        .find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn a_vendor_that_fails_is_not_called_until_a_probe_finds_it_well() {
    let (app, clock) = TestApp::clocked().await;
    let caller = openai(&app, json!({"rpmLimit": 30, "budgetCentsMonthly": 100})).await;
    fail(&caller).await;
    for _ in 0..5 {
        let reply = caller.post(CHAT, &chat(json!({"max_tokens": 10}))).await;
        let error = reply.refused(503, "circuit_open");
        assert_eq!(reply.header("retry-after"), Some("5"));
        assert_eq!(error["resetAt"], "2026-11-23T09:30:05.000Z");
        assert_eq!(reply.header("x-should-retry"), None, "waiting helps");
        let record = record(&app, &reply.id()).await;
        assert_eq!(
            (&record["code"], &record["cost"], record.get("ending")),
            (&json!("circuit_open"), &json!("0.00"), None),
            "{record:#}"
        );
    }
    assert_eq!(app.fake_upstream().count(), FAILURES, "it is left alone");
    let stands = budget(&app).await;
    assert_eq!(
        (&stands["held"], &stands["spent"]),
        (&json!("0.00"), &json!("0.00"))
    );

    clock.advance(Duration::from_millis(4_999));
    let early = caller.get(MODELS).await;
    early.refused(503, "circuit_open");
    assert_eq!(early.header("retry-after"), Some("1"));
    clock.advance(Duration::from_millis(1));
    let probe = list(&caller, "status=503").await.expect(503);
    assert_eq!(probe.header("x-keystore-error"), None, "it is the vendor's");
    assert_eq!(
        probe.header("x-keystore-ratelimit-remaining"),
        Some("19"),
        "what was held back gave its place back"
    );
    let reply = caller.get(MODELS).await;
    reply.refused(503, "circuit_open");
    assert_eq!(reply.header("retry-after"), Some("10"), "the pause doubles");

    clock.advance(Duration::from_secs(10));
    app.fake_upstream().gate();
    let slow = tokio::spawn({
        let caller = caller.clone();
        async move { caller.get(MODELS).await }
    });
    arrived(&app, FAILURES + 2).await;
    for _ in 0..5 {
        caller.get(MODELS).await.refused(503, "circuit_open");
    }
    assert_eq!(app.fake_upstream().count(), FAILURES + 2, "one probe at a time");
    app.fake_upstream().ungate();
    slow.await.unwrap().expect(200);
    for _ in 0..5 {
        caller.get(MODELS).await.expect(200);
    }
    assert_eq!(counted(&app, "keystore_circuits_opened_total").await, 1);
    assert_eq!(counted(&app, "keystore_circuits_closed_total").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn other_credentials_and_providers_go_on() {
    let (app, _clock) = TestApp::clocked().await;
    let caller = openai(&app, json!({})).await;
    let same = app.caller(&app.create_token("same", &["openai"]).await);
    let second = json!({"provider": "openai", "name": "second", "secret": "sk-second-canary-51c7",
        "baseUrl": app.fake_upstream().url()});
    app.secret("sk-second-canary-51c7");
    app.owner_client()
        .post("/v1/credentials", &second)
        .await
        .expect(201);
    let grants = json!([{"name": "openai", "source": "byok", "credential": "second"}]);
    let other = json!({"name": "other", "providers": grants});
    let other = app.owner_client().post("/v1/tokens", &other).await.expect(201);
    let other = app.caller(other["token"].as_str().unwrap());
    app.create_credential("anthropic").await;
    let anthropic = app.caller(&app.create_token("anthropic", &["anthropic"]).await);

    fail(&caller).await;
    caller.get(MODELS).await.refused(503, "circuit_open");
    same.get(MODELS).await.refused(503, "circuit_open");
    other.get(MODELS).await.expect(200);
    anthropic.post(MESSAGES, &message(json!({}))).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn no_connection_no_head_and_no_answer_in_time_are_failures() {
    let clock = Arc::new(MockClock::default());
    let app = TestApp::with(Setup {
        clock: Some(Arc::clone(&clock)),
        proxy: |config| config.head_timeout = Duration::from_secs(1),
        ..Setup::default()
    })
    .await;
    let caller = openai(&app, json!({})).await;
    for round in 0..FAILURES {
        let fake = match round {
            // It takes a second, so it is one alone.
            5 => "head-delay-ms=60000",
            _ => ["no-head", "garbage"][round % 2],
        };
        let status = list(&caller, fake).await.status;
        assert!([502, 504].contains(&status), "{fake}: {status}");
    }
    caller.get(MODELS).await.refused(503, "circuit_open");
    clock.advance(Duration::from_secs(5));
    caller.get(MODELS).await.expect(200);

    app.fake_upstream().stop().await;
    for _ in 0..FAILURES {
        caller.get(MODELS).await.refused(502, "upstream_error");
    }
    caller.get(MODELS).await.refused(503, "circuit_open");
    app.finish().await;
}

#[tokio::test]
async fn clients_that_leave_and_our_own_refusals_say_nothing_of_the_vendor() {
    let (app, clock) = TestApp::clocked().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 0})).await;
    for _ in 0..2 * FAILURES {
        leave(&app, caller.request("GET", MODELS)).await;
    }
    caller.get(MODELS).await.expect(200);
    clock.advance(Duration::from_secs(61));
    fail(&caller).await;
    clock.advance(Duration::from_secs(5));
    for _ in 0..3 {
        // Let through as a probe that is never sent: the next takes its place.
        let reply = caller.post(CHAT, &chat(json!({}))).await;
        reply.refused(402, "budget_exceeded");
    }
    caller.get(MODELS).await.expect(200);
    caller.get(MODELS).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn what_a_vendor_answers_below_500_opens_nothing_and_passes_byte_for_byte() {
    let (app, _clock) = TestApp::clocked().await;
    let caller = openai(&app, json!({"rpmLimit": 1_000})).await;
    let same = FakeUpstream::start().await;
    let plain = reqwest::Client::builder().no_proxy().build().unwrap();
    for status in [400, 403, 404, 429, 501] {
        let fake = format!("status={status}");
        let asked = plain
            .get(format!("{}/v1/models", same.url()))
            .header("x-fake", &fake);
        let theirs = asked.send().await.unwrap();
        let retry_after = theirs.headers().get("retry-after").cloned();
        assert_eq!(retry_after.is_some(), status == 429);
        let theirs = theirs.bytes().await.unwrap();
        for _ in 0..3 * FAILURES {
            let ours = list(&caller, &fake).await.expect(status);
            assert_eq!((&ours.body, ours.header("x-keystore-error")), (&theirs, None));
            assert_eq!(ours.headers.get("retry-after"), retry_after.as_ref());
        }
    }
    assert_eq!(counted(&app, "keystore_circuits_opened_total").await, 0);
    app.finish().await;
}

/// The one credential, as soon as it has this status.
async fn marked(app: &TestApp, status: &str) -> Value {
    let mut credential = Value::Null;
    for _ in 0..1_000 {
        credential = app.owner_client().get("/v1/credentials").await.expect(200)["data"][0].take();
        if credential["status"] == status {
            return credential;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not {status}: {credential:#}");
}

#[tokio::test]
async fn a_key_that_the_vendor_refuses_is_marked_until_a_test_or_a_rotation() {
    let (app, clock) = TestApp::clocked().await;
    let caller = openai(&app, json!({"rpmLimit": 1_000})).await;
    let refused = || async {
        list(&caller, "status=401")
            .await
            .refused(502, "credential_invalid");
    };
    let id = marked(&app, "untested").await["id"].as_str().unwrap().to_owned();
    clock.advance(Duration::from_secs(60));
    for _ in 0..3 * FAILURES {
        refused().await;
    }
    let credential = marked(&app, "invalid").await;
    assert_eq!(credential["updatedAt"], "2026-11-23T09:31:00.000Z");
    // It is used all the same: the vendor may think better of it. And what is known is not written again.
    clock.advance(Duration::from_secs(60));
    caller.get(MODELS).await.expect(200);
    refused().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(marked(&app, "invalid").await, credential);

    let test = format!("/v1/credentials/{id}/test");
    app.owner_client().post(&test, &Value::Null).await.expect(200);
    marked(&app, "active").await;
    refused().await;
    marked(&app, "invalid").await;
    let rotation = json!({"secret": "sk-rotated-canary-9d20"});
    app.secret("sk-rotated-canary-9d20");
    let rotate = format!("/v1/credentials/{id}/rotate");
    app.owner_client().post(&rotate, &rotation).await.expect(200);
    let rotated = app.owner_client().get("/v1/credentials").await.expect(200);
    assert_ne!(rotated["data"][0]["status"], "invalid");
    caller.get(MODELS).await.expect(200);
    app.finish().await;
}
