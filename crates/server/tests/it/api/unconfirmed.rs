//! People whose address is not confirmed, where the server sends mails.

use serde_json::json;

use super::operations::{May, Operation, Things, operations};
use crate::support::{CANARY, TestApp};

const OWNER: &str = "owner@example.com";

/// Or nobody's at all.
fn about_the_account(operation: &Operation) -> bool {
    operation.path.starts_with("/v1/auth/") || operation.may == May::Anybody
}

#[tokio::test]
async fn who_did_not_confirm_their_address_looks_and_changes_nothing() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let things = Things::make(&app, owner).await;
    app.deliver_mails();
    let me = owner.get("/v1/auth/me").await.expect(200);
    assert_eq!(me["user"]["emailVerified"], false);
    for operation in operations() {
        if operation.may == May::Operator {
            continue;
        }
        let mut call = operation.call(&things);
        match (operation.changes(), about_the_account(&operation)) {
            (true, false) => {
                let problem = call.send(owner).await.expect_problem(403, "email_unverified");
                assert!(
                    problem["remedy"]
                        .as_str()
                        .unwrap()
                        .contains("ks account send-verification")
                );
            }
            (false, _) => {
                if operation.name == "stream_requests" {
                    // The one answer without an end; this one is refused for its form.
                    call.path.push_str("?limit=1");
                }
                assert_ne!(call.send(owner).await.status, 403, "{call:?}");
            }
            (true, true) => {}
        }
    }
    let empty = json!(null);
    owner.post("/v1/auth/send-verification", &empty).await.expect(202);
    while app.mails_to(OWNER) < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    app.confirm(OWNER).await;
    let me = owner.get("/v1/auth/me").await.expect(200);
    assert_eq!(me["user"]["emailVerified"], true);
    let body = json!({"provider": "anthropic", "secret": CANARY, "baseUrl": app.fake_upstream().url()});
    owner.post("/v1/credentials", &body).await.expect(201);
    app.finish().await;
}

#[tokio::test]
async fn keys_from_before_there_was_a_mail_server_go_on_working() {
    let app = TestApp::start().await;
    let key = app.key_client("admin").await;
    app.deliver_mails();
    let body = json!({"name": "a", "providers": []});
    let refused = app.owner_client().post("/v1/agents", &body).await;
    refused.expect_problem(403, "email_unverified");
    key.post("/v1/agents", &body).await.expect(201);
    app.finish().await;
}

#[tokio::test]
async fn who_takes_up_an_invitation_reads_their_mail() {
    let app = TestApp::start().await;
    let grace = app.tenant("grace@example.com", "Grace Labs").await;
    app.deliver_mails();
    app.confirm(OWNER).await;
    let rename = json!({"name": "Labs"});
    let refused = grace.patch("/v1/org", &rename).await;
    refused.expect_problem(403, "email_unverified");
    app.member(app.owner_client(), "grace@example.com", "member")
        .await;
    grace.patch("/v1/org", &rename).await.expect(200);
    let new = app.member(app.owner_client(), "new@example.com", "admin").await;
    let body = json!({"name": "a", "providers": []});
    new.post("/v1/agents", &body).await.expect(201);
    app.finish().await;
}

#[tokio::test]
async fn open_sign_up_is_slowed_down_from_one_address() {
    let (app, _clock) = TestApp::clocked().await;
    // The owner was the first.
    for number in 1..20 {
        app.tenant(&format!("person{number}@example.com"), "Org").await;
    }
    let body = json!({"email": "last@example.com", "password": crate::support::PASSWORD, "name": "L", "orgName": "L"});
    let slowed = app.anonymous().post("/v1/auth/signup", &body).await;
    slowed.expect_problem(429, "too_many_attempts");
    app.owner_client().get("/v1/org").await.expect(200);
    app.finish().await;
}
