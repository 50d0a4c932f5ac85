//! Rates: requests a minute and a UTC day, per agent and provider.

use std::sync::Arc;
use std::time::Duration;

use keystore_testkit::clock::MockClock;
use serde_json::json;

use super::{CHAT, MODELS, chat, openai};
use crate::support::{Setup, TestApp};

async fn clocked() -> (TestApp, Arc<MockClock>) {
    let clock = Arc::new(MockClock::default());
    let setup = Setup {
        clock: Some(Arc::clone(&clock)),
        ..Setup::default()
    };
    (TestApp::with(setup).await, clock)
}

#[tokio::test]
async fn no_sixty_seconds_hold_more_than_the_limit() {
    let (app, clock) = clocked().await;
    let caller = openai(&app, json!({"rpmLimit": 3, "budgetCentsMonthly": 100})).await;
    for remaining in ["2", "1", "0"] {
        let reply = caller.get(MODELS).await.expect(200);
        assert_eq!(reply.header("x-keystore-ratelimit-limit"), Some("3"));
        assert_eq!(reply.header("x-keystore-ratelimit-remaining"), Some(remaining));
        clock.advance(Duration::from_secs(10));
    }
    let reply = caller.get(MODELS).await;
    let error = reply.refused(429, "rate_limited");
    assert_eq!(
        (&error["limitType"], &error["limit"]),
        (&json!("rpm"), &json!("3"))
    );
    assert_eq!(reply.header("x-ratelimit-limit"), Some("3"));
    assert_eq!(reply.header("x-ratelimit-remaining"), Some("0"));
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((30..=32).contains(&wait), "{wait}");
    let reset: i64 = reply.header("x-ratelimit-reset").unwrap().parse().unwrap();
    assert_eq!(reset - wait as i64, 1_795_426_200 + 30);
    assert_eq!(reply.header("x-should-retry"), None, "waiting helps");
    clock.advance(Duration::from_secs(wait - 2));
    caller.get(MODELS).await.refused(429, "rate_limited");
    clock.advance(Duration::from_secs(2));
    caller.get(MODELS).await.expect(200);
    caller.get(MODELS).await.refused(429, "rate_limited");
    assert_eq!(app.fake_upstream().count(), 4, "what is refused is not sent");
    let refused = app
        .owner_client()
        .get("/v1/requests?code=rate_limited")
        .await
        .expect(200);
    assert_eq!(refused["data"].as_array().unwrap().len(), 3);
    assert_eq!(refused["data"][0]["cost"], "0.00");
    app.finish().await;
}

#[tokio::test]
async fn a_days_limit_ends_with_the_utc_day() {
    let (app, clock) = clocked().await;
    let caller = openai(&app, json!({"rpdLimit": 2})).await;
    for _ in 0..2 {
        caller.get(MODELS).await.expect(200);
        clock.advance(Duration::from_secs(61));
    }
    let reply = caller.get(MODELS).await;
    let error = reply.refused(429, "rate_limited");
    assert_eq!(error["limitType"], "rpd");
    assert_eq!(error["resetAt"], "2026-11-24T00:00:00.000Z");
    assert_eq!(
        reply.header("x-should-retry"),
        Some("false"),
        "no SDK waits that long"
    );
    // 09:32:02, and to midnight.
    clock.advance(Duration::from_secs(14 * 3_600 + 27 * 60 + 58 - 1));
    caller.get(MODELS).await.refused(429, "rate_limited");
    clock.advance(Duration::from_secs(1));
    caller.get(MODELS).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_request_that_a_later_step_refuses_gives_its_place_back() {
    let (app, _clock) = clocked().await;
    let caller = openai(
        &app,
        json!({"rpmLimit": 1, "rpdLimit": 1, "budgetCentsMonthly": 0}),
    )
    .await;
    for _ in 0..3 {
        caller
            .post(CHAT, &chat(json!({})))
            .await
            .refused(402, "budget_exceeded");
        let broken = caller.request("POST", CHAT).body("{");
        caller.send(broken).await.refused(400, "bad_request");
    }
    let lifted = json!({"budgetCentsMonthly": null});
    app.owner_client()
        .patch("/v1/agents/agent", &lifted)
        .await
        .expect(200);
    caller.post(CHAT, &chat(json!({}))).await.expect(200);
    caller
        .post(CHAT, &chat(json!({})))
        .await
        .refused(429, "rate_limited");
    app.finish().await;
}

#[tokio::test]
async fn rates_are_counted_for_each_agent_and_provider_and_shared_by_tokens() {
    let (app, _clock) = clocked().await;
    app.create_credential("openai").await;
    app.create_credential("stripe").await;
    let one = json!({"rpmLimit": 1});
    let token = app
        .create_token_with("a", &["openai", "stripe"], one.clone())
        .await;
    let caller = app.caller(&token);
    let second = json!({"agentId": "a", "name": "second"});
    let second = app.owner_client().post("/v1/tokens", &second).await.expect(201);
    let second = app.caller(second["token"].as_str().unwrap());
    let other = app.caller(&app.create_token_with("b", &["openai"], one).await);
    caller.get(MODELS).await.expect(200);
    second.get(MODELS).await.refused(429, "rate_limited");
    caller.get("/v1/stripe/v1/balance").await.expect(200);
    other.get(MODELS).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_burst_admits_exactly_the_limit() {
    let (app, _clock) = clocked().await;
    let caller = openai(&app, json!({"rpmLimit": 20})).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let caller = caller.clone();
        calls.spawn(async move { caller.get(MODELS).await.status });
    }
    let statuses = calls.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 20);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 40);
    assert_eq!(app.fake_upstream().count(), 20);
    app.finish().await;
}
