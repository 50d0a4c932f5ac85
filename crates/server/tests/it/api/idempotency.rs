//! A repeated POST has one effect and one answer.

use serde_json::{Value, json};

use crate::support::{Answer, Client, Setup, TestApp};

async fn post(client: &Client, path: &str, key: &str, body: &Value) -> Answer {
    let request = client
        .request("POST", path)
        .header("idempotency-key", key)
        .json(body);
    client.send(request).await
}

/// The body of another answer is worth comparing only where it is no problem.
fn same(first: &Answer, again: &Answer) {
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert!(!first.headers.contains_key("idempotency-replayed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_at_once_have_one_effect_on_either_engine() {
    for postgres in [false, true] {
        let app = TestApp::with(Setup {
            postgres,
            ..Setup::default()
        })
        .await;
        let owner = app.owner_client();
        let body = json!({"name": "bot", "providers": []});
        let calls = (0..200).map(|_| {
            let (owner, body) = (owner.clone(), body.clone());
            tokio::spawn(async move { post(&owner, "/v1/agents", "one", &body).await })
        });
        let mut ids = std::collections::BTreeSet::new();
        for call in calls.collect::<Vec<_>>() {
            let made = call.await.unwrap().expect(201);
            ids.insert(made["id"].as_str().unwrap().to_owned());
        }
        assert_eq!(ids.len(), 1, "one agent");
        let all = owner.get("/v1/agents").await.expect(200);
        assert_eq!(all["data"].as_array().unwrap().len(), 1);
        app.finish().await;
    }
}

#[tokio::test]
async fn a_value_is_told_once_and_a_repeat_says_what_to_do() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let body = json!({"name": "bot", "providers": []});
    let first = post(owner, "/v1/tokens", "t", &body).await.expect(201);
    let value = first["token"].as_str().unwrap();
    let again = post(owner, "/v1/tokens", "t", &body).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let again = again.expect(201);
    assert_eq!((&again["id"], &again["agent"]), (&first["id"], &first["agent"]));
    assert_eq!(again["secretShown"], true);
    assert_eq!(again["token"], Value::Null);
    assert!(again["remedy"].as_str().unwrap().contains("ks token rotate"));

    let body = json!({"name": "ci", "role": "viewer"});
    let first = post(owner, "/v1/api-keys", "k", &body).await.expect(201);
    assert!(first["key"].is_string());
    let again = post(owner, "/v1/api-keys", "k", &body).await.expect(201);
    assert_eq!(
        (&again["key"], &again["secretShown"]),
        (&Value::Null, &json!(true))
    );
    assert_eq!(again["apiKey"]["id"], first["apiKey"]["id"]);

    let path = format!("/v1/tokens/{}/rotate", first_token(owner).await);
    let rotated = post(owner, &path, "r", &json!({})).await.expect(201);
    let again = post(owner, &path, "r", &json!({})).await.expect(201);
    assert_eq!((&again["id"], &again["token"]), (&rotated["id"], &Value::Null));

    // Neither the values nor a secret that was sent are in the database; `finish` looks for what `secret` was given.
    app.secret(value);
    app.secret(first["key"].as_str().unwrap());
    app.secret(rotated["token"].as_str().unwrap());
    let folder = app.stop().await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        // SQLite may remove a file meanwhile.
        let Ok(bytes) = std::fs::read(file.unwrap().path()) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        for secret in [
            value,
            first["key"].as_str().unwrap(),
            rotated["token"].as_str().unwrap(),
        ] {
            assert!(!text.contains(secret));
        }
    }
}

