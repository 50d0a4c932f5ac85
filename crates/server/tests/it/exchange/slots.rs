//! Where a token may stand, and what becomes of it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keystore_testkit::clock::MockClock;
use keystore_testkit::upstream::Slot;
use serde_json::json;

use super::{CHAT, MESSAGES, MODELS, chat, message, openai};
use crate::support::{CANARY, Setup, TestApp};

const UNKNOWN: &str = "ks_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const BOT: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[tokio::test]
async fn a_token_is_taken_from_the_slot_of_the_providers_own_sdk() {
    let app = TestApp::start().await;
    let providers = ["openai", "anthropic", "gemini", "stripe"];
    for provider in providers {
        app.create_credential(provider).await;
    }
    let token = app.create_token("a", &providers).await;
    let caller = app.caller(&token);
    let upstream = app.fake_upstream();
    let gemini = "/v1/gemini/v1beta/models";
    for (path, header, value, slot) in [
        (
            gemini,
            "x-goog-api-key",
            token.clone(),
            Slot::Header("x-goog-api-key".to_owned()),
        ),
        (
            gemini,
            "authorization",
            format!("Bearer {token}"),
            Slot::Header("x-goog-api-key".to_owned()),
        ),
        (MODELS, "authorization", format!("bearer {token}"), Slot::Bearer),
        (
            "/v1/stripe/v1/customers",
            "authorization",
            basic(&token, ""),
            Slot::Bearer,
        ),
        (
            "/v1/anthropic/v1/models",
            "x-api-key",
            token.clone(),
            Slot::Header("x-api-key".to_owned()),
        ),
        (
            "/v1/anthropic/v1/models",
            "authorization",
            format!("Bearer {token}"),
            Slot::Header("x-api-key".to_owned()),
        ),
    ] {
        caller
            .send(caller.bare("GET", path).header(header, value))
            .await
            .expect(200);
        let credentials = upstream.last().credentials;
        assert_eq!(
            credentials.len(),
            1,
            "{path}: one credential goes out: {credentials:?}"
        );
        assert_eq!(
            (&credentials[0].slot, credentials[0].value.as_str()),
            (&slot, CANARY),
            "{path}"
        );
    }
    caller
        .send(
            caller
                .bare("POST", MESSAGES)
                .header("x-api-key", &token)
                .json(&message(json!({}))),
        )
        .await
        .expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_token_in_the_query_is_taken_out_of_it() {
    let app = TestApp::start().await;
    app.create_credential("gemini").await;
    let token = app.create_token("a", &["gemini"]).await;
    let caller = app.caller(&token);
    for (query, sent) in [
        (format!("?key={token}"), ""),
        (
            format!("?pageSize=5&key={token}&pageToken=%2Fx"),
            "?pageSize=5&pageToken=%2Fx",
        ),
        (format!("?access_token={token}&alt=sse"), "?alt=sse"),
    ] {
        let request = caller.bare("GET", &format!("/v1/gemini/v1beta/models{query}"));
        caller.send(request).await.expect(200);
        let seen = app.fake_upstream().last();
        assert_eq!(seen.target, format!("/v1beta/models{sent}"));
        assert_eq!(seen.header("x-goog-api-key"), Some(CANARY));
    }
    app.finish().await;
}

#[tokio::test]
async fn a_token_in_the_path_is_replaced_there() {
    let app = TestApp::start().await;
    let credential = json!({"provider": "telegram", "secret": BOT, "baseUrl": app.fake_upstream().url()});
    app.owner_client()
        .post("/v1/credentials", &credential)
        .await
        .expect(201);
    let token = app.create_token("a", &["telegram"]).await;
    let caller = app.caller(&token);
    let path = format!("/v1/telegram/bot{token}/getUpdates?offset=7");
    let reply = caller.send(caller.bare("GET", &path)).await.expect(200);
    assert_eq!(
        app.fake_upstream().last().target,
        format!("/bot{BOT}/getUpdates?offset=7")
    );
    // The fake echoes its path, credential included.
    assert!(!reply.text().contains(BOT), "{}", reply.text());
    let record = super::record(&app, &reply.id()).await;
    assert_eq!(record["path"], "/getUpdates");
    app.finish().await;
}

#[tokio::test]
async fn a_basic_password_is_taken_where_the_vendor_has_its_key_there() {
    let app = TestApp::start().await;
    let account = format!("AC{}", "0".repeat(32));
    let secret = json!({"key": CANARY, "account_sid": account});
    let credential = json!({"provider": "twilio", "secret": secret, "baseUrl": app.fake_upstream().url()});
    app.owner_client()
        .post("/v1/credentials", &credential)
        .await
        .expect(201);
    let token = app.create_token("a", &["twilio"]).await;
    let caller = app.caller(&token);
    let path = format!("/v1/twilio/2010-04-01/Accounts/{account}/Messages.json");
    let request = caller
        .bare("GET", &path)
        .header("authorization", basic(&account, &token));
    caller.send(request).await.expect(200);
    let sent = app.fake_upstream().last();
    assert_eq!(
        sent.header("authorization"),
        Some(basic(&account, CANARY).as_str())
    );
    app.finish().await;
}

#[tokio::test]
async fn exactly_one_token_in_a_slot_of_the_provider() {
    let app = TestApp::start().await;
    app.create_credential("openai").await;
    app.create_credential("anthropic").await;
    let token = app.create_token("a", &["openai", "anthropic"]).await;
    let other = app.create_token("b", &["openai", "anthropic"]).await;
    let caller = app.caller(&token);
    let refused = |request: reqwest::RequestBuilder| async {
        caller.send(request).await.refused(401, "invalid_token");
    };
    refused(caller.bare("GET", MODELS)).await;
    // A slot of another provider's.
    refused(caller.bare("GET", MODELS).header("x-api-key", &token)).await;
    refused(
        caller
            .bare("GET", MODELS)
            .header("authorization", basic(&token, "")),
    )
    .await;
    refused(caller.bare("GET", &format!("{MODELS}?key={token}"))).await;
    // Two that differ.
    refused(caller.request("GET", MODELS).header("x-api-key", &other)).await;
    refused(
        caller
            .request("GET", "/v1/anthropic/v1/models")
            .header("x-api-key", &other),
    )
    .await;
    refused(caller.request("GET", MODELS).header("x-unheard-of", &other)).await;
    // Twice the same is one.
    let twice = caller
        .request("GET", "/v1/anthropic/v1/models")
        .header("x-api-key", &token);
    caller.send(twice).await.expect(200);
    let seen = app.fake_upstream().last();
    assert_eq!((app.fake_upstream().count(), seen.credentials.len()), (1, 1));
    app.finish().await;
}

#[tokio::test]
async fn who_is_not_known_learns_nothing_of_what_exists() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let nobody = app.caller(UNKNOWN);
    for path in [
        MODELS,
        "/v1/openai/v1/organization/users",
        "/v1/nothing/v1/models",
        "/v1/sandbox/v1/models",
    ] {
        nobody.get(path).await.refused(401, "invalid_token");
    }
    caller
        .get("/v1/nothing/v1/models")
        .await
        .refused(404, "unknown_provider");
    caller
        .get("/v1/stripe/v1/balance")
        .await
        .refused(403, "provider_not_granted");
    caller
        .get("/v1/openai~eu/v1/models")
        .await
        .refused(404, "unknown_provider");
    app.finish().await;
}

