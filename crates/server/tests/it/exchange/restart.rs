//! What a restart keeps.

use std::time::Duration;

use serde_json::json;

use super::{CHAT, MODELS, budget, chat, openai};
use crate::support::{Setup, TestApp};

#[tokio::test]
async fn a_restart_keeps_what_was_spent_and_what_was_admitted() {
    let (app, clock) = TestApp::clocked().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 1, "rpdLimit": 3})).await;
    let body = chat(json!({"max_tokens": 5_000}));
    caller
        .post_with(CHAT, "output-tokens=5000", &body)
        .await
        .expect(200);
    caller
        .post_with(CHAT, "output-tokens=5000", &body)
        .await
        .expect(200);
    let before = budget(&app).await;
    let token = caller.token().to_owned();
    let app = app.restart().await;
    let caller = app.caller(&token);
    assert_eq!(budget(&app).await["spent"], before["spent"]);
    caller.post(CHAT, &body).await.refused(402, "budget_exceeded");
    clock.advance(Duration::from_secs(61));
    caller.get(MODELS).await.expect(200);
    let error = caller.get(MODELS).await.refused(429, "rate_limited");
    assert_eq!(error["limitType"], "rpd");
    let app = app.restart().await;
    app.caller(&token).get(MODELS).await.refused(429, "rate_limited");
    app.finish().await;
}

#[tokio::test]
async fn a_stop_lets_running_answers_end() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let body = chat(json!({"stream": true, "max_tokens": 100}));
    let request = caller.request("POST", CHAT).header("x-fake", "chunk-delay-ms=20");
    let mut answer = caller.open(request.json(&body)).await;
    answer.chunk().await.unwrap().unwrap();
    let rest = tokio::spawn(async move {
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.unwrap() {
            text.extend_from_slice(&chunk);
        }
        text
    });
    let app = app.restart().await;
    assert!(rest.await.unwrap().ends_with(b"data: [DONE]\n\n"));
    let record = super::ended(&app, "complete").await;
    assert_eq!(record["usage"]["output_text"], 12);
    app.finish().await;
}

#[tokio::test]
async fn a_stop_cuts_what_does_not_end_and_settles_it() {
    let app = TestApp::with(Setup {
        proxy: |config| {
            config.drain_timeout = Duration::from_millis(200);
            config.metering_timeout = Duration::from_millis(200);
        },
        ..Setup::default()
    })
    .await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    for stream in [true, false] {
        let body = chat(json!({"stream": stream, "max_tokens": 100}));
        let request = caller
            .request("POST", CHAT)
            .header("x-fake", "stall-after=0")
            .json(&body);
        tokio::spawn(request.send());
    }
    while app.fake_upstream().count() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let begun = std::time::Instant::now();
    let app = app.restart().await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let requests = app.owner_client().get("/v1/requests").await.expect(200);
    for row in requests["data"].as_array().unwrap() {
        assert_eq!(
            (&row["ending"], &row["flags"]["estimated"]),
            (&json!("client_gone"), &json!(true)),
            "{row:#}"
        );
        assert!(super::nanos(&row["cost"]) > 0);
    }
    assert_eq!(requests["data"].as_array().unwrap().len(), 2);
    app.finish().await;
}
