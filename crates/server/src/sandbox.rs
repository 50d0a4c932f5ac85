//! The sandbox provider of `ks dev`: a fake of OpenAI chat completions and Anthropic messages, in this process, on a
//! loopback port of its own, so that a newcomer sees a whole round trip without an account anywhere.
//!
//! It is a real upstream to the proxy: it speaks HTTP and refuses every request that does not carry the key it was started
//! with, so that the credential has to be opened and injected. It calls no tools, thinks nothing, and is never part of
//! `ks serve`.

mod anthropic;
mod openai;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use keystore_core::Clock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::ChannelBody;
use crate::config::SecretText;

/// The model that it says it is.
pub const MODEL: &str = "sandbox-1";

/// The pause between two pieces of a streamed answer: long enough that a person sees it stream.
const PAUSE: Duration = Duration::from_millis(25);

/// A running sandbox.
#[derive(Debug)]
pub struct Sandbox {
    /// Where it listens.
    pub addr: SocketAddr,
}

struct Shared {
    key: SecretText,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
}

/// What the fake says to a prompt, and what it counted.
struct Answer {
    words: Vec<String>,
    input_tokens: u64,
    cut: bool,
}

impl Sandbox {
    /// Starts on an ephemeral loopback port. Only requests that carry `key` are answered. Runs on `tasks` until `stop`.
    ///
    /// # Errors
    /// The port cannot be bound.
    pub async fn start(
        key: SecretText,
        clock: Arc<dyn Clock>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            key,
            clock,
            tasks: tasks.clone(),
        });
        let router = Router::new()
            .route("/v1/models", get(list_models))
            .route("/v1/chat/completions", post(openai::create_chat_completion))
            .route("/v1/messages", post(anthropic::create_message))
            .layer(DefaultBodyLimit::max(32 << 20))
            .with_state(shared);
        let listener = listener.tap_io(|socket| {
            let _ = socket.set_nodelay(true);
        });
        tasks.spawn(async move {
            let serving =
                axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await });
            if let Err(error) = serving.await {
                tracing::error!(%error, "the sandbox provider stopped");
            }
        });
        Ok(Self { addr })
    }
}

impl Shared {
    fn accepts(&self, headers: &HeaderMap) -> bool {
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let api_key = headers.get("x-api-key").map(HeaderValue::as_bytes);
        let expected = self.key.expose().as_bytes();
        bearer == Some(expected) || api_key == Some(expected)
    }

    fn id(&self, prefix: &str) -> String {
        format!("{prefix}{:x}", self.clock.now().0)
    }
}

async fn list_models(
    axum::extract::State(shared): axum::extract::State<Arc<Shared>>,
    headers: HeaderMap,
) -> Response {
    if !shared.accepts(&headers) {
        return openai::unauthorized();
    }
    let model = json!({"id": MODEL, "object": "model", "created": 0, "owned_by": "keystore"});
    Json(json!({"object": "list", "data": [model]})).into_response()
}

/// Says the prompt back. A token is a word here: enough to watch counting and prices.
fn answer(prompt: &str, max_tokens: Option<u64>) -> Answer {
    let said: String = prompt.chars().take(400).collect();
    let text = if said.trim().is_empty() {
        "Hello from the sandbox. Say something and I will say it back.".to_owned()
    } else {
        format!("Hello from the sandbox. You said: {}", said.trim())
    };
    let mut words: Vec<String> = text
        .split_inclusive(char::is_whitespace)
        .map(str::to_owned)
        .collect();
    let most = usize::try_from(max_tokens.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let cut = words.len() > most;
    words.truncate(most);
    Answer {
        words,
        input_tokens: prompt.split_whitespace().count().max(1) as u64,
        cut,
    }
}

/// The text of all messages, whether their content is a string or a list of parts.
fn prompt_of(body: &Value) -> Option<String> {
    let mut texts = Vec::new();
    let messages = body.get("messages")?.as_array().filter(|list| !list.is_empty())?;
    for message in messages {
        match message.get("content") {
            Some(Value::String(text)) => texts.push(text.as_str()),
            Some(Value::Array(parts)) => {
                texts.extend(parts.iter().filter_map(|part| part.get("text")?.as_str()));
            }
            _ => {}
        }
    }
    Some(texts.join("\n"))
}

/// An answer of server-sent events that are written one after the other with a pause between.
fn event_stream(tasks: &TaskTracker, events: Vec<String>) -> Response {
    let (sender, body) = ChannelBody::new(1);
    tasks.spawn(async move {
        for event in events {
            if sender.send(event.into()).await.is_err() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (StatusCode::OK, headers, Body::new(body)).into_response()
}
