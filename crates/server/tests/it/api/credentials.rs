//! `/v1/credentials`.

use serde_json::{Value, json};

use crate::support::{CANARY, TestApp};

#[tokio::test]
async fn a_value_goes_in_and_never_comes_out() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let made = app.create_credential("openai").await;
    let path = format!("/v1/credentials/{}", made["id"].as_str().unwrap());
    assert_eq!(
        (&made["status"], &made["version"], &made["name"]),
        (&json!("untested"), &json!(1), &json!("default"))
    );
    let read = owner.get(&path).await.expect(200);
    let listed = owner.get("/v1/credentials?provider=openai").await.expect(200);
    let again = owner
        .post(
            "/v1/credentials",
            &json!({"provider": "openai", "secret": CANARY}),
        )
        .await
        .expect_problem(409, "already_exists");
    let odd = owner
        .post(
            "/v1/credentials",
            &json!({"provider": "openai", "name": "x", "secret": {"kee": CANARY}}),
        )
        .await
        .expect_problem(422, "invalid_request");
    let typed = owner
        .post(
            "/v1/credentials",
            &json!({"provider": "openai", "secret": [CANARY]}),
        )
        .await
        .expect_problem(422, "invalid_request");
    let rotated = owner
        .post(
            &format!("{path}/rotate"),
            &json!({"secret": format!("{CANARY}-2")}),
        )
        .await
        .expect(200);
    assert_eq!(rotated["version"], 2);
    for answer in [made, read, listed, again, odd, typed, rotated] {
        assert!(!answer.to_string().contains("canary"), "{answer}");
    }
    scan(app.folder());
    let folder = app.stop().await;
    let files = scan(folder.path());
    let database = usize::from(folder.path().join("keystore.db").exists());
    assert!(
        files >= 2 + database,
        "root key, spool, and the database where it is a file"
    );
}

#[tokio::test]
async fn a_value_has_the_form_that_the_catalog_knows() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let secret = json!({"provider": "twilio", "secret": {"key": CANARY, "account_sid": CANARY}});
    let problem = owner
        .post("/v1/credentials", &secret)
        .await
        .expect_problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/secret/account_sid");
    assert!(!problem.to_string().contains("canary"), "{problem}");
    app.finish().await;
}

/// Looks for the secret in every file; gives how many there were. SQLite may remove a file meanwhile.
fn scan(folder: &std::path::Path) -> usize {
    let mut scanned = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(&file) else { continue };
        let found = bytes
            .windows(CANARY.len())
            .any(|window| window == CANARY.as_bytes());
        assert!(!found, "{}", file.display());
        scanned += 1;
    }
    scanned
}

#[tokio::test]
async fn where_a_credential_may_go_is_the_operators_word() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let base = |url: &str| json!({"provider": "openai", "secret": "sk-the-first", "baseUrl": url});
    for url in [
        "http://127.0.0.1:1",
        "https://attacker.example",
        "http://169.254.169.254/latest",
    ] {
        let problem = owner
            .post("/v1/credentials", &base(url))
            .await
            .expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], "/baseUrl", "{url}");
    }
    let stray = json!({"provider": "openai", "secret": "sk-the-first", "params": {"region": "eu"}});
    let problem = owner
        .post("/v1/credentials", &stray)
        .await
        .expect_problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/params/region");
    app.finish().await;
}

#[tokio::test]
async fn one_that_agents_use_is_deleted_only_by_force() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let made = app.create_credential("openai").await;
    app.create_token("agent", &["openai"]).await;
    let path = format!("/v1/credentials/{}", made["id"].as_str().unwrap());
    let problem = owner.delete(&path).await.expect_problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("agt_"), "{problem}");
    assert_eq!(owner.delete(&format!("{path}?force=true")).await.status, 204);
    owner.get(&path).await.expect_problem(404, "not_found");
    app.finish().await;
}

#[tokio::test]
async fn a_test_asks_the_provider() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let made = app.create_credential("openai").await;
    let path = format!("/v1/credentials/{}/test", made["id"].as_str().unwrap());
    app.fake_upstream()
        .expect(keystore_testkit::upstream::Slot::Bearer, CANARY);
    let found = owner.post(&path, &Value::Null).await.expect(200);
    assert_eq!(
        (&found["verdict"], &found["credential"]["status"]),
        (&json!("valid"), &json!("active")),
        "{found}"
    );
    assert_eq!(app.fake_upstream().count(), 1);

    let bad = json!({"secret": "sk-another"});
    let rotate = format!("/v1/credentials/{}/rotate", made["id"].as_str().unwrap());
    owner.post(&rotate, &bad).await.expect(200);
    let found = owner.post(&path, &Value::Null).await.expect(200);
    assert_eq!(
        (&found["verdict"], &found["credential"]["status"]),
        (&json!("invalid"), &json!("invalid")),
        "{found}"
    );
    assert!(!found.to_string().contains("sk-another"), "{found}");
    app.finish().await;
}

