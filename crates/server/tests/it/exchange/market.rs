//! Pooled credentials: one organization uses what another one, the operator, has stored; who pays, what is refused, what happens
//! when a key fails.

mod moves;
mod reports;
mod tenants;

use std::time::Duration;

use keystore_core::Clock as _;
use keystore_testkit::upstream::Behaviour;
use serde_json::{Value, json};

use super::{CHAT, arrived, chat, nanos, record};
use crate::support::{Caller, Client, TestApp};

/// A key of the operator's that no answer may contain.
const POOLED: &str = "sk-pooled-canary-71c0";

/// An operator with a key in the pool of OpenAI, and an organization that has enabled it and has credit.
struct Market {
    app: TestApp,
    operator: Client,
}

impl Market {
    async fn open(credit: &str) -> Self {
        Self::of(TestApp::start().await, credit).await
    }

    async fn of(app: TestApp, credit: &str) -> Self {
        app.secret(POOLED);
        let operator = app.operator().await;
        let market = Self { app, operator };
        market.pool("first", POOLED, json!({})).await;
        market.enable("openai").await;
        market.credit(credit).await;
        market
    }

    async fn pool(&self, name: &str, secret: &str, more: Value) -> Value {
        let mut body = json!({"provider": "openai", "name": name, "secret": secret,
            "baseUrl": self.app.fake_upstream().url()});
        for (member, value) in more.as_object().unwrap() {
            body[member] = value.clone();
        }
        self.operator.post("/v1/operator/pool", &body).await.expect(201)
    }

    async fn enable(&self, provider: &str) {
        let path = format!("/v1/marketplace/{provider}/enable");
        self.app
            .owner_client()
            .post(&path, &Value::Null)
            .await
            .expect(204);
    }

    async fn org(&self) -> Value {
        self.app.owner_client().get("/v1/auth/me").await.expect(200)["org"]["id"].take()
    }

    /// Lets the organization owe so much.
    async fn credit(&self, dollars: &str) {
        let terms = json!({"org": self.org().await, "limit": dollars});
        self.operator.post("/v1/operator/terms", &terms).await.expect(200);
    }

    async fn prices(&self, rules: Value) {
        let change = json!({"add": rules});
        self.operator
            .post("/v1/operator/prices", &change)
            .await
            .expect(200);
    }

    async fn caller(&self, name: &str) -> Caller {
        let body = json!({"name": name, "providers": [{"name": "openai", "source": "marketplace"}], "rpmLimit": 100_000});
        let made = self
            .app
            .owner_client()
            .post("/v1/tokens", &body)
            .await
            .expect(201);
        self.app.caller(made["token"].as_str().unwrap())
    }
}

/// The key that a received request carried.
fn keys(app: &TestApp) -> Vec<String> {
    let received = app.fake_upstream().log();
    received
        .iter()
        .map(|request| {
            request
                .header("authorization")
                .unwrap_or_default()
                .replace("Bearer ", "")
        })
        .collect()
}

#[tokio::test]
async fn a_call_without_a_key_of_ones_own_is_answered_and_sold_with_its_markup() {
    let market = Market::open("10").await;
    market
        .prices(json!([{"provider": "openai", "markup": {"percent": "50"}}]))
        .await;
    let caller = market.caller("agent").await;
    let reply = caller.post(CHAT, &chat(json!({}))).await.expect(200);
    assert_eq!(reply.header("x-keystore-source"), Some("marketplace"));
    assert_eq!(keys(&market.app), [POOLED]);
    let (input, output) = market.app.fake_upstream().log()[0].tokens;
    let cost = 225 * input as i64 + 900 * output as i64;
    let shown = record(&market.app, &reply.id()).await;
    assert_eq!(
        nanos(&shown["cost"]),
        cost,
        "gpt-4o-mini costs 150 and 600 a token: {shown:#}"
    );
    assert_eq!(shown["source"], "marketplace");
    let balance = market
        .app
        .owner_client()
        .get("/v1/billing/balance")
        .await
        .expect(200);
    assert_eq!(nanos(&balance["available"]), 10_000_000_000 - cost, "{balance:#}");
    market.app.finish().await;
}

