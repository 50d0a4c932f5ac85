//! What vendors answer: their own shapes, with content and numbers that follow from the request by fixed rules.
//!
//! The rules, for every language model: input tokens are 8 plus one for every started 4 bytes of text in the request's `messages`,
//! `input`, `prompt`, `system` and `instructions` (all strings under them, member names not counted, so that bytes spliced in elsewhere
//! change nothing). Output tokens are what the behaviour says or 12, at most the request's own cap, times `n`; a tool call has 9.
//! Cached and reasoning tokens are what the behaviour says, at most the input and the output.

mod anthropic;
mod openai;
mod plain;

use std::collections::VecDeque;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use super::behaviour::Behaviour;

/// The tokens of an answer when nothing else is asked for.
pub const DEFAULT_OUTPUT_TOKENS: u64 = 12;
/// The output tokens of an answer that calls a tool.
pub const TOOL_CALL_TOKENS: u64 = 9;

/// An answer before it is behaved.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) pieces: VecDeque<Bytes>,
    pub(super) streamed: bool,
    /// Input and output tokens as reported.
    pub(super) tokens: (u64, u64),
}

impl Reply {
    fn json(status: StatusCode, body: &Value) -> Self {
        let mut reply = Self {
            status,
            headers: HeaderMap::new(),
            pieces: [Bytes::from(body.to_string())].into(),
            streamed: false,
            tokens: (0, 0),
        };
        reply.header("content-type", "application/json");
        reply
    }

    fn ok(body: &Value) -> Self {
        Self::json(StatusCode::OK, body)
    }

    fn events(pieces: impl IntoIterator<Item = String>) -> Self {
        let mut reply = Self {
            pieces: pieces.into_iter().map(Bytes::from).collect(),
            streamed: true,
            ..Self::ok(&Value::Null)
        };
        let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
        reply.headers.insert(CONTENT_TYPE, kind);
        reply
    }

    fn with_tokens(mut self, counts: &Counts) -> Self {
        self.tokens = (counts.input, counts.output);
        self
    }

    pub(super) fn header(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(HeaderName::from_static(name), value);
        }
    }
}

/// A request as the vendors' rules see it.
pub(super) struct Call<'a> {
    pub(super) method: &'a http::Method,
    pub(super) path: &'a str,
    pub(super) body: &'a Bytes,
    /// The value in the first credential slot.
    pub(super) key: &'a str,
    pub(super) behaviour: &'a Behaviour,
    /// The answer's number, for ids.
    pub(super) index: usize,
}

/// The answer to `call`: the vendor is told by the path.
pub(super) fn answer(call: &Call<'_>) -> Reply {
    if let Some(status) = call
        .behaviour
        .status
        .and_then(|status| StatusCode::from_u16(status).ok())
    {
        return if call.path.ends_with("/messages") || call.path.ends_with("/messages/count_tokens") {
            anthropic::error(status, call)
        } else {
            plain::error(status, call).unwrap_or_else(|| openai::error(status, call))
        };
    }
    let json: Value = serde_json::from_slice(call.body).unwrap_or_default();
    let path = call.path.trim_end_matches('/');
    let ends = |end: &str| path.ends_with(end);
    let mut reply = match call.method.as_str() {
        "POST" if ends("/chat/completions") => openai::chat(call, &json),
        "POST" if ends("/responses") => openai::responses(call, &json),
        "POST" if ends("/embeddings") => openai::embeddings(&json),
        "POST" if ends("/messages/count_tokens") => anthropic::count_tokens(call, &json),
        "POST" if ends("/messages") => anthropic::messages(call, &json),
        "GET" if ends("/models") => openai::models(),
        _ => plain::answer(call, &json),
    };
    if call.behaviour.stream_error && reply.streamed {
        let error = if ends("/messages") {
            anthropic::ERROR_EVENT
        } else {
            openai::ERROR_EVENT
        };
        reply.pieces.truncate(2);
        reply.pieces.push_back(Bytes::from_static(error.as_bytes()));
        reply.tokens = (0, 0);
    }
    reply
}

