//! Without the root key, at the start and later: nothing is opened, nothing crashes, and it is back without a restart.

use std::time::{Duration, Instant};

use keystore_testkit::kms::Mood;
use serde_json::{Value, json};

use super::{TTL, calls, held};
use crate::support::{Client, TestApp};

async fn readiness(app: &Client) -> (u16, Value) {
    let answer = app.get("/readyz").await;
    (answer.status, answer.body)
}

fn kms_check(readiness: &Value) -> &Value {
    let checks = readiness["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == "kms").unwrap()
}

async fn working() -> (
    TestApp,
    std::sync::Arc<keystore_testkit::clock::MockClock>,
    String,
) {
    let (app, clock) = held(|holding| holding.root_at_kms = true).await;
    app.create_credential("openai").await;
    let token = app.create_token("bot", &["openai"]).await;
    calls(&app, &token).await.expect(200);
    (app, clock, token)
}

#[tokio::test]
async fn a_start_without_the_root_key_lives_says_so_and_opens_without_a_restart() {
    let (app, _clock, token) = working().await;
    app.kms().set(Mood::Disabled);
    let kms = app.kms_shared();
    let mut waiting = app.restart_waiting().await;
    let people = Client::new(&waiting.api_url);
    let agent = crate::support::Caller::unrecorded(&waiting.proxy_url, &token);
    let checks = async {
        assert_eq!(people.get("/healthz").await.status, 200);
        let (status, said) = readiness(&people).await;
        assert_eq!((status, &said["ready"]), (503, &json!(false)));
        let check = kms_check(&said);
        assert!(check["detail"].as_str().unwrap().starts_with("sealed"), "{check}");
        assert!(!said.to_string().contains("arn:aws"), "anybody may ask: {said}");
        let refused = people.get("/v1/credentials").await;
        assert_eq!((refused.status, &refused.body["code"]), (503, &json!("sealed")));
        let chat = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]});
        let answer = agent.post("/v1/openai/v1/chat/completions", &chat).await;
        answer.refused(503, "sealed");
    };
    waiting.meanwhile(checks).await;
    kms.set(Mood::Well);
    let back = Instant::now();
    let app = waiting.started().await;
    calls(&app, &token).await.expect(200);
    assert!(back.elapsed() < Duration::from_secs(20), "{:?}", back.elapsed());
    assert_eq!(readiness(&app.anonymous()).await.0, 200);
    assert_eq!(app.kms().violations(), Vec::<String>::new());
    app.finish().await;
}

#[tokio::test]
async fn a_root_key_that_goes_later_closes_everything_when_keys_have_been_kept_for_their_time() {
    let (app, clock, token) = working().await;
    let owner = app.owner_client();
    let another = |name: &str| json!({"provider": "openai", "name": name, "secret": "sk-new-canary-0123456789", "baseUrl": app.fake_upstream().url()});
    // How the other failures are told apart is tried at the KMSs' own clients.
    for (number, mood) in [Mood::Disabled, Mood::Denied, Mood::Away].into_iter().enumerate() {
        calls(&app, &token).await.expect(200);
        app.kms().set(mood);
        calls(&app, &token).await.expect(200);
        clock.advance(TTL);
        let sent = app.fake_upstream().count();
        calls(&app, &token).await.refused(503, "sealed");
        let refused = owner.post("/v1/credentials", &another("while sealed")).await;
        refused.expect_problem(503, "sealed");
        assert_eq!(app.fake_upstream().count(), sent, "{mood:?}: nothing was sent");
        let (status, said) = readiness(&app.anonymous()).await;
        assert_eq!(status, 503, "{mood:?}");
        assert!(kms_check(&said)["detail"].as_str().unwrap().starts_with("sealed"));
        assert_eq!(app.anonymous().get("/healthz").await.status, 200);
        app.kms().set(Mood::Well);
        clock.advance(Duration::from_secs(2));
        calls(&app, &token).await.expect(200);
        assert_eq!(readiness(&app.anonymous()).await.0, 200, "{mood:?}");
        owner
            .post("/v1/credentials", &another(&format!("after {number}")))
            .await
            .expect(201);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_flood_of_calls_to_a_sealed_server_asks_the_kms_seldom() {
    let (app, clock, token) = working().await;
    app.kms().set(Mood::Disabled);
    clock.advance(TTL);
    let before = app.kms().uses();
    for _ in 0..50 {
        calls(&app, &token).await.refused(503, "sealed");
        readiness(&app.anonymous()).await;
    }
    assert!(
        app.kms().uses() <= before + 2,
        "once for calls, once for readiness"
    );
    app.finish().await;
}
