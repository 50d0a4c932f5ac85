//! `/v1/credentials`.

use serde_json::{Value, json};

use crate::support::{CANARY, TestApp};

#[tokio::test]
async fn a_value_goes_in_and_never_comes_out() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let made = app.create_credential("openai").await;
    let path = format!("/v1/credentials/{}", made["id"].as_str().unwrap());
    assert_eq!(
        (&made["status"], &made["version"], &made["name"]),
        (&json!("untested"), &json!(1), &json!("default"))
    );
    let read = owner.get(&path).await.expect(200);
    let listed = owner.get("/v1/credentials?provider=openai").await.expect(200);
    let again = owner
        .post(
            "/v1/credentials",
            &json!({"provider": "openai", "secret": CANARY}),
        )
        .await
        .expect_problem(409, "already_exists");
    let odd = owner
        .post(
            "/v1/credentials",
            &json!({"provider": "openai", "name": "x", "secret": {"kee": CANARY}}),
        )
        .await
        .expect_problem(422, "invalid_request");
    let typed = owner
        .post(
            "/v1/credentials",
            &json!({"provider": "openai", "secret": [CANARY]}),
        )
        .await
        .expect_problem(422, "invalid_request");
    let rotated = owner
        .post(
            &format!("{path}/rotate"),
            &json!({"secret": format!("{CANARY}-2")}),
        )
        .await
        .expect(200);
    assert_eq!(rotated["version"], 2);
    for answer in [made, read, listed, again, odd, typed, rotated] {
        assert!(!answer.to_string().contains("canary"), "{answer}");
    }
    scan(app.folder());
    let folder = app.stop().await;
    assert!(scan(folder.path()) >= 3, "database, root key, spool");
}

#[tokio::test]
async fn a_value_has_the_form_that_the_catalog_knows() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let secret = json!({"provider": "twilio", "secret": {"key": CANARY, "account_sid": CANARY}});
    let problem = owner
        .post("/v1/credentials", &secret)
        .await
        .expect_problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/secret/account_sid");
    assert!(!problem.to_string().contains("canary"), "{problem}");
}

/// Looks for the secret in every file; gives how many there were. SQLite may remove a file meanwhile.
fn scan(folder: &std::path::Path) -> usize {
    let mut scanned = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(&file) else { continue };
        let found = bytes
            .windows(CANARY.len())
            .any(|window| window == CANARY.as_bytes());
        assert!(!found, "{}", file.display());
        scanned += 1;
    }
    scanned
}

#[tokio::test]
async fn where_a_credential_may_go_is_the_operators_word() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let base = |url: &str| json!({"provider": "openai", "secret": "sk-1", "baseUrl": url});
    for url in [
        "http://127.0.0.1:1",
        "https://attacker.example",
        "http://169.254.169.254/latest",
    ] {
        let problem = owner
            .post("/v1/credentials", &base(url))
            .await
            .expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], "/baseUrl", "{url}");
    }
    let stray = json!({"provider": "openai", "secret": "sk-1", "params": {"region": "eu"}});
    let problem = owner
        .post("/v1/credentials", &stray)
        .await
        .expect_problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/params/region");
}

#[tokio::test]
async fn one_that_agents_use_is_deleted_only_by_force() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let made = app.create_credential("openai").await;
    app.create_token("agent", &["openai"]).await;
    let path = format!("/v1/credentials/{}", made["id"].as_str().unwrap());
    let problem = owner.delete(&path).await.expect_problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("agt_"), "{problem}");
    assert_eq!(owner.delete(&format!("{path}?force=true")).await.status, 204);
    owner.get(&path).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_test_asks_the_provider() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let made = app.create_credential("openai").await;
    let path = format!("/v1/credentials/{}/test", made["id"].as_str().unwrap());
    app.fake_upstream()
        .expect(keystore_testkit::upstream::Slot::Bearer, CANARY);
    let found = owner.post(&path, &Value::Null).await.expect(200);
    assert_eq!(
        (&found["verdict"], &found["credential"]["status"]),
        (&json!("valid"), &json!("active")),
        "{found}"
    );
    assert_eq!(app.fake_upstream().count(), 1);

    let bad = json!({"secret": "sk-another"});
    let rotate = format!("/v1/credentials/{}/rotate", made["id"].as_str().unwrap());
    owner.post(&rotate, &bad).await.expect(200);
    let found = owner.post(&path, &Value::Null).await.expect(200);
    assert_eq!(
        (&found["verdict"], &found["credential"]["status"]),
        (&json!("invalid"), &json!("invalid")),
        "{found}"
    );
    assert!(!found.to_string().contains("sk-another"), "{found}");
}
