//! What calls use and cost: exact buckets, exact nano-dollars, buffered and streamed alike. The prices are those of the catalog, in
//! nano-dollars a token: gpt-4o-mini 150, 75 cached, 600; claude-sonnet-4-5 3,000, 300, 15,000; text-embedding-3-small 20.

use serde_json::{Value, json};

use super::{CHAT, EMBEDDINGS, MESSAGES, MODELS, RESPONSES, chat, message, nanos, openai, record, with};
use crate::support::{Reply, TestApp};

/// A call's usage by the vendor's rule, of which 4 tokens are cached and 5 are reasoning.
const FAKE: &str = "cached-tokens=4; output-tokens=30; reasoning-tokens=5";

async fn both_ways(
    app: &TestApp,
    caller: &crate::support::Caller,
    path: &str,
    body: Value,
) -> [(Reply, Value); 2] {
    let whole = caller.post_with(path, FAKE, &body).await.expect(200);
    let whole_record = record(app, &whole.id()).await;
    let streamed = with(body, json!({"stream": true}));
    let streamed = caller.post_with(path, FAKE, &streamed).await.expect(200);
    let streamed_record = record(app, &streamed.id()).await;
    [(whole, whole_record), (streamed, streamed_record)]
}

fn is_marked(reply: &Reply, remaining: u32) {
    assert_eq!(reply.header("x-keystore-source"), Some("byok"));
    assert_eq!(reply.header("x-keystore-ratelimit-limit"), Some("60"));
    let remaining = remaining.to_string();
    assert_eq!(
        reply.header("x-keystore-ratelimit-remaining"),
        Some(remaining.as_str())
    );
    assert!(reply.header("x-keystore-ratelimit-reset").is_some());
    assert_eq!(reply.header("x-keystore-max-output"), None, "nothing was capped");
    assert_eq!(reply.header("x-keystore-error"), None);
}

#[tokio::test]
async fn openai_chat_is_counted_alike_buffered_and_streamed() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let [(whole, first), (streamed, second)] = both_ways(&app, &caller, CHAT, chat(json!({}))).await;
    let input = app.fake_upstream().last().tokens.0;
    let usage = json!({"input_uncached": input - 4, "cache_read": 4, "output_text": 25, "reasoning": 5});
    let cost = (input as i64 - 4) * 150 + 4 * 75 + 30 * 600;
    for record in [&first, &second] {
        assert_eq!(record["usage"], usage, "{record:#}");
        assert_eq!(nanos(&record["cost"]), cost);
        assert_eq!(
            (&record["ending"], &record["status"], &record["operation"]),
            (&json!("complete"), &json!(200), &json!("chat.completions"))
        );
        assert_eq!(
            (&record["model"], &record["servedModel"], &record["flags"]),
            (&json!("gpt-4o-mini"), &json!("gpt-4o-mini"), &json!({}))
        );
    }
    is_marked(&whole, 59);
    is_marked(&streamed, 58);
    assert_eq!(whole.header("x-keystore-cost-usd"), first["cost"].as_str());
    assert_eq!(streamed.header("x-keystore-cost-usd"), None);
    assert_eq!(first["responseBytes"], json!(whole.body.len()));
    app.finish().await;
}

#[tokio::test]
async fn a_usage_chunk_is_shown_only_to_who_asked_for_it() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    for (options, asked) in [
        (json!({}), false),
        (json!({"stream_options": {"include_usage": false}}), false),
        (json!({"stream_options": {"include_obfuscation": false}}), false),
        (json!({"stream_options": null}), false),
        (json!({"stream_options": {"include_usage": true}}), true),
    ] {
        let body = with(chat(json!({"stream": true})), options);
        let reply = caller.post(CHAT, &body).await.expect(200);
        let seen = app.fake_upstream().last();
        assert_eq!(seen.json()["stream_options"]["include_usage"], true, "{body}");
        let text = reply.text();
        assert_eq!(text.contains("prompt_tokens"), asked, "{body}: {text}");
        assert!(text.ends_with("data: [DONE]\n\n"), "{body}: {text}");
        assert!(text.contains(" w12"), "{body}: {text}");
        let record = record(&app, &reply.id()).await;
        assert_eq!(record["usage"]["output_text"], 12, "{body}");
        assert_eq!(record["flags"], json!({}), "{body}");
    }
    app.finish().await;
}

