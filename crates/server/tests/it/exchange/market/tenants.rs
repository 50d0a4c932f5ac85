//! Customers beside each other on one pool: fair shares, caps, and what happens to one that the vendor complains of.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keystore_testkit::clock::MockClock;
use keystore_testkit::counts::within;
use keystore_testkit::upstream::Behaviour;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::super::revocation::Slow;
use super::super::{CHAT, MESSAGES, chat, message};
use super::Market;
use crate::support::{Caller, Client, TestApp};

const TENANTS: &str = "/v1/operator/pool-tenants";

/// Two customers on a pool of one key, at a clock that stands still: nobody waits too long.
struct Two {
    market: Market,
    clock: Arc<MockClock>,
    orgs: [Value; 2],
    callers: [Caller; 2],
}

impl Two {
    /// The key takes so many calls at once.
    async fn at_once(calls: u32) -> Self {
        let (app, clock) = TestApp::clocked().await;
        let market = Market::of(app, "1000").await;
        let members = market.operator.get("/v1/operator/pool").await.expect(200);
        let path = format!("/v1/operator/pool/{}", members["data"][0]["id"].as_str().unwrap());
        let cap = json!({"maxConcurrency": calls});
        market.operator.patch(&path, &cap).await.expect(200);
        let other = market.app.tenant("second@example.com", "Second Inc").await;
        let me = other.get("/v1/auth/me").await.expect(200);
        let second = me["org"]["id"].clone();
        let terms = json!({"org": second, "limit": "1000"});
        market
            .operator
            .post("/v1/operator/terms", &terms)
            .await
            .expect(200);
        let enable = "/v1/marketplace/openai/enable";
        other.post(enable, &Value::Null).await.expect(204);
        let callers = [market.caller("agent").await, caller(&market.app, &other).await];
        Self {
            orgs: [market.org().await, second],
            clock,
            callers,
            market,
        }
    }

    /// How many calls wait at the pool.
    async fn waiting(&self) -> usize {
        let metrics = self.market.app.anonymous().get("/metrics").await.expect(200);
        let name = "keystore_pool_waiting{provider=\"openai\"} ";
        let line = metrics
            .as_str()
            .unwrap()
            .lines()
            .find_map(|line| line.strip_prefix(name));
        line.map_or(0, |count| count.parse().unwrap())
    }

