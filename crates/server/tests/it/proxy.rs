//! What a change in the control plane does to the data plane: in force on the next request.

use serde_json::{Value, json};

use crate::support::{CANARY, TestApp};

async fn call(app: &TestApp, token: &str) -> (u16, Value) {
    let answer = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(format!("{}/v1/openai/v1/chat/completions", app.proxy_url()))
        .bearer_auth(token)
        .json(&json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}))
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn the_credential_is_injected_and_the_token_is_not_passed_on() {
    let app = TestApp::start().await;
    app.create_credential("openai").await;
    let token = app.create_token("a", &["openai"]).await;
    let (status, body) = call(&app, &token).await;
    assert_eq!(status, 200, "{body:#}");
    let seen = app.fake_upstream().last();
    assert_eq!(
        seen.header("authorization"),
        Some(format!("Bearer {CANARY}").as_str())
    );
    assert!(!body.to_string().contains(CANARY));
    app.finish().await;
}

#[tokio::test]
async fn changes_are_in_force_on_the_next_request() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let credential = app.create_credential("openai").await;
    let token = app.create_token("a", &["openai"]).await;
    assert_eq!(call(&app, &token).await.0, 200);
    let code = |answer: (u16, Value)| {
        (
            answer.0,
            answer.1["error"]["code"].as_str().unwrap_or("").to_owned(),
        )
    };

    owner.post("/v1/agents/a/pause", &Value::Null).await.expect(200);
    assert_eq!(code(call(&app, &token).await), (403, "agent_paused".into()));
    owner.post("/v1/agents/a/resume", &Value::Null).await.expect(200);
    assert_eq!(call(&app, &token).await.0, 200);

    let path = format!("/v1/credentials/{}", credential["id"].as_str().unwrap());
    owner
        .post(&format!("{path}/rotate"), &json!({"secret": "sk-second"}))
        .await
        .expect(200);
    assert_eq!(call(&app, &token).await.0, 200);
    assert_eq!(
        app.fake_upstream().last().header("authorization"),
        Some("Bearer sk-second")
    );

    owner
        .patch("/v1/agents/a", &json!({"rpmLimit": 0}))
        .await
        .expect(200);
    assert_eq!(code(call(&app, &token).await), (429, "rate_limited".into()));
    owner
        .patch("/v1/agents/a", &json!({"rpmLimit": null, "providers": []}))
        .await
        .expect(200);
    assert_eq!(
        code(call(&app, &token).await),
        (403, "provider_not_granted".into())
    );
    let grant = json!([{"name": "openai", "source": "byok"}]);
    owner
        .patch(
            "/v1/agents/a",
            &json!({"providers": grant, "budgetCentsMonthly": 0}),
        )
        .await
        .expect(200);
    assert_eq!(code(call(&app, &token).await), (402, "budget_exceeded".into()));
    owner
        .patch("/v1/agents/a", &json!({"budgetCentsMonthly": null}))
        .await
        .expect(200);
    assert_eq!(call(&app, &token).await.0, 200);

    assert_eq!(owner.delete(&format!("{path}?force=true")).await.status, 204);
    assert_eq!(code(call(&app, &token).await), (403, "credential_missing".into()));
    owner.post("/v1/agents/a/revoke", &Value::Null).await.expect(200);
    assert_eq!(code(call(&app, &token).await), (401, "invalid_token".into()));
    app.finish().await;
}

#[tokio::test]
async fn a_row_that_was_widened_in_the_database_is_refused_and_not_signed_again() {
    let app = TestApp::start().await;
    app.create_credential("openai").await;
    let token = app.create_token("a", &["openai"]).await;
    let other = app.create_token("b", &["openai"]).await;
    app.tamper("UPDATE agents SET policy = (SELECT policy FROM agents WHERE name = 'b') WHERE name = 'a'")
        .await;
    app.owner_client()
        .patch("/v1/agents/a", &json!({"rpmLimit": 5}))
        .await
        .expect_problem(500, "internal");
    assert_eq!(call(&app, &token).await.0, 401);
    assert_eq!(call(&app, &other).await.0, 200);
    assert_eq!(app.fake_upstream().count(), 1);
    app.finish().await;
}
