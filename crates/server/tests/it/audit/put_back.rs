//! A whole row that is put back to an older state opens as well as ever: the log knows better, and so do calls.

use keystore_server::audit::offline::check_database;
use keystore_testkit::upstream::Slot;
use serde_json::json;

use super::some_traffic;
use crate::support::{CANARY, TestApp};

/// What the check of the whole database finds.
async fn problem(app: &TestApp) -> Option<String> {
    let key = app.audit_key().await;
    app.do_jobs().await;
    let report = check_database(&app.store_url(), &key, &[], &mut |_, _| {})
        .await
        .unwrap();
    report.problem.map(|problem| problem.to_string())
}

/// An app whose credential was rotated, with the token of its agent and that credential's path; calls were made with both versions.
async fn rotated() -> (TestApp, String, String) {
    let app = TestApp::start().await;
    let credential = app.create_credential("openai").await;
    let token = app.create_token("bot", &["openai"]).await;
    some_traffic(&app, &token, 1).await;
    let path = format!("/v1/credentials/{}", credential["id"].as_str().unwrap());
    let rotation = json!({"secret": "sk-the-next-one"});
    let owner = app.owner_client();
    owner.post(&format!("{path}/rotate"), &rotation).await.expect(200);
    some_traffic(&app, &token, 2).await;
    (app, token, path)
}

#[tokio::test]
async fn a_credential_that_is_put_back_to_an_older_version_is_found() {
    let (app, ..) = rotated().await;
    assert_eq!(problem(&app).await, None);
    app.statement("UPDATE credentials SET current_version = 1").await;
    let found = problem(&app).await.unwrap();
    assert!(
        found.contains("version 2") && found.contains("version 1"),
        "{found}"
    );
    app.statement("UPDATE credentials SET current_version = 2").await;
    assert_eq!(problem(&app).await, None);
    app.finish().await;
}

#[tokio::test]
async fn a_credential_that_is_put_back_serves_no_call() {
    let (app, token, path) = rotated().await;
    // The older version is kept for what is under way; here somebody gave it back its name.
    app.statement("UPDATE credentials SET current_version = 1").await;
    // Something that makes the agent be looked up again.
    let rename = json!({"name": "renamed"});
    app.owner_client().patch(&path, &rename).await.expect(200);
    let refused = async |app: &TestApp| {
        let sent = app.fake_upstream().count();
        let answer = app.caller(&token).get("/v1/openai/v1/models").await;
        answer.refused(403, "credential_missing");
        assert_eq!(app.fake_upstream().count(), sent, "it was sent with the old key");
    };
    refused(&app).await;
    // A server that starts anew knows it from the journal.
    let app = app.restart().await;
    refused(&app).await;
    app.statement("UPDATE credentials SET current_version = 2").await;
    let app = app.restart().await;
    app.caller(&token).get("/v1/openai/v1/models").await.expect(200);
    assert_eq!(
        app.fake_upstream().last().header("authorization"),
        Some("Bearer sk-the-next-one")
    );
    app.finish().await;
}

#[tokio::test]
async fn a_version_that_its_vendor_refused_was_never_there() {
    let app = TestApp::start().await;
    app.fake_upstream().expect(Slot::Bearer, CANARY);
    let credential = app.create_credential("openai").await;
    let token = app.create_token("bot", &["openai"]).await;
    some_traffic(&app, &token, 1).await;
    let rotate = format!("/v1/credentials/{}/rotate", credential["id"].as_str().unwrap());
    let wrong = json!({"secret": "sk-wrong"});
    let owner = app.owner_client();
    owner
        .post(&format!("{rotate}?verify=true"), &wrong)
        .await
        .expect_problem(422, "credential_refused");
    assert_eq!(problem(&app).await, None);
    let app = app.restart().await;
    some_traffic(&app, &token, 2).await;
    app.finish().await;
}