#[tokio::test]
async fn a_pooled_key_that_has_expired_fails_no_call() {
    let (app, clock) = TestApp::clocked().await;
    let market = Market::of(app, "10").await;
    let soon = keystore_wire::Time::from(clock.now().plus(Duration::from_secs(60)));
    market.app.secret("sk-pooled-for-a-minute");
    market
        .pool("second", "sk-pooled-for-a-minute", json!({"expiresAt": soon}))
        .await;
    let caller = market.caller("agent").await;
    let used = async || {
        for _ in 0..6 {
            caller.post(CHAT, &chat(json!({}))).await.expect(200);
        }
        let mut used = keys(&market.app);
        let mut used = used.split_off(used.len() - 6);
        used.sort();
        used.dedup();
        used
    };
    assert_eq!(used().await.len(), 2);
    clock.advance(Duration::from_secs(61));
    assert_eq!(used().await, [POOLED]);
    market.app.finish().await;
}

#[tokio::test]
async fn each_pooled_key_whose_host_is_away_is_left_alone_after_ten_tries() {
    let (app, _clock) = TestApp::clocked().await;
    let market = Market::of(app, "10").await;
    market.app.secret("sk-pooled-beside-it");
    market.pool("second", "sk-pooled-beside-it", json!({})).await;
    let caller = market.caller("agent").await;
    market.app.fake_upstream().stop().await;
    // Each call tries both.
    for _ in 0..10 {
        caller
            .post(CHAT, &chat(json!({})))
            .await
            .refused(502, "upstream_error");
    }
    caller
        .post(CHAT, &chat(json!({})))
        .await
        .refused(503, "circuit_open");
    market.app.finish().await;
}

#[tokio::test]
async fn without_credit_nothing_is_called() {
    let market = Market::open("0").await;
    let caller = market.caller("agent").await;
    let error = caller
        .post(CHAT, &chat(json!({})))
        .await
        .refused(402, "insufficient_credit");
    assert_eq!(
        (&error["limitType"], &error["limit"]),
        (&json!("credit"), &json!("0.00"))
    );
    assert!(
        error["remedy"].as_str().unwrap().contains("for more credit"),
        "{error:#}"
    );
    assert_eq!(market.app.fake_upstream().count(), 0);
    market.app.finish().await;
}

#[tokio::test]
async fn the_last_cent_is_never_spent_twice() {
    let market = Market::open("0.01").await;
    let caller = market.caller("agent").await;
    let body = chat(json!({"max_tokens": 1_500}));
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (caller, body) = (caller.clone(), body.clone());
        let fake = "output-tokens=1500; head-delay-ms=20";
        calls.spawn(async move { caller.post_with(CHAT, fake, &body).await });
    }
    for reply in calls.join_all().await {
        if reply.status != 200 {
            reply.refused(402, "insufficient_credit");
        }
    }
    let balance = market
        .app
        .owner_client()
        .get("/v1/billing/balance")
        .await
        .expect(200);
    let left = nanos(&balance["available"]);
    let spent: i64 = market
        .app
        .fake_upstream()
        .log()
        .iter()
        .map(|received| received.tokens.0 as i64 * 150 + received.tokens.1 as i64 * 600)
        .sum();
    assert!(left >= 0, "{balance:#}");
    assert_eq!(left, 10_000_000 - spent);
    market.app.finish().await;
}

#[tokio::test]
async fn what_is_not_enabled_cannot_be_granted_and_what_is_disabled_is_not_served() {
    let market = Market::open("10").await;
    let owner = market.app.owner_client();
    let grant = json!({"name": "a", "providers": [{"name": "anthropic", "source": "marketplace"}]});
    owner
        .post("/v1/agents", &grant)
        .await
        .expect_problem(404, "not_found");
    let pooled = json!({"provider": "anthropic", "secret": "sk-ant-pooled", "baseUrl": market.app.fake_upstream().url()});
    market
        .operator
        .post("/v1/operator/pool", &pooled)
        .await
        .expect(201);
    let problem = owner
        .post("/v1/agents", &grant)
        .await
        .expect_problem(403, "marketplace_not_enabled");
    assert!(
        problem["remedy"]
            .as_str()
            .unwrap()
            .contains("ks marketplace enable anthropic")
    );
    let caller = market.caller("agent").await;
    caller.post(CHAT, &chat(json!({}))).await.expect(200);
    owner
        .post("/v1/marketplace/openai/disable", &Value::Null)
        .await
        .expect(204);
    caller
        .post(CHAT, &chat(json!({})))
        .await
        .refused(403, "marketplace_not_enabled");
    assert_eq!(market.app.fake_upstream().count(), 1);
    market.app.finish().await;
}