    /// Waits until so many wait at the pool, and so many have arrived at the vendor.
    async fn until(&self, waiting: usize, arrived: usize) {
        for _ in 0..3_000 {
            if self.waiting().await == waiting && self.arrived() == arrived {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!(
            "{} wait and not {waiting}, {} arrived and not {arrived}",
            self.waiting().await,
            self.arrived()
        );
    }

    fn arrived(&self) -> usize {
        self.market.app.fake_upstream().count()
    }

    /// Whose calls arrived, from the `from`th on.
    fn whose(&self, from: usize) -> [usize; 2] {
        let log = self.market.app.fake_upstream().log();
        let of = |name: &str| {
            let named = |body: &Value| body["messages"][0]["content"] == name;
            log[from..]
                .iter()
                .filter(|request| named(&request.json()))
                .count()
        };
        [of("0"), of("1")]
    }

    /// A call of a customer, who is told by what it says.
    fn call(&self, who: usize) -> impl Future<Output = u16> + Send + 'static {
        let caller = self.callers[who].clone();
        async move {
            let body = json!({"messages": [{"role": "user", "content": who.to_string()}], "max_completion_tokens": 16});
            caller.post(CHAT, &chat(body)).await.status
        }
    }
}

async fn caller(app: &TestApp, client: &Client) -> Caller {
    let body = json!({"name": "agent", "providers": [{"name": "openai", "source": "marketplace"}], "rpmLimit": 100_000});
    let made = client.post("/v1/tokens", &body).await.expect(201);
    app.caller(made["token"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_customers_with_a_backlog_get_half_of_the_grants_each_and_by_weight_what_it_says() {
    const BACKLOG: usize = 50;
    for (weight, share) in [(1, 45..=55), (3, 70..=80)] {
        let two = Two::at_once(2).await;
        let upstream = two.market.app.fake_upstream();
        let heavy = json!({"provider": "openai", "org": two.orgs[0], "weight": weight});
        two.market.operator.post(TENANTS, &heavy).await.expect(200);
        upstream.gate();
        let mut calls = JoinSet::new();
        // The first has its whole backlog before the second comes.
        for who in 0..2 {
            for _ in 0..BACKLOG {
                calls.spawn(two.call(who));
            }
            let there = (who + 1) * BACKLOG;
            two.until(there - 2, 2).await;
        }
        // As long as both have calls that wait.
        let grants = BACKLOG;
        for granted in 1..=grants {
            upstream.let_go(1);
            two.until(2 * BACKLOG - 2 - granted, 2 + granted).await;
        }
        let [first, second] = two.whose(2);
        assert_eq!(first + second, grants);
        let percent = first * 100 / grants;
        assert!(share.contains(&percent), "weight {weight}: {first} of {grants}");
        upstream.ungate();
        let statuses = calls.join_all().await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        two.market.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_floods_fifty_times_over_has_nobody_else_refused() {
    /// As the queue has it: so many calls of one customer wait.
    const MOST_WAITING: usize = 64;
    const MODEST: usize = 6;
    const FLOOD: usize = 50 * MODEST;
    let two = Two::at_once(2).await;
    let upstream = two.market.app.fake_upstream();
    upstream.gate();
    let refused = Arc::new(AtomicUsize::new(0));
    let mut flood = JoinSet::new();
    for _ in 0..FLOOD {
        let (call, refused) = (two.call(0), Arc::clone(&refused));
        flood.spawn(async move {
            match call.await {
                200 => {}
                429 => drop(refused.fetch_add(1, Ordering::SeqCst)),
                status => panic!("{status}"),
            }
        });
    }
    two.until(MOST_WAITING, 2).await;
    for _ in 0..3_000 {
        if refused.load(Ordering::SeqCst) == FLOOD - MOST_WAITING - 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        refused.load(Ordering::SeqCst),
        FLOOD - MOST_WAITING - 2,
        "the flood is"
    );
    // The other asks for less than its share, a call at a time, and is next but one each time.
    let mut arrived = 2;
    for number in 1..=MODEST {
        let (before, modest) = (arrived, tokio::spawn(two.call(1)));
        let mut waiting = MOST_WAITING + 1 - (arrived - 2 - (number - 1));
        two.until(waiting, arrived).await;
        while two.whose(0)[1] < number {
            upstream.let_go(1);
            arrived += 1;
            waiting -= 1;
            two.until(waiting, arrived).await;
        }
        assert!(
            arrived - before <= 2,
            "call {number} waited for {} grants",
            arrived - before
        );
        // Those that run are answered, and with them this one.
        upstream.let_go(2);
        arrived += 2;
        two.until(waiting - 2, arrived).await;
        assert_eq!(modest.await.unwrap(), 200, "call {number}");
    }
    upstream.ungate();
    while let Some(ended) = flood.join_next().await {
        ended.unwrap();
    }
    assert_eq!(two.whose(0), [2 + MOST_WAITING, MODEST]);
    two.market.app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cap_holds_inside_the_pool_from_the_next_call_on() {
    let two = Two::at_once(10).await;
    let upstream = two.market.app.fake_upstream();
    let capped = json!({"provider": "openai", "org": two.orgs[0], "maxConcurrency": 2});
    let shown = two.market.operator.post(TENANTS, &capped).await.expect(200);
    assert_eq!(
        (&shown["weight"], &shown["maxConcurrency"]),
        (&json!(1), &json!(2))
    );
    upstream.gate();
    let mut calls = JoinSet::new();
    for _ in 0..6 {
        calls.spawn(two.call(0));
    }
    two.until(4, 2).await;
    for _ in 0..6 {
        calls.spawn(two.call(1));
    }
    two.until(4, 8).await;
    let open = json!({"provider": "openai", "org": two.orgs[0], "maxConcurrency": null});
    two.market.operator.post(TENANTS, &open).await.expect(200);
    // What the last call came with is in force: the free places are taken.
    calls.spawn(two.call(0));
    two.until(3, 10).await;
    upstream.ungate();
    assert!(calls.join_all().await.iter().all(|status| *status == 200));
    let list = two.market.operator.get(TENANTS).await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    for wrong in [
        json!({"weight": 0}),
        json!({"weight": 1_001}),
        json!({"maxConcurrency": 0}),
    ] {
        let mut body = json!({"provider": "openai", "org": two.orgs[0]});
        body.as_object_mut()
            .unwrap()
            .extend(wrong.as_object().unwrap().clone());
        let refused = two.market.operator.post(TENANTS, &body).await;
        refused.expect_problem(422, "invalid_request");
    }
    two.market.app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_a_body_slowly_has_no_place_at_the_pool_meanwhile() {
    let two = Two::at_once(1).await;
    let slow = Slow::begin(&two.market.app, two.callers[0].token()).await;
    let other = tokio::time::timeout(within(Duration::from_secs(5)), two.call(1)).await;
    assert_eq!(other.unwrap(), 200);
    let answer = slow.end().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    two.market.app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_at_its_cap_goes_on_with_another_key_all_the_same() {
    let two = Two::at_once(10).await;
    let market = &two.market;
    market.pool("second", "sk-pooled-second", json!({})).await;
    market.app.secret("sk-pooled-second");
    let capped = json!({"provider": "openai", "org": two.orgs[0], "maxConcurrency": 1});
    market.operator.post(TENANTS, &capped).await.expect(200);
    market.app.fake_upstream().script([Behaviour {
        status: Some(429),
        ..Behaviour::default()
    }]);
    assert_eq!(two.call(0).await, 200);
    assert_eq!(two.arrived(), 2);
    two.market.app.finish().await;
}

#[tokio::test]
async fn a_customer_that_the_vendor_complains_of_is_paused_there_until_the_operator_says_so() {
    let two = Two::at_once(10).await;
    let market = &two.market;
    let rule = json!({"provider": "openai", "action": "pause", "threshold": 3, "windowSeconds": 3600});
    market
        .operator
        .post("/v1/operator/pool-rules", &rule)
        .await
        .expect(200);
    let offend = async || {
        let body = chat(json!({"max_completion_tokens": 16}));
        two.callers[0].post_with(CHAT, "status=400; policy", &body).await
    };
    let events = async || {
        market.app.do_jobs().await;
        let path = "/v1/events?kind=pool.abuse_detected";
        let found = market.operator.get(path).await.expect(200);
        found["data"].as_array().unwrap().clone()
    };
    // Another 400 says nothing, and what is older than an hour is forgotten.
    let plain = two.callers[0]
        .post_with(CHAT, "status=400", &chat(json!({})))
        .await;
    assert_eq!(plain.status, 400);
    for _ in 0..2 {
        assert_eq!(offend().await.status, 400);
    }
    two.clock.advance(Duration::from_secs(3_700));
    for _ in 0..2 {
        assert_eq!(offend().await.status, 400);
    }
    assert!(events().await.is_empty());
    // A key of its own is nobody else's business.
    market.app.create_credential("openai").await;
    let own = market.app.create_token("own", &["openai"]).await;
    let own = market.app.caller(&own);
    for _ in 0..5 {
        let refused = own.post_with(CHAT, "status=400; policy", &chat(json!({}))).await;
        assert_eq!(refused.status, 400);
    }
    assert!(events().await.is_empty());
    assert_eq!(offend().await.status, 400);
    let told = events().await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["subject"], two.orgs[0]);
    assert_eq!(
        (
            &told[0]["data"]["provider"],
            &told[0]["data"]["found"],
            &told[0]["data"]["action"]
        ),
        (&json!("openai"), &json!(3), &json!("pause"))
    );
    let reply = two.callers[0].post(CHAT, &chat(json!({}))).await;
    let error = reply.refused(403, "pool_paused");
    assert!(
        error["remedy"]
            .as_str()
            .unwrap()
            .contains("ks migrate openai --to byok")
    );
    assert_eq!(own.post(CHAT, &chat(json!({}))).await.status, 200);
    assert_eq!(two.callers[1].post(CHAT, &chat(json!({}))).await.status, 200);
    let log = market
        .operator
        .get("/v1/audit?action=set_pool_tenant")
        .await
        .expect(200);
    let entry = &log["data"][0];
    assert_eq!(
        (&entry["actor"], &entry["after"]["pausedBy"]),
        (&json!("system"), &json!("rule"))
    );
    // It stays so over a start of the server, and ends when the operator says so.
    let resume = json!({"provider": "openai", "org": two.orgs[0], "paused": false});
    let resumed = market.operator.post(TENANTS, &resume).await.expect(200);
    assert_eq!(resumed.get("pausedBy"), None);
    assert_eq!(two.callers[0].post(CHAT, &chat(json!({}))).await.status, 200);
    let pause = json!({"provider": "openai", "org": two.orgs[1], "paused": true});
    market.operator.post(TENANTS, &pause).await.expect(200);
    let reply = two.callers[1].post(CHAT, &chat(json!({}))).await;
    assert!(
        reply.refused(403, "pool_paused")["message"]
            .as_str()
            .unwrap()
            .contains("The operator")
    );
    two.market.app.finish().await;
}

#[tokio::test]
async fn what_is_only_told_pauses_nobody_and_answers_that_are_refusals_count() {
    let (app, _) = TestApp::clocked().await;
    let market = Market::of(app, "1000").await;
    let pooled = json!({"provider": "anthropic", "name": "first", "secret": "sk-ant-pooled-canary-1",
        "baseUrl": market.app.fake_upstream().url()});
    market
        .operator
        .post("/v1/operator/pool", &pooled)
        .await
        .expect(201);
    market.enable("anthropic").await;
    let body = json!({"name": "agent", "providers": [{"name": "anthropic", "source": "marketplace"}]});
    let made = market
        .app
        .owner_client()
        .post("/v1/tokens", &body)
        .await
        .expect(201);
    let caller = market.app.caller(made["token"].as_str().unwrap());
    let rule = json!({"provider": "anthropic", "action": "alert", "threshold": 2});
    market
        .operator
        .post("/v1/operator/pool-rules", &rule)
        .await
        .expect(200);
    for _ in 0..5 {
        let reply = caller
            .post_with(MESSAGES, "policy", &message(json!({})))
            .await
            .expect(200);
        assert_eq!(reply.json()["stop_reason"], "refusal");
    }
    market.app.do_jobs().await;
    let path = "/v1/events?kind=pool.abuse_detected";
    let told = market.operator.get(path).await.expect(200);
    assert_eq!(told["data"].as_array().unwrap().len(), 1, "once an hour");
    caller.post(MESSAGES, &message(json!({}))).await.expect(200);
    // What somebody writes who has no key has the pool closed, not opened.
    market
        .app
        .tamper("UPDATE pool_rules SET mac = SUBSTR(mac, 2)")
        .await;
    market
        .operator
        .post(
            "/v1/operator/listings",
            &json!({"provider": "anthropic", "published": false}),
        )
        .await
        .expect(200);
    let reply = caller.post(MESSAGES, &message(json!({}))).await;
    reply.refused(503, "no_pool_credential");
    market.app.finish().await;
}
