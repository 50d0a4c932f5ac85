//! The kill switch: `/v1/revocations` stops tokens, agents, projects, providers and the organization.

use std::time::Instant;

use keystore_testkit::counts::is_soak;
use serde_json::{Value, json};

use super::revocation::{STEADY, Streams, unlimited};
use super::{MESSAGES, MODELS, message};
use crate::support::{CANARY, Caller, Client, TestApp};

/// Stops what `body` names; `streams` calls are cut. Gives the id to lift it by.
async fn kill(by: &Client, body: Value, streams: u64) -> String {
    let answer = by.post("/v1/revocations", &body).await;
    // It waits for a second, in which a busy machine may not cut them all.
    let is_late = answer.status == 202 && streams > 0 && !is_soak();
    let answer = answer.expect(if is_late { 202 } else { 200 });
    assert_eq!(answer["scope"], body["scope"], "{answer:#}");
    if !is_late {
        assert_eq!(
            (&answer["propagated"], &answer["streamsCut"]),
            (&json!(true), &json!(streams)),
            "{answer:#}"
        );
        assert!(answer["waitedMs"].as_u64().unwrap() < 1_000, "{answer:#}");
    }
    answer["id"].as_str().unwrap_or_default().to_owned()
}

/// Lets go on what has this id.
async fn lift(by: &Client, id: &str) {
    let answer = by.delete(&format!("/v1/revocations/{id}")).await;
    assert_eq!(answer.status, 204, "{:#}", answer.body);
}

/// A caller of OpenAI in a project of its own.
async fn elsewhere(app: &TestApp) -> Caller {
    let owner = app.owner_client();
    owner
        .post("/v1/projects", &json!({"name": "Other"}))
        .await
        .expect(201);
    let credential = json!({"provider": "openai", "project": "other", "secret": CANARY, "baseUrl": app.fake_upstream().url()});
    owner.post("/v1/credentials", &credential).await.expect(201);
    let grant = json!([{"name": "openai", "source": "byok"}]);
    let token = json!({"name": "elsewhere", "project": "other", "providers": grant});
    let made = owner.post("/v1/tokens", &token).await.expect(201);
    app.caller(made["token"].as_str().unwrap())
}