/// What was found out about one version says nothing of the next one.
#[tokio::test]
async fn a_test_that_a_rotation_overtakes_is_noted_nowhere() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let made = app.create_credential("openai").await;
    let path = format!("/v1/credentials/{}", made["id"].as_str().unwrap());
    let upstream = app.fake_upstream();
    upstream.expect(keystore_testkit::upstream::Slot::Bearer, CANARY);
    upstream.gate();
    let slow = {
        let (owner, path) = (owner.clone(), format!("{path}/test"));
        tokio::spawn(async move { owner.post(&path, &Value::Null).await })
    };
    while upstream.count() < 1 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let rotate = json!({"secret": "sk-another"});
    owner.post(&format!("{path}/rotate"), &rotate).await.expect(200);
    upstream.ungate();
    slow.await.unwrap().expect_problem(409, "conflict");
    let read = owner.get(&path).await.expect(200);
    assert_eq!(
        (&read["version"], &read["status"], &read["testedAt"]),
        (&json!(2), &json!("untested"), &Value::Null),
        "{read}"
    );
    let noted = owner.get("/v1/audit?action=test_credential").await.expect(200);
    assert_eq!(noted["data"], json!([]));
    let found = owner
        .post(&format!("{path}/test"), &Value::Null)
        .await
        .expect(200);
    assert_eq!(
        (&found["verdict"], &found["credential"]["status"]),
        (&json!("invalid"), &json!("invalid")),
        "{found}"
    );
    app.finish().await;
}

#[tokio::test]
async fn what_the_provider_refuses_is_not_stored() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let url = app.fake_upstream().url();
    app.fake_upstream()
        .expect(keystore_testkit::upstream::Slot::Bearer, CANARY);
    let body = |secret: &str| json!({"provider": "openai", "secret": secret, "baseUrl": url});
    let refused = owner.post("/v1/credentials?verify=true", &body("sk-wrong")).await;
    let problem = refused.expect_problem(422, "credential_refused");
    assert!(!problem.to_string().contains("sk-wrong"), "{problem}");
    let all = owner.get("/v1/credentials").await.expect(200);
    assert_eq!(all["data"], json!([]));

    let made = owner
        .post("/v1/credentials?verify=true", &body(CANARY))
        .await
        .expect(201);
    assert_eq!(made["status"], "active");
    assert!(made["testedAt"].is_string());
    let rotate = format!("/v1/credentials/{}/rotate", made["id"].as_str().unwrap());
    let refused = owner
        .post(&format!("{rotate}?verify=true"), &json!({"secret": "sk-wrong"}))
        .await;
    refused.expect_problem(422, "credential_refused");
    let kept = owner.get("/v1/credentials").await.expect(200);
    assert_eq!(
        (&kept["data"][0]["version"], &kept["data"][0]["status"]),
        (&json!(1), &json!("active"))
    );
    let rotated = owner
        .post(
            &rotate,
            &json!({"secret": "sk-wrong", "rotateAfter": "2099-01-01T00:00:00Z"}),
        )
        .await
        .expect(200);
    assert_eq!(
        (&rotated["version"], &rotated["status"]),
        (&json!(2), &json!("untested"))
    );
    assert_eq!(rotated["rotateAfter"], "2099-01-01T00:00:00.000Z");

    let silent = owner
        .post(
            "/v1/credentials?verify=true",
            &json!({"provider": "exa", "secret": "exa-canary"}),
        )
        .await
        .expect(201);
    assert_eq!(silent["status"], "untested", "no way to ask is known");
    app.finish().await;
}

