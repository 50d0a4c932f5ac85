//! What a change in the control plane does: in force on the next request, the moment the call that made it has returned, under
//! running traffic. Each rule is tried many times, because what it forbids would be a race.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{CHAT, MODELS, chat, openai};
use crate::support::{Caller, Setup, TestApp};

/// How often a change is made and taken back.
const ROUNDS: usize = 200;

/// Calls that go on beside the test, as fast as they can, whatever they are answered.
struct Traffic {
    stop: Arc<AtomicBool>,
    calls: JoinSet<usize>,
}

impl Traffic {
    fn start(caller: &Caller) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut calls = JoinSet::new();
        let (caller, stopped) = (caller.clone(), Arc::clone(&stop));
        calls.spawn(async move {
            let mut answered = 0;
            while !stopped.load(Ordering::Relaxed) {
                let status = caller.get(MODELS).await.status;
                assert!([200, 401, 403, 503].contains(&status), "{status}");
                answered += usize::from(status == 200);
            }
            answered
        });
        Self { stop, calls }
    }

    /// How many calls were answered.
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.calls.join_all().await.into_iter().sum()
    }
}

async fn busy() -> (TestApp, Caller, Traffic) {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"rpmLimit": 1_000_000, "rpdLimit": 1_000_000})).await;
    let traffic = Traffic::start(&caller);
    (app, caller, traffic)
}

#[tokio::test]
async fn a_paused_agent_is_refused_and_a_resumed_one_is_not() {
    let (app, caller, traffic) = busy().await;
    for _ in 0..ROUNDS {
        app.owner_client()
            .post("/v1/agents/agent/pause", &Value::Null)
            .await
            .expect(200);
        caller.get(MODELS).await.refused(403, "agent_paused");
        app.owner_client()
            .post("/v1/agents/agent/resume", &Value::Null)
            .await
            .expect(200);
        caller.get(MODELS).await.expect(200);
    }
    assert!(traffic.end().await > 0);
    app.finish().await;
}

#[tokio::test]
async fn scopes_and_grants_hold_from_the_next_request() {
    let (app, caller, traffic) = busy().await;
    let grant =
        |scopes: Value| json!({"providers": [{"name": "openai", "source": "byok", "scopes": scopes}]});
    let set = |body: Value| {
        let owner = app.owner_client().clone();
        async move { owner.patch("/v1/agents/agent", &body).await.expect(200) }
    };
    for _ in 0..ROUNDS / 4 {
        set(grant(json!(["provider:openai:read"]))).await;
        caller
            .post(CHAT, &chat(json!({})))
            .await
            .refused(403, "scope_denied");
        caller.get(MODELS).await.expect(200);
        set(json!({"providers": []})).await;
        caller.get(MODELS).await.refused(403, "provider_not_granted");
        set(grant(json!([]))).await;
        caller.post(CHAT, &chat(json!({}))).await.expect(200);
    }
    assert!(traffic.end().await > 0);
    app.finish().await;
}

#[tokio::test]
async fn after_a_rotation_only_the_new_value_goes_out() {
    let (app, caller, traffic) = busy().await;
    let credentials = app.owner_client().get("/v1/credentials").await.expect(200);
    let id = credentials["data"][0]["id"].as_str().unwrap();
    for round in 0..ROUNDS {
        let rotation = json!({"secret": rotated(round)});
        app.owner_client()
            .post(&format!("/v1/credentials/{id}/rotate"), &rotation)
            .await
            .expect(200);
        let marked = caller
            .request("GET", MODELS)
            .header("x-marked", format!("{round}"));
        caller.send(marked).await.expect(200);
    }
    assert!(traffic.end().await > 0);
    // Whatever arrives after a marked call carries its value or a newer one: the traffic beside it, too.
    let mut least = 0;
    for seen in app.fake_upstream().log() {
        let value = seen.header("authorization").unwrap().to_owned();
        let marked = seen
            .header("x-marked")
            .map(|round| round.parse::<usize>().unwrap());
        if let Some(round) = marked {
            assert_eq!(value, format!("Bearer {}", rotated(round)));
            least = round;
        } else if let Some(round) = value.strip_prefix("Bearer sk-rotated-canary-") {
            assert!(round.parse::<usize>().unwrap() >= least, "{value} after {least}");
        } else {
            assert_eq!(least, 0, "{value} is older than all");
        }
    }
    assert_eq!(least, ROUNDS - 1);
    app.finish().await;
}

fn rotated(round: usize) -> String {
    format!("sk-rotated-canary-{round:04}")
}

#[tokio::test]
async fn a_revoked_token_is_refused_for_ever() {
    let (app, _caller, traffic) = busy().await;
    let owner = app.owner_client();
    for round in 0..ROUNDS / 4 {
        let new = json!({"agentId": "agent", "name": format!("t{round}")});
        let made = owner.post("/v1/tokens", &new).await.expect(201);
        let caller = app.caller(made["token"].as_str().unwrap());
        caller.get(MODELS).await.expect(200);
        let revoke = format!("/v1/tokens/{}/revoke", made["id"].as_str().unwrap());
        owner.post(&revoke, &Value::Null).await.expect(200);
        let sent = caller.request("GET", MODELS).header("x-marked", "1");
        caller.send(sent).await.refused(401, "invalid_token");
    }
    assert!(traffic.end().await > 0);
    assert!(
        app.fake_upstream()
            .log()
            .iter()
            .all(|seen| seen.header("x-marked").is_none())
    );
    app.finish().await;
}

