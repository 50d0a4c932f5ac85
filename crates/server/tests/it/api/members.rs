//! `/v1/members`, `/v1/invitations`.

use serde_json::{Value, json};

use crate::support::{Client, PASSWORD, TestApp};

async fn id_of(client: &Client) -> String {
    let me = client.get("/v1/auth/me").await.expect(200);
    me["user"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_invitation_is_taken_up_once_by_who_reads_the_mail() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let invited = owner
        .post(
            "/v1/invitations",
            &json!({"email": "Grace@Example.com", "role": "member"}),
        )
        .await
        .expect(201);
    assert_eq!(invited["email"], "grace@example.com");
    let code = app.mailed_code("grace@example.com", "accept").await;
    assert!(!invited.to_string().contains(&code));
    let accept = json!({"code": code, "password": PASSWORD, "name": "Grace"});
    app.anonymous()
        .post(
            "/v1/auth/accept-invitation",
            &json!({"code": code, "password": "short"}),
        )
        .await
        .expect_problem(422, "invalid_request");
    let joined = app
        .anonymous()
        .post("/v1/auth/accept-invitation", &accept)
        .await
        .expect(200);
    assert_eq!(joined["orgs"][0]["role"], "member");
    app.anonymous()
        .post("/v1/auth/accept-invitation", &accept)
        .await
        .expect_problem(401, "invalid_credentials");
    assert_eq!(owner.get("/v1/invitations").await.expect(200)["data"], json!([]));
    let members = owner.get("/v1/members").await.expect(200);
    let emails: Vec<_> = members["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| &member["email"])
        .collect();
    assert_eq!(emails, ["owner@example.com", "grace@example.com"]);
    owner
        .post(
            "/v1/invitations",
            &json!({"email": "grace@example.com", "role": "viewer"}),
        )
        .await
        .expect_problem(409, "already_exists");
    app.finish().await;
}

#[tokio::test]
async fn a_link_opens_no_account_that_exists() {
    let app = TestApp::start().await;
    let stranger = app.stranger().await;
    let owner = app.owner_client();
    let body = json!({"email": "stranger@example.com", "role": "admin"});
    owner.post("/v1/invitations", &body).await.expect(201);
    let code = app.mailed_code("stranger@example.com", "accept").await;
    let wrong = json!({"code": code, "password": "another password", "name": "Mallory"});
    app.anonymous()
        .post("/v1/auth/accept-invitation", &wrong)
        .await
        .expect_problem(401, "invalid_credentials");
    let right = json!({"code": code, "password": PASSWORD});
    app.anonymous()
        .post("/v1/auth/accept-invitation", &right)
        .await
        .expect(200);
    assert_eq!(
        stranger.get("/v1/orgs").await.expect(200)["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    app.finish().await;
}

#[tokio::test]
async fn a_new_invitation_takes_the_place_of_the_old_one_and_can_be_withdrawn() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let invite = json!({"email": "grace@example.com", "role": "owner"});
    owner.post("/v1/invitations", &invite).await.expect(201);
    let first = app.mailed_code("grace@example.com", "accept").await;
    let second = owner.post("/v1/invitations", &invite).await.expect(201);
    let accept = json!({"code": first, "password": PASSWORD, "name": "Grace"});
    app.anonymous()
        .post("/v1/auth/accept-invitation", &accept)
        .await
        .expect_problem(401, "invalid_credentials");
    let path = format!("/v1/invitations/{}", second["id"].as_str().unwrap());
    let admin = app.key_client("admin").await;
    admin.delete(&path).await.expect_problem(403, "forbidden");
    admin
        .post("/v1/invitations", &invite)
        .await
        .expect_problem(403, "forbidden");
    owner.delete(&path).await.expect(204);
    owner.delete(&path).await.expect_problem(404, "not_found");
    app.finish().await;
}

#[tokio::test]
async fn who_cannot_withdraw_an_invitation_puts_none_in_its_place() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let invite = |role: &str| json!({"email": "grace@example.com", "role": role});
    let first = owner.post("/v1/invitations", &invite("owner")).await.expect(201);
    let admin = app.key_client("admin").await;
    let refused = admin.post("/v1/invitations", &invite("viewer")).await;
    refused.expect_problem(403, "forbidden");
    let open = owner.get("/v1/invitations").await.expect(200);
    assert_eq!(open["data"], json!([first]));

    // Whoever could withdraw it has withdrawn it by that.
    owner.post("/v1/invitations", &invite("admin")).await.expect(201);
    let second = admin.post("/v1/invitations", &invite("viewer")).await.expect(201);
    let open = owner.get("/v1/invitations").await.expect(200);
    assert_eq!(open["data"], json!([second]));
    let withdrawn = owner.get("/v1/audit?action=delete_invitation").await.expect(200);
    let roles: Vec<_> = withdrawn["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["before"]["role"])
        .collect();
    assert_eq!(roles, ["admin", "owner"], "the newest first");
    assert_eq!(withdrawn["data"][1]["subject"], first["id"]);
    let made = owner.get("/v1/audit?action=create_invitation").await.expect(200);
    assert_eq!(made["data"][0]["requestId"], withdrawn["data"][0]["requestId"]);
    app.finish().await;
}

#[tokio::test]
async fn who_is_taken_out_is_out_with_everything_they_handed_out() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let admin = app.member(owner, "grace@example.com", "admin").await;
    let mut keys = vec![admin.clone()];
    // A key that a key made answers to the same person.
    for name in ["one", "two"] {
        let body = json!({"name": name, "role": "admin"});
        let made = keys.last().unwrap().post("/v1/api-keys", &body).await.expect(201);
        keys.push(app.anonymous().with_token(made["key"].as_str().unwrap()));
    }
    let invite = json!({"email": "eve@example.com", "role": "viewer"});
    keys[2].post("/v1/invitations", &invite).await.expect(201);
    let path = format!("/v1/members/{}", id_of(&admin).await);
    let gone = owner.delete(&path).await.expect(200);
    assert_eq!(gone["revokedApiKeys"].as_array().unwrap().len(), 2);
    assert_eq!(gone["withdrawnInvitations"][0]["email"], "eve@example.com");
    for client in &keys {
        client.get("/v1/org").await.expect_problem(401, "unauthenticated");
    }
    let code = app.mailed_code("eve@example.com", "accept").await;
    app.anonymous()
        .post(
            "/v1/auth/accept-invitation",
            &json!({"code": code, "password": PASSWORD, "name": "Eve"}),
        )
        .await
        .expect_problem(401, "invalid_credentials");
    owner.delete(&path).await.expect_problem(404, "not_found");
    app.finish().await;
}

#[tokio::test]
async fn who_may_less_keeps_no_key_that_may_more() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let admin = app.member(owner, "grace@example.com", "admin").await;
    let mut made = Vec::new();
    for role in ["admin", "viewer"] {
        let key = admin
            .post("/v1/api-keys", &json!({"name": role, "role": role}))
            .await
            .expect(201);
        made.push(app.anonymous().with_token(key["key"].as_str().unwrap()));
    }
    let path = format!("/v1/members/{}", id_of(&admin).await);
    let changed = owner.patch(&path, &json!({"role": "viewer"})).await.expect(200);
    assert_eq!(changed["member"]["role"], "viewer");
    assert_eq!(changed["revokedApiKeys"][0]["name"], "admin");
    made[0]
        .get("/v1/org")
        .await
        .expect_problem(401, "unauthenticated");
    made[1].get("/v1/org").await.expect(200);
    admin
        .post("/v1/agents", &json!({"name": "x"}))
        .await
        .expect_problem(403, "forbidden");
    app.finish().await;
}

#[tokio::test]
async fn nobody_touches_who_may_more_and_somebody_owns_it() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let admin = app.member(owner, "grace@example.com", "admin").await;
    let (owner_path, admin_path) = (
        format!("/v1/members/{}", id_of(owner).await),
        format!("/v1/members/{}", id_of(&admin).await),
    );
    admin.delete(&owner_path).await.expect_problem(403, "forbidden");
    admin
        .patch(&owner_path, &json!({"role": "viewer"}))
        .await
        .expect_problem(403, "forbidden");
    for role in ["owner", "billing"] {
        admin
            .patch(&admin_path, &json!({"role": role}))
            .await
            .expect_problem(403, "forbidden");
    }
    owner
        .patch(&owner_path, &json!({"role": "admin"}))
        .await
        .expect_problem(409, "conflict");
    owner.delete(&owner_path).await.expect_problem(409, "conflict");
    owner
        .post("/v1/org/leave", &Value::Null)
        .await
        .expect_problem(409, "conflict");
    owner
        .patch(&admin_path, &json!({"role": "owner"}))
        .await
        .expect(200);
    owner.post("/v1/org/leave", &Value::Null).await.expect(200);
    owner.get("/v1/org").await.expect_problem(401, "unauthenticated");
    assert_eq!(admin.get("/v1/auth/me").await.expect(200)["role"], "owner");
    app.leave();
}

#[tokio::test]
async fn a_stream_ends_with_the_right_to_see_it() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    app.create_credential("openai").await;
    let caller = app.caller(&app.create_token("a", &["openai"]).await);
    let viewer = app.member(owner, "grace@example.com", "viewer").await;
    let mut stream = viewer.request("GET", "/v1/requests/stream").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let mut switched = owner.request("GET", "/v1/requests/stream").send().await.unwrap();
    let other = owner
        .post("/v1/orgs", &json!({"name": "Other"}))
        .await
        .expect(201);
    let viewer_path = format!("/v1/members/{}", id_of(&viewer).await);
    owner.delete(&viewer_path).await.expect(200);
    owner
        .post("/v1/auth/switch-org", &json!({"orgId": other["id"]}))
        .await
        .expect(200);
    let chat = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]});
    caller
        .post("/v1/openai/v1/chat/completions", &chat)
        .await
        .expect(200);
    for stream in [&mut stream, &mut switched] {
        let mut seen = Vec::new();
        while let Some(chunk) = stream.chunk().await.unwrap() {
            seen.extend_from_slice(&chunk);
        }
        let seen = String::from_utf8(seen).unwrap();
        assert!(!seen.contains("event:"), "{seen}");
    }
    app.finish().await;
}
