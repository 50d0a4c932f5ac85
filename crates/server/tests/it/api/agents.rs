//! `/v1/agents`.

use serde_json::{Value, json};

use crate::support::TestApp;

async fn agent(app: &TestApp, extra: Value) -> Value {
    let mut body = json!({"name": "a"});
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    app.owner_client().post("/v1/agents", &body).await.expect(201)
}

#[tokio::test]
async fn an_agent_is_made_read_by_id_and_by_name_and_deleted() {
    let app = TestApp::start().await;
    let credential = app.create_credential("openai").await;
    let grant = json!([{"name": "openai", "source": "byok", "scopes": ["provider:openai:read"]}]);
    let made = agent(
        &app,
        json!({"providers": grant, "rpmLimit": 7, "labels": ["phi"]}),
    )
    .await;
    assert_eq!(made["status"], "active");
    assert_eq!(made["providers"][0]["credentialId"], credential["id"]);
    assert_eq!(made["providers"][0]["scopes"], json!(["provider:openai:read"]));
    assert_eq!((&made["rpmLimit"], &made["rpdLimit"]), (&json!(7), &Value::Null));
    let id = made["id"].as_str().unwrap();
    let owner = app.owner_client();
    assert_eq!(owner.get(&format!("/v1/agents/{id}")).await.expect(200), made);
    assert_eq!(owner.get("/v1/agents/a").await.expect(200), made);
    owner
        .post("/v1/agents", &json!({"name": "a"}))
        .await
        .expect_problem(409, "already_exists");
    assert_eq!(owner.delete(&format!("/v1/agents/{id}")).await.status, 204);
    owner
        .get(&format!("/v1/agents/{id}"))
        .await
        .expect_problem(404, "not_found");
    app.finish().await;
}

#[tokio::test]
async fn a_patch_keeps_what_is_absent_and_resets_what_is_null() {
    let app = TestApp::start().await;
    let made = agent(
        &app,
        json!({"rpmLimit": 7, "rpdLimit": 70, "budgetCentsMonthly": 500}),
    )
    .await;
    let path = format!("/v1/agents/{}", made["id"].as_str().unwrap());
    let owner = app.owner_client();
    let changed = owner.patch(&path, &json!({"rpmLimit": 9})).await.expect(200);
    assert_eq!(
        (&changed["rpmLimit"], &changed["rpdLimit"]),
        (&json!(9), &json!(70))
    );
    assert_eq!(changed["budgetCentsMonthly"], 500);
    let changed = owner
        .patch(&path, &json!({"rpmLimit": null, "rpdLimit": 0}))
        .await
        .expect(200);
    assert_eq!(
        (&changed["rpmLimit"], &changed["rpdLimit"]),
        (&Value::Null, &json!(0))
    );
    for bad in [
        json!({"rpmLimit": 1_000_001}),
        json!({"rpmLimit": -1}),
        json!({"rpmLimit": "9"}),
    ] {
        let problem = owner
            .patch(&path, &bad)
            .await
            .expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], "/rpmLimit", "{bad}");
    }
    app.finish().await;
}

#[tokio::test]
async fn the_months_budget_is_one_row_that_survives_changes() {
    let app = TestApp::start().await;
    let made = agent(&app, json!({"budgetCentsMonthly": 500})).await;
    let path = format!("/v1/agents/{}", made["id"].as_str().unwrap());
    assert_eq!(
        (&made["budget"]["limit"], &made["budget"]["spent"]),
        (&json!("5.00"), &json!("0.00"))
    );
    let owner = app.owner_client();
    let raised = owner
        .patch(&path, &json!({"budgetCentsMonthly": 750}))
        .await
        .expect(200);
    assert_eq!(raised["budget"]["id"], made["budget"]["id"]);
    let listed = owner.get("/v1/budgets").await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&listed["data"][0]["limit"], &listed["data"][0]["window"]),
        (&json!("7.50"), &json!("month"))
    );
    assert_eq!(listed["data"][0]["agentId"], made["id"]);
    let lifted = owner
        .patch(&path, &json!({"budgetCentsMonthly": null}))
        .await
        .expect(200);
    assert_eq!(lifted["budgetCentsMonthly"], Value::Null);
    assert_eq!(owner.get("/v1/budgets").await.expect(200)["data"], json!([]));
    app.finish().await;
}

