//! `/v1/projects`.

use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn a_project_is_made_changed_and_ended() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let made = owner
        .post("/v1/projects", &json!({"name": "Customer 42", "labels": ["phi"]}))
        .await
        .expect(201);
    assert_eq!(made["slug"], "customer-42");
    owner
        .post("/v1/projects", &json!({"name": "again", "slug": "customer-42"}))
        .await
        .expect_problem(409, "already_exists");
    let changed = owner
        .patch("/v1/projects/customer-42", &json!({"slug": "c42", "labels": []}))
        .await
        .expect(200);
    assert_eq!(
        (&changed["name"], &changed["labels"]),
        (&json!("Customer 42"), &json!([]))
    );
    owner
        .get("/v1/projects/customer-42")
        .await
        .expect_problem(404, "not_found");
    owner
        .post("/v1/agents", &json!({"name": "a", "project": "c42"}))
        .await
        .expect(201);
    assert_eq!(
        owner.get("/v1/agents?project=c42").await.expect(200)["data"][0]["name"],
        "a"
    );
    owner
        .delete("/v1/projects/default?force=true")
        .await
        .expect_problem(409, "conflict");
    let problem = owner
        .delete("/v1/projects/c42")
        .await
        .expect_problem(409, "conflict");
    assert!(
        problem["detail"].as_str().unwrap().contains("1 agents"),
        "{problem}"
    );
    let gone = owner.delete("/v1/projects/c42?force=true").await.expect(200);
    assert_eq!((&gone["agents"], &gone["credentials"]), (&json!(1), &json!(0)));
    owner
        .get("/v1/projects/c42")
        .await
        .expect_problem(404, "not_found");
    app.finish().await;
}

#[tokio::test]
async fn the_tokens_of_an_ended_project_are_refused_at_once() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    owner
        .post("/v1/projects", &json!({"name": "p"}))
        .await
        .expect(201);
    let credential = json!({"provider": "openai", "project": "p", "secret": "sk-project-canary-0001", "baseUrl": app.fake_upstream().url()});
    owner.post("/v1/credentials", &credential).await.expect(201);
    let grants = json!([{"name": "openai", "source": "byok"}]);
    let token = json!({"name": "a", "project": "p", "providers": grants, "budgetCentsMonthly": 100});
    let made = owner.post("/v1/tokens", &token).await.expect(201);
    let caller = app.caller(made["token"].as_str().unwrap());
    let chat = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]});
    const CHAT: &str = "/v1/openai/v1/chat/completions";
    caller.post(CHAT, &chat).await.expect(200);
    let gone = owner.delete("/v1/projects/p?force=true").await.expect(200);
    assert_eq!(
        [
            &gone["agents"],
            &gone["tokens"],
            &gone["credentials"],
            &gone["budgets"]
        ],
        [&json!(1); 4]
    );
    caller.post(CHAT, &chat).await.refused(401, "invalid_token");
    app.finish().await;
}
