//! Providers that an organization defines for itself: through the API, and through the proxy to a fake vendor.

use serde_json::{Value, json};

use crate::support::{CANARY, TestApp};

/// A vendor of one's own: its key in a header of its own, one closed operation, one that costs ten cents a call.
fn acme() -> Value {
    json!({"slug": "acme", "definition": {
        "name": "Acme", "category": "llm", "self_hosted": true,
        "inject": [{"header": "x-acme-key"}],
        "operations": [
            {"name": "keys", "path": "/keys/**", "minting": true},
            {"name": "run", "methods": ["POST"], "path": "/v1/run", "billing": "per_call", "price_model": "run"},
        ],
    }, "prices": {"models": [{"id": "run", "source": "https://acme.example/prices", "units": {"requests": "0.10"}}]}})
}

async fn defined(app: &TestApp) -> String {
    app.owner_client()
        .post("/v1/providers", &acme())
        .await
        .expect(201);
    app.create_credential("acme").await;
    app.create_token("bot", &["acme"]).await
}

#[tokio::test]
async fn a_definition_is_read_strictly() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = acme();
        change(&mut body);
        body
    };
    let cases: [(Value, u16, &str, &str, &str); 9] = [
        (
            with(&|body| body["definition"]["categry"] = json!("llm")),
            422,
            "invalid_request",
            "/definition/categry",
            "did you mean `category`?",
        ),
        (
            with(&|body| body["definition"]["operations"][1]["billing"] = json!("percall")),
            422,
            "invalid_request",
            "/definition/operations/1/billing",
            "did you mean `per_call`?",
        ),
        (
            with(&|body| body["definition"]["dev_only"] = json!(true)),
            422,
            "invalid_request",
            "/definition/dev_only",
            "",
        ),
        (
            with(&|body| body["definition"]["docs_url"] = Value::Null),
            422,
            "invalid_request",
            "/definition",
            "null",
        ),
        (
            with(&|body| body["prices"]["models"][0]["units"] = json!({"request": "1"})),
            422,
            "invalid_request",
            "/prices/models/0/units/request",
            "",
        ),
        (
            with(&|body| body["slug"] = json!("Acme")),
            422,
            "invalid_request",
            "/slug",
            "",
        ),
        (
            with(&|body| body["slug"] = json!("openai")),
            409,
            "already_exists",
            "",
            "",
        ),
        (
            with(&|body| body["slug"] = json!("sandbox")),
            409,
            "already_exists",
            "",
            "",
        ),
        (
            with(&|body| body["definition"]["base_url"] = json!("https://169.254.169.254")),
            422,
            "invalid_request",
            "/definition/base_url",
            "not a public address",
        ),
    ];
    for (body, status, code, pointer, words) in cases {
        let problem = owner
            .post("/v1/providers", &body)
            .await
            .expect_problem(status, code);
        if !pointer.is_empty() {
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
            let detail = problem["errors"][0]["detail"].as_str().unwrap();
            assert!(detail.contains(words), "{detail}");
        }
    }
    for host in [
        "https://localhost",
        "https://10.1.2.3",
        "https://[fd00::1]",
        "https://127.0.0.1",
    ] {
        let body = with(&|body| body["definition"]["hosts"] = json!({"eu": host}));
        let problem = owner
            .post("/v1/providers", &body)
            .await
            .expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], "/definition/hosts/eu", "{host}");
    }
    owner.post("/v1/providers", &acme()).await.expect(201);
    owner
        .post("/v1/providers", &acme())
        .await
        .expect_problem(409, "already_exists");
    app.finish().await;
}

