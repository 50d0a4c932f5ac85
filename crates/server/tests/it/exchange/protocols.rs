//! HTTP/2 with prior knowledge on the client's side, TLS and HTTP/2 on the upstream's.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use keystore_testkit::raw;
use keystore_testkit::upstream::{FakeUpstream, Options};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{CHAT, MODELS, chat, ended, nanos, openai, record};
use crate::support::{CANARY, Caller, Setup, TestApp};

/// A GET whose target goes out as it is written here.
pub(super) async fn raw_get(app: &TestApp, caller: &Caller, target: &str) -> raw::Answer {
    let authority = app.proxy_url().strip_prefix("http://").unwrap();
    let head = format!(
        "GET {target} HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
        caller.token()
    );
    let exchange = raw::exchange(
        authority.parse().unwrap(),
        head.as_bytes(),
        Duration::from_secs(5),
    )
    .await;
    assert_eq!(exchange.answers.len(), 1, "{target}: {exchange:?}");
    exchange.answers.into_iter().next().unwrap()
}

/// One HTTP/2 connection to the proxy.
async fn h2c(app: &TestApp) -> http2::SendRequest<Full<Bytes>> {
    let authority = app.proxy_url().strip_prefix("http://").unwrap();
    let socket = TcpStream::connect(authority).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

fn post(app: &TestApp, caller: &Caller, body: &Value, fake: &str) -> http::Request<Full<Bytes>> {
    http::Request::post(format!("{}{CHAT}", app.proxy_url()))
        .header("authorization", format!("Bearer {}", caller.token()))
        .header("x-fake", fake)
        .body(Full::from(body.to_string()))
        .unwrap()
}

#[tokio::test]
async fn http2_clients_are_served_many_calls_on_one_connection() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let connection = h2c(&app).await;
    let mut calls = tokio::task::JoinSet::new();
    for stream in [false, true].repeat(10) {
        let mut connection = connection.clone();
        let body = chat(json!({"stream": stream, "max_tokens": 100}));
        let request = post(&app, &caller, &body, "chunk-delay-ms=1");
        calls.spawn(async move {
            let answer = connection.send_request(request).await.unwrap();
            let (head, body) = answer.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            (head, stream, String::from_utf8(body.to_vec()).unwrap())
        });
    }
    for (head, stream, text) in calls.join_all().await {
        assert_eq!((head.status.as_u16(), head.version), (200, http::Version::HTTP_2));
        assert_eq!(text.ends_with("data: [DONE]\n\n"), stream, "{text}");
        let record = record(&app, head.headers["x-keystore-request-id"].to_str().unwrap()).await;
        assert_eq!(record["usage"]["output_text"], 12);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_reset_stream_is_metered_to_the_end_and_leaves_its_neighbours_alone() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let mut connection = h2c(&app).await;
    let body = chat(json!({"stream": true, "max_tokens": 100}));
    let leaving = connection
        .send_request(post(&app, &caller, &body, "chunk-delay-ms=60"))
        .await
        .unwrap();
    let staying = connection
        .send_request(post(&app, &caller, &body, "chunk-delay-ms=60"))
        .await
        .unwrap();
    let mut leaving = leaving.into_body();
    leaving.frame().await.unwrap().unwrap();
    drop(leaving);
    let text = staying.into_body().collect().await.unwrap().to_bytes();
    assert!(text.ends_with(b"data: [DONE]\n\n"));
    let data = loop {
        let requests = app.owner_client().get("/v1/requests").await.expect(200)["data"].take();
        if requests.as_array().unwrap().len() == 2 {
            break requests;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let mut endings: Vec<_> = data
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["ending"].as_str().unwrap())
        .collect();
    endings.sort_unstable();
    assert_eq!(endings, ["client_gone", "complete"]);
    assert!(
        data.as_array()
            .unwrap()
            .iter()
            .all(|row| row["usage"]["output_text"] == 12),
        "{data:#}"
    );
    app.finish().await;
}

#[tokio::test]
async fn an_upstream_that_breaks_off_resets_the_stream() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let mut connection = h2c(&app).await;
    let body = chat(json!({"stream": true}));
    let answer = connection
        .send_request(post(&app, &caller, &body, "abort-after=3"))
        .await
        .unwrap();
    assert!(answer.into_body().collect().await.is_err());
    ended(&app, "upstream_error").await;
    // The connection lives.
    let answer = connection
        .send_request(post(&app, &caller, &chat(json!({})), ""))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    answer.into_body().collect().await.unwrap();
    app.finish().await;
}

async fn over_tls(http1: bool) -> TestApp {
    let options = Options {
        tls: true,
        http1,
        ..Options::default()
    };
    TestApp::with(Setup {
        upstream: Some(FakeUpstream::with(options).await.unwrap()),
        ..Setup::default()
    })
    .await
}

#[tokio::test]
async fn upstreams_are_spoken_to_over_tls_in_either_version() {
    for (http1, version) in [(true, http::Version::HTTP_11), (false, http::Version::HTTP_2)] {
        let app = over_tls(http1).await;
        let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
        for stream in [false, true] {
            let body = chat(json!({"stream": stream, "max_tokens": 100}));
            let reply = caller.post(CHAT, &body).await.expect(200);
            let record = record(&app, &reply.id()).await;
            let seen = app.fake_upstream().last();
            assert_eq!(seen.version, version);
            assert_eq!(
                seen.header("authorization"),
                Some(format!("Bearer {CANARY}").as_str())
            );
            assert_eq!(
                seen.header("host"),
                Some(app.fake_upstream().authority().as_str())
            );
            assert_eq!(nanos(&record["cost"]), seen.tokens.0 as i64 * 150 + 12 * 600);
        }
        for fake in ["", "body-bytes=300000"] {
            let reply = caller
                .send(caller.request("GET", MODELS).header("x-fake", fake))
                .await
                .expect(200);
            assert_eq!(record(&app, &reply.id()).await["ending"], "complete");
        }
        assert_eq!(app.fake_upstream().connections(), 1, "the connection was kept");
        app.finish().await;
    }
}

#[tokio::test]
async fn an_http2_upstream_that_resets_a_stream_loses_that_stream_alone() {
    let app = over_tls(false).await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let body = chat(json!({"stream": true, "max_tokens": 100}));
    let reply = caller.post_with(CHAT, "abort-after=3", &body).await.expect(200);
    assert!(reply.cut);
    let broken = record(&app, &reply.id()).await;
    assert_eq!(broken["ending"], "upstream_error");
    caller.post(CHAT, &body).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn an_upstream_with_a_certificate_of_no_known_authority_is_not_spoken_to() {
    let app = TestApp::with(Setup {
        upstream: Some(FakeUpstream::start_tls().await),
        proxy: |config| config.extra_ca = None,
        ..Setup::default()
    })
    .await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let reply = caller.post(CHAT, &chat(json!({}))).await;
    reply.refused(502, "upstream_error");
    let record = record(&app, &reply.id()).await;
    assert_eq!(
        (&record["ending"], &record["cost"]),
        (&json!("not_sent"), &json!("0.00"))
    );
    assert_eq!(app.fake_upstream().count(), 0);
    app.finish().await;
}