#[tokio::test]
async fn a_deleted_credential_is_missing_and_a_new_one_is_found() {
    let (app, caller, traffic) = busy().await;
    let owner = app.owner_client();
    for round in 0..ROUNDS / 8 {
        let credentials = owner.get("/v1/credentials").await.expect(200);
        let id = credentials["data"][0]["id"].as_str().unwrap();
        let deleted = owner.delete(&format!("/v1/credentials/{id}?force=true")).await;
        assert_eq!(deleted.status, 204, "{round}");
        caller.get(MODELS).await.refused(403, "credential_missing");
        app.create_credential("openai").await;
        let grant = json!({"providers": [{"name": "openai", "source": "byok"}]});
        owner.patch("/v1/agents/agent", &grant).await.expect(200);
        caller.get(MODELS).await.expect(200);
    }
    assert!(traffic.end().await > 0);
    app.finish().await;
}

#[tokio::test]
async fn models_and_addresses_are_checked() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let set = |body: Value| {
        let owner = app.owner_client().clone();
        async move { owner.patch("/v1/agents/agent", &body).await.expect(200) }
    };
    set(json!({"allowedModels": ["gpt-4.1-mini"]})).await;
    caller
        .post(CHAT, &chat(json!({})))
        .await
        .refused(403, "model_not_allowed");
    caller
        .post(CHAT, &chat(json!({"model": "gpt-4.1-mini"})))
        .await
        .expect(200);
    set(json!({"allowedModels": null, "allowedIps": ["10.0.0.0/8"]})).await;
    caller.get(MODELS).await.refused(403, "address_not_allowed");
    set(json!({"allowedIps": ["127.0.0.0/8"]})).await;
    caller.get(MODELS).await.expect(200);
    let minting = "/v1/openai/v1/organization/admin_api_keys";
    caller.get(minting).await.refused(403, "operation_denied");
    assert_eq!(app.fake_upstream().count(), 2);
    app.finish().await;
}

#[tokio::test]
async fn behind_what_terminates_tls_a_call_comes_from_where_that_says() {
    for (behind_tls, allowed) in [(true, true), (false, false)] {
        let app = TestApp::with(Setup {
            proxy: match behind_tls {
                true => |config| config.behind_tls = true,
                false => |config| config.behind_tls = false,
            },
            ..Setup::default()
        })
        .await;
        let caller = openai(&app, json!({})).await;
        let range = json!({"allowedIps": ["203.0.113.0/24"]});
        let owner = app.owner_client();
        owner.patch("/v1/agents/agent", &range).await.expect(200);
        let from = |said: &'static str| caller.request("GET", MODELS).header("x-forwarded-for", said);
        // The last entry is the one that the caller cannot choose.
        let told = caller.send(from("198.51.100.1, 203.0.113.7")).await;
        match allowed {
            true => drop(told.expect(200)),
            false => drop(told.refused(403, "address_not_allowed")),
        }
        let claimed = caller.send(from("203.0.113.7, 198.51.100.1")).await;
        claimed.refused(403, "address_not_allowed");
        caller.get(MODELS).await.refused(403, "address_not_allowed");
        app.finish().await;
    }
}

#[tokio::test]
async fn expiry_needs_no_event() {
    let (app, clock) = TestApp::clocked().await;
    app.create_credential("openai").await;
    let expires = json!({"expiresAt": "2026-11-23T09:40:00Z"});
    let caller = app.caller(&app.create_token_with("token-ends", &["openai"], expires).await);
    let forever = app.create_token("agent-ends", &["openai"]).await;
    let agent_ends = json!({"expiresAt": "2026-11-23T09:40:00Z"});
    app.owner_client()
        .patch("/v1/agents/agent-ends", &agent_ends)
        .await
        .expect(200);
    let of_agent = app.caller(&forever);
    clock.advance(Duration::from_secs(599));
    caller.get(MODELS).await.expect(200);
    of_agent.get(MODELS).await.expect(200);
    clock.advance(Duration::from_secs(1));
    caller.get(MODELS).await.refused(401, "invalid_token");
    of_agent.get(MODELS).await.refused(401, "invalid_token");
    app.finish().await;
}

#[tokio::test]
async fn a_rotated_token_ends_after_its_overlap() {
    let (app, clock) = TestApp::clocked().await;
    let old = openai(&app, json!({})).await;
    let tokens = app.owner_client().get("/v1/tokens").await.expect(200);
    let rotate = format!("/v1/tokens/{}/rotate", tokens["data"][0]["id"].as_str().unwrap());
    let overlap = json!({"overlapSeconds": 60});
    let answer = app.owner_client().post(&rotate, &overlap).await;
    assert!([200, 201].contains(&answer.status), "{:#}", answer.body);
    let new = app.caller(answer.body["token"].as_str().unwrap());
    for caller in [&old, &new] {
        caller.get(MODELS).await.expect(200);
    }
    clock.advance(Duration::from_secs(60));
    old.get(MODELS).await.refused(401, "invalid_token");
    new.get(MODELS).await.expect(200);
    app.finish().await;
}
