//! Rates: requests a minute and a UTC day, per agent and provider.

use std::time::Duration;

use serde_json::{Value, json};

use super::{CHAT, MODELS, chat, openai};
use crate::support::TestApp;

#[tokio::test]
async fn no_sixty_seconds_hold_more_than_the_limit() {
    let (app, clock) = TestApp::clocked().await;
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
    let (app, clock) = TestApp::clocked().await;
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
    let (app, _clock) = TestApp::clocked().await;
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
    let (app, _clock) = TestApp::clocked().await;
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
    let (app, _clock) = TestApp::clocked().await;
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

#[tokio::test]
async fn as_many_calls_run_at_the_same_time_as_the_cap_says() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    set(&app, "agents/agent", json!({"maxConcurrency": 3})).await;
    app.fake_upstream().gate();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let caller = caller.clone();
        calls.spawn(async move { caller.post(CHAT, &chat(json!({}))).await });
    }
    // Those that run have no answer yet.
    for _ in 0..7 {
        let reply = calls.join_next().await.unwrap().unwrap();
        let error = reply.refused(429, "rate_limited");
        assert_eq!(
            (&error["limitType"], &error["limitScope"], &error["limit"]),
            (&json!("concurrency"), &json!("agent"), &json!("3"))
        );
        assert_eq!(
            (reply.header("retry-after"), reply.header("x-should-retry")),
            (Some("1"), None)
        );
    }
    app.fake_upstream().ungate();
    for reply in calls.join_all().await {
        reply.expect(200);
    }
    assert_eq!(app.fake_upstream().count(), 3);
    // They gave their places back, and those that were refused count in no minute.
    caller.post(CHAT, &chat(json!({}))).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn tokens_count_as_expected_and_then_as_used() {
    let (app, _clock) = TestApp::clocked().await;
    let caller = openai(&app, json!({})).await;
    set(&app, "agents/agent", json!({"tpmLimit": 1_200})).await;
    // It is expected to use about a thousand tokens and uses a dozen.
    for _ in 0..3 {
        caller.post(CHAT, &chat(json!({}))).await.expect(200);
    }
    caller
        .post_with(CHAT, "output-tokens=1000", &chat(json!({})))
        .await
        .expect(200);
    let reply = caller.post(CHAT, &chat(json!({}))).await;
    let error = reply.refused(429, "rate_limited");
    assert_eq!(
        (&error["limitType"], &error["limit"]),
        (&json!("tpm"), &json!("1200"))
    );
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((55..=61).contains(&wait), "{wait}");
    // What does not use tokens is not held up.
    caller.get(MODELS).await.expect(200);
    app.finish().await;
}

/// Agents and providers share the ceilings of their project and their organization; what one of these refuses counts nowhere.
#[tokio::test]
async fn a_project_and_an_organization_have_ceilings() {
    for (path, scope) in [("projects/default/limits", "project"), ("org/limits", "org")] {
        let (app, _clock) = TestApp::clocked().await;
        let one = openai(&app, json!({"rpmLimit": 5})).await;
        let other = app.caller(&app.create_token("other", &["openai"]).await);
        set(&app, path, json!({"rpmLimit": 3})).await;
        for caller in [&one, &other, &one] {
            caller.post(CHAT, &chat(json!({}))).await.expect(200);
        }
        for caller in [&one, &other] {
            let error = caller
                .post(CHAT, &chat(json!({})))
                .await
                .refused(429, "rate_limited");
            assert_eq!(
                (&error["limitType"], &error["limitScope"]),
                (&json!("rpm"), &json!(scope))
            );
        }
        set(&app, path, json!({"rpmLimit": null})).await;
        let reply = one.post(CHAT, &chat(json!({}))).await;
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.header("x-keystore-ratelimit-remaining"),
            Some("2"),
            "the refused one did not count"
        );
        set(&app, path, json!({"rpdLimit": 4})).await;
        // Five were sent on this day, one before a restart and after it alike.
        let app = app.restart().await;
        let token = app.create_token("third", &["openai"]).await;
        let error = app
            .caller(&token)
            .post(CHAT, &chat(json!({})))
            .await
            .refused(429, "rate_limited");
        assert_eq!(
            (&error["limitType"], &error["limitScope"]),
            (&json!("rpd"), &json!(scope))
        );
        app.finish().await;
    }
}

async fn set(app: &TestApp, path: &str, body: Value) {
    app.owner_client()
        .patch(&format!("/v1/{path}"), &body)
        .await
        .expect(200);
}
