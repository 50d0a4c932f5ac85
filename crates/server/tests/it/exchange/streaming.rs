//! Streams: a byte is passed on when it arrives, and no more is taken than the client takes.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::{CHAT, MESSAGES, chat, ended, message, openai};
use crate::support::{Setup, TestApp};

/// A server that does not wait long for the rest of abandoned streams.
async fn brisk() -> TestApp {
    TestApp::with(Setup {
        proxy: |config| config.metering_timeout = Duration::from_millis(100),
        ..Setup::default()
    })
    .await
}

#[tokio::test]
async fn the_first_event_arrives_while_the_upstream_is_silent() {
    let app = brisk().await;
    let caller = openai(&app, json!({})).await;
    // Hidden usage or not: the first must not make events wait.
    for options in [json!({}), json!({"stream_options": {"include_usage": true}})] {
        let body = super::with(chat(json!({"stream": true})), options);
        let request = caller
            .request("POST", CHAT)
            .header("x-fake", "stall-after=2")
            .json(&body);
        let mut answer = caller.open(request).await;
        let mut text = String::new();
        while text.matches("\n\n").count() < 2 {
            let chunk = answer.chunk();
            let chunk = tokio::time::timeout(Duration::from_secs(5), chunk).await;
            let chunk = chunk.unwrap_or_else(|_| panic!("held back behind {text:?}"));
            text.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
        }
        assert!(text.contains("\"w1\""), "{text}");
        assert!(!app.fake_upstream().last().sent.ended);
        drop(answer);
        ended(&app, "client_gone").await;
    }
    app.finish().await;
}

#[tokio::test]
async fn the_head_of_a_stream_does_not_wait_for_its_body() {
    let app = brisk().await;
    app.create_credential("anthropic").await;
    let caller = app.caller(&app.create_token("a", &["anthropic"]).await);
    let body = message(json!({"stream": true}));
    let request = caller
        .request("POST", MESSAGES)
        .header("x-fake", "stall-after=0")
        .json(&body);
    let answer = tokio::time::timeout(Duration::from_secs(5), caller.open(request))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    drop(answer);
    ended(&app, "client_gone").await;
    app.finish().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_upstream() {
    const HUGE: u64 = 2_000_000_000;
    let app = TestApp::start().await;
    let token = {
        app.create_credential("openai").await;
        app.create_token("agent", &["openai"]).await
    };
    let authority = app.proxy_url().strip_prefix("http://").unwrap().to_owned();
    let mut socket = TcpStream::connect(&authority).await.unwrap();
    let head = format!(
        "GET /v1/openai/v1/files/f/content HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {token}\r\nx-fake: body-bytes={HUGE}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 1_024];
    socket.read_exact(&mut first).await.unwrap();
    // Long enough for gigabytes over loopback, if somebody took them.
    tokio::time::sleep(Duration::from_millis(700)).await;
    drop(socket);
    assert!(app.fake_upstream().settled(1, Duration::from_secs(10)).await);
    let sent = app.fake_upstream().last().sent;
    assert!(!sent.complete);
    // What the sockets of both connections hold, and little more.
    assert!(sent.body_bytes < 64_000_000, "{} bytes", sent.body_bytes);
    ended(&app, "client_gone").await;
    app.finish().await;
}

#[tokio::test]
async fn a_request_body_is_passed_on_as_it_comes() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let (sender, receiver) = mpsc::channel(1);
    let body = reqwest::Body::wrap(Fed(receiver));
    let call = tokio::spawn({
        let caller = caller.clone();
        async move {
            caller
                .send(caller.request("POST", "/v1/openai/v1/files").body(body))
                .await
        }
    });
    for _ in 0..10 {
        sender.send(Bytes::from_static(&[b'x'; 10_000])).await.unwrap();
    }
    drop(sender);
    let reply = call.await.unwrap().expect(200);
    assert_eq!(reply.json()["bodyBytes"], 100_000);
    assert_eq!(
        app.fake_upstream().last().header("transfer-encoding"),
        Some("chunked")
    );
    app.finish().await;
}

/// A body that a test feeds by hand.
struct Fed(mpsc::Receiver<Bytes>);

impl Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
