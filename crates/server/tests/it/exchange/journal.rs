//! No record, no call: what happens while the journal cannot be written.

use std::time::{Duration, Instant};

use keystore_testkit::counts::within;
use serde_json::json;

use super::{CHAT, MODELS, budget, chat, ended, nanos, openai};
use crate::support::TestApp;

#[tokio::test]
async fn nothing_is_forwarded_while_the_journal_cannot_be_written() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    caller.get(MODELS).await.expect(200);
    app.statement("ALTER TABLE journal RENAME TO journal_away").await;
    for _ in 0..20 {
        let reply = caller.post(CHAT, &chat(json!({}))).await;
        reply.refused(503, "audit_unavailable");
        assert_eq!(reply.header("retry-after"), Some("5"));
    }
    assert_eq!(app.fake_upstream().count(), 1);
    assert_eq!(budget(&app).await["held"], "0.00", "a refused call holds nothing");
    let ready = caller.send(caller.bare("GET", "/readyz")).await;
    assert_eq!(ready.status, 503);
    app.statement("ALTER TABLE journal_away RENAME TO journal").await;
    let begun = Instant::now();
    while caller.post(CHAT, &chat(json!({}))).await.status != 200 {
        assert!(
            begun.elapsed() < within(Duration::from_secs(5)),
            "back within five seconds"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(caller.send(caller.bare("GET", "/readyz")).await.status, 200);
    app.finish().await;
}

#[tokio::test]
async fn a_call_that_runs_into_an_outage_is_settled_all_the_same() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let body = chat(json!({"stream": true, "max_tokens": 100}));
    let request = caller.request("POST", CHAT).header("x-fake", "chunk-delay-ms=20");
    let mut answer = caller.open(request.json(&body)).await;
    answer.chunk().await.unwrap().unwrap();
    app.statement("ALTER TABLE journal RENAME TO journal_away").await;
    caller.get(MODELS).await.refused(503, "audit_unavailable");
    while answer.chunk().await.unwrap().is_some() {}
    let spent = budget(&app).await["spent"].take();
    assert!(nanos(&spent) > 0);
    app.statement("ALTER TABLE journal_away RENAME TO journal").await;
    let record = ended(&app, "complete").await;
    assert_eq!(record["cost"], spent);
    app.finish().await;
}
