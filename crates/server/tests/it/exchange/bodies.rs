//! Bodies that are refused: too large, encoded, or readable in two ways.

use std::time::Duration;

use keystore_testkit::raw;
use serde_json::json;

use super::{CHAT, chat, openai};
use crate::support::{Caller, TestApp};

/// Announces a body of `length` bytes and sends none of it.
async fn announce(app: &TestApp, caller: &Caller, path: &str, length: u64) -> raw::Answer {
    let authority = app.proxy_url().strip_prefix("http://").unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {}\r\ncontent-length: {length}\r\n\r\n",
        caller.token()
    );
    let exchange = raw::exchange(
        authority.parse().unwrap(),
        head.as_bytes(),
        Duration::from_millis(500),
    )
    .await;
    exchange.answers.into_iter().next().unwrap()
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_before_it_is_read() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    for (path, limit) in [(CHAT, 32 << 20), ("/v1/openai/v1/files", 1 << 30)] {
        let answer = announce(&app, &caller, path, limit + 1).await;
        assert_eq!(
            (answer.status, answer.header("x-keystore-error")),
            (413, Some("body_too_large")),
            "{path}"
        );
    }
    assert_eq!(app.fake_upstream().count(), 0);
    app.finish().await;
}

#[tokio::test]
async fn a_metered_body_must_be_one_plain_json_object() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let send = |body: &'static str| caller.send(caller.request("POST", CHAT).body(body));
    for body in [
        "",
        "{",
        "null",
        "[]",
        "\"text\"",
        "not json",
        "{\"model\":\"gpt-4o-mini\",\"messages\":[]} trailing",
        "{\"model\":\"gpt-4o-mini\",\"model\":\"o1-pro\",\"messages\":[]}",
        "{\"max_tokens\":1,\"model\":\"gpt-4o-mini\",\"messages\":[],\"max_tokens\":100000}",
        "{\"model\":\"gpt-4o-mini\",\"m\\u006fdel\":\"o1-pro\",\"messages\":[]}",
        "{\"stream\":true,\"stream_options\":{\"include_usage\":false,\"include_usage\":true},\"model\":\"gpt-4o-mini\",\"messages\":[]}",
        "\u{feff}{\"model\":\"gpt-4o-mini\",\"messages\":[]}",
    ] {
        send(body).await.refused(400, "bad_request");
    }
    // What no table can be asked to keep would stop whoever keeps it.
    for model in ["a\0b".to_owned(), "m".repeat(257)] {
        let named = caller.post(CHAT, &chat(json!({"model": model}))).await;
        named.refused(400, "bad_request");
    }
    let encoded = caller
        .request("POST", CHAT)
        .header("content-encoding", "gzip")
        .body("{}");
    caller.send(encoded).await.refused(415, "unsupported_encoding");
    assert_eq!(app.fake_upstream().count(), 0);
    let elsewhere = caller
        .request("POST", "/v1/openai/v1/files")
        .header("content-encoding", "gzip")
        .body("{");
    caller.send(elsewhere).await.expect(200);
    app.finish().await;
}
