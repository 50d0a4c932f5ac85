//! `/v1/audit`: every operation that changes something leaves an entry.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keystore_core::Clock as _;
use keystore_server::clock::SystemClock;
use keystore_testkit::kms::rsa_wrapped;
use serde_json::{Value, json};

use super::factors::{begin_totp, second_factor, totp};
use super::operations::{Call, INVITED, MEMBER, May, Operation, Things, operations};
use super::passkeys::{Authenticator, handle};
use crate::support::{Answer, CANARY, Client, PASSWORD, TestApp};

/// Operations that leave none that could be read here, each with its reason.
const SILENT: [(&str, &str); 12] = [
    ("verify_audit", "it changes nothing"),
    ("hash_audit_value", "it changes nothing"),
    ("create_top_up", "there is no Stripe here; see billing.rs"),
    ("receive_stripe_event", "there is no Stripe here; see billing.rs"),
    (
        "reconcile",
        "it changes nothing unless it posts, which is an entry of the ledger's; see market.rs",
    ),
    (
        "set_up_operator",
        "it is set up with the things, and once; see market.rs",
    ),
    (
        "exchange_code",
        "its codes are made by `ks dev` alone, whose own test uses one",
    ),
    (
        "forgot_password",
        "it changes nothing, and an entry would say that the address is known",
    ),
    ("check_budgets", "it changes nothing"),
    ("begin_passkey", "it changes nothing"),
    ("ask_passkey", "it changes nothing"),
    (
        "delete_org",
        "its entry is in the log that nobody of the organization reads any more; see orgs.rs",
    ),
];

/// Operations that need a deployment to themselves: they are prepared for, or they end or move the session that the others use.
const ALONE: [&str; 20] = [
    "accept_invitation",
    "add_passkey",
    "confirm_totp",
    "remove_passkey",
    "remove_totp",
    "renew_recovery_codes",
    "sign_in_with_passkey",
    "verify_second_factor",
    "confirm_rotation_revoked",
    "create_org",
    "destroy_kek",
    "enable_listing",
    "finish_kek_import",
    "leave_org",
    "log_out",
    "reset_password",
    "retire_kek",
    "shred_keks",
    "switch_org",
    "verify_email",
];

/// A deployment with one of everything.
struct World {
    app: TestApp,
    things: Things,
}

impl World {
    async fn make() -> Self {
        let app = TestApp::start().await;
        let things = Things::make(&app, app.owner_client()).await;
        Self { app, things }
    }

