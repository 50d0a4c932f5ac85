//! What permitted a call is taken back while it runs: it is cut within a second, told why, and charged once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keystore_core::{Clock as _, Micros};
use keystore_testkit::counts::within;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{CHAT, MESSAGES, MODELS, RESPONSES, budget, chat, ended, message, nanos, openai, record};
use crate::support::{Caller, Client, TestApp};

/// How long a cut may take.
const CUT: Duration = Duration::from_secs(1);

/// An upstream that sends some events and then nothing.
const SILENT: &str = "stall-after=3";

/// An upstream that goes on sending.
pub(super) const STEADY: &str = "chunk-delay-ms=5; output-tokens=4000";

/// Answers that arrive while the test goes on.
pub(super) struct Streams(JoinSet<Streamed>);

/// An answer that arrived piece by piece.
pub(super) struct Streamed {
    id: String,
    text: String,
    cut: bool,
    ended: Instant,
}

impl Streams {
    /// `count` chat completions, all of them under way.
    pub(super) async fn open(caller: &Caller, count: usize, fake: &'static str) -> Self {
        let body = chat(json!({"stream": true, "max_tokens": 100}));
        Self::of(caller, count, CHAT, fake, &body).await
    }

    async fn of(caller: &Caller, count: usize, path: &'static str, fake: &'static str, body: &Value) -> Self {
        let mut streams = JoinSet::new();
        let begun = Arc::new(Semaphore::new(0));
        for _ in 0..count {
            let request = caller.request("POST", path).header("x-fake", fake).json(body);
            streams.spawn(streamed(caller.clone(), request, Arc::clone(&begun)));
        }
        let all = begun.acquire_many(u32::try_from(count).unwrap());
        let all = tokio::time::timeout(Duration::from_secs(20), all).await;
        assert!(all.is_ok(), "not all of them began");
        Self(streams)
    }

    /// Checks that every one was cut within a second of `since`, with a last event of this code. Gives the answers.
    pub(super) async fn were_cut(self, since: Instant, code: &str) -> Vec<Streamed> {
        let streams = self.0.join_all().await;
        for streamed in &streams {
            let took = streamed.ended.saturating_duration_since(since);
            assert!(took <= within(CUT), "{took:?}");
            let text = &streamed.text;
            assert!(streamed.cut && !text.contains("[DONE]"), "{text}");
            assert_eq!(last_event(text)["error"]["code"], code, "{text}");
        }
        streams
    }
}

async fn streamed(caller: Caller, request: reqwest::RequestBuilder, begun: Arc<Semaphore>) -> Streamed {
    let mut answer = caller.open(request).await;
    assert_eq!(answer.status(), 200);
    let id = answer.headers()["x-keystore-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let mut text = Vec::new();
    let cut = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => {
                // Once for each answer: the first piece that came.
                begun.add_permits(usize::from(text.is_empty()));
                text.extend_from_slice(&chunk);
            }
            end => break end.is_err(),
        }
    };
    Streamed {
        id,
        text: String::from_utf8(text).unwrap(),
        cut,
        ended: Instant::now(),
    }
}

/// The data of the last event.
fn last_event(text: &str) -> Value {
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    let data = last.lines().find_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(data.unwrap_or_else(|| panic!("{text}"))).unwrap()
}

/// A caller that no rate stops.
pub(super) async fn unlimited(app: &TestApp, more: Value) -> Caller {
    let limits = json!({"rpmLimit": 1_000_000, "rpdLimit": 1_000_000});
    openai(app, super::with(limits, more)).await
}