#[tokio::test]
async fn openai_responses_are_counted_alike_buffered_and_streamed() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let body = json!({"model": "gpt-4o-mini", "input": "How many, and why?"});
    let replies = both_ways(&app, &caller, RESPONSES, body).await;
    let input = app.fake_upstream().last().tokens.0;
    for (_, record) in &replies {
        let usage = json!({"input_uncached": input - 4, "cache_read": 4, "output_text": 25, "reasoning": 5});
        assert_eq!(record["usage"], usage, "{record:#}");
        assert_eq!(
            nanos(&record["cost"]),
            (input as i64 - 4) * 150 + 4 * 75 + 30 * 600
        );
        assert_eq!(
            (&record["operation"], &record["flags"]),
            (&json!("responses"), &json!({}))
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn anthropic_messages_are_counted_alike_buffered_and_streamed() {
    let app = TestApp::start().await;
    app.create_credential("anthropic").await;
    let caller = app.caller(&app.create_token("a", &["anthropic"]).await);
    let replies = both_ways(&app, &caller, MESSAGES, message(json!({}))).await;
    let input = app.fake_upstream().last().tokens.0;
    for (reply, record) in &replies {
        // Anthropic does not tell reasoning apart.
        let usage = json!({"input_uncached": input - 4, "cache_read": 4, "output_text": 30});
        assert_eq!(record["usage"], usage, "{record:#}");
        assert_eq!(
            nanos(&record["cost"]),
            (input as i64 - 4) * 3_000 + 4 * 300 + 30 * 15_000
        );
        assert_eq!(record["flags"], json!({}));
        assert_eq!(
            reply.header("request-id"),
            Some("req_fake"),
            "the vendor's headers pass"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn embeddings_cost_their_input() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let body = json!({"model": "text-embedding-3-small", "input": ["one", "two three"]});
    let reply = caller.post(EMBEDDINGS, &body).await.expect(200);
    let record = record(&app, &reply.id()).await;
    let input = app.fake_upstream().last().tokens.0;
    assert_eq!(record["usage"], json!({"input_uncached": input}));
    assert_eq!(nanos(&record["cost"]), input as i64 * 20);
    assert_eq!(
        app.fake_upstream().last().json(),
        body,
        "no output cap was put in"
    );
    app.finish().await;
}

#[tokio::test]
async fn an_operation_that_the_vendor_bills_otherwise_costs_an_explicit_zero() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 1})).await;
    let reply = caller.get(MODELS).await.expect(200);
    let record = record(&app, &reply.id()).await;
    assert_eq!(
        (&record["cost"], &record["flags"], &record["usage"]),
        (&json!("0.00"), &json!({"external": true}), &json!({}))
    );
    assert_eq!(record["ending"], "complete");
    app.finish().await;
}

#[tokio::test]
async fn an_operation_without_a_price_passes_flagged_and_is_refused_under_a_budget() {
    let app = TestApp::start().await;
    let free = openai(&app, json!({})).await;
    let limited = app
        .create_token_with("limited", &["openai"], json!({"budgetCentsMonthly": 100}))
        .await;
    let limited = app.caller(&limited);
    let unpriced_model = chat(json!({"model": "never-heard-of"}));
    for (path, body) in [
        ("/v1/openai/v1/brand/new", &json!({"a": 1})),
        ("/v1/openai/v1/batches", &json!({"a": 1})),
        (CHAT, &unpriced_model),
    ] {
        let reply = free.post(path, body).await.expect(200);
        let record = record(&app, &reply.id()).await;
        assert_eq!(record["flags"]["unpriced"], true, "{record:#}");
        assert_eq!(record["cost"], "0.00");
        let before = app.fake_upstream().count();
        limited.post(path, body).await.refused(403, "unpriced_operation");
        assert_eq!(app.fake_upstream().count(), before);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_call_with_a_price_of_its_own_costs_it_only_when_the_vendor_takes_it() {
    let app = TestApp::start().await;
    app.create_credential("tavily").await;
    let token = app
        .create_token_with("a", &["tavily"], json!({"budgetCentsMonthly": 100}))
        .await;
    let caller = app.caller(&token);
    let path = "/v1/tavily/search";
    let query = json!({"query": "keys"});
    let taken = caller.post(path, &query).await.expect(200);
    let taken = record(&app, &taken.id()).await;
    assert!(nanos(&taken["cost"]) > 0, "{taken:#}");
    assert_eq!(taken["flags"], json!({}));
    for status in [400, 429, 500] {
        let refused = caller
            .post_with(path, &format!("status={status}"), &query)
            .await
            .expect(status);
        assert_eq!(record(&app, &refused.id()).await["cost"], "0.00");
    }
    assert_eq!(super::budget(&app).await["spent"], taken["cost"]);
    app.finish().await;
}

#[tokio::test]
async fn an_answer_without_usage_is_estimated_never_free() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    for stream in [false, true] {
        let body = chat(json!({"stream": stream, "max_tokens": 50}));
        let reply = caller.post_with(CHAT, "no-usage", &body).await.expect(200);
        let record = record(&app, &reply.id()).await;
        assert_eq!(record["flags"], json!({"estimated": true}), "{record:#}");
        assert!(nanos(&record["cost"]) > 0, "{record:#}");
    }
    app.finish().await;
}
