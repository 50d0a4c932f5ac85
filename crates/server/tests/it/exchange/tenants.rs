//! What tenants see of each other: nothing. That no credential is mixed up is shown in `faults/tenants.rs`.

use serde_json::{Value, json};

use super::{CHAT, chat};
use crate::support::{Caller, TestApp};

/// A tenant with its own credential and agent.
async fn tenant(app: &TestApp, number: usize) -> Caller {
    let owner = app
        .tenant(&format!("t{number}@example.com"), &format!("Tenant {number}"))
        .await;
    let credential =
        json!({"provider": "openai", "secret": secret(number), "baseUrl": app.fake_upstream().url()});
    owner.post("/v1/credentials", &credential).await.expect(201);
    let grants = json!([{"name": "openai", "source": "byok"}]);
    let token = json!({"name": "a", "providers": grants, "rpmLimit": 100_000, "budgetCentsMonthly": 100});
    let made = owner.post("/v1/tokens", &token).await.expect(201);
    app.caller(made["token"].as_str().unwrap())
}

fn secret(number: usize) -> String {
    format!("sk-tenant-canary-{number:04}")
}

#[tokio::test]
async fn a_tenant_sees_nothing_of_anothers_credentials() {
    let app = TestApp::start().await;
    let one = tenant(&app, 1).await;
    let stranger = app.stranger().await;
    let grants = json!([{"name": "openai", "source": "byok"}]);
    let made = stranger
        .post("/v1/agents", &json!({"name": "a", "providers": grants}))
        .await;
    if made.status == 201 {
        let token = stranger
            .post("/v1/tokens", &json!({"agentId": "a"}))
            .await
            .expect(201);
        let caller = app.caller(token["token"].as_str().unwrap());
        caller
            .post(CHAT, &chat(json!({})))
            .await
            .refused(403, "credential_missing");
    }
    one.post(CHAT, &chat(json!({}))).await.expect(200);
    assert_eq!(app.fake_upstream().count(), 1);
    let requests = stranger.get("/v1/requests?refused=false").await.expect(200);
    assert_eq!(requests["data"], Value::Array(Vec::new()));
    app.finish().await;
}
