//! Two organizations, and two projects of one, that must not learn of each other.

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

/// A thing of every kind in the owner's organization: where it is read, and what may be done to it.
async fn everything(app: &TestApp) -> Vec<(&'static str, String, Value)> {
    let owner = app.owner_client();
    let credential = app.create_credential("openai").await;
    let body =
        json!({"name": "a", "providers": [{"name": "openai", "source": "byok"}], "budgetCentsMonthly": 10});
    let token = owner.post("/v1/tokens", &body).await.expect(201);
    let key = owner
        .post("/v1/api-keys", &json!({"name": "k", "role": "viewer"}))
        .await
        .expect(201);
    let project = owner.get("/v1/projects/default").await.expect(200);
    let id = |value: &Value| value.as_str().unwrap().to_owned();
    let (credential, agent) = (id(&credential["id"]), id(&token["agent"]["id"]));
    let (budget, token, key) = (
        id(&token["agent"]["budget"]["id"]),
        id(&token["id"]),
        id(&key["apiKey"]["id"]),
    );
    let none = Value::Null;
    vec![
        ("GET", format!("/v1/agents/{agent}"), none.clone()),
        ("PATCH", format!("/v1/agents/{agent}"), json!({"rpmLimit": 1})),
        ("POST", format!("/v1/agents/{agent}/pause"), none.clone()),
        ("POST", format!("/v1/agents/{agent}/resume"), none.clone()),
        ("POST", format!("/v1/agents/{agent}/revoke"), none.clone()),
        ("DELETE", format!("/v1/agents/{agent}"), none.clone()),
        ("POST", "/v1/tokens".to_owned(), json!({"agentId": agent})),
        ("GET", format!("/v1/tokens?agent={agent}"), none.clone()),
        ("GET", format!("/v1/requests?agent={agent}"), none.clone()),
        ("GET", format!("/v1/requests/stream?agent={agent}"), none.clone()),
        ("GET", format!("/v1/usage?agent={agent}"), none.clone()),
        ("GET", format!("/v1/tokens/{token}"), none.clone()),
        ("POST", format!("/v1/tokens/{token}/rotate"), json!({})),
        ("POST", format!("/v1/tokens/{token}/revoke"), none.clone()),
        ("GET", format!("/v1/credentials/{credential}"), none.clone()),
        (
            "POST",
            format!("/v1/credentials/{credential}/rotate"),
            json!({"secret": "sk-x"}),
        ),
        ("POST", format!("/v1/credentials/{credential}/test"), none.clone()),
        (
            "DELETE",
            format!("/v1/credentials/{credential}?force=true"),
            none.clone(),
        ),
        ("GET", format!("/v1/budgets/{budget}"), none.clone()),
        (
            "GET",
            format!("/v1/projects/{}", id(&project["id"])),
            none.clone(),
        ),
        (
            "GET",
            format!("/v1/agents?project={}", id(&project["id"])),
            none.clone(),
        ),
        (
            "POST",
            "/v1/agents".to_owned(),
            json!({"name": "b", "project": project["id"]}),
        ),
        ("DELETE", format!("/v1/api-keys/{key}"), none),
    ]
}

async fn call(client: &Client, method: &str, path: &str, body: &Value) -> crate::support::Answer {
    let request = client.request(method, path);
    client
        .send(if body.is_null() {
            request
        } else {
            request.json(body)
        })
        .await
}

#[tokio::test]
async fn what_is_another_organizations_does_not_exist() {
    let app = TestApp::start().await;
    let all = everything(&app).await;
    let stranger = app.stranger().await;
    for (method, path, body) in &all {
        let answer = call(&stranger, method, path, body).await;
        assert_eq!(answer.status, 404, "{method} {path}: {:#}", answer.body);
        answer.expect_problem(404, "not_found");
    }
    for list in [
        "agents",
        "tokens",
        "credentials",
        "budgets",
        "requests",
        "api-keys",
    ] {
        assert_eq!(
            stranger.get(&format!("/v1/{list}")).await.expect(200)["data"],
            json!([]),
            "{list}"
        );
    }
    assert_eq!(
        app.fake_upstream().count(),
        0,
        "no credential of another organization was tried"
    );
    // They are all still there for their owner.
    for (method, path, body) in all
        .iter()
        .filter(|(method, path, _)| *method == "GET" && !path.contains("stream"))
    {
        call(app.owner_client(), method, path, body).await.expect(200);
    }
}

#[tokio::test]
async fn a_grant_cannot_name_another_organizations_credential() {
    let app = TestApp::start().await;
    let credential = app.create_credential("openai").await;
    let stranger = app.stranger().await;
    let own = json!({"provider": "openai", "secret": "sk-own"});
    stranger.post("/v1/credentials", &own).await.expect(201);
    let grant = json!([{"name": "openai", "source": "byok", "credential": credential["id"]}]);
    stranger
        .post("/v1/agents", &json!({"name": "a", "providers": grant}))
        .await
        .expect_problem(404, "not_found");
}

#[tokio::test]
async fn every_path_with_an_id_is_tried() {
    let document: Value = serde_json::from_str(&keystore_server::api::openapi_json().unwrap()).unwrap();
    let app = TestApp::start().await;
    let tried: Vec<String> = everything(&app)
        .await
        .into_iter()
        .map(|(method, path, _)| {
            let path = path.split('?').next().unwrap();
            let shape: Vec<_> = path
                .split('/')
                .map(|part| if part.contains('_') { "{}" } else { part })
                .collect();
            format!("{} {}", method.to_lowercase(), shape.join("/"))
        })
        .collect();
    for (path, item) in document["paths"].as_object().unwrap() {
        // The catalog is the same for everyone; no request has been made that could be looked for.
        if !path.contains('{') || path.starts_with("/v1/providers") || path.starts_with("/v1/requests") {
            continue;
        }
        let shape: Vec<_> = path
            .split('/')
            .map(|part| if part.starts_with('{') { "{}" } else { part })
            .collect();
        for method in item.as_object().unwrap().keys() {
            let wanted = format!("{method} {}", shape.join("/"));
            assert!(tried.contains(&wanted), "{wanted} is not tried by this file");
        }
    }
}