#[tokio::test]
async fn what_is_known_beside_the_secret_can_be_changed() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let made = app.create_credential("openai").await;
    let path = format!("/v1/credentials/{}", made["id"].as_str().unwrap());
    let change = json!({
        "name": "main", "labels": ["phi"], "expiresAt": "2099-01-01T00:00:00Z",
        "agreements": {"dpa": {"date": "2026-05-01", "link": "https://acme.example/dpa"}, "baa": {"date": "2026-06-01"}},
    });
    let changed = owner.patch(&path, &change).await.expect(200);
    assert_eq!(
        (&changed["name"], &changed["labels"]),
        (&json!("main"), &json!(["phi"]))
    );
    assert_eq!(changed["agreements"], change["agreements"]);
    let changed = owner
        .patch(
            &path,
            &json!({"agreements": null, "rotateAfter": "2098-01-01T00:00:00Z"}),
        )
        .await
        .expect(200);
    assert_eq!(
        (&changed["agreements"], &changed["labels"]),
        (&json!({}), &json!(["phi"]))
    );
    assert_eq!(
        changed["expiresAt"], "2099-01-01T00:00:00.000Z",
        "what is absent stays"
    );
    let changed = owner.patch(&path, &json!({"expiresAt": null})).await.expect(200);
    assert_eq!(changed["expiresAt"], Value::Null);
    assert_eq!(owner.get(&path).await.expect(200), changed);
    for (wrong, pointer) in [
        (json!({"name": " "}), "/name"),
        (json!({"labels": [""]}), "/labels"),
        (json!({"expiresAt": "2020-01-01T00:00:00Z"}), "/expiresAt"),
        (
            json!({"agreements": {"dpa": {"date": "May"}}}),
            "/agreements/dpa/date",
        ),
        (json!({"secret": "sk-never-stored"}), "/secret"),
    ] {
        let problem = owner
            .patch(&path, &wrong)
            .await
            .expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{wrong}");
    }
    app.finish().await;
}

#[tokio::test]
async fn what_is_due_is_listed_and_what_has_ended_is_refused() {
    let clock = std::sync::Arc::new(keystore_testkit::clock::MockClock::default());
    let app = TestApp::with(crate::support::Setup {
        clock: Some(std::sync::Arc::clone(&clock)),
        ..crate::support::Setup::default()
    })
    .await;
    let owner = app.owner_client();
    let made = app.create_credential("openai").await;
    let path = format!("/v1/credentials/{}", made["id"].as_str().unwrap());
    let token = app.create_token("bot", &["openai"]).await;
    let caller = app.caller(&token);
    caller.get("/v1/openai/v1/models").await.expect(200);

    let day = std::time::Duration::from_secs(86_400);
    let in_ten_days = keystore_core::Clock::now(&*clock).plus(10 * day).to_string();
    let later = keystore_core::Clock::now(&*clock).plus(40 * day).to_string();
    owner
        .patch(&path, &json!({"expiresAt": in_ten_days, "rotateAfter": later}))
        .await
        .expect(200);
    let due = async |days: u32| {
        let page = owner
            .get(&format!("/v1/credentials?due={days}"))
            .await
            .expect(200);
        page["data"].as_array().unwrap().len()
    };
    assert_eq!((due(9).await, due(10).await), (0, 1));
    owner
        .get("/v1/credentials?due=366")
        .await
        .expect_problem(422, "invalid_request");
    owner.patch(&path, &json!({"expiresAt": null})).await.expect(200);
    assert_eq!((due(14).await, due(40).await), (0, 1));

    owner
        .patch(&path, &json!({"expiresAt": in_ten_days}))
        .await
        .expect(200);
    caller.get("/v1/openai/v1/models").await.expect(200);
    clock.advance(10 * day);
    // The session has ended by then, too.
    let login = json!({"email": "owner@example.com", "password": crate::support::PASSWORD});
    let session = app.anonymous().post("/v1/auth/login", &login).await.expect(200);
    let owner = owner.with_token(session["token"].as_str().unwrap());
    let refused = caller
        .get("/v1/openai/v1/models")
        .await
        .refused(403, "credential_missing");
    assert!(
        refused["message"].as_str().unwrap().contains("reached the end"),
        "{refused}"
    );
    assert!(
        refused["remedy"]
            .as_str()
            .unwrap()
            .contains("ks provider rotate openai/default"),
        "{refused}"
    );
    owner
        .post(&format!("{path}/rotate"), &json!({"secret": CANARY}))
        .await
        .expect(200);
    caller.get("/v1/openai/v1/models").await.expect(200);
    app.finish().await;
}