#[tokio::test]
async fn paused_resumed_and_revoked_for_good() {
    let app = TestApp::start().await;
    agent(&app, json!({})).await;
    let owner = app.owner_client();
    let none = json!(null);
    assert_eq!(
        owner.post("/v1/agents/a/pause", &none).await.expect(200)["status"],
        "paused"
    );
    assert_eq!(
        owner.post("/v1/agents/a/resume", &none).await.expect(200)["status"],
        "active"
    );
    assert_eq!(
        owner.post("/v1/agents/a/revoke", &none).await.expect(200)["status"],
        "revoked"
    );
    owner
        .post("/v1/agents/a/resume", &none)
        .await
        .expect_problem(409, "conflict");
    owner
        .patch("/v1/agents/a", &json!({"rpmLimit": 1}))
        .await
        .expect_problem(409, "conflict");
    assert_eq!(
        owner.post("/v1/agents/a/revoke", &none).await.expect(200)["status"],
        "revoked"
    );
    app.finish().await;
}

#[tokio::test]
async fn what_cannot_be_granted() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let refused = |grants: Value| async move {
        owner
            .post("/v1/agents", &json!({"name": "b", "providers": grants}))
            .await
    };
    refused(json!([{"name": "openai", "source": "byok"}]))
        .await
        .expect_problem(409, "conflict");
    refused(json!([{"name": "openai", "source": "marketplace"}]))
        .await
        .expect_problem(409, "marketplace_unavailable");
    let unknown = refused(json!([{"name": "opnai", "source": "byok"}]))
        .await
        .expect_problem(404, "unknown_provider");
    assert!(
        unknown["remedy"].as_str().unwrap().contains("`openai`"),
        "{unknown}"
    );
    app.create_credential("openai").await;
    let twice = json!([{"name": "openai", "source": "byok"}, {"name": "openai", "source": "byok"}]);
    let problem = refused(twice).await.expect_problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/providers/1/name");
    for scope in [
        "openai:read",
        "provider:anthropic:read",
        "provider:openai:admin",
        "*",
    ] {
        let problem = refused(json!([{"name": "openai", "source": "byok", "scopes": [scope]}]))
            .await
            .expect_problem(422, "invalid_request");
        assert_eq!(
            problem["errors"][0]["pointer"], "/providers/0/scopes/0",
            "{scope}"
        );
    }
    assert_eq!(
        owner.get("/v1/agents").await.expect(200)["data"],
        json!([]),
        "nothing was half made"
    );
    app.finish().await;
}

#[tokio::test]
async fn which_credential_a_grant_means() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let store = |name: &'static str| {
        let body = json!({"provider": "openai", "name": name, "secret": "sk-the-first"});
        async move { owner.post("/v1/credentials", &body).await.expect(201)["id"].clone() }
    };
    let grant = |name: &'static str, credential: Option<&'static str>| {
        let mut grant = json!({"name": "openai", "source": "byok"});
        if let Some(credential) = credential {
            grant["credential"] = json!(credential);
        }
        async move {
            owner
                .post("/v1/agents", &json!({"name": name, "providers": [grant]}))
                .await
        }
    };
    let first = store("first").await;
    assert_eq!(
        grant("only", None).await.expect(201)["providers"][0]["credentialId"],
        first
    );
    let second = store("second").await;
    let problem = grant("which", None)
        .await
        .expect_problem(409, "ambiguous_credential");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("`first`") && detail.contains("`second`"),
        "{detail}"
    );
    assert_eq!(
        grant("named", Some("second")).await.expect(201)["providers"][0]["credentialId"],
        second
    );
    grant("wrong", Some("third"))
        .await
        .expect_problem(404, "not_found");
    let default = store("default").await;
    assert_eq!(
        grant("default", None).await.expect(201)["providers"][0]["credentialId"],
        default
    );
    app.finish().await;
}

#[tokio::test]
async fn pages_hold_what_they_should_and_end() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    for number in 0..5 {
        owner
            .post("/v1/agents", &json!({"name": format!("n{number}")}))
            .await
            .expect(201);
    }
    let mut names = Vec::new();
    let mut path = "/v1/agents?limit=2".to_owned();
    for pages in 1.. {
        let page = owner.get(&path).await.expect(200);
        names.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|agent| agent["name"].clone()),
        );
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/agents?limit=2&after={next}"),
            None => {
                assert_eq!(pages, 3);
                break;
            }
        }
    }
    assert_eq!(names, ["n0", "n1", "n2", "n3", "n4"]);
    for query in ["limit=0", "limit=501", "after=nonsense", "limit=x", "colour=red"] {
        owner
            .get(&format!("/v1/agents?{query}"))
            .await
            .expect_problem(422, "invalid_request");
    }
    app.finish().await;
}
