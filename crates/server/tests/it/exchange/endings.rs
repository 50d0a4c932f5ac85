//! Every way in which an exchange can end, what the client sees of it, and what it costs.

use std::time::Duration;

use keystore_testkit::upstream::Behaviour;
use serde_json::json;

use super::{CHAT, MESSAGES, MODELS, budget, chat, ended, leave, message, nanos, openai, record};
use crate::support::{CANARY, Setup, TestApp};

/// A server whose patience is short.
async fn impatient() -> TestApp {
    TestApp::with(Setup {
        proxy: |config| {
            config.head_timeout = Duration::from_secs(1);
            config.idle_timeout = Duration::from_secs(1);
            config.metering_timeout = Duration::from_millis(400);
        },
        ..Setup::default()
    })
    .await
}

#[tokio::test]
async fn a_client_that_leaves_mid_stream_is_metered_to_the_end() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let body = chat(json!({"stream": true, "max_tokens": 100}));
    let request = caller
        .request("POST", CHAT)
        .header("x-fake", "chunk-delay-ms=30; output-tokens=40");
    let mut answer = caller.open(request.json(&body)).await;
    answer.chunk().await.unwrap().unwrap();
    assert!(!app.fake_upstream().last().sent.ended, "it is under way");
    drop(answer);
    let record = ended(&app, "client_gone").await;
    let seen = app.fake_upstream().last();
    assert!(seen.sent.complete, "it was read to its end");
    let usage = json!({"input_uncached": seen.tokens.0, "output_text": 40});
    assert_eq!(
        (&record["usage"], &record["flags"]),
        (&usage, &json!({})),
        "{record:#}"
    );
    assert_eq!(nanos(&record["cost"]), seen.tokens.0 as i64 * 150 + 40 * 600);
    app.finish().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_counts_as_one_that_left() {
    let app = TestApp::with(Setup {
        proxy: |config| config.stall_timeout = Duration::from_millis(1_500),
        ..Setup::default()
    })
    .await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100_000})).await;
    let body = chat(json!({"stream": true, "max_tokens": 100_000}));
    let request = caller
        .request("POST", CHAT)
        .header("x-fake", "output-tokens=60000")
        .json(&body);
    // More than the sockets between take.
    let unread = caller.open(request).await;
    let record = super::ended(&app, "client_gone").await;
    assert_eq!(
        (&record["usage"]["output_text"], &record["flags"]),
        (&json!(60_000), &json!({})),
        "{record:#}"
    );
    assert_eq!(super::budget(&app).await["held"], "0.00");
    // What it reads in the end is not a whole answer.
    let rest = unread.text().await;
    assert!(rest.is_err() || !rest.unwrap().contains("[DONE]"));
    // Reading slowly is reading.
    let request = caller
        .request("POST", CHAT)
        .header("x-fake", "output-tokens=30000")
        .json(&body);
    let mut slow = caller.open(request).await;
    let mut text = Vec::new();
    while let Some(chunk) = slow.chunk().await.unwrap() {
        if text.len() / 500_000 != (text.len() + chunk.len()) / 500_000 {
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        text.extend_from_slice(&chunk);
    }
    assert!(text.ends_with(b"data: [DONE]\n\n"));
    app.finish().await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_head_is_metered_all_the_same() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    for stream in [false, true] {
        let body = chat(json!({"stream": stream, "max_tokens": 100}));
        leave(&app, caller.request("POST", CHAT).json(&body)).await;
        let record = ended(&app, "client_gone").await;
        assert_eq!(
            (&record["usage"]["output_text"], &record["flags"]),
            (&json!(12), &json!({})),
            "{record:#}"
        );
        assert!(nanos(&record["cost"]) > 0);
        // So that the next round does not find this record.
        caller.get(MODELS).await.expect(200);
    }
    app.finish().await;
}

