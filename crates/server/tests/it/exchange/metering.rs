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

/// Claude Opus 4.6: 5,000 nano-dollars a token of input, 500 cached, 25,000 of output; a tenth more in the United States.
#[tokio::test]
async fn tokens_cost_more_where_inference_was_asked_for() {
    let app = TestApp::start().await;
    app.create_credential("anthropic").await;
    let token = app
        .create_token_with("a", &["anthropic"], json!({"budgetCentsMonthly": 100_000}))
        .await;
    let caller = app.caller(&token);
    for (geo, per_mille) in [
        (json!({}), 1_000),
        (json!({"inference_geo": "us"}), 1_100),
        (json!({"inference_geo": "global"}), 1_000),
        (json!({"inference_geo": "mars"}), 1_100),
    ] {
        let body = with(message(json!({"model": "claude-opus-4-6"})), geo);
        let reply = caller.post_with(MESSAGES, FAKE, &body).await.expect(200);
        let input = app.fake_upstream().last().tokens.0 as i64;
        let record = record(&app, &reply.id()).await;
        let cost = (input - 4) * 5_000 + 4 * 500 + 30 * 25_000;
        assert_eq!(nanos(&record["cost"]), cost * per_mille / 1_000, "{body}");
        assert_eq!(record["flags"], json!({}), "{body}");
    }
    app.finish().await;
}

/// Sora: a tenth of a dollar a second, and of the larger model three or five.
#[tokio::test]
async fn videos_are_held_and_charged_by_the_seconds_that_are_asked_for() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 10_000})).await;
    let path = "/v1/openai/v1/videos";
    for (body, seconds, cents) in [
        (json!({"model": "sora-2", "prompt": "a", "seconds": "4"}), 4, 40),
        (
            json!({"model": "sora-2-pro", "prompt": "a", "seconds": "8"}),
            8,
            240,
        ),
        (
            json!({"model": "sora-2-pro", "prompt": "a", "seconds": "8", "size": "1280x720"}),
            8,
            240,
        ),
        (
            json!({"model": "sora-2-pro", "prompt": "a", "seconds": "8", "size": "1024x1792"}),
            8,
            400,
        ),
        (
            json!({"model": "sora-2-pro", "prompt": "a", "seconds": "8", "size": "a size to come"}),
            8,
            400,
        ),
    ] {
        let reply = caller.post(path, &body).await.expect(200);
        let record = record(&app, &reply.id()).await;
        assert_eq!(record["usage"], json!({"seconds": seconds}), "{body}");
        assert_eq!(nanos(&record["cost"]), cents * 10_000_000, "{body}");
        assert_eq!(record["flags"], json!({}), "{body}");
    }
    caller
        .post(path, &json!({"model": "sora-2", "prompt": "a"}))
        .await
        .refused(403, "unpriced_operation");
    app.finish().await;
}

/// Tavily's credits are known from the request: 8,000,000 nano-dollars each.
#[tokio::test]
async fn credits_are_held_before_the_call_and_cost_only_when_the_vendor_takes_it() {
    let app = TestApp::start().await;
    app.create_credential("tavily").await;
    let token = app
        .create_token_with("a", &["tavily"], json!({"budgetCentsMonthly": 100}))
        .await;
    let caller = app.caller(&token);
    let path = "/v1/tavily/search";
    let mut spent = 0;
    for (body, credits) in [
        (json!({"query": "keys"}), 1),
        (json!({"query": "keys", "search_depth": "advanced"}), 2),
        (
            json!({"query": "keys", "search_depth": "advanced", "include_usage": true}),
            2,
        ),
        // The request may cost two; the vendor says one.
        (
            json!({"query": "keys", "auto_parameters": true, "include_usage": true}),
            1,
        ),
    ] {
        let taken = caller.post(path, &body).await.expect(200);
        let taken = record(&app, &taken.id()).await;
        assert_eq!(taken["usage"], json!({"credits": credits}), "{body}");
        assert_eq!(nanos(&taken["cost"]), credits * 8_000_000, "{body}");
        assert_eq!(taken["flags"], json!({}), "{body}");
        spent += credits * 8_000_000;
    }
    for status in [400, 429, 500] {
        let refused = caller
            .post_with(path, &format!("status={status}"), &json!({"query": "keys"}))
            .await
            .expect(status);
        assert_eq!(record(&app, &refused.id()).await["cost"], "0.00");
    }
    assert_eq!(nanos(&super::budget(&app).await["spent"]), spent);
    app.finish().await;
}