async fn first_token(owner: &Client) -> String {
    let all = owner.get("/v1/tokens").await.expect(200);
    all["data"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_stands_for_one_request_of_one_caller() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let first = post(owner, "/v1/agents", "k", &json!({"name": "a", "providers": []})).await;
    same(
        &first,
        &post(owner, "/v1/agents", "k", &json!({"name": "a", "providers": []})).await,
    );
    let other = post(owner, "/v1/agents", "k", &json!({"name": "b", "providers": []})).await;
    other.expect_problem(422, "idempotency_mismatch");
    let other = post(owner, "/v1/tokens", "k", &json!({"name": "a", "providers": []})).await;
    other.expect_problem(422, "idempotency_mismatch");

    let admin = app.key_client("admin").await;
    post(&admin, "/v1/agents", "k", &json!({"name": "b", "providers": []}))
        .await
        .expect(201);
    let stranger = app.stranger().await;
    post(
        &stranger,
        "/v1/agents",
        "k",
        &json!({"name": "a", "providers": []}),
    )
    .await
    .expect(201);
    let nobody = post(&app.anonymous(), "/v1/agents", "k", &json!({"name": "a"})).await;
    nobody.expect_problem(401, "unauthenticated");
    for wrong in ["", &"k".repeat(256)] {
        post(owner, "/v1/agents", wrong, &json!({"name": "c", "providers": []}))
            .await
            .expect_problem(400, "bad_request");
    }
    let all = owner.get("/v1/agents").await.expect(200);
    assert_eq!(all["data"].as_array().unwrap().len(), 2, "a and b: {all}");
    app.finish().await;
}

#[tokio::test]
async fn a_refused_request_may_be_corrected_under_its_key() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let wrong = json!({"name": "", "providers": []});
    post(owner, "/v1/agents", "k", &wrong)
        .await
        .expect_problem(422, "invalid_request");
    let right = post(owner, "/v1/agents", "k", &json!({"name": "a", "providers": []})).await;
    same(
        &right,
        &post(owner, "/v1/agents", "k", &json!({"name": "a", "providers": []})).await,
    );
    app.finish().await;
}

#[tokio::test]
async fn a_key_is_kept_for_a_day_and_what_was_cut_off_is_not_repeated() {
    let clock = std::sync::Arc::new(keystore_testkit::clock::MockClock::default());
    let app = TestApp::with(Setup {
        clock: Some(std::sync::Arc::clone(&clock)),
        ..Setup::default()
    })
    .await;
    let owner = app.owner_client();
    let body = json!({"name": "a", "providers": []});
    let first = post(owner, "/v1/agents", "k", &body).await.expect(201);
    app.statement("UPDATE idempotency_keys SET status = NULL, answer = NULL")
        .await;
    clock.advance(std::time::Duration::from_secs(121));
    let again = post(owner, "/v1/agents", "k", &body).await;
    again.expect_problem(409, "idempotency_unknown");

    owner
        .delete(&format!("/v1/agents/{}", first["id"].as_str().unwrap()))
        .await
        .expect(204);
    clock.advance(std::time::Duration::from_secs(24 * 3600));
    let anew = post(owner, "/v1/agents", "k", &body).await.expect(201);
    assert_ne!(anew["id"], first["id"]);
    app.finish().await;
}

#[tokio::test]
async fn a_fault_of_ours_is_told_again_and_nothing_is_tried_twice() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let body = json!({"name": "a", "providers": []});
    let agent = post(owner, "/v1/agents", "make", &body).await.expect(201);
    let path = format!("/v1/agents/{}/pause", agent["id"].as_str().unwrap());
    // Somebody changed the row behind our back: its seal is broken.
    app.statement("UPDATE agents SET policy = mac").await;
    let first = post(owner, &path, "pause", &Value::Null).await;
    assert!(!first.headers.contains_key("idempotency-replayed"));
    first.expect_problem(500, "internal");
    for _ in 0..2 {
        let again = post(owner, &path, "pause", &Value::Null).await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        let told = again.expect_problem(500, "internal");
        assert!(told["remedy"].as_str().unwrap().contains("a new key"), "{told}");
    }
    let anew = post(owner, &path, "another", &Value::Null).await;
    assert!(!anew.headers.contains_key("idempotency-replayed"), "another try");
    anew.expect_problem(500, "internal");
    app.finish().await;
}
