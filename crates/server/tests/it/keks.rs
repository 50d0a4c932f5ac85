//! Key-encryption keys: their generations, who holds the key above them, what happens while that one cannot be used, and their end.

mod killed;
mod sealed;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keystore_store::failpoints::Action;
use keystore_testkit::clock::MockClock;
use keystore_testkit::kms::{FakeKms, Mood, Service, rsa_wrapped};
use serde_json::{Value, json};

use crate::support::{Client, Holding, Setup, TestApp};

const TTL: Duration = Duration::from_secs(60);

/// A server at a time that the test says, with a fake of AWS KMS.
async fn held(change: impl FnOnce(&mut Holding)) -> (TestApp, Arc<MockClock>) {
    let clock = Arc::new(MockClock::default());
    let mut holding = Holding {
        kms: Some(Arc::new(FakeKms::start(Service::Aws).await)),
        kek_ttl: TTL,
        ..Holding::default()
    };
    change(&mut holding);
    let setup = Setup {
        clock: Some(Arc::clone(&clock)),
        holding,
        ..Setup::default()
    };
    (TestApp::with(setup).await, clock)
}

async fn status(owner: &Client) -> Value {
    owner.get("/v1/kek").await.expect(200)
}

async fn act(owner: &Client, what: &str) -> Value {
    owner
        .post(&format!("/v1/kek/{what}"), &Value::Null)
        .await
        .expect(200)
}

fn states(status: &Value) -> Vec<(u64, String, u64)> {
    let of = |one: &Value| {
        (
            one["generation"].as_u64().unwrap(),
            one["state"].as_str().unwrap().to_owned(),
            one["credentialVersions"].as_u64().unwrap(),
        )
    };
    status["generations"].as_array().unwrap().iter().map(of).collect()
}

/// A call of the agent behind `token`.
async fn calls(app: &TestApp, token: &str) -> crate::support::Reply {
    let chat = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]});
    app.caller(token)
        .post("/v1/openai/v1/chat/completions", &chat)
        .await
}

#[tokio::test]
async fn a_generation_is_rotated_verified_retired_and_destroyed_in_this_order_alone() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    app.create_credential("openai").await;
    let token = app.create_token("bot", &["openai"]).await;
    calls(&app, &token).await.expect(200);
    let number = |generation: u64| json!({"generation": generation, "confirm": generation});
    let retire = |generation: u64| owner.post_owned("/v1/kek/retire", json!({"generation": generation}));
    assert_eq!(states(&status(owner).await), [(1, "active".to_owned(), 1)]);
    retire(1).await.expect_problem(409, "conflict");

    let before = act(owner, "rotate").await;
    assert_eq!(states(&before)[1].1, "active");
    app.carry_keys_on().await;
    let moved = status(owner).await;
    assert_eq!(
        states(&moved),
        [(1, "retiring".to_owned(), 0), (2, "active".to_owned(), 1)]
    );
    assert!(moved["generations"][0]["verifiedAt"].is_string() && moved["job"]["endedAt"].is_string());
    assert_eq!(
        (&moved["job"]["failed"], &moved["job"]["done"]),
        (&json!(0), &json!(1))
    );
    calls(&app, &token).await.expect(200);

    owner
        .post("/v1/kek/destroy", &number(1))
        .await
        .expect_problem(409, "conflict");
    retire(1).await.expect(200);
    retire(1).await.expect_problem(409, "conflict");
    retire(9).await.expect_problem(404, "not_found");
    let wrong = json!({"generation": 1, "confirm": 2});
    owner
        .post("/v1/kek/destroy", &wrong)
        .await
        .expect_problem(422, "invalid_request");
    owner.post("/v1/kek/destroy", &number(1)).await.expect(200);
    assert_eq!(states(&status(owner).await)[0].1, "destroyed");
    calls(&app, &token).await.expect(200);
    let app = app.restart().await;
    calls(&app, &token).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn what_does_not_open_is_named_and_keeps_the_old_key() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let stored = app.create_credential("openai").await;
    // Somebody with the database alone moves the version to another place.
    app.tamper("UPDATE credential_versions SET policy = SUBSTR(policy, 2)")
        .await;
    act(owner, "rotate").await;
    app.carry_keys_on().await;
    let status = status(owner).await;
    let problem = status["job"]["problem"].as_str().unwrap();
    assert!(problem.contains(stored["id"].as_str().unwrap()), "{problem}");
    assert_eq!(status["job"]["failed"], 1);
    let retired = owner.post("/v1/kek/retire", &json!({"generation": 1})).await;
    retired.expect_problem(409, "conflict");
    app.leave();
}