#[tokio::test]
async fn an_answer_that_arrives_whole_is_complete() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    // More than is read before the head goes out, with a known length; and less.
    for fake in ["body-bytes=200000", "body-bytes=65536", "body-bytes=65537", ""] {
        let reply = caller
            .send(caller.request("GET", MODELS).header("x-fake", fake))
            .await
            .expect(200);
        assert!(reply.header("content-length").is_some());
        assert_eq!(record(&app, &reply.id()).await["ending"], "complete", "{fake}");
    }
    for output in [12, 9_000, 30_000] {
        let fake = format!("output-tokens={output}");
        let reply = caller
            .post_with(CHAT, &fake, &chat(json!({"max_tokens": output})))
            .await
            .expect(200);
        assert_eq!(
            reply.header("content-length"),
            Some(reply.body.len().to_string().as_str())
        );
        let record = record(&app, &reply.id()).await;
        assert_eq!(
            (
                &record["ending"],
                &record["usage"]["output_text"],
                &record["flags"]
            ),
            (&json!("complete"), &json!(output), &json!({})),
            "{record:#}"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn a_client_that_leaves_what_is_not_metered_ends_it() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let request = caller
        .request("GET", MODELS)
        .header("x-fake", "body-bytes=100000000");
    let mut answer = caller.open(request).await;
    answer.chunk().await.unwrap().unwrap();
    drop(answer);
    let record = ended(&app, "client_gone").await;
    assert_eq!(record["cost"], "0.00");
    assert!(app.fake_upstream().settled(1, Duration::from_secs(10)).await);
    assert!(!app.fake_upstream().last().sent.complete);
    app.finish().await;
}

#[tokio::test]
async fn an_abandoned_stream_is_not_waited_for_without_end() {
    let app = impatient().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let body = chat(json!({"stream": true, "max_tokens": 100}));
    let fake = "output-tokens=100; chunk-delay-ms=100";
    let mut answer = caller
        .open(caller.request("POST", CHAT).header("x-fake", fake).json(&body))
        .await;
    answer.chunk().await.unwrap().unwrap();
    let held = nanos(&budget(&app).await["held"]);
    drop(answer);
    let record = ended(&app, "client_gone").await;
    assert_eq!(record["flags"], json!({"estimated": true}), "{record:#}");
    let cost = nanos(&record["cost"]);
    assert!(0 < cost && cost <= held, "{cost} of {held}");
    app.finish().await;
}

#[tokio::test]
async fn an_upstream_that_breaks_off_cuts_the_client_and_costs_the_hold() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let body = chat(json!({"stream": true, "max_tokens": 100}));
    let reply = caller.post_with(CHAT, "abort-after=4", &body).await.expect(200);
    assert!(
        reply.cut,
        "the client must not take it for whole: {}",
        reply.text()
    );
    assert!(reply.text().contains("w1"), "what came was passed on");
    let record = record(&app, &reply.id()).await;
    assert_eq!(
        (&record["ending"], &record["flags"]),
        (&json!("upstream_error"), &json!({"estimated": true}))
    );
    // What it said is no measure of what it thought: 100 tokens of output at the dearest tier, and a bound on the input.
    let cost = nanos(&record["cost"]);
    assert!((100_000..1_000_000).contains(&cost), "{cost}");
    app.finish().await;
}

#[tokio::test]
async fn a_buffered_answer_that_breaks_off_is_502() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let reply = caller
        .post_with(CHAT, "truncate", &chat(json!({"max_tokens": 100})))
        .await;
    reply.refused(502, "upstream_error");
    let record = record(&app, &reply.id()).await;
    assert_eq!(
        (&record["ending"], &record["code"]),
        (&json!("upstream_error"), &json!("upstream_error"))
    );
    assert_eq!(record["flags"], json!({"estimated": true}));
    assert!(nanos(&record["cost"]) > 0);
    app.finish().await;
}