/// A provider of one's own that moves: the stored key goes where it was sealed for until somebody says otherwise.
#[tokio::test]
async fn a_key_follows_its_provider_only_when_it_is_resealed() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let definition =
        json!({"name": "Acme", "category": "llm", "self_hosted": true, "inject": [{"header": "x-old-key"}]});
    owner
        .post(
            "/v1/providers",
            &json!({"slug": "acme", "definition": definition}),
        )
        .await
        .expect(201);
    let made = app.create_credential("acme").await;
    assert_eq!(made["resealNeeded"], false);
    let path = format!("/v1/credentials/{}", made["id"].as_str().unwrap());
    let caller = app.caller(&app.create_token("bot", &["acme"]).await);
    let slot = async || {
        caller.get("/v1/acme/v1/models").await.expect(200);
        let seen = app.fake_upstream().last();
        ["x-old-key", "x-new-key"].map(|name| seen.header(name).map(str::to_owned))
    };
    let canary = || Some(CANARY.to_owned());
    owner
        .patch(
            "/v1/providers/acme",
            &json!({"definition": {"inject": [{"header": "x-new-key"}]}}),
        )
        .await
        .expect(200);
    let shown = owner.get(&path).await.expect(200);
    assert_eq!(shown["resealNeeded"], true);
    assert_eq!(slot().await, [canary(), None]);

    let resealed = owner
        .post(&format!("{path}/reseal"), &Value::Null)
        .await
        .expect(200);
    assert_eq!(
        (&resealed["version"], &resealed["resealNeeded"]),
        (&json!(2), &json!(false))
    );
    assert_eq!(slot().await, [None, canary()]);
    let again = owner
        .post(&format!("{path}/reseal"), &Value::Null)
        .await
        .expect(200);
    assert_eq!(again["version"], 2, "it is sealed for that already");
    app.finish().await;
}

#[tokio::test]
async fn a_running_stream_ends_on_the_version_that_it_began_with() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let made = app.create_credential("openai").await;
    let caller = app.caller(&app.create_token("bot", &["openai"]).await);
    let chat =
        json!({"model": "gpt-4o-mini", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let request = caller
        .request("POST", "/v1/openai/v1/chat/completions")
        .header("x-fake", "chunk-delay-ms=50")
        .json(&chat);
    let running = tokio::spawn({
        let caller = caller.clone();
        async move { caller.send(request).await }
    });
    while app.fake_upstream().count() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let rotate = format!("/v1/credentials/{}/rotate", made["id"].as_str().unwrap());
    owner
        .post(&rotate, &json!({"secret": "sk-second-canary"}))
        .await
        .expect(200);
    caller.get("/v1/openai/v1/models").await.expect(200);
    assert_eq!(
        app.fake_upstream().last().header("authorization"),
        Some("Bearer sk-second-canary")
    );
    let ended = running.await.unwrap();
    assert!(!ended.cut && ended.text().contains("[DONE]"), "{}", ended.text());
    let first = &app.fake_upstream().log()[0];
    assert_eq!(
        first.header("authorization"),
        Some(format!("Bearer {CANARY}").as_str())
    );
    app.finish().await;
}

#[tokio::test]
async fn what_a_vendor_says_of_its_limits_is_shown() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let made = app.create_credential("openai").await;
    let caller = app.caller(&app.create_token("bot", &["openai"]).await);
    let path = format!("/v1/credentials/{}", made["id"].as_str().unwrap());
    assert_eq!(owner.get(&path).await.expect(200)["upstreamLimits"], Value::Null);
    let chat = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]});
    caller
        .post_with("/v1/openai/v1/chat/completions", "status=429", &chat)
        .await
        .expect(429);
    let shown = owner.get(&path).await.expect(200);
    let limits = shown["upstreamLimits"].as_array().unwrap();
    let of = |subject: &str| {
        limits
            .iter()
            .find(|limit| limit["subject"] == subject)
            .unwrap_or(&Value::Null)
    };
    assert_eq!(
        (&of("requests")["limit"], &of("requests")["remaining"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(
        (&of("tokens")["limit"], &of("tokens")["remaining"]),
        (&json!(40_000), &json!(39_000))
    );
    assert!(of("requests")["resetsAt"].is_string() && of("requests")["observedAt"].is_string());
    app.finish().await;
}

#[tokio::test]
async fn when_a_key_and_a_token_were_last_used_is_noted() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let made = app.create_credential("openai").await;
    let path = format!("/v1/credentials/{}", made["id"].as_str().unwrap());
    let caller = app.caller(&app.create_token("bot", &["openai"]).await);
    owner
        .post(&format!("{path}/test"), &Value::Null)
        .await
        .expect(200);
    let recorded = async |count: usize| loop {
        let requests = owner.get("/v1/requests").await.expect(200);
        if requests["data"].as_array().unwrap().len() >= count {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    recorded(1).await;
    app.do_jobs().await;
    assert_eq!(
        owner.get(&path).await.expect(200)["lastUsedAt"],
        Value::Null,
        "a test is no use"
    );
    caller.get("/v1/openai/v1/models").await.expect(200);
    recorded(2).await;
    app.do_jobs().await;
    assert!(owner.get(&path).await.expect(200)["lastUsedAt"].is_string());
    let tokens = owner.get("/v1/tokens").await.expect(200);
    assert!(tokens["data"][0]["lastUsedAt"].is_string());
    app.finish().await;
}
