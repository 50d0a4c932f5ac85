//! A whole row that is put back to an older state opens as well as ever: the log knows better.

use keystore_server::audit::offline::check_database;
use serde_json::json;

use super::some_traffic;
use crate::support::TestApp;

#[tokio::test]
async fn a_credential_that_is_put_back_to_an_older_version_is_found() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let credential = app.create_credential("openai").await;
    let token = app.create_token("bot", &["openai"]).await;
    some_traffic(&app, &token, 1).await;
    let rotation = json!({"secret": "sk-the-next-one"});
    let path = format!("/v1/credentials/{}/rotate", credential["id"].as_str().unwrap());
    owner.post(&path, &rotation).await.expect(200);
    some_traffic(&app, &token, 2).await;
    let key = app.audit_key().await;
    app.do_jobs().await;
    let check = async || {
        let report = check_database(&app.store_url(), &key, &[], &mut |_, _| {})
            .await
            .unwrap();
        report.problem.map(|problem| problem.to_string())
    };
    assert_eq!(check().await, None);
    app.statement("UPDATE credentials SET current_version = 1").await;
    let problem = check().await.unwrap();
    assert!(
        problem.contains("version 2") && problem.contains("version 1"),
        "{problem}"
    );
    app.statement("UPDATE credentials SET current_version = 2").await;
    assert_eq!(check().await, None);
    app.finish().await;
}