#[tokio::test]
async fn only_what_has_a_price_is_sold_of_a_shared_account() {
    let market = Market::open("10").await;
    let caller = market.caller("agent").await;
    for path in ["/v1/openai/v1/files", "/v1/openai/v1/models"] {
        let error = caller.get(path).await.refused(403, "unpriced_operation");
        assert!(
            error["remedy"]
                .as_str()
                .unwrap()
                .contains("ks marketplace show openai"),
            "{error:#}"
        );
    }
    assert_eq!(market.app.fake_upstream().count(), 0);
    market
        .prices(json!([{"provider": "openai", "model": "models.list", "sell": {"units": {"requests": "0"}}}]))
        .await;
    caller.get("/v1/openai/v1/models").await.expect(200);
    caller
        .get("/v1/openai/v1/files")
        .await
        .refused(403, "unpriced_operation");
    market.app.finish().await;
}

#[tokio::test]
async fn a_key_at_its_limit_or_refused_makes_way_for_the_next_and_is_charged_once() {
    for status in [429, 401] {
        let market = Market::open("10").await;
        market.pool("second", "sk-pooled-second", json!({})).await;
        market.app.secret("sk-pooled-second");
        let caller = market.caller("agent").await;
        market.app.fake_upstream().script([Behaviour {
            status: Some(status),
            ..Behaviour::default()
        }]);
        let reply = caller.post(CHAT, &chat(json!({}))).await.expect(200);
        let used = keys(&market.app);
        assert_eq!(used.len(), 2, "{status}");
        assert_ne!(used[0], used[1], "another key");
        let requests = market.app.owner_client().get("/v1/requests").await.expect(200);
        let endings: Vec<_> = requests["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["ending"].as_str().unwrap().to_owned(), nanos(&row["cost"])))
            .collect();
        assert_eq!(endings.len(), 2, "both attempts are recorded: {requests:#}");
        let (input, output) = market.app.fake_upstream().log()[1].tokens;
        let cost = 150 * input as i64 + 600 * output as i64;
        assert!(endings.contains(&("failed_over".to_owned(), 0)), "{endings:?}");
        assert!(endings.contains(&("complete".to_owned(), cost)), "{endings:?}");
        assert_eq!(nanos(&record(&market.app, &reply.id()).await["cost"]), cost);
        // The key that failed is left alone.
        caller.post(CHAT, &chat(json!({}))).await.expect(200);
        assert_eq!(keys(&market.app)[2], used[1]);
        market.app.finish().await;
    }
}

#[tokio::test]
async fn agents_that_share_a_key_do_not_share_idempotency_keys() {
    let market = Market::open("10").await;
    let agents = [market.caller("one").await, market.caller("other").await];
    for caller in [&agents[0], &agents[0], &agents[1]] {
        let request = caller
            .request("POST", CHAT)
            .header("idempotency-key", "welcome/1");
        caller.send(request.json(&chat(json!({})))).await.expect(200);
    }
    let log = market.app.fake_upstream().log();
    let seen: Vec<_> = log
        .iter()
        .map(|entry| entry.header("idempotency-key").unwrap())
        .collect();
    assert_eq!(seen[0], seen[1], "a repeat is one");
    assert_ne!(seen[0], seen[2]);
    assert!(seen.iter().all(|key| !key.contains("welcome")), "{seen:?}");
    market.app.finish().await;
}

#[tokio::test]
async fn a_pool_without_a_working_key_says_so() {
    let market = Market::open("10").await;
    let caller = market.caller("agent").await;
    market.app.fake_upstream().script([Behaviour {
        status: Some(429),
        ..Behaviour::default()
    }]);
    let reply = caller.post(CHAT, &chat(json!({}))).await;
    assert!(reply.header("retry-after").is_some());
    let error = reply.refused(429, "rate_limited");
    assert_eq!(error["limitType"], "pool");
    market.app.finish().await;
}

#[tokio::test]
async fn a_refused_key_is_put_aside_until_it_is_rotated() {
    let market = Market::open("10").await;
    let caller = market.caller("agent").await;
    market.app.fake_upstream().script([Behaviour {
        status: Some(401),
        ..Behaviour::default()
    }]);
    for _ in 0..2 {
        caller
            .post(CHAT, &chat(json!({})))
            .await
            .refused(503, "no_pool_credential");
    }
    assert_eq!(market.app.fake_upstream().count(), 1, "it is not tried again");
    let mut member = Value::Null;
    for _ in 0..500 {
        let pool = market.operator.get("/v1/operator/pool").await.expect(200);
        member = pool["data"][0].clone();
        if member["status"] == "invalid" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(member["status"], "invalid", "{member:#}");
    let events = market
        .operator
        .get("/v1/events?kind=credential.invalid")
        .await
        .expect(200);
    assert_eq!(events["data"][0]["subject"], member["id"], "the operator is told");
    let rotate = format!("/v1/credentials/{}/rotate", member["id"].as_str().unwrap());
    market.app.secret("sk-pooled-anew");
    let anew = json!({"secret": "sk-pooled-anew"});
    market.operator.post(&rotate, &anew).await.expect(200);
    caller.post(CHAT, &chat(json!({}))).await.expect(200);
    assert_eq!(keys(&market.app)[1], "sk-pooled-anew");
    market.app.finish().await;
}

#[tokio::test]
async fn the_vendors_limits_are_not_the_customers() {
    let market = Market::open("10").await;
    let caller = market.caller("agent").await;
    let reply = caller.post(CHAT, &chat(json!({}))).await.expect(200);
    assert_eq!(
        reply.header("x-ratelimit-limit"),
        reply.header("x-keystore-ratelimit-limit"),
        "ours stand in their place"
    );
    assert_eq!(reply.header("x-ratelimit-remaining-tokens"), None);
    market.app.finish().await;
}

#[tokio::test]
async fn a_dedicated_key_serves_one_organization_alone() {
    let market = Market::open("10").await;
    let other = market.app.tenant("other@example.com", "Other Inc").await;
    let other_org = other.get("/v1/auth/me").await.expect(200)["org"]["id"].take();
    let first = market.operator.get("/v1/operator/pool").await.expect(200);
    let id = first["data"][0]["id"].as_str().unwrap().to_owned();
    let dedicated = json!({"dedicatedTo": other_org});
    market
        .operator
        .patch(&format!("/v1/operator/pool/{id}"), &dedicated)
        .await
        .expect(200);
    let caller = market.caller("agent").await;
    caller
        .post(CHAT, &chat(json!({})))
        .await
        .refused(503, "no_pool_credential");
    assert_eq!(market.app.fake_upstream().count(), 0);
    market.app.finish().await;
}

#[tokio::test]
async fn an_agent_moves_there_and_back_and_a_running_call_ends_where_it_began() {
    let market = Market::open("10").await;
    let owner = market.app.owner_client();
    market.app.create_credential("openai").await;
    let token = market.app.create_token("mover", &["openai"]).await;
    let caller = market.app.caller(&token);
    let body = chat(json!({"stream": true, "max_tokens": 100}));
    let request = caller
        .request("POST", CHAT)
        .header("x-fake", "chunk-delay-ms=40; output-tokens=20")
        .json(&body);
    let mut running = caller.open(request).await;
    let id = running.headers()["x-keystore-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    running.chunk().await.unwrap().unwrap();
    let plan = json!({"provider": "openai", "to": "marketplace", "dryRun": true});
    let plan = owner.post("/v1/migrations", &plan).await.expect(200);
    assert_eq!(plan["agents"][0]["name"], "mover");
    assert!(
        plan["id"].is_null() && plan["effect"]["calls"].is_u64(),
        "{plan:#}"
    );
    let order = json!({"provider": "openai", "to": "marketplace"});
    let made = owner.post("/v1/migrations", &order).await.expect(200);
    let reply = caller.post(CHAT, &chat(json!({}))).await.expect(200);
    assert_eq!(reply.header("x-keystore-source"), Some("marketplace"));
    while running.chunk().await.unwrap().is_some() {}
    let ended = record(&market.app, &id).await;
    assert_eq!(
        (&ended["ending"], &ended["source"]),
        (&json!("complete"), &json!("byok"))
    );
    let undo = format!("/v1/migrations/{}/undo", made["id"].as_str().unwrap());
    owner.post(&undo, &Value::Null).await.expect(200);
    let reply = caller.post(CHAT, &chat(json!({}))).await.expect(200);
    assert_eq!(reply.header("x-keystore-source"), Some("byok"));
    owner
        .post(&undo, &Value::Null)
        .await
        .expect_problem(409, "conflict");
    market.app.finish().await;
}

#[tokio::test]
async fn the_pool_stands_in_only_where_the_grant_says_so_and_up_to_its_cap() {
    let market = Market::open("10").await;
    let owner = market.app.owner_client();
    let credential = market.app.create_credential("openai").await;
    let grants = |fallback: Value| {
        let mut grant = json!({"name": "openai", "source": "byok"});
        if !fallback.is_null() {
            grant["fallback"] = fallback;
        }
        json!([grant])
    };
    let make = |name: &'static str, fallback: Value| {
        let body = json!({"name": name, "providers": grants(fallback)});
        async move {
            owner.post("/v1/tokens", &body).await.expect(201)["token"]
                .as_str()
                .unwrap()
                .to_owned()
        }
    };
    let plain = market.app.caller(&make("plain", Value::Null).await);
    let backed = make(
        "backed",
        json!({"source": "marketplace", "budgetCentsMonthly": 1}),
    )
    .await;
    let backed = market.app.caller(&backed);
    let reply = backed.post(CHAT, &chat(json!({}))).await.expect(200);
    assert_eq!(reply.header("x-keystore-source"), Some("byok"));
    let path = format!(
        "/v1/credentials/{}?force=true",
        credential["id"].as_str().unwrap()
    );
    owner.delete(&path).await.expect(204);
    plain
        .post(CHAT, &chat(json!({})))
        .await
        .refused(403, "credential_missing");
    let reply = backed
        .post(CHAT, &chat(json!({"max_tokens": 100})))
        .await
        .expect(200);
    assert_eq!(reply.header("x-keystore-source"), Some("marketplace"));
    backed
        .post(CHAT, &chat(json!({"max_tokens": 100_000})))
        .await
        .refused(402, "budget_exceeded");
    market.app.finish().await;
}

#[tokio::test]
async fn labels_keep_the_pool_away_when_a_grant_is_made_and_when_a_call_is() {
    let market = Market::open("10").await;
    let owner = market.app.owner_client();
    let labelled =
        json!({"name": "a", "labels": ["phi"], "providers": [{"name": "openai", "source": "marketplace"}]});
    owner
        .post("/v1/agents", &labelled)
        .await
        .expect_problem(403, "label_forbids_marketplace");
    let caller = market.caller("agent").await;
    caller.post(CHAT, &chat(json!({}))).await.expect(200);
    owner
        .patch("/v1/projects/default", &json!({"labels": ["phi"]}))
        .await
        .expect(200);
    caller
        .post(CHAT, &chat(json!({})))
        .await
        .refused(403, "label_forbids_marketplace");
    owner
        .post("/v1/labels", &json!({"label": "phi", "providers": ["openai"]}))
        .await
        .expect(200);
    caller.post(CHAT, &chat(json!({}))).await.expect(200);
    owner
        .post(
            "/v1/labels",
            &json!({"label": "phi", "hosts": ["eu.example.com"]}),
        )
        .await
        .expect(200);
    caller
        .post(CHAT, &chat(json!({})))
        .await
        .refused(403, "label_forbids_marketplace");
    market.app.finish().await;
}

#[tokio::test]
async fn prices_change_in_versions_and_what_was_charged_stays() {
    let market = Market::open("10").await;
    let before = market.operator.get("/v1/operator/prices").await.expect(200);
    let rule =
        json!({"provider": "openai", "model": "gpt-4o-mini", "sell": {"units": {"output_text": "100"}}});
    let change = json!({"add": [rule], "dryRun": true});
    let planned = market
        .operator
        .post("/v1/operator/prices", &change)
        .await
        .expect(200);
    assert_eq!(
        (&planned["version"], planned["added"].as_array().unwrap().len()),
        (&before["version"], 1)
    );
    market.prices(json!([rule])).await;
    let after = market.operator.get("/v1/operator/prices").await.expect(200);
    assert_eq!(
        after["version"].as_u64(),
        before["version"].as_u64().map(|version| version + 1)
    );
    let stale = json!({"remove": [0], "base": before["version"]});
    market
        .operator
        .post("/v1/operator/prices", &stale)
        .await
        .expect_problem(409, "conflict");
    let shown = market
        .app
        .owner_client()
        .get("/v1/marketplace/openai")
        .await
        .expect(200);
    let prices = shown["prices"].as_array().unwrap();
    let mini = prices
        .iter()
        .find(|price| price["model"] == "gpt-4o-mini")
        .unwrap();
    assert_eq!(mini["units"]["output_text"], "100.00");
    let listed = market
        .app
        .owner_client()
        .get("/v1/marketplace?search=openai")
        .await
        .expect(200);
    let openai = &listed["data"].as_array().unwrap()[0];
    assert_eq!(
        (&openai["enabled"], &openai["available"]),
        (&json!(true), &json!(true))
    );
    assert!(openai["typicalCall"]["cost"].is_string(), "{openai:#}");
    market.app.finish().await;
}

#[tokio::test]
async fn calls_wait_a_moment_for_a_busy_pool_and_then_are_told() {
    let market = Market::open("10").await;
    let first = market.operator.get("/v1/operator/pool").await.expect(200);
    let path = format!("/v1/operator/pool/{}", first["data"][0]["id"].as_str().unwrap());
    let one = json!({"maxConcurrency": 1});
    market.operator.patch(&path, &one).await.expect(200);
    let caller = market.caller("agent").await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let caller = caller.clone();
        calls.spawn(async move {
            caller
                .post_with(CHAT, "head-delay-ms=150", &chat(json!({})))
                .await
                .status
        });
    }
    assert_eq!(calls.join_all().await, [200; 4], "each has its turn");
    market.app.fake_upstream().gate();
    let slow = {
        let caller = caller.clone();
        tokio::spawn(async move { caller.post(CHAT, &chat(json!({}))).await })
    };
    arrived(&market.app, 5).await;
    let reply = caller.post(CHAT, &chat(json!({}))).await;
    let error = reply.refused(429, "rate_limited");
    assert_eq!(error["limitType"], "pool");
    market.app.fake_upstream().ungate();
    slow.await.unwrap().expect(200);
    market.app.finish().await;
}

#[tokio::test]
async fn only_whoever_set_the_deployment_up_sets_up_the_operator() {
    let app = TestApp::start().await;
    let stranger = app.stranger().await;
    stranger
        .post("/v1/operator", &Value::Null)
        .await
        .expect_problem(403, "forbidden");
    let made = app
        .owner_client()
        .post("/v1/operator", &Value::Null)
        .await
        .expect(200);
    let key = app.owner_client().with_token(made["apiKey"].as_str().unwrap());
    key.get("/v1/operator/pool").await.expect(200);
    let log = key.get("/v1/audit?action=set_up_operator").await.expect(200);
    assert_eq!(log["data"].as_array().unwrap().len(), 1);
    let again = app
        .owner_client()
        .post("/v1/operator", &Value::Null)
        .await
        .expect(200);
    assert_eq!((&again["orgId"], again.get("apiKey")), (&made["orgId"], None));
    app.owner_client()
        .get("/v1/operator/pool")
        .await
        .expect_problem(403, "forbidden");
    app.finish().await;
}

#[tokio::test]
async fn the_vendor_is_told_for_whom_a_call_is_by_a_pseudonym() {
    let market = Market::open("10").await;
    let body = json!({"name": "named", "endUsers": true, "providers": [{"name": "openai", "source": "marketplace"}]});
    let owner = market.app.owner_client();
    let agent = owner.post("/v1/agents", &body).await.expect(201);
    let token = json!({"agentId": agent["id"]});
    let made = owner.post("/v1/tokens", &token).await.expect(201);
    let caller = market.app.caller(made["token"].as_str().unwrap());
    let call = async |user: &str, more: Value| {
        let request = caller
            .request("POST", CHAT)
            .header("x-keystore-end-user", user)
            .json(&chat(more));
        caller.send(request).await.expect(200);
        market.app.fake_upstream().last().json()["safety_identifier"].take()
    };
    let grace = call("grace", json!({})).await;
    assert_eq!(call("grace", json!({})).await, grace, "the same one each time");
    assert_ne!(call("bob", json!({})).await, grace);
    let text = grace.as_str().unwrap();
    assert!(text.len() == 32 && !text.contains("grace"), "{text}");
    let own = call("grace", json!({"safety_identifier": "mine"})).await;
    assert_eq!(own, "mine", "what the client says stays");
    market.app.finish().await;
}

#[tokio::test]
async fn sales_reconcile_with_what_the_vendor_bills() {
    let (app, clock) = TestApp::clocked().await;
    let market = Market::of(app, "10").await;
    market.prices(json!([{"markup": {"percent": "50"}}])).await;
    let caller = market.caller("agent").await;
    caller.post(CHAT, &chat(json!({}))).await.expect(200);
    let (input, output) = market.app.fake_upstream().log()[0].tokens;
    let cost = 150 * input as i64 + 600 * output as i64;
    let sales = market
        .operator
        .get("/v1/operator/sales?by=provider,org")
        .await
        .expect(200);
    let row = &sales["rows"][0];
    assert_eq!(nanos(&row["vendorCost"]), cost);
    assert_eq!(nanos(&row["sold"]), cost * 3 / 2);
    assert_eq!(
        (&row["provider"], &row["orgId"]),
        (&json!("openai"), &market.org().await)
    );
    let day = clock.now().seconds() / 86_400 * 86_400;
    let bucket = json!({"object": "bucket", "start_time": day, "end_time": day + 86_400,
        "results": [{"object": "organization.costs.result", "amount": {"value": "0.5", "currency": "usd"}}]});
    let mut order =
        json!({"provider": "openai", "report": {"object": "page", "data": [bucket], "has_more": false}});
    let shown = market
        .operator
        .post("/v1/operator/reconciliations", &order)
        .await
        .expect(200);
    assert_eq!(nanos(&shown["drift"]), 500_000_000 - cost, "{shown:#}");
    assert!(shown["days"][0]["transactionId"].is_null());
    order["post"] = json!(true);
    let path = "/v1/operator/reconciliations";
    let post = || market.operator.post(path, &order);
    let (posted, at_once) = tokio::join!(post(), post());
    let (posted, at_once) = (posted.expect(200), at_once.expect(200));
    let again = post().await.expect(200);
    assert_eq!(at_once["days"], posted["days"]);
    assert!(posted["days"][0]["transactionId"].is_string(), "{posted:#}");
    assert_eq!(again["days"], posted["days"], "a day is posted once");
    // What is undone opens its day again.
    let operator = market.operator.get("/v1/auth/me").await.expect(200);
    let undo = json!({"kind": "reversal", "org": operator["org"]["id"], "regards": posted["days"][0]["transactionId"]});
    let ledger = "/v1/operator/ledger";
    market.operator.post(ledger, &undo).await.expect(201);
    order["post"] = json!(false);
    let shown = market.operator.post(path, &order).await.expect(200);
    assert!(shown["days"][0].get("transactionId").is_none(), "{shown:#}");
    order["post"] = json!(true);
    let anew = market.operator.post(path, &order).await.expect(200);
    assert!(anew["days"][0]["transactionId"].is_string());
    assert_ne!(anew["days"], posted["days"]);
    let again = market.operator.post(path, &order).await.expect(200);
    assert_eq!(again["days"], anew["days"], "once again");
    let books = format!("{ledger}?customer={}", operator["org"]["id"].as_str().unwrap());
    let books = market.operator.get(&books).await.expect(200);
    let drift: i64 = books["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|transaction| nanos(&transaction["entries"]["cogs"]))
        .sum();
    assert_eq!(drift, 500_000_000 - cost, "the books have the difference once");
    market.app.finish().await;
}

#[tokio::test]
async fn usage_goes_out_as_cloud_events() {
    let market = Market::open("10").await;
    let caller = market.caller("agent").await;
    for _ in 0..3 {
        caller.post(CHAT, &chat(json!({}))).await.expect(200);
    }
    let owner = market.app.owner_client();
    let first = owner.get("/v1/usage/events?limit=2").await.expect(200);
    let rest = format!("/v1/usage/events?after={}", first["next"].as_str().unwrap());
    let rest = owner.get(&rest).await.expect(200);
    let events: Vec<_> = [&first, &rest]
        .into_iter()
        .flat_map(|page| page["data"].as_array().unwrap())
        .collect();
    assert_eq!(events.len(), 3);
    for event in &events {
        assert_eq!(
            (&event["specversion"], &event["type"]),
            (&json!("1.0"), &json!("keystore.usage"))
        );
        assert!(nanos(&event["data"]["cost"]) > 0 && event["data"]["usage"]["output_text"].is_u64());
        assert_eq!(event["subject"], event["data"]["projectId"]);
    }
    let end = format!("/v1/usage/events?after={}", rest["next"].as_str().unwrap());
    let end = owner.get(&end).await.expect(200);
    assert_eq!((&end["data"], &end["next"]), (&json!([]), &rest["next"]));
    market.app.finish().await;
}
