//! `/v1/org`, `/v1/orgs`.

use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn a_person_has_several_organizations_and_acts_in_one() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    app.create_token("a", &[]).await;
    let made = owner
        .post("/v1/orgs", &json!({"name": "Labs", "timeZone": "Europe/Berlin"}))
        .await
        .expect(201);
    assert_eq!(
        (&made["slug"], &made["timeZone"]),
        (&json!("labs"), &json!("Europe/Berlin"))
    );
    let orgs = owner.get("/v1/orgs").await.expect(200);
    assert_eq!(orgs["data"].as_array().unwrap().len(), 2);
    let switch = json!({"orgId": made["id"]});
    owner.post("/v1/auth/switch-org", &switch).await.expect(200);
    assert_eq!(owner.get("/v1/org").await.expect(200)["slug"], "labs");
    assert_eq!(owner.get("/v1/agents").await.expect(200)["data"], json!([]));
    owner
        .post("/v1/orgs", &json!({"name": "x", "slug": "acme-inc"}))
        .await
        .expect_problem(409, "already_exists");
    app.finish().await;
}

#[tokio::test]
async fn its_names_and_time_zone_can_be_changed() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let changed = owner
        .patch(
            "/v1/org",
            &json!({"name": "Acme", "slug": "acme", "timeZone": "America/New_York"}),
        )
        .await
        .expect(200);
    assert_eq!(changed["timeZone"], "America/New_York");
    assert_eq!(owner.get("/v1/org").await.expect(200), changed);
    for (body, pointer) in [
        (json!({"timeZone": "Mars/Olympus"}), "/timeZone"),
        (json!({"slug": "Not A Slug"}), "/slug"),
        (json!({"name": " "}), "/name"),
    ] {
        let problem = owner
            .patch("/v1/org", &body)
            .await
            .expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    app.finish().await;
}

#[tokio::test]
async fn an_end_is_whole() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    app.create_credential("openai").await;
    let token = app.create_token("bot", &["openai"]).await;
    let caller = app.caller(&token);
    let chat = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]});
    const CHAT: &str = "/v1/openai/v1/chat/completions";
    caller.post(CHAT, &chat).await.expect(200);
    let key = app.key_client("admin").await;
    let member = app.member(owner, "grace@example.com", "admin").await;

    owner
        .delete("/v1/org?confirm=acme-inc")
        .await
        .expect_problem(409, "conflict");
    owner
        .post("/v1/orgs", &json!({"name": "Second"}))
        .await
        .expect(201);
    owner
        .delete("/v1/org?confirm=wrong")
        .await
        .expect_problem(422, "invalid_request");
    caller.post(CHAT, &chat).await.expect(200);
    owner.delete("/v1/org?confirm=acme-inc").await.expect(204);

    caller.post(CHAT, &chat).await.refused(401, "invalid_token");
    key.get("/v1/agents").await.expect_problem(401, "unauthenticated");
    member
        .get("/v1/agents")
        .await
        .expect_problem(401, "unauthenticated");
    assert_eq!(
        owner.get("/v1/org").await.expect(200)["slug"],
        "second",
        "the session goes on elsewhere"
    );
    assert_eq!(owner.get("/v1/credentials").await.expect(200)["data"], json!([]));
    let login = json!({"email": "grace@example.com", "password": crate::support::PASSWORD});
    app.anonymous()
        .post("/v1/auth/login", &login)
        .await
        .expect_problem(403, "forbidden");
    for gone in [
        "SELECT COUNT(*) FROM credentials",
        "SELECT COUNT(*) FROM credential_versions",
        "SELECT COUNT(*) FROM agents",
        "SELECT COUNT(*) FROM tokens",
        "SELECT COUNT(*) FROM api_keys",
        "SELECT COUNT(*) - 1 FROM keks",
        "SELECT COUNT(*) - 1 FROM orgs",
    ] {
        assert_eq!(app.number(gone).await, 0, "{gone}");
    }
    let recorded = "SELECT COUNT(*) FROM audit_log WHERE action = 'delete_org'";
    assert_eq!(app.number(recorded).await, 1);
    app.leave();
}

#[tokio::test]
async fn it_can_be_given_to_another_member() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let heir = app.member(owner, "grace@example.com", "member").await;
    let key = app.key_client("owner").await;
    let id = heir.get("/v1/auth/me").await.expect(200)["user"]["id"].clone();
    owner
        .post("/v1/org/transfer", &json!({"userId": id}))
        .await
        .expect(204);
    assert_eq!(heir.get("/v1/auth/me").await.expect(200)["role"], "owner");
    assert_eq!(owner.get("/v1/auth/me").await.expect(200)["role"], "admin");
    key.get("/v1/auth/me")
        .await
        .expect_problem(401, "unauthenticated");
    owner
        .post("/v1/org/transfer", &json!({"userId": id}))
        .await
        .expect_problem(403, "forbidden");
    app.finish().await;
}
