//! Many tenants at once: every call goes out with its own tenant's credential, whatever else is cut off beside it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{CHAT, chat};
use crate::support::{Caller, TestApp};

const TENANTS: usize = 6;
const CALLS: usize = 60;

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

/// A tenant's calls, of every kind, a third of them left half-way.
async fn calls(caller: Caller, number: usize) {
    for round in 0..CALLS {
        let stream = round % 2 == 0;
        let body = chat(json!({"stream": stream, "max_tokens": 20}));
        let fake = [
            "",
            "chunk-delay-ms=1",
            "head-delay-ms=3",
            "abort-after=2",
            "status=500",
        ][round % 5];
        let request = caller
            .request("POST", CHAT)
            .header("x-tenant", number.to_string())
            .header("x-fake", fake)
            .json(&body);
        if round % 3 == 0 {
            let _ = tokio::time::timeout(Duration::from_millis(round as u64 % 7), async {
                let mut answer = request.send().await.unwrap();
                answer.chunk().await
            })
            .await;
        } else {
            caller.send(request).await;
        }
    }
}

#[tokio::test]
async fn no_credential_is_ever_mixed_up() {
    let app = TestApp::start().await;
    let mut running = JoinSet::new();
    for number in 0..TENANTS {
        running.spawn(calls(tenant(&app, number).await, number));
    }
    running.join_all().await;
    let log = app.fake_upstream().log();
    assert!(log.len() > TENANTS * CALLS / 2, "{}", log.len());
    for seen in log {
        let number: usize = seen.header("x-tenant").unwrap().parse().unwrap();
        assert_eq!(
            seen.header("authorization"),
            Some(format!("Bearer {}", secret(number)).as_str())
        );
    }
    app.finish().await;
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