#[tokio::test]
async fn an_upstream_that_never_answers_is_504_and_costs_the_hold() {
    let app = impatient().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let reply = caller
        .post_with(CHAT, "head-delay-ms=60000", &chat(json!({"max_tokens": 100})))
        .await;
    reply.refused(504, "upstream_timeout");
    let record = record(&app, &reply.id()).await;
    assert_eq!(
        (&record["ending"], &record["flags"]),
        (&json!("deadline"), &json!({"estimated": true}))
    );
    // It may have been carried out: at the dearest tier, 100 tokens of output and a bound on the input.
    let cost = nanos(&record["cost"]);
    assert!((100_000..1_000_000).contains(&cost), "{cost}");
    app.finish().await;
}

#[tokio::test]
async fn an_upstream_that_falls_silent_cuts_the_client() {
    let app = impatient().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let body = chat(json!({"stream": true, "max_tokens": 100}));
    let reply = caller.post_with(CHAT, "stall-after=3", &body).await.expect(200);
    assert!(reply.cut && reply.text().contains("w1"));
    let record = record(&app, &reply.id()).await;
    assert_eq!(
        (&record["ending"], &record["flags"]),
        (&json!("deadline"), &json!({"estimated": true}))
    );
    assert!(nanos(&record["cost"]) > 0);
    app.finish().await;
}

#[tokio::test]
async fn what_never_left_costs_nothing() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    app.fake_upstream().stop().await;
    for body in [chat(json!({})), chat(json!({"stream": true}))] {
        let reply = caller.post(CHAT, &body).await;
        let error = reply.refused(502, "upstream_error");
        assert!(
            !error.to_string().contains("127.0.0.1:"),
            "no internal address: {error:#}"
        );
        let record = record(&app, &reply.id()).await;
        assert_eq!(
            (&record["ending"], &record["cost"]),
            (&json!("not_sent"), &json!("0.00"))
        );
    }
    let stands = budget(&app).await;
    assert_eq!(
        (&stands["held"], &stands["spent"]),
        (&json!("0.00"), &json!("0.00"))
    );
    app.finish().await;
}

#[tokio::test]
async fn no_answer_and_garbage_are_502_and_may_have_cost_something() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    for fake in ["no-head", "garbage"] {
        let reply = caller
            .post_with(CHAT, fake, &chat(json!({"max_tokens": 100})))
            .await;
        reply.refused(502, "upstream_error");
        let record = record(&app, &reply.id()).await;
        assert_eq!(
            (&record["ending"], &record["flags"]["estimated"]),
            (&json!("upstream_error"), &json!(true))
        );
        assert!(nanos(&record["cost"]) > 0, "{fake}");
    }
    assert_eq!(app.fake_upstream().count(), 2, "nothing was sent twice");
    app.finish().await;
}

#[tokio::test]
async fn errors_of_the_vendor_pass_and_cost_nothing() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    for status in [400, 403, 404, 422, 429, 500, 503] {
        for stream in [false, true] {
            let body = chat(json!({"stream": stream, "max_tokens": 100}));
            let reply = caller
                .post_with(CHAT, &format!("status={status}"), &body)
                .await
                .expect(status);
            assert_eq!(reply.header("x-keystore-error"), None, "it is the vendor's");
            assert!(reply.json()["error"]["message"].is_string());
            if status == 429 {
                assert_eq!(reply.header("retry-after"), Some("20"));
                assert_eq!(reply.header("x-ratelimit-limit-requests"), Some("3"));
                assert_eq!(reply.header("x-ratelimit-reset-tokens"), Some("1.5s"));
            }
            let record = record(&app, &reply.id()).await;
            assert_eq!(
                (&record["ending"], &record["cost"]),
                (&json!("complete"), &json!("0.00"))
            );
        }
    }
    assert_eq!(budget(&app).await["spent"], "0.00");
    app.finish().await;
}

#[tokio::test]
async fn an_overloaded_anthropic_passes() {
    let app = TestApp::start().await;
    app.create_credential("anthropic").await;
    let caller = app.caller(&app.create_token("a", &["anthropic"]).await);
    let reply = caller
        .post_with(MESSAGES, "status=529", &message(json!({})))
        .await
        .expect(529);
    assert_eq!(reply.json()["error"]["type"], "overloaded_error");
    assert_eq!(record(&app, &reply.id()).await["cost"], "0.00");
    app.finish().await;
}

