//! A person's own sessions, and changing the password.

use serde_json::{Value, json};

use crate::support::{Client, PASSWORD, TestApp};

const NEW: &str = "another horse battery";

/// Signs the owner in with a program that calls itself so.
async fn log_in(app: &TestApp, program: &str) -> Client {
    let anonymous = app.anonymous();
    let body = json!({"email": "owner@example.com", "password": PASSWORD});
    let request = anonymous.request("POST", "/v1/auth/login");
    let answer = anonymous
        .send(request.header("user-agent", program).json(&body))
        .await;
    anonymous.with_token(answer.expect(200)["token"].as_str().unwrap())
}

async fn listed(client: &Client) -> Vec<Value> {
    let list = client.get("/v1/auth/sessions").await.expect(200);
    list["data"].as_array().unwrap().clone()
}

async fn is_out(client: &Client) {
    client.get("/v1/org").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_person_sees_their_sessions_and_ends_them() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let (firefox, odd) = (
        log_in(&app, browser).await,
        log_in(&app, "<b>odd</b>\u{e9} x").await,
    );
    let stranger = app.stranger().await;
    let sessions = listed(&firefox).await;
    let of = |member: &'static str| sessions.iter().map(|one| one[member].clone()).collect::<Vec<_>>();
    assert_eq!(of("current"), [false, true, false]);
    assert_eq!(of("client")[1..], ["Firefox on Linux", "<b>odd</b>"]);
    assert_eq!(of("address"), vec!["127.0.0.1"; 3]);
    let text = json!(sessions).to_string();
    assert!(!text.contains("kss_"), "{text}");
    let mut members = sessions.iter().flat_map(|one| one.as_object().unwrap().keys());
    assert!(
        !members.any(|name| name.to_lowercase().contains("hash")),
        "{text}"
    );
    let page = firefox.get("/v1/auth/sessions?limit=2").await.expect(200);
    assert_eq!(page["next"], sessions[1]["id"]);

    let path = |at: usize| format!("/v1/auth/sessions/{}", sessions[at]["id"].as_str().unwrap());
    stranger.delete(&path(2)).await.expect_problem(404, "not_found");
    odd.get("/v1/org").await.expect(200);
    firefox.delete(&path(2)).await.expect(204);
    is_out(&odd).await;
    firefox.delete(&path(2)).await.expect_problem(404, "not_found");

    let end = |keep: bool| json!({"keepThis": keep});
    let done = firefox
        .post("/v1/auth/sessions/end", &end(true))
        .await
        .expect(200);
    assert_eq!(done["ended"], 1);
    is_out(owner).await;
    assert_eq!(listed(&firefox).await.len(), 1);
    let last = firefox.post("/v1/auth/sessions/end", &end(false)).await;
    assert!(last.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    last.expect(200);
    is_out(&firefox).await;
    stranger.get("/v1/org").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn another_password_takes_the_one_before_and_ends_the_other_sessions() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let other = log_in(&app, "other/1").await;
    let key = app.key_client("owner").await;
    let change = |old: &str, new: &str| json!({"password": old, "newPassword": new});
    let path = "/v1/auth/change-password";
    let short = owner.post(path, &change(PASSWORD, "short")).await;
    assert_eq!(
        short.expect_problem(422, "invalid_request")["errors"][0]["pointer"],
        "/newPassword"
    );
    let wrong = owner.post(path, &change(NEW, NEW)).await;
    wrong.expect_problem(401, "invalid_credentials");
    other.get("/v1/org").await.expect(200);
    owner.post(path, &change(PASSWORD, NEW)).await.expect(204);
    owner.get("/v1/org").await.expect(200);
    is_out(&other).await;
    key.get("/v1/org").await.expect(200);
    let login = |password: &str| json!({"email": "owner@example.com", "password": password});
    let old = app.anonymous().post("/v1/auth/login", &login(PASSWORD)).await;
    old.expect_problem(401, "invalid_credentials");
    app.anonymous()
        .post("/v1/auth/login", &login(NEW))
        .await
        .expect(200);
    app.finish().await;
}