/// Resend counts recipients: 900,000 nano-dollars each.
#[tokio::test]
async fn a_batch_of_emails_is_bounded_by_its_recipients() {
    let app = TestApp::start().await;
    app.create_credential("resend").await;
    let token = app
        .create_token_with("a", &["resend"], json!({"budgetCentsMonthly": 1}))
        .await;
    let caller = app.caller(&token);
    let to = |recipients: usize| json!({"from": "a@example.org", "to": vec!["b@example.org"; recipients], "subject": "s", "text": "t"});
    let sent = caller.post("/v1/resend/emails", &to(3)).await.expect(200);
    let sent = record(&app, &sent.id()).await;
    assert_eq!(
        (&sent["usage"], nanos(&sent["cost"])),
        (&json!({"emails": 3}), 2_700_000)
    );
    let batch = json!([to(2), to(3)]);
    let sent = caller.post("/v1/resend/emails/batch", &batch).await.expect(200);
    assert_eq!(record(&app, &sent.id()).await["usage"], json!({"emails": 5}));
    // 8 of the 11 that a cent buys are used.
    let before = app.fake_upstream().count();
    caller
        .post("/v1/resend/emails/batch", &batch)
        .await
        .refused(402, "budget_exceeded");
    assert_eq!(app.fake_upstream().count(), before);
    app.finish().await;
}

/// Gemini names its model in the path, and holds its cap inside an object.
#[tokio::test]
async fn gemini_is_capped_inside_its_configuration() {
    let app = TestApp::start().await;
    app.create_credential("gemini").await;
    let token = app
        .create_token_with("a", &["gemini"], json!({"budgetCentsMonthly": 10}))
        .await;
    let caller = app.caller(&token);
    let path = "/v1/gemini/v1beta/models/gemini-2.5-flash:generateContent";
    let contents = json!([{"role": "user", "parts": [{"text": "How many?"}]}]);
    let body = json!({"contents": contents, "generationConfig": {"temperature": 0}});
    let reply = caller.post(path, &body).await.expect(200);
    let cap: u64 = reply.header("x-keystore-max-output").unwrap().parse().unwrap();
    let seen = app.fake_upstream().last();
    assert_eq!(
        seen.json()["generationConfig"],
        json!({"maxOutputTokens": cap, "temperature": 0})
    );
    assert_eq!(record(&app, &reply.id()).await["model"], "gemini-2.5-flash");
    // A tool that runs at the vendor has it read as often as it likes.
    let grounded = json!({"contents": contents, "tools": [{"googleSearch": {}}]});
    caller
        .post(path, &grounded)
        .await
        .refused(403, "unpriced_operation");
    app.finish().await;
}

/// A model that may serve in another's place must be allowed, and counts for the hold.
#[tokio::test]
async fn a_model_in_reserve_is_a_model() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let allowed = json!({"allowedModels": ["gpt-4o-mini"]});
    app.owner_client()
        .patch("/v1/agents/agent", &allowed)
        .await
        .expect(200);
    let with = |models: &[&str]| chat(json!({"max_tokens": 50, "models": models}));
    caller.post(CHAT, &with(&["gpt-4o-mini"])).await.expect(200);
    caller
        .post(CHAT, &with(&["gpt-4o-mini", "gpt-5.2-pro"]))
        .await
        .refused(403, "model_not_allowed");
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