#[tokio::test]
async fn every_401_is_the_same_bytes() {
    let clock = std::sync::Arc::new(MockClock::default());
    let app = TestApp::with(Setup {
        clock: Some(clock.clone()),
        ..Setup::default()
    })
    .await;
    app.create_credential("openai").await;
    let owner = app.owner_client();
    let expired = app
        .create_token_with(
            "expired",
            &["openai"],
            json!({"expiresAt": "2026-11-23T09:31:00Z"}),
        )
        .await;
    let revoked = app.create_token("revoked", &["openai"]).await;
    let agent_revoked = app.create_token("agent-revoked", &["openai"]).await;
    let short = &UNKNOWN[..UNKNOWN.len() - 1];
    for token in [&expired, &revoked, &agent_revoked] {
        app.caller(token).post(CHAT, &chat(json!({}))).await.expect(200);
    }
    let tokens = owner.get("/v1/tokens?agent=revoked").await.expect(200);
    let id = tokens["data"][0]["id"].as_str().unwrap();
    owner
        .post(&format!("/v1/tokens/{id}/revoke"), &json!(null))
        .await
        .expect(200);
    owner
        .post("/v1/agents/agent-revoked/revoke", &json!(null))
        .await
        .expect(200);
    clock.advance(Duration::from_secs(60));
    let reference = app.caller(UNKNOWN).get(MODELS).await;
    reference.refused(401, "invalid_token");
    for token in [
        &expired,
        &revoked,
        &agent_revoked,
        short,
        "",
        "sk-else",
        &UNKNOWN.to_uppercase(),
    ] {
        let reply = app.caller(token).get(MODELS).await;
        reply.refused(401, "invalid_token");
        assert_eq!(reply.body, reference.body);
        let names = |reply: &crate::support::Reply| -> Vec<String> {
            reply.headers.keys().map(ToString::to_string).collect()
        };
        assert_eq!(names(&reply), names(&reference));
        assert_eq!(reply.header("x-should-retry"), Some("false"));
    }
    assert_eq!(app.fake_upstream().count(), 3);
    app.finish().await;
}
