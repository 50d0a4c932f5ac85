//! Rules that watch agents: what they find, what they do about it, and whom they leave alone.

use std::time::{Duration, Instant};

use keystore_testkit::counts::within;
use serde_json::{Value, json};

use super::revocation::{STEADY, Streams, unlimited};
use super::{CHAT, MODELS, chat, nanos};
use crate::support::{Caller, TestApp};

const ORG: &str = "/v1/org/abuse-rules";
const PROJECT: &str = "/v1/projects/default/abuse-rules";
const AGENT: &str = "/v1/agents/agent/abuse-rules";

async fn set(app: &TestApp, place: &str, rules: Value) -> Value {
    app.owner_client().patch(place, &rules).await.expect(200)
}

/// The events of this kind, oldest first.
async fn found(app: &TestApp) -> Vec<Value> {
    app.do_jobs().await;
    let events = app
        .owner_client()
        .get("/v1/events?kind=abuse.detected")
        .await
        .expect(200);
    let mut events = events["data"].as_array().unwrap().clone();
    events.reverse();
    events
}

async fn agent(app: &TestApp) -> Value {
    app.owner_client().get("/v1/agents/agent").await.expect(200)
}

/// Once the agent is paused; how long that took.
async fn paused(app: &TestApp, since: Instant) -> Duration {
    for _ in 0..2_000 {
        if agent(app).await["status"] == "paused" {
            return since.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it is not paused: {:#}", agent(app).await);
}

async fn ask(caller: &Caller, question: &str) -> u16 {
    let body = chat(json!({"max_tokens": 10, "messages": [{"role": "user", "content": question}]}));
    caller.post(CHAT, &body).await.status
}

#[tokio::test]
async fn a_loop_is_paused_within_a_second_until_a_person_resumes_it() {
    let app = TestApp::start().await;
    let caller = unlimited(&app, json!({})).await;
    let rule = json!({"identicalRequests": {"action": "pause", "threshold": "5", "windowSeconds": 60}});
    set(&app, ORG, rule).await;
    let streams = Streams::open(&caller, 3, STEADY).await;
    for number in 0..20 {
        assert_eq!(ask(&caller, &format!("Question {number}?")).await, 200);
    }
    // Without a body that is read there is nothing to compare.
    for _ in 0..20 {
        caller.get(MODELS).await.expect(200);
    }
    for _ in 0..4 {
        assert_eq!(ask(&caller, "Again?").await, 200);
    }
    assert_eq!(agent(&app).await["status"], "active");
    let since = Instant::now();
    ask(&caller, "Again?").await;
    assert!(paused(&app, since).await < within(Duration::from_secs(1)));
    streams.were_cut(since, "agent_paused").await;

    let reply = caller.get(MODELS).await;
    let error = reply.refused(403, "agent_paused");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("by a rule against abuse: it sent the same request over and over"),
        "{message}"
    );
    assert_eq!(agent(&app).await["pausedBy"], "identical_requests");
    let events = found(&app).await;
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!(events[0]["subject"], agent(&app).await["id"]);
    assert_eq!(
        events[0]["data"],
        json!({"agent": "agent", "rule": "identical_requests", "action": "pause", "found": "5", "threshold": "5",
            "windowSeconds": 60})
    );
    let log = app
        .owner_client()
        .get("/v1/audit?action=pause_agent")
        .await
        .expect(200);
    let entry = &log["data"][0];
    assert_eq!(
        (&entry["actor"], log["data"].as_array().unwrap().len()),
        (&json!("system"), 1),
        "{log:#}"
    );

    let resumed = app
        .owner_client()
        .post("/v1/agents/agent/resume", &Value::Null)
        .await
        .expect(200);
    assert_eq!(
        (&resumed["status"], resumed.get("pausedBy")),
        (&json!("active"), None)
    );
    caller.get(MODELS).await.expect(200);
    // It goes on as before: that is told again, since a person let it go on.
    for _ in 0..5 {
        ask(&caller, "Again?").await;
    }
    paused(&app, Instant::now()).await;
    assert_eq!(found(&app).await.len(), 2);
    app.finish().await;
}

#[tokio::test]
async fn refusals_are_told_once_an_hour_and_only_those_that_the_agent_causes() {
    let (app, clock) = TestApp::clocked().await;
    let caller = unlimited(&app, json!({})).await;
    let rule = json!({"refusals": {"action": "alert", "threshold": "10", "windowSeconds": 60}});
    set(&app, ORG, rule).await;
    let refused = async |count: usize| {
        for _ in 0..count {
            caller
                .get("/v1/anthropic/v1/models")
                .await
                .refused(403, "provider_not_granted");
        }
    };
    // Slowly: no more than nine a minute.
    for _ in 0..20 {
        refused(1).await;
        clock.advance(Duration::from_secs(7));
    }
    assert_eq!(found(&app).await.len(), 0);
    clock.advance(Duration::from_secs(60));
    refused(35).await;
    let events = found(&app).await;
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!(
        (&events[0]["data"]["rule"], &events[0]["data"]["found"]),
        (&json!("refusals"), &json!("10"))
    );
    for _ in 0..50 {
        clock.advance(Duration::from_secs(60));
        refused(12).await;
    }
    assert_eq!(found(&app).await.len(), 1);
    clock.advance(Duration::from_secs(660));
    refused(12).await;
    assert_eq!(found(&app).await.len(), 2);
    assert_eq!(agent(&app).await["status"], "active");

    clock.advance(Duration::from_secs(60));
    // What a person stopped, and a key that is missing, say nothing of the agent.
    let rule = json!({"refusals": {"action": "pause", "threshold": "3"}});
    set(&app, ORG, rule).await;
    let owner = app.owner_client();
    let stop = json!({"scope": "provider", "id": "openai"});
    let stopped = owner.post("/v1/revocations", &stop).await.expect(200);
    for _ in 0..10 {
        caller.get(MODELS).await.refused(403, "provider_suspended");
    }
    let lift = format!("/v1/revocations/{}", stopped["id"].as_str().unwrap());
    owner.delete(&lift).await.expect(204);
    let keys = owner.get("/v1/credentials").await.expect(200);
    let key = format!("/v1/credentials/{}", keys["data"][0]["id"].as_str().unwrap());
    owner.delete(&format!("{key}?force=true")).await.expect(204);
    for _ in 0..10 {
        caller.get(MODELS).await.refused(403, "credential_missing");
    }
    assert_eq!(found(&app).await.len(), 2);
    refused(3).await;
    paused(&app, Instant::now()).await;
    assert_eq!(found(&app).await.len(), 3);
    app.finish().await;
}

#[tokio::test]
async fn spending_too_fast_is_paused_and_mailed_once() {
    let (app, clock, smtp) = TestApp::mailing().await;
    let caller = unlimited(&app, json!({})).await;
    assert_eq!(ask(&caller, "What does it cost?").await, 200);
    let requests = app.owner_client().get("/v1/requests?limit=1").await.expect(200);
    let cost = nanos(&requests["data"][0]["cost"]);
    assert!(cost > 0, "{requests:#}");
    let threshold = keystore_core::NanoUsd(5 * cost).to_string();
    let rule = json!({"spendRate": {"action": "pause", "threshold": threshold, "windowSeconds": 600}});
    set(&app, AGENT, rule).await;
    // As much, but slowly.
    for _ in 0..12 {
        assert_eq!(ask(&caller, "What does it cost?").await, 200);
        clock.advance(Duration::from_secs(150));
    }
    assert_eq!(found(&app).await.len(), 0);
    clock.advance(Duration::from_secs(600));
    for _ in 0..5 {
        assert_eq!(ask(&caller, "What does it cost?").await, 200);
    }
    paused(&app, Instant::now()).await;
    let events = found(&app).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["data"]["found"], threshold);
    app.do_jobs().await;
    let words = format!(
        "The agent agent in the project default of Acme Inc on Keystore ({})",
        app.api_url()
    );
    assert_eq!(
        app.mails_about("owner@example.com", &words),
        1,
        "{:#?}",
        smtp.said()
    );
    let resume = format!("ks agent resume {}", events[0]["subject"].as_str().unwrap());
    assert_eq!(app.mails_about("owner@example.com", &resume), 1);
    app.finish().await;
}

#[tokio::test]
async fn what_is_set_nearest_to_the_agent_counts() {
    let (app, clock) = TestApp::clocked().await;
    let caller = unlimited(&app, json!({})).await;
    let rule = |action: &str| json!({"identicalRequests": {"action": action, "threshold": "3"}});
    let asked = async || {
        clock.advance(Duration::from_secs(3_600));
        for _ in 0..4 {
            assert_eq!(ask(&caller, "Again?").await, 200);
        }
        found(&app).await.len()
    };
    assert_eq!(asked().await, 0, "there is no rule");
    set(&app, ORG, rule("alert")).await;
    assert_eq!(asked().await, 1);
    set(&app, PROJECT, rule("off")).await;
    assert_eq!(asked().await, 1, "the project switched it off");
    set(&app, AGENT, rule("alert")).await;
    assert_eq!(asked().await, 2, "the agent has its own");
    set(&app, AGENT, json!({"identicalRequests": null})).await;
    assert_eq!(asked().await, 2);
    set(&app, PROJECT, json!({"identicalRequests": null})).await;
    assert_eq!(asked().await, 3, "the organization's again");
    app.finish().await;
}