#[tokio::test]
async fn what_is_suspended_is_cut_and_refused_until_it_is_lifted() {
    let app = TestApp::start().await;
    let caller = unlimited(&app, json!({"budgetCentsMonthly": 100_000})).await;
    let other = elsewhere(&app).await;
    let owner = app.owner_client();
    for (body, code, reaches_other) in [
        (
            json!({"scope": "org", "reason": "a drill"}),
            "org_suspended",
            true,
        ),
        (
            json!({"scope": "project", "id": "default"}),
            "project_suspended",
            false,
        ),
        (
            json!({"scope": "provider", "id": "openai"}),
            "provider_suspended",
            true,
        ),
    ] {
        let streams = Streams::open(&caller, 10, STEADY).await;
        let since = Instant::now();
        let id = kill(owner, body.clone(), 10).await;
        streams.were_cut(since, code).await;
        for _ in 0..2 {
            caller.get(MODELS).await.refused(403, code);
            let beside = other.get(MODELS).await;
            match reaches_other {
                true => drop(beside.refused(403, code)),
                false => drop(beside.expect(200)),
            }
            // What is stopped already stays what it was.
            assert_eq!(kill(owner, body.clone(), 0).await, id);
        }
        let stands = owner.get("/v1/revocations").await.expect(200);
        let one = &stands["data"][0];
        assert_eq!(
            (&one["id"], &one["scope"], &one["reason"], &stands["data"][1]),
            (&json!(id), &body["scope"], &body["reason"], &Value::Null),
            "{stands:#}"
        );
        lift(owner, &id).await;
        for caller in [&caller, &other] {
            caller.get(MODELS).await.expect(200);
        }
        let again = owner.delete(&format!("/v1/revocations/{id}")).await;
        again.expect_problem(404, "not_found");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_suspended_provider_leaves_the_others_alone() {
    let app = TestApp::start().await;
    for provider in ["openai", "anthropic"] {
        app.create_credential(provider).await;
    }
    let caller = app.caller(&app.create_token("agent", &["openai", "anthropic"]).await);
    let openai = json!({"scope": "provider", "id": "openai"});
    let id = kill(app.owner_client(), openai, 0).await;
    caller.get(MODELS).await.refused(403, "provider_suspended");
    caller.post(MESSAGES, &message(json!({}))).await.expect(200);
    lift(app.owner_client(), &id).await;
    caller.get(MODELS).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn agents_and_tokens_are_revoked_for_good() {
    let app = TestApp::start().await;
    let caller = unlimited(&app, json!({})).await;
    let owner = app.owner_client();
    let second = json!({"agentId": "agent", "name": "second"});
    let second = owner.post("/v1/tokens", &second).await.expect(201);
    let by_second = app.caller(second["token"].as_str().unwrap());
    let streams = Streams::open(&caller, 5, STEADY).await;
    let others = Streams::open(&by_second, 5, STEADY).await;
    let since = Instant::now();
    let token = json!({"scope": "token", "id": second["id"], "reason": "it leaked"});
    assert_eq!(kill(owner, token, 5).await, "", "it cannot be lifted");
    others.were_cut(since, "invalid_token").await;
    by_second.get(MODELS).await.refused(401, "invalid_token");
    caller.get(MODELS).await.expect(200);
    let since = Instant::now();
    kill(owner, json!({"scope": "agent", "id": "agent"}), 5).await;
    streams.were_cut(since, "invalid_token").await;
    caller.get(MODELS).await.refused(401, "invalid_token");
    let agent = owner.get("/v1/agents/agent").await.expect(200);
    assert_eq!(agent["status"], "revoked");
    let log = owner.get("/v1/audit?action=create_revocation").await.expect(200);
    assert_eq!(log["data"][1]["after"]["reason"], "it leaked", "{log:#}");
    app.finish().await;
}

#[tokio::test]
async fn who_does_not_wait_is_told_so() {
    let app = TestApp::start().await;
    let caller = unlimited(&app, json!({})).await;
    let streams = Streams::open(&caller, 3, STEADY).await;
    let since = Instant::now();
    let body = json!({"scope": "project", "id": "default"});
    let answer = app.owner_client().post("/v1/revocations?wait=0", &body).await;
    let answer = answer.expect(202);
    assert_eq!(
        (&answer["propagated"], &answer["waitedMs"]),
        (&json!(false), &json!(0))
    );
    caller.get(MODELS).await.refused(403, "project_suspended");
    streams.were_cut(since, "project_suspended").await;
    app.finish().await;
}

#[tokio::test]
async fn a_suspension_outlives_a_restart_and_a_writer_of_the_database() {
    let app = TestApp::start().await;
    let caller = unlimited(&app, json!({})).await;
    let token = caller.token().to_owned();
    caller.get(MODELS).await.expect(200);
    kill(app.owner_client(), json!({"scope": "org"}), 0).await;
    let app = app.restart().await;
    app.caller(&token).get(MODELS).await.refused(403, "org_suspended");
    // A valid policy of something else in its place, and none at all.
    app.tamper("UPDATE scope_policies SET (policy, mac) = (SELECT policy, mac FROM scope_policies WHERE project IS NOT NULL)")
        .await;
    let app = app.restart().await;
    app.caller(&token).get(MODELS).await.refused(401, "invalid_token");
    app.tamper("DELETE FROM scope_policies").await;
    let app = app.restart().await;
    app.caller(&token).get(MODELS).await.refused(401, "invalid_token");
    let answer = app
        .owner_client()
        .post("/v1/revocations", &json!({"scope": "org"}))
        .await;
    answer.expect_problem(500, "internal");
    app.stop().await;
}

#[tokio::test]
async fn who_may_stop_what() {
    let app = TestApp::start().await;
    app.create_credential("openai").await;
    app.create_token("agent", &["openai"]).await;
    let (member, admin) = (app.key_client("member").await, app.key_client("admin").await);
    for body in [
        json!({"scope": "org"}),
        json!({"scope": "project", "id": "default"}),
        json!({"scope": "provider", "id": "openai"}),
    ] {
        let refused = member.post("/v1/revocations", &body).await;
        refused.expect_problem(403, "forbidden");
        let id = kill(&admin, body, 0).await;
        let refused = member.delete(&format!("/v1/revocations/{id}")).await;
        refused.expect_problem(403, "forbidden");
        lift(&admin, &id).await;
    }
    kill(&member, json!({"scope": "agent", "id": "agent"}), 0).await;
    let bound = json!({"name": "bound", "role": "admin", "project": "default"});
    let bound = app.owner_client().post("/v1/api-keys", &bound).await.expect(201);
    let bound = app.anonymous().with_token(bound["key"].as_str().unwrap());
    for body in [
        json!({"scope": "org"}),
        json!({"scope": "provider", "id": "openai"}),
    ] {
        let refused = bound.post("/v1/revocations", &body).await;
        refused.expect_problem(403, "forbidden");
    }
    let org = kill(&admin, json!({"scope": "org"}), 0).await;
    let seen = bound.get("/v1/revocations").await.expect(200);
    assert_eq!(seen["data"][0]["id"], org.as_str(), "it concerns every project");
    let refused = bound.delete(&format!("/v1/revocations/{org}")).await;
    refused.expect_problem(403, "forbidden");
    let id = kill(&bound, json!({"scope": "project", "id": "default"}), 0).await;
    lift(&bound, &id).await;
    app.finish().await;
}

#[tokio::test]
async fn what_is_not_clear_is_refused() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    for (body, status, code) in [
        (json!({"scope": "agent"}), 422, "invalid_request"),
        (json!({"scope": "org", "id": "org_x"}), 422, "invalid_request"),
        (
            json!({"scope": "org", "reason": "x".repeat(501)}),
            422,
            "invalid_request",
        ),
        (json!({"scope": "everything"}), 422, "invalid_request"),
        (
            json!({"scope": "provider", "id": "opnai"}),
            404,
            "unknown_provider",
        ),
        (json!({"scope": "token", "id": "no id"}), 404, "not_found"),
    ] {
        let answer = owner.post("/v1/revocations", &body).await;
        answer.expect_problem(status, code);
    }
    let answer = owner
        .post("/v1/revocations?wait=2", &json!({"scope": "org"}))
        .await;
    answer.expect_problem(422, "invalid_request");
    app.finish().await;
}