/// Tokens by the rules of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    input: u64,
    cached: u64,
    output: u64,
    reasoning: u64,
}

impl Counts {
    fn of(json: &Value, behaviour: &Behaviour, choices: u64, calls_tool: bool) -> Self {
        let text: u64 = ["messages", "input", "prompt", "system", "instructions"]
            .iter()
            .filter_map(|name| json.get(name))
            .map(text_bytes)
            .sum();
        let input = 8 + text.div_ceil(4);
        let caps = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
        let cap = caps
            .iter()
            .filter_map(|name| json.get(name)?.as_u64())
            .min()
            .unwrap_or(u64::MAX);
        let plain = if calls_tool {
            TOOL_CALL_TOKENS
        } else {
            DEFAULT_OUTPUT_TOKENS
        };
        let output = behaviour.output_tokens.unwrap_or(plain).min(cap) * choices;
        Self {
            input,
            cached: behaviour.cached_tokens.min(input),
            output,
            reasoning: behaviour.reasoning_tokens.min(output),
        }
    }
}

fn text_bytes(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64,
        Value::Array(items) => items.iter().map(text_bytes).sum(),
        Value::Object(members) => members.values().map(text_bytes).sum(),
        _ => 0,
    }
}

/// `count` words, each in the form in which a stream sends it.
fn words(count: u64) -> impl Iterator<Item = String> {
    (1..=count).map(|at| {
        if at == 1 {
            "w1".to_owned()
        } else {
            format!(" w{at}")
        }
    })
}

/// The tool that an answer calls: the first, unless the conversation already holds a result.
fn called_tool(json: &Value) -> Option<&Value> {
    let has_result = json["messages"].as_array().is_some_and(|messages| {
        messages.last().is_some_and(|last| {
            last["role"] == "tool"
                || last["content"]
                    .as_array()
                    .is_some_and(|parts| parts.iter().any(|part| part["type"] == "tool_result"))
        })
    });
    if has_result || json["tool_choice"] == "none" {
        return None;
    }
    json["tools"].as_array()?.first()
}

/// What tools are called with.
const TOOL_ARGUMENTS: &str = r#"{"city":"Paris"}"#;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tokens_follow_from_the_text_alone() {
        let plain = Behaviour::default();
        let request = json!({"model": "m", "messages": [{"role": "user", "content": "12345678"}], "stream_options": {"include_usage": true}});
        // "user" and the content are twelve bytes.
        let counts = Counts::of(&request, &plain, 1, false);
        assert_eq!((counts.input, counts.output), (8 + 3, DEFAULT_OUTPUT_TOKENS));
        let capped = json!({"max_tokens": 5, "messages": [{"content": [{"type": "text", "text": "abc"}]}]});
        let counts = Counts::of(&capped, &plain, 2, false);
        assert_eq!((counts.input, counts.output), (8 + 2, 10));
        let told = Behaviour {
            output_tokens: Some(7),
            cached_tokens: 99,
            reasoning_tokens: 3,
            ..plain
        };
        let counts = Counts::of(&request, &told, 1, false);
        assert_eq!(
            counts,
            Counts {
                input: 11,
                cached: 11,
                output: 7,
                reasoning: 3
            }
        );
    }

    #[test]
    fn a_tool_is_called_until_its_result_is_there() {
        let tools = json!([{"function": {"name": "f"}}]);
        assert!(called_tool(&json!({"tools": tools, "messages": [{"role": "user"}]})).is_some());
        assert!(called_tool(&json!({"tools": tools, "messages": [{"role": "tool"}]})).is_none());
        assert!(called_tool(&json!({"tools": tools, "tool_choice": "none"})).is_none());
        assert!(
            called_tool(&json!({"tools": tools, "messages": [{"content": [{"type": "tool_result"}]}]}))
                .is_none()
        );
        assert!(called_tool(&json!({"messages": []})).is_none());
    }
}