#[tokio::test]
async fn a_key_that_the_vendor_refuses_is_502_without_any_part_of_it() {
    let app = TestApp::start().await;
    for provider in ["openai", "anthropic"] {
        app.create_credential(provider).await;
    }
    let caller = app.caller(&app.create_token("a", &["openai", "anthropic"]).await);
    for (path, body) in [
        (CHAT, chat(json!({}))),
        (CHAT, chat(json!({"stream": true}))),
        (MESSAGES, message(json!({}))),
    ] {
        let reply = caller.post_with(path, "status=401", &body).await;
        let error = reply.refused(502, "credential_invalid");
        assert_eq!(reply.header("x-should-retry"), Some("false"));
        assert!(
            error["message"].as_str().unwrap().contains("`default`"),
            "{error:#}"
        );
        let text = reply.text();
        let (begin, end) = (&CANARY[..8], &CANARY[CANARY.len() - 4..]);
        assert!(!text.contains(begin) && !text.contains(end), "{text}");
        let record = record(&app, &reply.id()).await;
        assert_eq!(
            (&record["code"], &record["cost"]),
            (&json!("credential_invalid"), &json!("0.00"))
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn an_echoed_credential_is_masked() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    for (method, path) in [("POST", CHAT), ("GET", MODELS)] {
        let request = caller.request(method, path).header("x-fake", "echo");
        let request = if method == "POST" {
            request.json(&chat(json!({})))
        } else {
            request
        };
        let reply = caller.send(request).await.expect(200);
        let masked = format!("Bearer {}", "*".repeat(CANARY.len()));
        assert!(reply.text().contains(&masked), "{}", reply.text());
    }
    app.finish().await;
}

#[tokio::test]
async fn a_redirect_passes_and_is_not_followed() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let place = format!("{}/elsewhere", app.fake_upstream().url());
    app.fake_upstream().script([Behaviour {
        redirect: Some(place.clone()),
        ..Behaviour::default()
    }]);
    let reply = caller.get(MODELS).await.expect(307);
    assert_eq!(reply.header("location"), Some(place.as_str()));
    assert_eq!(app.fake_upstream().count(), 1);
    app.finish().await;
}

#[tokio::test]
async fn an_encoded_answer_arrives_plain_and_metered() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    for stream in [false, true] {
        let reply = caller
            .post_with(CHAT, "gzip", &chat(json!({"stream": stream})))
            .await
            .expect(200);
        assert_eq!(reply.header("content-encoding"), None);
        assert!(
            reply.text().contains("w12") || reply.text().contains("w1 w2"),
            "{}",
            reply.text()
        );
        let record = record(&app, &reply.id()).await;
        assert_eq!(
            (&record["usage"]["output_text"], &record["flags"]),
            (&json!(12), &json!({})),
            "{record:#}"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn an_error_inside_a_stream_passes_and_is_estimated() {
    let app = TestApp::start().await;
    for provider in ["openai", "anthropic"] {
        app.create_credential(provider).await;
    }
    let budget = json!({"budgetCentsMonthly": 100});
    let caller = app.caller(&app.create_token_with("a", &["openai", "anthropic"], budget).await);
    for (path, body, kind) in [
        (
            CHAT,
            chat(json!({"stream": true, "max_tokens": 100})),
            "server_error",
        ),
        (MESSAGES, message(json!({"stream": true})), "overloaded_error"),
    ] {
        let reply = caller.post_with(path, "stream-error", &body).await.expect(200);
        assert!(!reply.cut && reply.text().contains(kind), "{}", reply.text());
        let record = record(&app, &reply.id()).await;
        assert_eq!(
            (&record["ending"], &record["flags"]),
            (&json!("complete"), &json!({"estimated": true}))
        );
        assert!(nanos(&record["cost"]) > 0, "{record:#}");
    }
    app.finish().await;
}
