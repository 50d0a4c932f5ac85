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

#[tokio::test]
async fn a_credential_that_is_put_back_to_an_older_version_is_found() {
    let app = TestApp::start().await;
    let credential = app.create_credential("openai").await;
    let token = app.create_token("bot", &["openai"]).await;
    some_traffic(&app, &token, 1).await;
    let path = format!("/v1/credentials/{}", credential["id"].as_str().unwrap());
    let rotation = json!({"secret": "sk-the-next-one"});
    let owner = app.owner_client();
    owner.post(&format!("{path}/rotate"), &rotation).await.expect(200);
    some_traffic(&app, &token, 2).await;
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

/// Keeps the rows of the first version, which a rotation deletes, and puts them in the place of what came after.
const KEEP: &str = "CREATE TABLE kept AS SELECT * FROM credential_versions";
const PUT_BACK: &str = "INSERT INTO credential_versions SELECT * FROM kept";
const FIRST: &str = "UPDATE credentials SET current_version = 1";

#[tokio::test]
async fn a_credential_that_is_put_back_serves_no_call() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let credential = app.create_credential("openai").await;
    let token = app.create_token("bot", &["openai"]).await;
    app.statement(KEEP).await;
    some_traffic(&app, &token, 1).await;
    let path = format!("/v1/credentials/{}", credential["id"].as_str().unwrap());
    let rotate = format!("{path}/rotate");
    let next = json!({"secret": "sk-the-next-one"});
    owner.post(&rotate, &next).await.expect(200);
    // A version that no call was made with can be put back unseen: the journal does not know it.
    app.statement(PUT_BACK).await;
    app.statement(FIRST).await;
    let app = app.restart().await;
    let models = "/v1/openai/v1/models";
    app.caller(&token).get(models).await.expect(200);
    let sent_with = |app: &TestApp| {
        app.fake_upstream()
            .last()
            .header("authorization")
            .map(str::to_owned)
    };
    assert_eq!(sent_with(&app), Some(format!("Bearer {CANARY}")));
    app.statement("UPDATE credentials SET current_version = 2").await;
    let app = app.restart().await;
    app.caller(&token).get(models).await.expect(200);
    assert_eq!(sent_with(&app).as_deref(), Some("Bearer sk-the-next-one"));

    app.statement(FIRST).await;
    // Something that makes the agent be looked up again.
    let change = json!({"name": "renamed"});
    app.owner_client().patch(&path, &change).await.expect(200);
    let refused = async |app: &TestApp| {
        let sent = app.fake_upstream().count();
        app.caller(&token).get(models).await.refused(503, "auth_stale");
        assert_eq!(app.fake_upstream().count(), sent, "it was sent with the old key");
    };
    refused(&app).await;
    // A server that starts anew knows it from the journal.
    let app = app.restart().await;
    refused(&app).await;
    // To seal the old secret anew would make it the newest.
    let resealed = app
        .owner_client()
        .post(&format!("{path}/reseal"), &json!({}))
        .await;
    resealed.expect_problem(409, "conflict");
    let next = json!({"secret": "sk-the-third-one"});
    let rotated = app.owner_client().post(&rotate, &next).await.expect(200);
    assert_eq!(
        rotated["version"], 3,
        "the next one is above every one that served"
    );
    app.caller(&token).get(models).await.expect(200);
    assert_eq!(sent_with(&app).as_deref(), Some("Bearer sk-the-third-one"));
    app.statement("DROP TABLE kept").await;
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
