//! Credentials that are exchanged for tokens, through the whole server: each grant, one fetch for many calls, refresh tokens that are
//! replaced by the vendor, tokens that end early, and vendors that refuse.

use std::sync::Arc;
use std::time::Duration;

use keystore_testkit::counts::within;
use keystore_testkit::rsa::RsaKey;
use keystore_testkit::upstream::{Behaviour, Exchanged, ShownBy, TokenRules};
use serde_json::{Value, json};

use super::leave;
use crate::support::{CANARY, TestApp};

const REFRESH: &str = "refresh-token-canary-0123456789";
const CLIENT_SECRET: &str = "client-secret-canary-0123456789";

fn rules(path: &str, exchanged: Exchanged) -> TokenRules {
    TokenRules {
        path: path.to_owned(),
        exchanged,
        expires_in: 3_600,
        form: Vec::new(),
    }
}

fn client(secret: &str, shown: ShownBy) -> Exchanged {
    Exchanged::Client("client-1".to_owned(), secret.to_owned(), shown)
}

fn refresh(rotates: bool) -> TokenRules {
    let exchanged = Exchanged::Refresh(
        "client-1".to_owned(),
        CLIENT_SECRET.to_owned(),
        ShownBy::Body,
        REFRESH.to_owned(),
        rotates,
    );
    rules("/oauth2/token", exchanged)
}

/// Stores a credential at the fake, and gives an agent's token for its provider.
async fn stored(app: &TestApp, provider: &str, secret: Value, params: Value) -> String {
    for text in secret.as_object().unwrap().values() {
        app.secret(text.as_str().unwrap());
    }
    let credential = json!({
        "provider": provider, "secret": secret, "params": params, "baseUrl": app.fake_upstream().url(),
    });
    app.owner_client()
        .post("/v1/credentials", &credential)
        .await
        .expect(201);
    app.create_token("a", &[provider]).await
}

async fn stored_box(app: &TestApp) -> String {
    let secret = json!({"key": REFRESH, "client_id": "client-1", "client_secret": CLIENT_SECRET});
    stored(app, "box", secret, json!({})).await
}

async fn stored_paypal(app: &TestApp) -> String {
    stored(
        app,
        "paypal",
        json!({"key": CANARY, "client_id": "client-1"}),
        json!({}),
    )
    .await
}

fn fetches(app: &TestApp) -> usize {
    let log = app.fake_upstream().log();
    log.iter()
        .filter(|entry| entry.target.ends_with("/token"))
        .count()
}

#[tokio::test]
async fn a_client_is_exchanged_for_a_token_that_serves_until_shortly_before_its_end() {
    let (app, clock) = TestApp::clocked().await;
    let token_rules = rules("/v1/oauth2/token", client(CANARY, ShownBy::Basic));
    app.fake_upstream().give_tokens(token_rules);
    let token = stored_paypal(&app).await;
    let caller = app.caller(&token);
    for _ in 0..3 {
        caller.get("/v1/paypal/v2/invoices").await.expect(200);
    }
    assert_eq!(app.fake_upstream().given_tokens().len(), 1);
    let seen = app.fake_upstream().last();
    let given = &app.fake_upstream().given_tokens()[0];
    assert_eq!(
        seen.header("authorization"),
        Some(format!("Bearer {given}").as_str())
    );
    // A minute before its end it is replaced.
    clock.advance(Duration::from_secs(3_539));
    caller.get("/v1/paypal/v2/invoices").await.expect(200);
    assert_eq!(app.fake_upstream().given_tokens().len(), 1);
    clock.advance(Duration::from_secs(2));
    caller.get("/v1/paypal/v2/invoices").await.expect(200);
    assert_eq!(app.fake_upstream().given_tokens().len(), 2);
    let rows = app.owner_client().get("/v1/requests?limit=50").await.expect(200);
    let exchanges = rows["data"].as_array().unwrap().iter();
    let exchanges = exchanges.filter(|row| row["operation"] == "credential.token");
    assert_eq!(exchanges.count(), 2, "{rows:#}");
    app.finish().await;
}

#[tokio::test]
async fn calls_at_once_fetch_one_token() {
    let app = TestApp::start().await;
    app.fake_upstream().give_tokens(refresh(true));
    let token = stored_box(&app).await;
    app.fake_upstream().script([Behaviour {
        head_delay: Duration::from_millis(300),
        ..Behaviour::default()
    }]);
    let caller = Arc::new(app.caller(&token));
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let caller = Arc::clone(&caller);
            tokio::spawn(async move { caller.get("/v1/box/2.0/folders/0").await.expect(200) })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(fetches(&app), 1);
    app.finish().await;
}