    /// Whether the operation was done; checks its entry when it was.
    async fn has_entry_of(&self, operation: &Operation) -> Result<(), String> {
        let app = &self.app;
        let (caller, call) = prepared(app, operation, &self.things).await;
        let answer = call.send(&caller).await;
        if !(200..300).contains(&answer.status) {
            return Err(format!("{call:?}: {:#}", answer.body));
        }
        let request = answer.headers["x-request-id"].to_str().unwrap();
        let reader = reader(app, operation, &answer).await;
        let found = reader
            .get(&format!("/v1/audit?action={}", operation.name))
            .await
            .expect(200);
        let entry = found["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["requestId"] == request)
            .unwrap_or_else(|| panic!("{call:?} left no entry: {found:#}"));
        check(operation, entry);
        Ok(())
    }
}

#[tokio::test]
async fn every_operation_that_changes_something_leaves_an_entry() {
    let mut shared = World::make().await;
    for operation in operations().iter().filter(|operation| operation.changes()) {
        let name = operation.name.as_str();
        if SILENT.iter().any(|(silent, _)| *silent == name) {
            continue;
        }
        if ALONE.contains(&name) {
            let world = World::make().await;
            world.has_entry_of(operation).await.unwrap();
            world.app.finish().await;
        } else if shared.has_entry_of(operation).await.is_err() {
            // An earlier operation has taken what this one needs.
            let used = std::mem::replace(&mut shared, World::make().await);
            used.app.finish().await;
            shared.has_entry_of(operation).await.unwrap();
        }
    }
    shared.app.finish().await;
}

fn check(operation: &Operation, entry: &Value) {
    // What shredding erases is what all entries of the organization say, its own included; who did it stays.
    let is_erased = operation.name == "shred_keks";
    if !is_erased {
        assert_eq!(entry["address"], "127.0.0.1");
    }
    assert!(entry["actor"].as_str().unwrap().starts_with("usr_"), "{entry:#}");
    assert!(entry["actorName"].as_str().unwrap().contains('@'), "{entry:#}");
    assert!(entry["subject"].as_str().unwrap().contains('_'), "{entry:#}");
    if matches!(operation.may, May::Roles(_) | May::Operator) && !is_erased {
        let says_what = !(entry["before"].is_null() && entry["after"].is_null());
        assert!(says_what, "{entry:#}");
    }
}

/// Who calls, and the call as it will be accepted: codes come by mail, and an owner cannot leave.
async fn prepared(app: &TestApp, operation: &Operation, things: &Things) -> (Client, Call) {
    let mut call = operation.call(things);
    let mut caller = match operation.may {
        May::Operator => app.operator().await,
        _ => app.owner_client().clone(),
    };
    match operation.name.as_str() {
        "delete_credential" => call.path.push_str("?force=true"),
        "reset_password" => {
            let forgot = json!({"email": "owner@example.com"});
            app.anonymous()
                .post("/v1/auth/forgot-password", &forgot)
                .await
                .expect(202);
            call.body["code"] = app
                .mailed_code("owner@example.com", "reset-password")
                .await
                .into();
        }
        "verify_email" => {
            call.body["code"] = app.mailed_code("owner@example.com", "verify-email").await.into();
        }
        "accept_invitation" => call.body["code"] = app.mailed_code(INVITED, "accept").await.into(),
        "enable_listing" => {
            let disable = "/v1/marketplace/openai/disable";
            caller.post(disable, &json!(null)).await.expect(204);
        }
        "confirm_rotation_revoked" => app.statement("UPDATE rotations SET step = 'revoke'").await,
        "retire_kek" => rotated(app).await,
        "destroy_kek" => {
            rotated(app).await;
            let retired = json!({"generation": 1});
            caller.post("/v1/kek/retire", &retired).await.expect(200);
        }
        "shred_keks" => call.body["confirm"] = caller.get("/v1/org").await.expect(200)["slug"].clone(),
        "finish_kek_import" => {
            let begun = caller.post("/v1/kek/imports", &Value::Null).await.expect(201);
            let key: Vec<u8> = (0..32).collect();
            let wrapped = rsa_wrapped(begun["publicKey"].as_str().unwrap(), &key);
            call.body = json!({"id": begun["id"], "wrappedKey": STANDARD.encode(wrapped)});
        }
        "verify_second_factor" => {
            let factor = second_factor(&caller).await;
            let login = json!({"email": "owner@example.com", "password": PASSWORD});
            let first = app.anonymous().post("/v1/auth/login", &login).await;
            let problem = first.expect_problem(401, "second_factor_required");
            call.body = json!({"challenge": problem["challenge"]["token"], "code": factor.codes[0]});
        }
        "confirm_totp" => {
            let key = begin_totp(&caller).await;
            call.body = json!({"code": totp(&key, SystemClock.now())});
        }
        "add_passkey" => call.body = Authenticator::new(app).creation(&caller).await,
        "remove_passkey" => {
            let authenticator = Authenticator::new(app);
            let added = authenticator.register(&caller).await;
            call.path = format!(
                "/v1/auth/passkeys/{}/remove",
                added["passkey"]["id"].as_str().unwrap()
            );
        }
        "sign_in_with_passkey" => {
            let authenticator = Authenticator::new(app);
            authenticator.register(&caller).await;
            call.body = authenticator.assertion(None, 1).await;
            call.body["userHandle"] = handle(&caller).await;
        }
        "remove_totp" | "renew_recovery_codes" => drop(second_factor(&caller).await),
        "leave_org" => caller = app.anonymous().with_token(&login(app, MEMBER).await),
        _ => {}
    }
    (caller, call)
}

/// The first key is retiring, and everything was seen to open without it.
async fn rotated(app: &TestApp) {
    let owner = app.owner_client();
    owner.post("/v1/kek/rotate", &Value::Null).await.expect(200);
    app.carry_keys_on().await;
}

/// A client that sees the entry: the call may have ended the session, or made another organization.
async fn reader(app: &TestApp, operation: &Operation, answer: &Answer) -> Client {
    let owner = app.owner_client();
    if operation.may == May::Operator {
        return app.operator().await;
    }
    match answer.body["token"].as_str() {
        Some(token) if token.starts_with("kss_") => return owner.with_token(token),
        _ => {}
    }
    match operation.name.as_str() {
        "log_out" | "reset_password" => owner.with_token(&login(app, "owner@example.com").await),
        "create_org" => {
            let switch = json!({"orgId": answer.body["id"]});
            owner.post("/v1/auth/switch-org", &switch).await.expect(200);
            owner.clone()
        }
        _ => owner.clone(),
    }
}

async fn login(app: &TestApp, email: &str) -> String {
    let body = json!({"email": email, "password": PASSWORD});
    let session = app.anonymous().post("/v1/auth/login", &body).await.expect(200);
    session["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_entry_says_what_was_and_what_is_and_never_a_secret() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let credential = app.create_credential("openai").await;
    app.create_token("bot", &["openai"]).await;
    owner
        .patch("/v1/agents/bot", &json!({"rpmLimit": 7}))
        .await
        .expect(200);
    let key = app.key_client("admin").await;
    key.patch("/v1/agents/bot", &json!({"rpmLimit": 8}))
        .await
        .expect(200);
    let log = owner.get("/v1/audit?action=update_agent").await.expect(200);
    let limits: Vec<_> = log["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (&entry["before"]["rpmLimit"], &entry["after"]["rpmLimit"]))
        .collect();
    assert_eq!(
        limits,
        [(&json!(7), &json!(8)), (&Value::Null, &json!(7))],
        "newest first"
    );
    assert_eq!(log["data"][0]["actorName"], "key of a admin");
    let all = owner.get("/v1/audit?limit=500").await.expect(200);
    for secret in [CANARY, owner.token(), key.token()] {
        assert!(!all.to_string().contains(secret));
    }
    let path = format!("/v1/audit?subject={}", credential["id"].as_str().unwrap());
    assert_eq!(
        owner.get(&path).await.expect(200)["data"][0]["after"]["name"],
        "default"
    );
    app.finish().await;
}

#[tokio::test]
async fn entries_are_numbered_without_gaps_and_paged() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    for number in 0..6 {
        let body = json!({"name": format!("agent {number}")});
        owner.post("/v1/agents", &body).await.expect(201);
        // What is refused leaves nothing.
        owner
            .post("/v1/agents", &body)
            .await
            .expect_problem(409, "already_exists");
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = owner.get(&format!("/v1/audit?limit=3{after}")).await.expect(200);
        seen.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| entry["seq"].as_u64().unwrap()),
        );
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let expected: Vec<u64> = (1..=7).rev().collect();
    assert_eq!(seen, expected, "the sign-up and six agents");
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len());
    app.finish().await;
}
