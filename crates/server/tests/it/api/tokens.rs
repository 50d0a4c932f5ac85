//! `/v1/tokens`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::TestApp;

#[tokio::test]
async fn the_seeds_call_makes_agent_and_token_in_one_step() {
    let app = TestApp::start().await;
    app.create_credential("openai").await;
    let body = json!({"name": "production-agent", "providers": [{"name": "openai", "source": "byok"}], "budgetCentsMonthly": 100});
    let made = app.owner_client().post("/v1/tokens", &body).await.expect(201);
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("ks_") && token.len() == 67, "{token}");
    assert_eq!(made["agent"]["name"], "production-agent");
    assert_eq!(made["agent"]["budgetCentsMonthly"], 100);
    let listed = app.owner_client().get("/v1/tokens").await.expect(200);
    assert_eq!(listed["data"][0]["id"], made["id"]);
    assert_eq!(listed["data"][0]["agentName"], "production-agent");
    assert!(!listed.to_string().contains(token), "the value is shown once");
    app.finish().await;
}

#[tokio::test]
async fn one_more_token_of_an_agent() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    owner.post("/v1/agents", &json!({"name": "a"})).await.expect(201);
    let made = owner
        .post("/v1/tokens", &json!({"agentId": "a", "name": "second"}))
        .await
        .expect(201);
    let token = owner
        .get(&format!("/v1/tokens/{}", made["id"].as_str().unwrap()))
        .await
        .expect(200);
    assert_eq!(
        (&token["name"], &token["status"]),
        (&json!("second"), &json!("active"))
    );
    let both = json!({"agentId": "a", "providers": [], "rpmLimit": 4});
    let problem = owner
        .post("/v1/tokens", &both)
        .await
        .expect_problem(422, "invalid_request");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2, "{problem}");
    owner
        .post("/v1/tokens", &json!({"providers": []}))
        .await
        .expect_problem(422, "invalid_request");
    owner.post("/v1/agents/a/revoke", &Value::Null).await.expect(200);
    owner
        .post("/v1/tokens", &json!({"agentId": "a"}))
        .await
        .expect_problem(409, "conflict");
    app.finish().await;
}

#[tokio::test]
async fn revoking_and_rotating() {
    let (app, clock) = TestApp::clocked().await;
    let owner = app.owner_client();
    owner.post("/v1/agents", &json!({"name": "a"})).await.expect(201);
    let path = |made: &Value| format!("/v1/tokens/{}", made["id"].as_str().unwrap());
    let status = |path: String| async move { owner.get(&path).await.expect(200)["status"].clone() };

    let first = owner
        .post("/v1/tokens", &json!({"agentId": "a"}))
        .await
        .expect(201);
    let rotated = owner
        .post(
            &format!("{}/rotate", path(&first)),
            &json!({"overlapSeconds": 60}),
        )
        .await
        .expect(201);
    assert_ne!(rotated["token"], first["token"]);
    assert_eq!(
        (status(path(&first)).await, status(path(&rotated)).await),
        (json!("active"), json!("active"))
    );
    clock.advance(Duration::from_secs(61));
    assert_eq!(
        (status(path(&first)).await, status(path(&rotated)).await),
        (json!("expired"), json!("active"))
    );

    let third = owner
        .post(&format!("{}/rotate", path(&rotated)), &json!({}))
        .await
        .expect(201);
    assert_eq!(
        status(path(&rotated)).await,
        "revoked",
        "without an overlap the old one ends at once"
    );
    owner
        .post(&format!("{}/rotate", path(&rotated)), &json!({}))
        .await
        .expect_problem(409, "conflict");
    let revoked = owner
        .post(&format!("{}/revoke", path(&third)), &Value::Null)
        .await
        .expect(200);
    assert_eq!(revoked["status"], "revoked");
    owner
        .post(
            &format!("{}/rotate", path(&first)),
            &json!({"overlapSeconds": 604_801}),
        )
        .await
        .expect_problem(422, "invalid_request");
    app.finish().await;
}