#[tokio::test]
async fn a_damaged_key_of_the_audit_log_is_named_and_keeps_the_old_key() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    app.tamper("UPDATE audit_keys SET sealed = SUBSTR(sealed, 2)")
        .await;
    act(owner, "rotate").await;
    app.carry_keys_on().await;
    let retired = owner.post("/v1/kek/retire", &json!({"generation": 1})).await;
    let problem = retired.expect_problem(409, "conflict").to_string();
    assert!(
        problem.contains("the key 1 of the audit log's payloads was changed"),
        "{problem}"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_job_says_that_it_waits_for_a_key_as_long_as_it_does_and_forgets_nothing_over_it() {
    let (app, clock) = held(|_| {}).await;
    let (owner, kms) = (app.owner_client(), app.kms());
    app.create_credential("openai").await;
    let key = json!({"key": Service::Aws.key()});
    owner.post("/v1/kek/customer-key", &key).await.expect(200);
    let verified_without_the_key = async || {
        kms.set(Mood::Disabled);
        clock.advance(TTL);
        act(owner, "verify").await;
        app.carry_keys_on().await;
        let problem = status(owner).await["job"]["problem"].take();
        assert_eq!(problem, "the organization's own key cannot be used");
    };
    verified_without_the_key().await;
    kms.set(Mood::Well);
    clock.advance(Duration::from_secs(1));
    // The work ends behind its first batch.
    app.failpoints().set_times("tx.after_commit", Action::Fail, 1);
    app.carrying_keys_on().await.unwrap();
    app.failpoints().clear("tx.after_commit");
    assert_eq!(status(owner).await["job"]["problem"], Value::Null);

    verified_without_the_key().await;
    // As a batch before it has left it.
    app.tamper("UPDATE kek_jobs SET failed = 1, problem = 'one does not open'")
        .await;
    app.carry_keys_on().await;
    assert_eq!(status(owner).await["job"]["problem"], "one does not open");
    kms.set(Mood::Well);
    clock.advance(Duration::from_secs(1));
    app.carry_keys_on().await;
    let ended = status(owner).await;
    assert!(ended["job"]["endedAt"].is_string(), "{ended:#}");
    assert_eq!(ended["job"]["problem"], "one does not open");
    app.finish().await;
}

#[tokio::test]
async fn a_key_is_rotated_by_itself_when_it_has_wrapped_often_or_is_old() {
    let (app, clock) = held(|holding| holding.max_wraps = 16).await;
    let owner = app.owner_client();
    let stored = app.create_credential("openai").await;
    let again = format!("/v1/credentials/{}/rotate", stored["id"].as_str().unwrap());
    for wraps in 1..16 {
        app.carry_keys_on().await;
        let status = status(owner).await;
        assert_eq!(states(&status).len(), 1);
        assert_eq!(status["generations"][0]["wraps"], wraps);
        owner
            .post(&again, &json!({"secret": "sk-another-canary-0123456789"}))
            .await
            .expect(200);
    }
    app.carry_keys_on().await;
    let first = status(owner).await;
    assert_eq!(states(&first)[1], (2, "active".to_owned(), 1));
    assert_eq!(first["generations"][1]["wraps"], 1, "moving is wrapping");
    let app = app.restart_held(|holding| holding.max_wraps = 1 << 30).await;
    // A session does not live that long.
    let owner = &app.key_client("admin").await;
    clock.advance(Duration::from_secs(364 * 86_400));
    app.carry_keys_on().await;
    assert_eq!(states(&status(owner).await).len(), 2);
    clock.advance(Duration::from_secs(2 * 86_400));
    app.carry_keys_on().await;
    let rotated = states(&status(owner).await);
    assert_eq!(rotated[2], (3, "active".to_owned(), 1));
    app.finish().await;
}

#[tokio::test]
async fn a_key_that_a_customer_made_comes_in_wrapped_and_once() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    app.create_credential("openai").await;
    let token = app.create_token("bot", &["openai"]).await;
    let key: Vec<u8> = (100..132).collect();
    app.secret(&STANDARD.encode(&key));
    let begun = owner.post("/v1/kek/imports", &Value::Null).await.expect(201);
    assert_eq!(begun["algorithm"], "RSAES_OAEP_SHA_256");
    let pem = begun["publicKey"].as_str().unwrap();
    let finish = |id: &Value, wrapped: Vec<u8>| {
        owner.post_owned(
            "/v1/kek/imports/finish",
            json!({"id": id, "wrappedKey": STANDARD.encode(wrapped)}),
        )
    };
    finish(&begun["id"], vec![1, 2, 3])
        .await
        .expect_problem(422, "invalid_request");
    finish(&begun["id"], rsa_wrapped(pem, &key[..16]))
        .await
        .expect_problem(422, "invalid_request");
    let other = json!("imp_00000000000000000000000000");
    finish(&other, rsa_wrapped(pem, &key))
        .await
        .expect_problem(404, "not_found");
    let taken = finish(&begun["id"], rsa_wrapped(pem, &key)).await.expect(200);
    assert_eq!(taken["generations"][1]["imported"], true);
    finish(&begun["id"], rsa_wrapped(pem, &key))
        .await
        .expect_problem(404, "not_found");
    app.carry_keys_on().await;
    assert_eq!(states(&status(owner).await)[1], (2, "active".to_owned(), 1));
    calls(&app, &token).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_shredded_organization_opens_nothing_and_can_begin_anew() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    app.create_credential("openai").await;
    let token = app.create_token("bot", &["openai"]).await;
    calls(&app, &token).await.expect(200);
    let slug = owner.get("/v1/org").await.expect(200)["slug"].clone();
    let wrong = owner.post("/v1/kek/shred", &json!({"confirm": "another"})).await;
    wrong.expect_problem(422, "invalid_request");
    calls(&app, &token).await.expect(200);
    let sent = app.fake_upstream().count();
    let shredded = owner
        .post("/v1/kek/shred", &json!({"confirm": slug}))
        .await
        .expect(200);
    assert_eq!(
        (&shredded["generations"], &shredded["credentialVersions"]),
        (&json!(1), &json!(1))
    );
    assert!(shredded["statement"].as_str().unwrap().contains("Backups"));
    calls(&app, &token).await.refused(403, "credential_missing");
    assert_eq!(app.fake_upstream().count(), sent, "nothing was sent");
    assert_eq!(
        app.number("SELECT SUM(LENGTH(wrapped)) FROM keks WHERE org = (SELECT org FROM credentials)")
            .await,
        0
    );
    let another = json!({"provider": "openai", "name": "new", "secret": "sk-new-canary-0123456789", "baseUrl": app.fake_upstream().url()});
    owner
        .post("/v1/credentials", &another)
        .await
        .expect_problem(503, "sealed");
    act(owner, "rotate").await;
    app.carry_keys_on().await;
    owner.post("/v1/credentials", &another).await.expect(201);
    assert_eq!(
        status(owner).await["job"]["failed"],
        0,
        "what was shredded is meant not to open"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_customer_who_disables_their_key_closes_their_own_credentials_alone() {
    let (app, clock) = held(|_| {}).await;
    let (owner, kms) = (app.owner_client(), app.kms());
    let key = json!({"key": Service::Aws.key()});
    let set = |body: &Value| owner.post_owned("/v1/kek/customer-key", body.clone());
    for (wrong, said) in [
        ("aws:key/1", "expected aws:"),
        ("vault:transit/acme", "takes no keys of customers at that KMS"),
    ] {
        let refused = set(&json!({"key": wrong}))
            .await
            .expect_problem(422, "invalid_request");
        assert!(refused.to_string().contains(said), "{refused}");
    }
    kms.set(Mood::Denied);
    let refused = set(&key).await.expect_problem(422, "invalid_request");
    assert!(refused.to_string().contains("not authorized"), "{refused}");
    kms.set(Mood::Well);
    app.create_credential("openai").await;
    let token = app.create_token("bot", &["openai"]).await;
    let held = set(&key).await.expect(200);
    assert_eq!(held["customerKey"]["usable"], true);
    calls(&app, &token).await.expect(200);

    let other = app.stranger().await;
    let theirs = json!({"provider": "openai", "secret": "sk-theirs-canary-0123456789", "baseUrl": app.fake_upstream().url()});
    other.post("/v1/credentials", &theirs).await.expect(201);
    let theirs = json!({"name": "theirs", "providers": [{"name": "openai", "source": "byok"}]});
    let theirs = other.post("/v1/tokens", &theirs).await.expect(201);
    let theirs = theirs["token"].as_str().unwrap();

    kms.set(Mood::Disabled);
    calls(&app, &token).await.expect(200);
    clock.advance(TTL);
    let sent = app.fake_upstream().count();
    calls(&app, &token).await.refused(503, "customer_key_unavailable");
    assert_eq!(app.fake_upstream().count(), sent, "nothing was sent");
    calls(&app, theirs).await.expect(200);
    let another = json!({"provider": "openai", "name": "new", "secret": "sk-new-canary-0123456789", "baseUrl": app.fake_upstream().url()});
    let refused = owner.post("/v1/credentials", &another).await;
    refused.expect_problem(503, "customer_key_unavailable");
    let said = status(owner).await;
    assert_eq!(said["customerKey"]["usable"], false);
    assert!(
        said["customerKey"]["problem"]
            .as_str()
            .unwrap()
            .contains("is disabled")
    );
    set(&json!({"key": null}))
        .await
        .expect_problem(503, "customer_key_unavailable");

    kms.set(Mood::Well);
    clock.advance(Duration::from_secs(1));
    calls(&app, &token).await.expect(200);
    act(owner, "rotate").await;
    app.carry_keys_on().await;
    let said = status(owner).await;
    assert_eq!(
        said["generations"][1]["customerKey"],
        Service::Aws.key(),
        "the next one is under it, too"
    );
    set(&json!({"key": null})).await.expect(200);
    kms.set(Mood::Disabled);
    calls(&app, &token).await.expect(200);
    assert_eq!(kms.violations(), Vec::<String>::new());
    app.finish().await;
}

#[tokio::test]
async fn what_begins_anew_after_a_shredding_is_under_the_customers_key_as_well() {
    let (app, _) = held(|_| {}).await;
    let (owner, kms) = (app.owner_client(), app.kms());
    let set = |key: Value| owner.post_owned("/v1/kek/customer-key", json!({"key": key}));
    set(json!(Service::Aws.key())).await.expect(200);
    let slug = owner.get("/v1/org").await.expect(200)["slug"].take();
    let shred = json!({"confirm": slug});
    owner.post("/v1/kek/shred", &shred).await.expect(200);
    let anew = act(owner, "rotate").await;
    assert_eq!(anew["generations"][1]["customerKey"], Service::Aws.key());
    // Who has deleted that key begins without it, once they say so.
    owner.post("/v1/kek/shred", &shred).await.expect(200);
    kms.set(Mood::Disabled);
    owner
        .post("/v1/kek/rotate", &Value::Null)
        .await
        .expect_problem(503, "customer_key_unavailable");
    set(Value::Null).await.expect(200);
    let anew = act(owner, "rotate").await;
    assert_eq!(anew["generations"][2]["customerKey"], Value::Null);
    assert_eq!(kms.violations(), Vec::<String>::new());
    app.finish().await;
}

#[tokio::test]
async fn the_root_key_moves_to_a_kms_and_back() {
    let (app, clock) = held(|_| {}).await;
    app.create_credential("openai").await;
    let token = app.create_token("bot", &["openai"]).await;
    let owner = app.owner_client();
    owner
        .post("/v1/kek/customer-key", &json!({"key": Service::Aws.key()}))
        .await
        .expect(200);
    act(owner, "rotate").await;
    app.carry_keys_on().await;
    // What a customer does with their key does not keep the operator from changing the root key.
    let app = app
        .restart_held(|holding| {
            holding.root_at_kms = true;
            holding.moves = true;
        })
        .await;
    calls(&app, &token).await.expect(200);
    let app = app.restart_held(|holding| holding.moves = false).await;
    calls(&app, &token).await.expect(200);
    std::fs::rename(app.folder().join("root.key"), app.folder().join("kept")).unwrap();
    let app = app.restart().await;
    clock.advance(TTL);
    calls(&app, &token).await.expect(200);
    std::fs::rename(app.folder().join("kept"), app.folder().join("root.key")).unwrap();
    let app = app
        .restart_held(|holding| {
            holding.root_at_kms = false;
            holding.moves = true;
        })
        .await;
    calls(&app, &token).await.expect(200);
    let app = app.restart_held(|holding| holding.moves = false).await;
    calls(&app, &token).await.expect(200);
    assert_eq!(app.kms().violations(), Vec::<String>::new());
    app.finish().await;
}