/// The id of the one token.
async fn token(owner: &Client) -> String {
    let tokens = owner.get("/v1/tokens").await.expect(200);
    tokens["data"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_stream_of_a_revoked_token_is_cut_and_settled_once() {
    let app = TestApp::start().await;
    let caller = unlimited(&app, json!({"budgetCentsMonthly": 100_000})).await;
    let streams = Streams::open(&caller, 200, SILENT).await;
    let held = nanos(&budget(&app).await["held"]);
    let owner = app.owner_client();
    let revoke = format!("/v1/tokens/{}/revoke", token(owner).await);
    owner.post(&revoke, &Value::Null).await.expect(200);
    let since = Instant::now();
    let replies = streams.were_cut(since, "invalid_token").await;
    assert!(
        app.fake_upstream().settled(200, within(CUT)).await,
        "the upstream was let go"
    );
    let mut charged = 0;
    for reply in &replies {
        let record = record(&app, &reply.id).await;
        assert_eq!(
            (&record["ending"], &record["code"], &record["flags"]),
            (
                &json!("revoked"),
                &json!("invalid_token"),
                &json!({"estimated": true})
            ),
            "{record:#}"
        );
        charged += nanos(&record["cost"]);
    }
    let stands = budget(&app).await;
    assert_eq!(stands["held"], "0.00");
    assert_eq!(nanos(&stands["spent"]), charged);
    assert_eq!(
        charged, held,
        "an answer that did not say what it used costs what was held for it"
    );
    caller.get(MODELS).await.refused(401, "invalid_token");
    app.finish().await;
}

#[tokio::test]
async fn whatever_takes_the_permission_back_cuts_and_what_does_not_does_not() {
    let app = TestApp::start().await;
    let caller = unlimited(&app, json!({"budgetCentsMonthly": 100_000})).await;
    let owner = app.owner_client();
    let grant =
        |scopes: Value| json!({"providers": [{"name": "openai", "source": "byok", "scopes": scopes}]});
    for fake in [SILENT, STEADY] {
        for (change, code, back) in [
            (None, "agent_paused", None),
            (
                Some(json!({"providers": []})),
                "provider_not_granted",
                Some(grant(json!([]))),
            ),
            (
                Some(grant(json!(["provider:openai:read"]))),
                "scope_denied",
                Some(grant(json!([]))),
            ),
        ] {
            let streams = Streams::open(&caller, 10, fake).await;
            // What the calls are still permitted by leaves them alone.
            for harmless in [json!({"rpmLimit": 999_999}), grant(json!(["provider:openai:*"]))] {
                owner.patch("/v1/agents/agent", &harmless).await.expect(200);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(
                app.fake_upstream()
                    .log()
                    .iter()
                    .rev()
                    .take(10)
                    .all(|seen| !seen.sent.ended)
            );
            let since = match &change {
                Some(change) => {
                    owner.patch("/v1/agents/agent", change).await.expect(200);
                    Instant::now()
                }
                None => {
                    owner
                        .post("/v1/agents/agent/pause", &Value::Null)
                        .await
                        .expect(200);
                    Instant::now()
                }
            };
            streams.were_cut(since, code).await;
            match &back {
                Some(back) => owner.patch("/v1/agents/agent", back).await.expect(200),
                None => owner
                    .post("/v1/agents/agent/resume", &Value::Null)
                    .await
                    .expect(200),
            };
        }
    }
    app.finish().await;
}

/// Lines of JSON end with a line that says why.
#[tokio::test]
async fn a_stream_of_lines_is_cut_behind_a_line() {
    let app = TestApp::start().await;
    app.create_credential("ollama-cloud").await;
    let caller = app.caller(&app.create_token("agent", &["ollama-cloud"]).await);
    let body = json!({"model": "gpt-oss:20b", "messages": [{"role": "user", "content": "Hi"}]});
    let request = caller
        .request("POST", "/v1/ollama-cloud/api/chat")
        .header("x-fake", "chunk-delay-ms=50; output-tokens=200");
    let mut answer = caller.open(request.json(&body)).await;
    let mut text = answer.chunk().await.unwrap().unwrap().to_vec();
    let pause = app
        .owner_client()
        .post("/v1/agents/agent/pause", &Value::Null)
        .await;
    pause.expect(200);
    let end = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => text.extend_from_slice(&chunk),
            end => break end,
        }
    };
    assert!(end.is_err(), "it is not taken for a whole answer");
    let lines: Vec<Value> = text
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let (last, before) = lines.split_last().unwrap();
    assert_eq!(last["code"], "agent_paused", "{last}");
    assert!(last["error"].as_str().unwrap().contains("is paused"), "{last}");
    assert!(before.iter().all(|line| line["done"] == false) && before.len() < 200);
    app.finish().await;
}

#[tokio::test]
async fn a_rotation_lets_calls_end_and_a_deletion_does_not() {
    let app = TestApp::start().await;
    let caller = unlimited(&app, json!({})).await;
    let owner = app.owner_client();
    let credentials = owner.get("/v1/credentials").await.expect(200);
    let path = format!(
        "/v1/credentials/{}",
        credentials["data"][0]["id"].as_str().unwrap()
    );
    let streams = Streams::open(&caller, 5, "chunk-delay-ms=40; output-tokens=20").await;
    let rotation = json!({"secret": "sk-rotated-canary"});
    owner.post(&format!("{path}/rotate"), &rotation).await.expect(200);
    for streamed in streams.0.join_all().await {
        assert!(
            !streamed.cut && streamed.text.contains("[DONE]"),
            "{}",
            streamed.text
        );
        assert_eq!(record(&app, &streamed.id).await["ending"], "complete");
    }
    let streams = Streams::open(&caller, 5, SILENT).await;
    let deleted = owner.delete(&format!("{path}?force=true")).await;
    let since = Instant::now();
    assert_eq!(deleted.status, 204);
    streams.were_cut(since, "credential_missing").await;
    app.finish().await;
}

#[tokio::test]
async fn a_token_that_expires_cuts_its_streams() {
    let app = TestApp::start().await;
    app.create_credential("openai").await;
    let life = Duration::from_millis(2_500);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let ends = Micros(i64::try_from((now + life).as_micros()).unwrap());
    let since = Instant::now() + life;
    let ends = json!({"expiresAt": ends.to_string()});
    let caller = app.caller(&app.create_token_with("agent", &["openai"], ends).await);
    let streams = Streams::open(&caller, 5, SILENT).await;
    streams.were_cut(since, "invalid_token").await;
    app.finish().await;
}

/// A chat completion of which a part of the body has arrived, and nothing more for a while.
pub(super) struct Slow {
    socket: TcpStream,
    rest: Vec<u8>,
}

impl Slow {
    pub(super) async fn begin(app: &TestApp, token: &str) -> Self {
        let authority = app.proxy_url().strip_prefix("http://").unwrap();
        let body = chat(json!({"max_tokens": 100})).to_string();
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let (part, rest) = body.as_bytes().split_at(10);
        let mut socket = TcpStream::connect(authority).await.unwrap();
        socket.write_all(&[head.as_bytes(), part].concat()).await.unwrap();
        // Long enough for the agent to be looked at.
        tokio::time::sleep(Duration::from_millis(300)).await;
        Self {
            socket,
            rest: rest.to_vec(),
        }
    }

    /// The answer once the rest of the body is there.
    pub(super) async fn end(mut self) -> String {
        self.socket.write_all(&self.rest).await.unwrap();
        let mut answer = String::new();
        self.socket.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn a_call_whose_token_expires_while_its_body_arrives_is_not_sent() {
    let (app, clock) = TestApp::clocked().await;
    app.create_credential("openai").await;
    let ends = json!({"expiresAt": clock.now().plus(Duration::from_secs(60)).to_string()});
    let token = app.create_token_with("agent", &["openai"], ends).await;
    let slow = Slow::begin(&app, &token).await;
    clock.advance(Duration::from_secs(61));
    let answer = slow.end().await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("invalid_token"), "{answer}");
    assert_eq!(app.fake_upstream().count(), 0);
    app.finish().await;
}

#[tokio::test]
async fn a_budget_that_is_cut_while_a_body_arrives_counts_for_that_call() {
    let app = TestApp::start().await;
    app.create_credential("openai").await;
    let token = app.create_token("agent", &["openai"]).await;
    let slow = Slow::begin(&app, &token).await;
    let nothing = json!({"budgetCentsMonthly": 0});
    let owner = app.owner_client();
    owner.patch("/v1/agents/agent", &nothing).await.expect(200);
    let answer = slow.end().await;
    assert!(answer.starts_with("HTTP/1.1 402 "), "{answer}");
    assert!(answer.contains("budget_exceeded"), "{answer}");
    assert_eq!(app.fake_upstream().count(), 0);
    app.finish().await;
}

/// What does not concern a call is no reason to refuse it: agents are moved, and given other providers, while they work.
#[tokio::test]
async fn what_changes_elsewhere_while_a_body_arrives_fails_no_call() {
    let app = TestApp::start().await;
    app.create_credential("openai").await;
    app.create_credential("anthropic").await;
    let token = app.create_token("agent", &["openai"]).await;
    let owner = app.owner_client();
    let grants = |names: &[&str]| {
        let grants = names.iter().map(|name| json!({"name": name, "source": "byok"}));
        json!({"providers": grants.collect::<Vec<_>>()})
    };
    let slow = Slow::begin(&app, &token).await;
    let wider = grants(&["anthropic", "openai"]);
    owner.patch("/v1/agents/agent", &wider).await.expect(200);
    let answer = slow.end().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // Its own grant is another matter.
    let slow = Slow::begin(&app, &token).await;
    let without = grants(&["anthropic"]);
    owner.patch("/v1/agents/agent", &without).await.expect(200);
    let answer = slow.end().await;
    assert!(answer.contains("provider_not_granted"), "{answer}");
    assert_eq!(app.fake_upstream().count(), 1);
    app.finish().await;
}

#[tokio::test]
async fn a_call_that_waits_for_its_answer_is_refused_with_the_reason() {
    let app = TestApp::start().await;
    let caller = unlimited(&app, json!({"budgetCentsMonthly": 100_000})).await;
    let owner = app.owner_client();
    for (stream, fake) in [
        (false, "head-delay-ms=60000"),
        (true, "head-delay-ms=60000"),
        (false, "stall-after=0"),
    ] {
        let count = app.fake_upstream().count();
        let call = tokio::spawn({
            let caller = caller.clone();
            let body = chat(json!({"stream": stream, "max_tokens": 100}));
            async move { caller.post_with(CHAT, fake, &body).await }
        });
        while app.fake_upstream().count() == count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        owner
            .post("/v1/agents/agent/pause", &Value::Null)
            .await
            .expect(200);
        let reply = tokio::time::timeout(within(CUT), call).await.unwrap().unwrap();
        reply.refused(403, "agent_paused");
        let record = record(&app, &reply.id()).await;
        assert_eq!(
            (&record["ending"], &record["code"], &record["flags"]["estimated"]),
            (&json!("revoked"), &json!("agent_paused"), &json!(true)),
            "{record:#}"
        );
        assert!(nanos(&record["cost"]) > 0, "it was sent");
        owner
            .post("/v1/agents/agent/resume", &Value::Null)
            .await
            .expect(200);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_cut_all_the_same() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let app = TestApp::start().await;
    let caller = unlimited(&app, json!({})).await;
    let authority = app.proxy_url().strip_prefix("http://").unwrap().to_owned();
    let mut socket = tokio::net::TcpStream::connect(&authority).await.unwrap();
    let head = format!(
        "GET /v1/openai/v1/files/f/content HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {}\r\nx-fake: body-bytes=2000000000\r\n\r\n",
        caller.token()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 1_024];
    socket.read_exact(&mut first).await.unwrap();
    // Until every buffer on the way is full.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!app.fake_upstream().last().sent.ended);
    app.owner_client()
        .post("/v1/agents/agent/pause", &Value::Null)
        .await
        .expect(200);
    assert!(
        app.fake_upstream().settled(1, within(CUT)).await,
        "the upstream was let go"
    );
    ended(&app, "revoked").await;
    drop(socket);
    app.finish().await;
}

#[tokio::test]
async fn a_stream_whose_client_left_is_cut_all_the_same() {
    let app = TestApp::start().await;
    let caller = unlimited(&app, json!({"budgetCentsMonthly": 100_000})).await;
    let body = chat(json!({"stream": true, "max_tokens": 100}));
    let request = caller.request("POST", CHAT).header("x-fake", STEADY).json(&body);
    let mut answer = caller.open(request).await;
    answer.chunk().await.unwrap().unwrap();
    drop(answer);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(
        !app.fake_upstream().last().sent.ended,
        "it is read for what it used"
    );
    app.owner_client()
        .post("/v1/agents/agent/pause", &Value::Null)
        .await
        .expect(200);
    assert!(
        app.fake_upstream().settled(1, within(CUT)).await,
        "the upstream was let go"
    );
    ended(&app, "revoked").await;
    app.finish().await;
}

#[tokio::test]
async fn the_last_event_is_one_that_the_vendors_clients_take_for_an_error() {
    let app = TestApp::start().await;
    for provider in ["openai", "anthropic"] {
        app.create_credential(provider).await;
    }
    let caller = app.caller(&app.create_token("agent", &["openai", "anthropic"]).await);
    let responses = json!({"model": "gpt-4o-mini", "input": "hi", "stream": true});
    for (path, body, code) in [
        (MESSAGES, message(json!({"stream": true})), "/error/type"),
        (RESPONSES, responses, "/code"),
    ] {
        let streams = Streams::of(&caller, 3, path, STEADY, &body).await;
        app.owner_client()
            .post("/v1/agents/agent/pause", &Value::Null)
            .await
            .expect(200);
        for streamed in streams.were_cut(Instant::now(), "agent_paused").await {
            let text = &streamed.text;
            let data = last_event(text);
            assert!(text.contains("\n\nevent: error\ndata: "), "{text}");
            assert_eq!(data["type"], "error");
            assert_eq!(data.pointer(code), Some(&json!("agent_paused")), "{text}");
            let said = data.to_string();
            assert!(said.contains("ks agent resume agent"), "what to do: {said}");
        }
        app.owner_client()
            .post("/v1/agents/agent/resume", &Value::Null)
            .await
            .expect(200);
    }
    app.finish().await;
}
