//! What the operator sees of the pools: who got a key, who waited, who got none.

use std::sync::Arc;
use std::time::Duration;

use keystore_testkit::upstream::Behaviour;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::super::{CHAT, chat};
use super::Market;
use crate::support::TestApp;

impl Market {
    async fn pool_use(&self, by: &str) -> Value {
        let path = format!("/v1/operator/pool-use?by={by}&since=2020-01-01T00:00:00Z");
        self.operator.get(&path).await.expect(200)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_a_pool_is_used_is_told_by_key_customer_and_hour_also_after_a_restart() {
    let (app, clock) = TestApp::clocked().await;
    let mut market = Market::of(app, "1000").await;
    let one = json!({"maxConcurrency": 1});
    market.pool("second", "sk-pooled-second", one).await;
    market.app.secret("sk-pooled-second");
    let caller = market.caller("agent").await;
    // One key is at its limit, and the other one serves.
    market.app.fake_upstream().script([Behaviour {
        status: Some(429),
        ..Behaviour::default()
    }]);
    caller.post(CHAT, &chat(json!({}))).await.expect(200);
    let report = market.pool_use("provider,credential").await;
    let of = |row: &Value| {
        let number = |name: &str| row[name].as_u64().unwrap();
        (
            number("granted"),
            number("failedOver"),
            number("mostUsedPermille"),
            number("refused"),
        )
    };
    let mut rows: Vec<_> = report["rows"].as_array().unwrap().iter().map(of).collect();
    rows.sort_unstable();
    assert_eq!(rows, [(1, 0, 0, 0), (1, 1, 1_000, 0)], "{report:#}");
    assert_eq!(of(&report["total"]), (2, 1, 1_000, 0));
    assert_eq!(report["rows"][0]["provider"], "openai");

    // An hour later: one that waits, and one that nobody can serve.
    clock.advance(Duration::from_secs(3_600));
    let members = market.operator.get("/v1/operator/pool").await.expect(200);
    let path = |number: usize| {
        let id = members["data"][number]["id"].as_str().unwrap();
        format!("/v1/operator/pool/{id}")
    };
    let drain = json!({"draining": true});
    market.operator.patch(&path(0), &drain).await.expect(200);
    let upstream = market.app.fake_upstream();
    let before = upstream.count();
    upstream.gate();
    let mut calls = JoinSet::new();
    let caller = Arc::new(caller);
    for _ in 0..2 {
        let caller = Arc::clone(&caller);
        calls.spawn(async move { caller.post(CHAT, &chat(json!({}))).await.status });
    }
    let waiting = "keystore_pool_waiting{provider=\"openai\"} 1\n";
    loop {
        let metrics = market.app.anonymous().get("/metrics").await.expect(200);
        if metrics.as_str().unwrap().contains(waiting) && upstream.count() == before + 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    clock.advance(Duration::from_millis(1_500));
    upstream.ungate();
    assert_eq!(calls.join_all().await, [200, 200]);
    market.operator.patch(&path(1), &drain).await.expect(200);
    let refused = caller.post(CHAT, &chat(json!({}))).await;
    refused.refused(503, "no_pool_credential");
    market.app = market.app.restart().await;
    market.operator = market.operator.at(market.app.api_url());
    let report = market.pool_use("hour,org").await;
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{report:#}");
    assert_ne!(rows[0]["from"], rows[1]["from"]);
    let org = market.operator.get("/v1/operator/customers").await.expect(200);
    assert_eq!(rows[1]["orgId"], org["data"][0]["orgId"]);
    assert_eq!(
        (
            &rows[1]["granted"],
            &rows[1]["waited"],
            &rows[1]["waitedMs"],
            &rows[1]["refused"]
        ),
        (&json!(2), &json!(1), &json!(1_500), &json!(1))
    );
    let by_key = market.pool_use("credential").await;
    let without = by_key["rows"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row.get("credentialId").is_none());
    assert_eq!(without.unwrap()["refused"], 1, "{by_key:#}");
    let wrong = market.operator.get("/v1/operator/pool-use?by=week").await;
    wrong.expect_problem(422, "invalid_request");
    market.app.finish().await;
}
