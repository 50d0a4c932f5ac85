//! The fake against raw bytes, over HTTP/2 and TLS, and its log.

mod vendors;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::*;
use crate::raw::{self, Answer, Exchange};

const SILENCE: Duration = Duration::from_millis(300);

async fn send(upstream: &FakeUpstream, target: &str, headers: &str, body: &Value) -> Exchange {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let method = if body.is_empty() { "GET" } else { "POST" };
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: fake\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    raw::exchange(upstream.addr(), head.as_bytes(), SILENCE).await
}

async fn ask(upstream: &FakeUpstream, target: &str, headers: &str, body: &Value) -> Answer {
    let mut exchange = send(upstream, target, headers, body).await;
    assert_eq!(exchange.answers.len(), 1, "{exchange:?}");
    exchange.answers.remove(0)
}

/// The `data:` of a stream's events.
fn events(answer: &Answer) -> Vec<Value> {
    let text = std::str::from_utf8(&answer.body).unwrap().replace("\r\n", "\n");
    text.split("\n\n")
        .filter_map(|event| event.split_once("data: "))
        .map(|(_, data)| serde_json::from_str(data).unwrap_or_else(|_| data.into()))
        .collect()
}

fn chat(extra: &Value) -> Value {
    let mut request = json!({"model": "gpt-x", "messages": [{"role": "user", "content": "12345678"}]});
    request
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    request
}

#[tokio::test]
async fn chat_completions_are_answered_and_logged() {
    let upstream = FakeUpstream::start().await;
    let headers = "authorization: Bearer sk-1\r\nx-fake: cached-tokens=4\r\n";
    let answer = ask(
        &upstream,
        "/v1/chat/completions",
        headers,
        &chat(&json!({"n": 2, "max_tokens": 3})),
    )
    .await;
    let body = answer.json();
    assert_eq!(body["choices"].as_array().unwrap().len(), 2);
    assert_eq!(body["choices"][1]["message"]["content"], "w1 w2 w3");
    assert_eq!(
        (
            &body["usage"]["prompt_tokens"],
            &body["usage"]["completion_tokens"]
        ),
        (&11.into(), &6.into())
    );
    assert_eq!(body["usage"]["prompt_tokens_details"]["cached_tokens"], 4);

    assert!(upstream.settled(1, SILENCE).await);
    let entry = upstream.last();
    assert_eq!(
        (entry.target.as_str(), entry.tokens),
        ("/v1/chat/completions", (11, 6))
    );
    assert_eq!(
        entry.credentials,
        [Credential {
            slot: Slot::Bearer,
            value: "sk-1".into()
        }]
    );
    assert_eq!(entry.json()["model"], "gpt-x");
    let whole = Sent {
        status: 200,
        body_bytes: answer.body.len() as u64,
        complete: true,
        ended: true,
    };
    assert_eq!(entry.sent, whole);
}

#[tokio::test]
async fn a_chat_stream_has_usage_only_when_asked() {
    let upstream = FakeUpstream::start().await;
    let plain = ask(
        &upstream,
        "/v1/chat/completions",
        "",
        &chat(&json!({"stream": true})),
    )
    .await;
    let plain = events(&plain);
    assert_eq!(plain.last().unwrap(), "[DONE]");
    assert!(plain.iter().all(|event| event.get("usage").is_none()));
    assert_eq!(upstream.last().tokens, (0, 0));

    let asked = chat(&json!({"stream": true, "stream_options": {"include_usage": true}}));
    let asked = events(&ask(&upstream, "/v1/chat/completions", "", &asked).await);
    assert_eq!(asked.len(), 12 + 4);
    let text: String = asked
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert!(text.starts_with("w1 w2 ") && text.ends_with(" w12"), "{text}");
    let usage = &asked[asked.len() - 2];
    assert_eq!(
        (&usage["choices"], &usage["usage"]["total_tokens"]),
        (&json!([]), &23.into())
    );
    assert!(asked[0]["usage"].is_null());
}

#[tokio::test]
async fn tools_are_called_in_every_shape() {
    let upstream = FakeUpstream::start().await;
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters": {}}}]);
    let chat_stream = events(
        &ask(
            &upstream,
            "/v1/chat/completions",
            "",
            &chat(&json!({"tools": tools, "stream": true})),
        )
        .await,
    );
    let arguments: String = chat_stream
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str())
        .collect();
    assert_eq!(
        serde_json::from_str::<Value>(&arguments).unwrap()["city"],
        "Paris"
    );

    let request = json!({"model": "c", "max_tokens": 50, "messages": [], "tools": [{"name": "weather", "input_schema": {}}]});
    let message = ask(&upstream, "/v1/messages", "", &request).await.json();
    assert_eq!(
        (&message["stop_reason"], &message["content"][0]["name"]),
        (&"tool_use".into(), &"weather".into())
    );

    let request = json!({"model": "m", "input": "x", "tools": [{"type": "function", "name": "weather"}]});
    let response = ask(&upstream, "/v1/responses", "", &request).await.json();
    assert_eq!(response["output"][0]["type"], "function_call");
    let result = json!([{"type": "function_call_output", "call_id": "call_fake1", "output": "sunny"}]);
    let request = json!({"model": "m", "input": result, "tools": [{"type": "function", "name": "weather"}]});
    let response = ask(&upstream, "/v1/responses", "", &request).await.json();
    assert_eq!(response["output"][0]["type"], "message");
}

