//! Forgotten passwords and confirmed addresses.

use std::sync::Arc;

use keystore_server::config::SignUp;
use keystore_testkit::clock::MockClock;
use serde_json::json;

use crate::support::{Answer, PASSWORD, Setup, TestApp};

const NEW: &str = "another horse battery";

async fn forgot(app: &TestApp, email: &str) -> Answer {
    app.anonymous()
        .post("/v1/auth/forgot-password", &json!({"email": email}))
        .await
}

#[tokio::test]
async fn a_new_password_ends_every_session_and_its_code_is_good_once() {
    let app = TestApp::start().await;
    forgot(&app, "Owner@example.com").await.expect(202);
    let code = app.mailed_code("owner@example.com", "reset-password").await;
    let reset = |password: &str| json!({"code": code, "password": password});
    let anonymous = app.anonymous();
    let post = |body| {
        let anonymous = anonymous.clone();
        async move { anonymous.post("/v1/auth/reset-password", &body).await }
    };
    post(reset("short")).await.expect_problem(422, "invalid_request");
    app.owner_client().get("/v1/org").await.expect(200);
    post(reset(NEW)).await.expect(204);
    app.owner_client()
        .get("/v1/org")
        .await
        .expect_problem(401, "unauthenticated");
    post(reset(NEW)).await.expect_problem(401, "invalid_credentials");
    let login = |password: &str| json!({"email": "owner@example.com", "password": password});
    anonymous
        .post("/v1/auth/login", &login(PASSWORD))
        .await
        .expect_problem(401, "invalid_credentials");
    anonymous.post("/v1/auth/login", &login(NEW)).await.expect(200);
    // A code for one thing is not good for another.
    let verify = json!({"code": app.mailed_code("owner@example.com", "verify-email").await, "password": NEW});
    post(verify).await.expect_problem(401, "invalid_credentials");
    app.leave();
}

#[tokio::test]
async fn asking_tells_nothing_and_is_slowed_down() {
    let app = TestApp::with(Setup {
        // Where signing up is open, it counts as asking.
        signup: SignUp::Closed,
        clock: Some(Arc::new(MockClock::default())),
        ..Setup::default()
    })
    .await;
    let before = app.mails_to("owner@example.com");
    let (known, unknown) = (
        forgot(&app, "owner@example.com").await,
        forgot(&app, "nobody@example.com").await,
    );
    let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        (known.status, &known.body, names(&known)),
        (unknown.status, &unknown.body, names(&unknown))
    );
    app.mailed_code("owner@example.com", "reset-password").await;
    assert_eq!(app.mails_to("owner@example.com"), before + 1);
    assert_eq!(app.mails_to("nobody@example.com"), 0);
    for email in ["owner@example.com", "nobody@example.com"] {
        for _ in 0..4 {
            forgot(&app, email).await.expect(202);
        }
        forgot(&app, email).await.expect_problem(429, "too_many_attempts");
    }
    // Asking for mails keeps nobody out.
    let login = json!({"email": "owner@example.com", "password": PASSWORD});
    app.anonymous().post("/v1/auth/login", &login).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn an_address_is_confirmed_by_its_mail() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let first = app.mailed_code("owner@example.com", "verify-email").await;
    owner
        .post("/v1/auth/send-verification", &json!(null))
        .await
        .expect(202);
    while app.mails_to("owner@example.com") < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let second = app.mailed_code("owner@example.com", "verify-email").await;
    let verify = |code: &str| json!({"code": code});
    let path = "/v1/auth/verify-email";
    let replaced = app.anonymous().post(path, &verify(&first)).await;
    replaced.expect_problem(401, "invalid_credentials");
    app.anonymous().post(path, &verify(&second)).await.expect(204);
    let used = app.anonymous().post(path, &verify(&second)).await;
    used.expect_problem(401, "invalid_credentials");
    owner
        .post("/v1/auth/send-verification", &json!(null))
        .await
        .expect_problem(409, "conflict");
    app.finish().await;
}
