//! The sandbox provider by itself.

use std::sync::Arc;

use keystore_server::clock::SystemClock;
use keystore_server::config::SecretText;
use keystore_server::sandbox::Sandbox;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

async fn start() -> String {
    let key = SecretText::new("sandbox-key".to_owned());
    let sandbox = Sandbox::start(
        key,
        Arc::new(SystemClock),
        &TaskTracker::new(),
        CancellationToken::new(),
    )
    .await
    .unwrap();
    assert!(sandbox.addr.ip().is_loopback());
    format!("http://{}", sandbox.addr)
}

fn chat(extra: &Value) -> Value {
    let mut body = json!({"model": "sandbox-1", "messages": [{"role": "user", "content": "one two three"}]});
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn post(url: &str, key: (&str, &str), body: &Value) -> (u16, String) {
    let answer = reqwest::Client::new()
        .post(url)
        .header(key.0, key.1)
        .json(body)
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

const BEARER: (&str, &str) = ("authorization", "Bearer sandbox-key");

#[tokio::test]
async fn only_its_own_key_opens_it() {
    let url = start().await;
    for path in ["/v1/chat/completions", "/v1/messages"] {
        for key in [
            ("authorization", "Bearer ks_0000"),
            ("x-api-key", ""),
            ("x-other", "sandbox-key"),
        ] {
            let (status, _) = post(&format!("{url}{path}"), key, &chat(&json!({"max_tokens": 5}))).await;
            assert_eq!(status, 401, "{path} {key:?}");
        }
    }
}

#[tokio::test]
async fn chat_counts_what_it_says() {
    let url = format!("{}/v1/chat/completions", start().await);
    let (status, text) = post(&url, BEARER, &chat(&json!({}))).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (status, &answer["choices"][0]["finish_reason"]),
        (200, &json!("stop"))
    );
    assert_eq!(answer["usage"]["prompt_tokens"], 3);
    let said = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(said.ends_with("one two three"), "{said}");
    assert_eq!(
        answer["usage"]["completion_tokens"],
        said.split_whitespace().count()
    );

    let (_, text) = post(&url, BEARER, &chat(&json!({"max_tokens": 2}))).await;
    let cut: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(cut["choices"][0]["finish_reason"], "length");
    assert_eq!(cut["usage"]["completion_tokens"], 2);
}

#[tokio::test]
async fn a_chat_stream_has_a_usage_chunk_only_where_it_was_asked_for() {
    let url = format!("{}/v1/chat/completions", start().await);
    let (_, plain) = post(&url, BEARER, &chat(&json!({"stream": true, "max_tokens": 2}))).await;
    assert!(
        plain.ends_with("data: [DONE]\n\n") && !plain.contains("usage"),
        "{plain}"
    );
    let asked = json!({"stream": true, "max_tokens": 2, "stream_options": {"include_usage": true}});
    let (_, counted) = post(&url, BEARER, &chat(&asked)).await;
    assert!(counted.contains(r#""completion_tokens":2"#), "{counted}");
}

#[tokio::test]
async fn messages_stream_as_named_events() {
    let url = format!("{}/v1/messages", start().await);
    let key = ("x-api-key", "sandbox-key");
    let (status, _) = post(&url, key, &chat(&json!({}))).await;
    assert_eq!(status, 400, "max_tokens is required");
    let (_, text) = post(&url, key, &chat(&json!({"max_tokens": 50, "stream": true}))).await;
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    assert_eq!(names.first(), Some(&"message_start"));
    assert_eq!(names.last(), Some(&"message_stop"));
    assert!(text.contains(r#""stop_reason":"end_turn""#), "{text}");
}