#[tokio::test]
async fn messages_and_responses_stream_their_typed_events() {
    let upstream = FakeUpstream::start().await;
    let request = json!({"model": "c", "max_tokens": 3, "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let answer = ask(&upstream, "/v1/messages", "x-fake: cached-tokens=2\r\n", &request).await;
    assert!(answer.body.starts_with(b"event: message_start\ndata: "));
    let messages = events(&answer);
    let kinds: Vec<_> = messages
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    let deltas = ["content_block_delta"; 3];
    let start = ["message_start", "content_block_start", "ping"];
    assert_eq!(
        kinds,
        [
            &start[..],
            &deltas,
            &["content_block_stop", "message_delta", "message_stop"]
        ]
        .concat()
    );
    let input = &messages[0]["message"]["usage"];
    assert_eq!(
        (&input["input_tokens"], &input["cache_read_input_tokens"]),
        (&8.into(), &2.into())
    );
    assert_eq!(messages[7]["usage"]["output_tokens"], 3);

    let request = json!({"model": "m", "input": "hello", "stream": true});
    let responses = events(&ask(&upstream, "/v1/responses", "", &request).await);
    let last = responses.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    assert_eq!(last["response"]["usage"]["input_tokens"], 8 + 2);
    assert_eq!(last["sequence_number"], responses.len() - 1);
    assert!(responses[0]["response"]["usage"].is_null());
}

#[tokio::test]
async fn errors_have_the_vendors_shapes() {
    let upstream = FakeUpstream::start().await;
    let key = "authorization: Bearer sk-abcdefghijklmnopqrstuvwxyz\r\n";
    let status = |status: u16| format!("{key}x-fake: status={status}\r\n");
    let refused = ask(&upstream, "/v1/chat/completions", &status(401), &chat(&json!({}))).await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["code"]),
        (401, &"invalid_api_key".into())
    );
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("sk-abcde*") && message.contains("*wxyz."),
        "{message}"
    );
    let limited = ask(&upstream, "/v1/chat/completions", &status(429), &chat(&json!({}))).await;
    assert_eq!(
        (limited.status, limited.header("retry-after-ms")),
        (429, Some("20000"))
    );
    let overloaded = ask(&upstream, "/v1/messages", &status(529), &json!({})).await;
    assert_eq!(
        (overloaded.status, &overloaded.json()["error"]["type"]),
        (529, &"overloaded_error".into())
    );
    assert_eq!(
        ask(&upstream, "/emails", &status(401), &json!({})).await.json()["name"],
        "invalid_api_key"
    );
    assert_eq!(
        ask(
            &upstream,
            "/v1/chat/completions",
            "x-fake: statas=1\r\n",
            &json!({})
        )
        .await
        .status,
        501
    );
}

