//! `/v1/audit`: every operation that changes something leaves an entry.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::operations::{May, Things, operations};
use crate::support::{CANARY, TestApp};

/// Operations that change nothing that an organization could want to know, each with its reason.
const SILENT: [(&str, &str); 1] = [(
    "exchange_code",
    "its codes are made by `ks dev` alone, whose own test uses one",
)];

#[tokio::test]
async fn every_operation_that_changes_something_leaves_an_entry() {
    for operation in operations().iter().filter(|operation| operation.changes()) {
        if SILENT.iter().any(|(name, _)| *name == operation.name) {
            continue;
        }
        let app = TestApp::start().await;
        let owner = app.owner_client();
        let things = Things::make(&app, owner).await;
        let seen = newest(&owner.get("/v1/audit?limit=1").await.expect(200));
        let call = operation.call(&things);
        let mut call = call.clone();
        if operation.name == "delete_credential" {
            call.path.push_str("?force=true");
        }
        let answer = call.send(owner).await;
        assert!((200..300).contains(&answer.status), "{call:?}: {:#}", answer.body);
        let request = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        // The call may have ended the session, or made another organization, where the entry is.
        let reader = match answer.body["token"].as_str() {
            Some(token) if token.starts_with("kss_") => owner.with_token(token),
            _ if operation.name == "log_out" => app.anonymous().with_token(&login(&app).await),
            _ => owner.clone(),
        };
        let path = format!("/v1/audit?action={}", operation.name);
        let found = reader.get(&path).await.expect(200);
        let entry = found["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["requestId"] == request.as_str())
            .unwrap_or_else(|| panic!("{call:?} left no entry: {found:#}"));
        assert!(
            entry["seq"].as_u64().unwrap() > seen || operation.name == "sign_up",
            "{entry:#}"
        );
        assert_eq!(entry["address"], "127.0.0.1");
        assert!(entry["actor"].as_str().unwrap().starts_with("usr_"), "{entry:#}");
        assert!(entry["actorName"].as_str().unwrap().contains('@'), "{entry:#}");
        assert!(entry["subject"].as_str().unwrap().contains('_'), "{entry:#}");
        if matches!(operation.may, May::Roles(_)) {
            assert!(
                !(entry["before"].is_null() && entry["after"].is_null()),
                "it says what was changed: {entry:#}"
            );
        }
        app.finish().await;
    }
}

fn newest(page: &Value) -> u64 {
    page["data"][0]["seq"].as_u64().unwrap_or(0)
}

async fn login(app: &TestApp) -> String {
    let body = json!({"email": "owner@example.com", "password": crate::support::PASSWORD});
    let session = app.anonymous().post("/v1/auth/login", &body).await.expect(200);
    session["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_entry_says_what_was_and_what_is_and_never_a_secret() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let credential = app.create_credential("openai").await;
    app.create_token("bot", &["openai"]).await;
    owner
        .patch("/v1/agents/bot", &json!({"rpmLimit": 7}))
        .await
        .expect(200);
    let key = app.key_client("admin").await;
    key.patch("/v1/agents/bot", &json!({"rpmLimit": 8}))
        .await
        .expect(200);
    let log = owner.get("/v1/audit?action=update_agent").await.expect(200);
    let limits: Vec<_> = log["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (&entry["before"]["rpmLimit"], &entry["after"]["rpmLimit"]))
        .collect();
    assert_eq!(
        limits,
        [(&json!(7), &json!(8)), (&Value::Null, &json!(7))],
        "newest first"
    );
    assert_eq!(log["data"][0]["actorName"], "key of a admin");
    let all = owner.get("/v1/audit?limit=500").await.expect(200);
    for secret in [CANARY, owner.token(), key.token()] {
        assert!(!all.to_string().contains(secret));
    }
    let path = format!("/v1/audit?subject={}", credential["id"].as_str().unwrap());
    assert_eq!(
        owner.get(&path).await.expect(200)["data"][0]["after"]["name"],
        "default"
    );
    app.finish().await;
}

#[tokio::test]
async fn entries_are_numbered_without_gaps_and_paged() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    for number in 0..6 {
        let body = json!({"name": format!("agent {number}")});
        owner.post("/v1/agents", &body).await.expect(201);
        // What is refused leaves nothing.
        owner
            .post("/v1/agents", &body)
            .await
            .expect_problem(409, "already_exists");
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = owner.get(&format!("/v1/audit?limit=3{after}")).await.expect(200);
        seen.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| entry["seq"].as_u64().unwrap()),
        );
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let expected: Vec<u64> = (1..=7).rev().collect();
    assert_eq!(seen, expected, "the sign-up and six agents");
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len());
}