#[tokio::test]
async fn a_refresh_token_that_the_vendor_replaces_is_stored_before_its_token_is_used() {
    let (app, clock) = TestApp::clocked().await;
    app.fake_upstream().give_tokens(refresh(true));
    let token = stored_box(&app).await;
    for expected in 1..=4 {
        app.caller(&token).get("/v1/box/2.0/users/1").await.expect(200);
        assert_eq!(app.fake_upstream().given_tokens().len(), expected);
        app.secret(&format!("fake-refresh-token-{expected:020}"));
        clock.advance(Duration::from_secs(3_600));
    }
    // What is in memory is gone; the newest is in the database.
    let app = app.restart().await;
    app.caller(&token).get("/v1/box/2.0/users/1").await.expect(200);
    assert_eq!(app.fake_upstream().given_tokens().len(), 5);
    let credentials = app.owner_client().get("/v1/credentials").await.expect(200);
    assert_eq!(
        credentials["data"][0]["version"], 1,
        "the credential is the same one"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_client_that_leaves_does_not_lose_the_next_refresh_token() {
    let (app, clock) = TestApp::clocked().await;
    app.fake_upstream().give_tokens(refresh(true));
    let token = stored_box(&app).await;
    let caller = app.caller(&token);
    leave(&app, caller.request("GET", "/v1/box/2.0/users/1")).await;
    assert_eq!(app.fake_upstream().given_tokens().len(), 1);
    assert!(app.fake_upstream().settled(1, Duration::from_secs(10)).await);
    clock.advance(Duration::from_secs(4_000));
    app.caller(&token).get("/v1/box/2.0/users/1").await.expect(200);
    assert_eq!(fetches(&app), 2);
    app.finish().await;
}

#[tokio::test]
async fn a_credential_that_the_vendor_refuses_is_invalid_and_is_not_tried_again_at_once() {
    let (app, clock) = TestApp::clocked().await;
    app.fake_upstream().give_tokens(rules(
        "/v1/oauth2/token",
        client("another secret", ShownBy::Basic),
    ));
    let secret = json!({"key": CANARY, "client_id": "client-1"});
    let credential = json!({"provider": "paypal", "secret": secret, "baseUrl": app.fake_upstream().url()});
    app.owner_client()
        .post("/v1/credentials?verify=true", &credential)
        .await
        .expect_problem(422, "credential_refused");
    let made = app
        .owner_client()
        .post("/v1/credentials", &credential)
        .await
        .expect(201);
    let token = app.create_token("a", &["paypal"]).await;
    let before = fetches(&app);
    for _ in 0..5 {
        let reply = app.caller(&token).get("/v1/paypal/v2/invoices").await;
        reply.refused(502, "credential_invalid");
    }
    assert_eq!(fetches(&app), before + 1);
    app.do_jobs().await;
    let id = made["id"].as_str().unwrap();
    let shown = app
        .owner_client()
        .get(&format!("/v1/credentials/{id}"))
        .await
        .expect(200);
    assert_eq!(shown["status"], "invalid");
    clock.advance(Duration::from_secs(6));
    app.caller(&token)
        .get("/v1/paypal/v2/invoices")
        .await
        .refused(502, "credential_invalid");
    assert_eq!(fetches(&app), before + 2);
    app.finish().await;
}

#[tokio::test]
async fn a_token_that_ends_early_is_fetched_again_and_the_credential_stays_valid() {
    let (app, clock) = TestApp::clocked().await;
    app.fake_upstream()
        .give_tokens(rules("/v1/oauth2/token", client(CANARY, ShownBy::Basic)));
    let token = stored_paypal(&app).await;
    let caller = app.caller(&token);
    caller.get("/v1/paypal/v2/invoices").await.expect(200);
    clock.advance(Duration::from_secs(100));
    app.fake_upstream().end_tokens();
    let error = caller
        .get("/v1/paypal/v2/invoices")
        .await
        .refused(502, "upstream_error");
    assert!(
        error.to_string().contains("the next request fetches another one"),
        "{error}"
    );
    caller.get("/v1/paypal/v2/invoices").await.expect(200);
    let credentials = app.owner_client().get("/v1/credentials").await.expect(200);
    assert_ne!(credentials["data"][0]["status"], "invalid");
    app.finish().await;
}

#[tokio::test]
async fn of_calls_that_a_token_ends_early_under_none_says_that_the_credential_is_bad() {
    let (app, clock) = TestApp::clocked().await;
    app.fake_upstream()
        .give_tokens(rules("/v1/oauth2/token", client(CANARY, ShownBy::Basic)));
    let caller = app.caller(&stored_paypal(&app).await);
    caller.get("/v1/paypal/v2/invoices").await.expect(200);
    clock.advance(Duration::from_secs(100));
    app.fake_upstream().end_tokens();
    app.fake_upstream().gate();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let caller = caller.clone();
        calls.spawn(async move { caller.get("/v1/paypal/v2/invoices").await });
    }
    // All of them were sent with the token that has ended.
    while app.fake_upstream().count() < 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    app.fake_upstream().let_go(1);
    let first = calls.join_next().await.unwrap().unwrap();
    first.refused(502, "upstream_error");
    app.fake_upstream().let_go(1);
    let second = calls.join_next().await.unwrap().unwrap();
    second.refused(502, "upstream_error");
    // The last is answered when the next token is there already, which is not thrown away for it.
    let next = tokio::spawn({
        let caller = caller.clone();
        async move { caller.get("/v1/paypal/v2/invoices").await }
    });
    while app.fake_upstream().count() < 6 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    app.fake_upstream().ungate();
    let last = calls.join_next().await.unwrap().unwrap();
    last.refused(502, "upstream_error");
    next.await.unwrap().expect(200);
    caller.get("/v1/paypal/v2/invoices").await.expect(200);
    assert_eq!(app.fake_upstream().given_tokens().len(), 2);
    let credentials = app.owner_client().get("/v1/credentials").await.expect(200);
    assert_ne!(credentials["data"][0]["status"], "invalid");
    app.finish().await;
}

#[tokio::test]
async fn a_call_that_waits_for_a_token_is_refused_when_its_agent_is_paused() {
    let app = TestApp::start().await;
    app.fake_upstream()
        .give_tokens(rules("/v1/oauth2/token", client(CANARY, ShownBy::Basic)));
    let caller = app.caller(&stored_paypal(&app).await);
    app.fake_upstream().gate();
    let call = tokio::spawn(async move { caller.get("/v1/paypal/v2/invoices").await });
    while fetches(&app) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let owner = app.owner_client();
    owner.post("/v1/agents/a/pause", &Value::Null).await.expect(200);
    let reply = tokio::time::timeout(within(Duration::from_secs(1)), call).await;
    reply.unwrap().unwrap().refused(403, "agent_paused");
    app.fake_upstream().ungate();
    app.finish().await;
}

#[tokio::test]
async fn a_vendor_in_trouble_gives_no_token_and_says_nothing_of_the_credential() {
    let (app, clock) = TestApp::clocked().await;
    // A refresh token that is good for one use would be lost with the answer.
    app.fake_upstream().give_tokens(refresh(false));
    let token = stored_box(&app).await;
    for behaviour in [
        Behaviour {
            status: Some(503),
            ..Behaviour::default()
        },
        Behaviour {
            status: Some(429),
            ..Behaviour::default()
        },
        Behaviour {
            no_head: true,
            ..Behaviour::default()
        },
        Behaviour {
            body_bytes: Some(100_000),
            ..Behaviour::default()
        },
    ] {
        app.fake_upstream().script([behaviour.clone()]);
        let error = app
            .caller(&token)
            .get("/v1/box/2.0/users/1")
            .await
            .refused(502, "upstream_error");
        assert!(
            error.to_string().contains("no token can be had"),
            "{behaviour:?} {error}"
        );
        clock.advance(Duration::from_secs(6));
    }
    app.do_jobs().await;
    let credentials = app.owner_client().get("/v1/credentials").await.expect(200);
    assert_eq!(credentials["data"][0]["status"], "untested");
    app.finish().await;
}

#[tokio::test]
async fn an_app_of_github_signs_for_its_installation() {
    let app = TestApp::start().await;
    let key = RsaKey::generate();
    let token_rules = rules(
        "/app/installations/42/access_tokens",
        Exchanged::App("Iv1.abc".to_owned(), key.clone()),
    );
    app.fake_upstream().give_tokens(token_rules);
    let params = json!({"installation_id": "42", "app_id": "Iv1.abc"});
    let token = stored(&app, "github", json!({"key": key.pem}), params).await;
    app.caller(&token).get("/v1/github/repos/o/r").await.expect(200);
    // The same provider with a token of a person's.
    app.fake_upstream()
        .expect(keystore_testkit::upstream::Slot::Bearer, CANARY);
    let plain = json!({"provider": "github", "name": "plain", "secret": {"key": CANARY}, "baseUrl": app.fake_upstream().url()});
    app.owner_client()
        .post("/v1/credentials", &plain)
        .await
        .expect(201);
    app.finish().await;
}

#[tokio::test]
async fn a_service_account_signs_an_assertion() {
    let app = TestApp::start().await;
    let key = RsaKey::generate();
    let scope = "https://www.googleapis.com/auth/cloud-platform";
    let token_rules = rules("/token", Exchanged::ServiceAccount(scope.to_owned(), key.clone()));
    app.fake_upstream().give_tokens(token_rules);
    let definition = json!({
        "name": "My cloud", "category": "cloud", "self_hosted": true,
        "inject": [{"gcp_service_account": {"token_url": "/token", "scope": scope}}],
    });
    let provider = json!({"slug": "my-cloud", "definition": definition});
    app.owner_client()
        .post("/v1/providers", &provider)
        .await
        .expect(201);
    let account = json!({
        "type": "service_account", "client_email": "me@project.iam.example.com", "private_key": key.pem, "private_key_id": "k1",
        "token_uri": "https://elsewhere.example.com/token",
    });
    let token = stored(&app, "my-cloud", json!({"key": account.to_string()}), json!({})).await;
    app.caller(&token)
        .get("/v1/my-cloud/v1/buckets")
        .await
        .expect(200);
    app.finish().await;
}