#[tokio::test]
async fn plain_vendors_answer() {
    let upstream = FakeUpstream::start().await;
    let search = ask(
        &upstream,
        "/search",
        "",
        &json!({"query": "q", "include_usage": true}),
    )
    .await
    .json();
    assert_eq!(
        (&search["query"], &search["usage"]["credits"]),
        (&"q".into(), &1.into())
    );
    assert!(ask(&upstream, "/emails", "", &json!({"to": "a"})).await.json()["id"].is_string());
    let list = ask(&upstream, "/v1/customers?limit=1", "", &Value::Null)
        .await
        .json();
    assert_eq!(
        (&list["object"], &list["data"][0]["object"]),
        (&"list".into(), &"customer".into())
    );
    assert_eq!(
        ask(&upstream, "/v1/models", "", &Value::Null).await.json()["data"][0]["object"],
        "model"
    );
    let embeddings = ask(&upstream, "/v1/embeddings", "", &json!({"input": ["a", "b"]}))
        .await
        .json();
    assert_eq!(embeddings["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        ask(&upstream, "/anything?x=1", "", &Value::Null).await.json()["path"],
        "/anything"
    );
}

#[tokio::test]
async fn answers_break_off_stall_and_lie_on_demand() {
    let upstream = FakeUpstream::start().await;
    let stream = chat(&json!({"stream": true}));
    let told = async |fake: &str, body: &Value| {
        send(
            &upstream,
            "/v1/chat/completions",
            &format!("x-fake: {fake}\r\n"),
            body,
        )
        .await
    };
    let has =
        |exchange: &Exchange, text: &str| memchr::memmem::find(&exchange.rest, text.as_bytes()).is_some();

    let aborted = told("abort-after=3", &stream).await;
    assert!(aborted.closed && aborted.answers.is_empty(), "{aborted:?}");
    assert!(has(&aborted, "w2") && !has(&aborted, "w3"));
    assert!(upstream.settled(1, SILENCE).await);
    assert!(!upstream.last().sent.complete);

    let stalled = told("stall-after=2", &stream).await;
    assert!(!stalled.closed && has(&stalled, "w1") && !has(&stalled, "w2"));

    let truncated = told("truncate", &chat(&json!({}))).await;
    assert!(truncated.closed && truncated.answers.is_empty() && has(&truncated, "content-length: "));
    let none = told("no-head", &stream).await;
    assert!(none.closed && none.rest.is_empty() && none.answers.is_empty());
    let garbage = told("garbage", &stream).await;
    assert!(garbage.closed && garbage.rest.starts_with(b"\x15\x03"));
    let hinted = told("informational=2", &chat(&json!({}))).await;
    assert_eq!((hinted.answers.len(), hinted.answers[0].status), (1, 200));
    let trailers = told("trailers; close", &stream).await;
    assert!(has(&trailers, "authorization: Bearer from-a-trailer") || !trailers.answers.is_empty());
    assert!(trailers.closed);
}

#[tokio::test]
async fn heads_and_bodies_are_hostile_on_demand() {
    let upstream = FakeUpstream::start().await;
    let told = async |fake: &str| {
        ask(
            &upstream,
            "/v1/models",
            &format!("x-secret: s\r\nx-fake: {fake}\r\n"),
            &Value::Null,
        )
        .await
    };
    let hostile = told("hostile").await;
    assert!(hostile.header("set-cookie").is_some() && hostile.header("alt-svc").is_some());
    assert_eq!(hostile.header("connection"), Some("x-hop"));
    let packed = told("gzip").await;
    assert_eq!(
        (packed.header("content-encoding"), &packed.body[..2]),
        (Some("gzip"), &[0x1f, 0x8b][..])
    );
    let moved = told("redirect=http://127.0.0.1:1/x").await;
    assert_eq!(
        (moved.status, moved.header("location")),
        (307, Some("http://127.0.0.1:1/x"))
    );
    assert_eq!(told("body-bytes=200000").await.body.len(), 200_000);
    assert!(
        told("html")
            .await
            .header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert!(
        told("echo").await.json()["headers"]
            .as_array()
            .unwrap()
            .contains(&json!(["x-secret", "s"]))
    );
    let began = std::time::Instant::now();
    told("head-delay-ms=120").await;
    assert!(began.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn a_script_is_used_up_in_order() {
    let upstream = FakeUpstream::start().await;
    upstream.script([500, 429].map(|status| Behaviour {
        status: Some(status),
        ..Behaviour::default()
    }));
    let status = async || ask(&upstream, "/v1/models", "", &Value::Null).await.status;
    assert_eq!([status().await, status().await, status().await], [500, 429, 200]);
    assert_eq!(upstream.count(), 3);
}

#[tokio::test]
async fn an_expected_credential_must_stand_alone_in_its_slot() {
    let upstream = FakeUpstream::start().await;
    upstream.expect(Slot::Header("x-api-key".into()), "real");
    for (headers, status) in [
        ("x-api-key: real\r\n", 200),
        ("x-api-key: other\r\n", 401),
        ("", 401),
        ("authorization: Bearer real\r\n", 401),
        ("x-api-key: real\r\nauthorization: Bearer stray\r\n", 401),
        ("x-api-key: real\r\nx-api-key: other\r\n", 401),
    ] {
        assert_eq!(
            ask(&upstream, "/v1/models", headers, &Value::Null).await.status,
            status,
            "{headers}"
        );
    }
    assert_eq!(
        ask(
            &upstream,
            "/v1/models?key=stray",
            "x-api-key: real\r\n",
            &Value::Null
        )
        .await
        .status,
        401
    );
}

#[tokio::test]
async fn tls_speaks_http2_under_its_own_authority() {
    let upstream = FakeUpstream::start_tls().await;
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(upstream.ca_pem().unwrap().as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let socket = TcpStream::connect(upstream.addr()).await.unwrap();
    let socket = connector
        .connect(ServerName::try_from("127.0.0.1").unwrap(), socket)
        .await
        .unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
            .await
            .unwrap();
    let tasks = TaskTracker::new();
    tasks.spawn(connection);
    let request = http::Request::post(format!("{}/v1/chat/completions", upstream.url()));
    let request = request
        .body(Full::new(bytes::Bytes::from(
            chat(&json!({"stream": true})).to_string(),
        )))
        .unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body.ends_with(b"data: [DONE]\n\n"));
    let entry = upstream.last();
    assert_eq!(
        (entry.version, entry.header("host")),
        (http::Version::HTTP_2, Some(upstream.authority().as_str()))
    );
}

#[tokio::test]
async fn a_file_holds_a_line_for_each_request() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let options = Options {
        file: Some(file.reopen().unwrap()),
        forget: true,
        ..Options::default()
    };
    let upstream = FakeUpstream::with(options).await.unwrap();
    ask(
        &upstream,
        "/v1/chat/completions?key=k",
        "x-note: 1\r\n",
        &chat(&json!({})),
    )
    .await;
    ask(&upstream, "/v1/models", "", &Value::Null).await;
    let text = std::fs::read_to_string(file.path()).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["method"], &lines[0]["inputTokens"]),
        (&"POST".into(), &11.into())
    );
    assert_eq!(
        lines[0]["credentials"],
        json!([{"slot": "query:key", "value": "k"}])
    );
    assert!(
        lines[0]["headers"]
            .as_array()
            .unwrap()
            .contains(&json!(["x-note", "1"]))
    );
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn fixed_answers_are_real_answers() {
    let options = Options {
        fixed: true,
        ..Options::default()
    };
    let upstream = FakeUpstream::with(options).await.unwrap();
    let whole = ask(&upstream, "/v1/chat/completions", "", &chat(&json!({}))).await;
    assert_eq!(whole.json()["usage"]["total_tokens"], 145);
    assert!((900..1_200).contains(&whole.body.len()), "{}", whole.body.len());
    let streamed = ask(
        &upstream,
        "/v1/chat/completions",
        "",
        &chat(&json!({"stream": true})),
    )
    .await;
    let streamed = events(&streamed);
    assert_eq!(
        (streamed.len(), &streamed[48]["usage"]["total_tokens"]),
        (50, &145.into())
    );
}

#[tokio::test]
async fn it_stops_and_refuses_other_addresses() {
    let upstream = FakeUpstream::start().await;
    upstream.stop().await;
    assert!(TcpStream::connect(upstream.addr()).await.is_err());
    let public = Options {
        addr: Some("0.0.0.0:0".parse().unwrap()),
        ..Options::default()
    };
    assert!(FakeUpstream::with(public).await.is_err());
}

#[tokio::test]
async fn keys_are_made_listed_page_by_page_and_revoked() {
    let upstream = FakeUpstream::start().await;
    upstream.keep_keys("sk-admin-1");
    let old = upstream.add_key("by hand", "sk-svcacct-old");
    let admin = "authorization: Bearer sk-admin-1\r\n";
    let accounts = "/v1/organization/projects/proj_1/service_accounts";
    let mut made = Vec::new();
    for number in 0..4 {
        let answer = ask(&upstream, accounts, admin, &json!({"name": format!("n{number}")})).await;
        made.push(answer.json());
    }
    assert_eq!(upstream.keys().len(), 5);
    let secret = made[3]["api_key"]["value"].as_str().unwrap();
    let with = |secret: &str| format!("authorization: Bearer {secret}\r\n");
    let models = async |secret: &str| {
        ask(&upstream, "/v1/models", &with(secret), &Value::Null)
            .await
            .status
    };
    assert_eq!((models(secret).await, models("sk-svcacct-new").await), (200, 401));
    let refused = ask(&upstream, accounts, &with(secret), &Value::Null).await;
    assert_eq!(refused.status, 401, "a key makes no keys");

    let first = ask(&upstream, accounts, admin, &Value::Null).await.json();
    assert_eq!(
        (&first["data"][0]["id"], &first["has_more"]),
        (&json!(old), &json!(true))
    );
    let after = format!(
        "{accounts}?limit=100&after={}",
        first["last_id"].as_str().unwrap()
    );
    let second = ask(&upstream, &after, admin, &Value::Null).await.json();
    assert_eq!(second["data"][1]["name"], "n3");
    assert_eq!(second["has_more"], false);
    let keys = ask(&upstream, "/api/v1/keys?offset=4", admin, &Value::Null)
        .await
        .json();
    assert_eq!(keys["data"][0]["hash"], made[3]["id"]);

    let path = format!("{accounts}/{}", made[3]["id"].as_str().unwrap());
    for status in [200, 404] {
        let head = format!("DELETE {path} HTTP/1.1\r\nhost: fake\r\n{admin}\r\n");
        let mut exchange = raw::exchange(upstream.addr(), head.as_bytes(), SILENCE).await;
        assert_eq!(exchange.answers.remove(0).status, status);
    }
    assert_eq!(models(secret).await, 401);
}