#[tokio::test]
async fn it_is_listed_shown_and_changed_in_its_organization_only() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let made = owner.post("/v1/providers", &acme()).await.expect(201);
    assert_eq!(
        (&made["custom"], &made["auth"]),
        (&json!(true), &json!(["x-acme-key: {key}"]))
    );
    assert_eq!(made["pricedModels"], 1);
    let shown = owner.get("/v1/providers/acme").await.expect(200);
    assert_eq!(shown, made);
    assert_eq!(shown["definition"]["inject"], acme()["definition"]["inject"]);

    let of = async |query: &str| {
        let page = owner.get(&format!("/v1/providers?{query}")).await.expect(200);
        let entries = page["data"].as_array().unwrap().clone();
        entries
            .into_iter()
            .map(|entry| entry["slug"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("custom=true").await, ["acme"]);
    assert_eq!(of("search=ACM").await, ["acme"]);
    assert!(!of("custom=false&limit=500").await.contains(&"acme".to_owned()));
    let all = of("category=llm&limit=500").await;
    assert!(all.contains(&"acme".to_owned()) && all.is_sorted());

    let change =
        json!({"definition": {"docs_url": "https://acme.example/docs", "operations": null}, "prices": null});
    let changed = owner.patch("/v1/providers/acme", &change).await.expect(200);
    assert_eq!(changed["docsUrl"], "https://acme.example/docs");
    assert_eq!(
        (&changed["operations"], &changed["prices"]),
        (&json!([]), &Value::Null)
    );
    assert_eq!(changed["definition"]["name"], "Acme", "what is absent stays");
    let problem = owner
        .patch("/v1/providers/acme", &json!({"definition": {"nme": "x"}}))
        .await;
    problem.expect_problem(422, "invalid_request");

    let stranger = app.stranger().await;
    stranger
        .get("/v1/providers/acme")
        .await
        .expect_problem(404, "unknown_provider");
    stranger
        .patch("/v1/providers/acme", &change)
        .await
        .expect_problem(404, "not_found");
    stranger
        .delete("/v1/providers/acme")
        .await
        .expect_problem(404, "not_found");
    stranger.post("/v1/providers", &acme()).await.expect(201);
    owner
        .patch("/v1/providers/openai", &change)
        .await
        .expect_problem(404, "not_found");
    for role in ["member", "billing", "viewer"] {
        let key = app.key_client(role).await;
        key.get("/v1/providers/acme").await.expect(200);
        key.patch("/v1/providers/acme", &change)
            .await
            .expect_problem(403, "forbidden");
    }
    let body = json!({"name": "bound", "role": "admin", "project": "default"});
    let bound = owner.post("/v1/api-keys", &body).await.expect(201);
    let bound = app.anonymous().with_token(bound["key"].as_str().unwrap());
    bound
        .patch("/v1/providers/acme", &change)
        .await
        .expect_problem(403, "forbidden");
    app.finish().await;
}

#[tokio::test]
async fn a_call_goes_out_as_the_definition_says_and_a_change_counts_at_once() {
    let app = TestApp::start().await;
    let token = defined(&app).await;
    let caller = app.caller(&token);
    let upstream = app.fake_upstream();
    // The token stands where Acme's own client puts the key, or is a bearer token.
    for header in [
        ("x-acme-key", token.clone()),
        ("authorization", format!("Bearer {token}")),
    ] {
        let request = caller
            .bare("GET", "/v1/acme/v1/models")
            .header(header.0, header.1);
        caller.send(request).await.expect(200);
        let received = upstream.last();
        assert_eq!(received.header("x-acme-key"), Some(CANARY));
        assert_eq!(received.header("authorization"), None);
    }
    caller
        .send(
            caller
                .bare("GET", "/v1/acme/v1/models")
                .header("x-other-key", &token),
        )
        .await
        .refused(401, "invalid_token");
    caller
        .get("/v1/acme/keys/new")
        .await
        .refused(403, "operation_denied");
    caller
        .get("/v1/nothing/v1/models")
        .await
        .refused(404, "unknown_provider");
    caller.post("/v1/acme/v1/run", &json!({})).await;
    let requests = app.owner_client().get("/v1/requests?limit=1").await.expect(200);
    assert_eq!(requests["data"][0]["provider"], "acme");

    let owner = app.owner_client();
    let change = json!({"definition": {"operations": [{"name": "models", "path": "/v1/models", "minting": true}]}, "prices": null});
    owner.patch("/v1/providers/acme", &change).await.expect(200);
    caller
        .get("/v1/acme/v1/models")
        .await
        .refused(403, "operation_denied");

    owner
        .delete("/v1/providers/acme")
        .await
        .expect_problem(409, "conflict");
    owner.delete("/v1/providers/acme?force=true").await.expect(204);
    caller
        .get("/v1/acme/v1/models")
        .await
        .refused(404, "unknown_provider");
    let left = owner.get("/v1/credentials").await.expect(200);
    assert_eq!(left["data"], json!([]));
    owner.post("/v1/providers", &acme()).await.expect(201);
    // The grant names a credential that is gone.
    caller
        .get("/v1/acme/v1/models")
        .await
        .refused(403, "credential_missing");
    app.finish().await;
}

#[tokio::test]
async fn a_token_in_the_query_or_the_path_is_taken_where_the_definition_says() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    for (slug, inject) in [
        ("by-query", json!({"query": "apikey"})),
        ("by-path", json!({"path": "/bot{key}"})),
    ] {
        let definition =
            json!({"name": slug, "category": "messaging", "self_hosted": true, "inject": [inject]});
        owner
            .post("/v1/providers", &json!({"slug": slug, "definition": definition}))
            .await
            .expect(201);
        app.create_credential(slug).await;
    }
    let token = app.create_token("bot", &["by-query", "by-path"]).await;
    let caller = app.caller(&token);
    let sent = async |path: &str| caller.send(caller.bare("GET", path)).await;
    sent(&format!("/v1/by-query/v1/models?apikey={token}&x=1"))
        .await
        .expect(200);
    assert_eq!(
        app.fake_upstream().last().target,
        format!("/v1/models?x=1&apikey={CANARY}")
    );
    sent(&format!("/v1/by-query/v1/models?other={token}"))
        .await
        .refused(401, "invalid_token");
    sent(&format!("/v1/by-query/bot{token}/getMe"))
        .await
        .refused(401, "invalid_token");
    sent(&format!("/v1/by-path/bot{token}/getMe")).await;
    assert_eq!(app.fake_upstream().last().target, format!("/bot{CANARY}/getMe"));
    sent(&format!("/v1/by-path/cat{token}/getMe"))
        .await
        .refused(401, "invalid_token");
    app.finish().await;
}

#[tokio::test]
async fn its_price_is_charged() {
    let app = TestApp::start().await;
    app.owner_client()
        .post("/v1/providers", &acme())
        .await
        .expect(201);
    app.create_credential("acme").await;
    let token = app
        .create_token_with("bot", &["acme"], json!({"budgetCentsMonthly": 15}))
        .await;
    let caller = app.caller(&token);
    caller.post("/v1/acme/v1/run", &json!({})).await.expect(200);
    caller
        .post("/v1/acme/v1/run", &json!({}))
        .await
        .refused(402, "budget_exceeded");
    let requests = app.owner_client().get("/v1/requests").await.expect(200);
    let costs: Vec<_> = requests["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["cost"])
        .collect();
    assert!(costs.contains(&&json!("0.10")), "{costs:?}");
    app.finish().await;
}

#[tokio::test]
async fn who_writes_to_the_database_cannot_change_a_definition() {
    let app = TestApp::start().await;
    let token = defined(&app).await;
    let caller = app.caller(&token);
    caller.get("/v1/acme/v1/models").await.expect(200);
    app.tamper(match app.is_postgres() {
        true => {
            "UPDATE custom_providers SET policy = decode(replace(encode(policy, 'hex'), encode('x-acme-key', 'hex'), \
             encode('x-evil-key', 'hex')), 'hex')"
        }
        false => {
            "UPDATE custom_providers SET policy = CAST(replace(policy, 'x-acme-key', 'x-evil-key') AS BLOB)"
        }
    })
    .await;
    let app = app.restart().await;
    let caller = app.caller(&token);
    caller
        .get("/v1/acme/v1/models")
        .await
        .refused(401, "invalid_token");
    let shown = app.owner_client().get("/v1/providers/acme").await;
    shown.expect_problem(500, "internal");
    app.leave();
}
