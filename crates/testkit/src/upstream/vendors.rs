//! What vendors answer: their own shapes, with content and numbers that follow from the request by fixed rules.
//!
//! The rules, for every language model: input tokens are 8 plus one for every started 4 bytes of text in the members of the request
//! that hold its input ([`INPUT_MEMBERS`]; all strings under them, member names not counted, so that bytes spliced in elsewhere change
//! nothing). Output tokens are what the behaviour says or 12, at most the request's own cap, times the number of choices; a tool call
//! has 9. Cached and reasoning tokens are what the behaviour says, at most the input and the output.
//!
//! A vendor is told by the path. Where several share a path, the fake is told which it is ([`Dialect`]).

mod anthropic;
mod cohere;
mod gemini;
mod mistral;
mod ollama;
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
    pub(super) fn json(status: StatusCode, body: &Value) -> Self {
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

    pub(super) fn ok(body: &Value) -> Self {
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

/// Who answers on paths that several vendors have: `/v1/models`, `/v1/chat/completions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// OpenAI.
    #[default]
    OpenAi,
    /// Google.
    Gemini,
    /// Mistral, whose shapes are OpenAI's with differences.
    Mistral,
}

/// A request as the vendors' rules see it.
pub(super) struct Call<'a> {
    pub(super) method: &'a http::Method,
    pub(super) path: &'a str,
    /// The query, or nothing.
    pub(super) query: &'a str,
    pub(super) body: &'a Bytes,
    /// The value in the first credential slot.
    pub(super) key: &'a str,
    pub(super) behaviour: &'a Behaviour,
    pub(super) dialect: Dialect,
    /// The answer's number, for ids.
    pub(super) index: usize,
}

impl Call<'_> {
    fn ends(&self, end: &str) -> bool {
        self.path.trim_end_matches('/').ends_with(end)
    }

    fn is_post(&self) -> bool {
        *self.method == http::Method::POST
    }
}

/// Whose shapes an answer has.
#[derive(Clone, Copy)]
enum Vendor {
    Anthropic,
    Cohere,
    Gemini,
    Mistral,
    Ollama,
    OpenAi,
    /// One of those without tokens.
    Plain,
}

impl Vendor {
    fn of(call: &Call<'_>) -> Self {
        if call.ends("/messages") || call.ends("/messages/count_tokens") {
            Self::Anthropic
        } else if cohere::knows(call.path) {
            Self::Cohere
        } else if gemini::knows(call.path) {
            Self::Gemini
        } else if ollama::knows(call.path) {
            Self::Ollama
        } else if plain::knows(call.path) {
            Self::Plain
        } else {
            match call.dialect {
                Dialect::OpenAi => Self::OpenAi,
                Dialect::Gemini => Self::Gemini,
                Dialect::Mistral => Self::Mistral,
            }
        }
    }

    fn answer(self, call: &Call<'_>, json: &Value) -> Reply {
        match self {
            Self::Anthropic => anthropic::answer(call, json),
            Self::Cohere => cohere::answer(call, json),
            Self::Gemini => gemini::answer(call, json),
            Self::Mistral => mistral::answer(call, json),
            Self::Ollama => ollama::answer(call, json),
            Self::OpenAi => openai::answer(call, json),
            Self::Plain => plain::answer(call, json),
        }
    }

    fn error(self, status: StatusCode, call: &Call<'_>) -> Reply {
        match self {
            Self::Anthropic => anthropic::error(status, call),
            Self::Cohere => cohere::error(status, call),
            Self::Gemini => gemini::error(status, call),
            Self::Mistral => mistral::error(status),
            Self::Ollama => ollama::error(status),
            Self::OpenAi => openai::error(status, call),
            Self::Plain => plain::error(status, call),
        }
    }

    /// What the vendor sends when a stream fails under way.
    fn error_event(self, call: &Call<'_>) -> &'static str {
        match self {
            Self::Anthropic => anthropic::ERROR_EVENT,
            Self::Cohere => cohere::ERROR_EVENT,
            Self::Gemini => gemini::error_event(call),
            Self::Mistral => mistral::ERROR_EVENT,
            Self::Ollama => ollama::ERROR_LINE,
            Self::OpenAi | Self::Plain => openai::ERROR_EVENT,
        }
    }
}

/// The answer to `call`.
pub(super) fn answer(call: &Call<'_>) -> Reply {
    let vendor = Vendor::of(call);
    let told = call.behaviour.status;
    if let Some(status) = told.and_then(|status| StatusCode::from_u16(status).ok()) {
        return vendor.error(status, call);
    }
    let json: Value = serde_json::from_slice(call.body).unwrap_or_default();
    let mut reply = vendor.answer(call, &json);
    if call.behaviour.stream_error && reply.streamed {
        reply.pieces.truncate(2);
        reply
            .pieces
            .push_back(Bytes::from_static(vendor.error_event(call).as_bytes()));
        reply.tokens = (0, 0);
    }
    reply
}

/// The members of a request whose text is its input.
const INPUT_MEMBERS: [&str; 10] = [
    "messages",
    "input",
    "prompt",
    "system",
    "instructions",
    "contents",
    "systemInstruction",
    "content",
    "texts",
    "requests",
];

/// The members that cap the output: of the request, and of Gemini's `generationConfig`.
const CAPS: [&str; 4] = [
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "maxOutputTokens",
];

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
        let text: u64 = INPUT_MEMBERS
            .iter()
            .filter_map(|name| json.get(name))
            .map(text_bytes)
            .sum();
        let input = 8 + text.div_ceil(4);
        let cap = CAPS
            .iter()
            .flat_map(|name| [&json[name], &json["generationConfig"][name]])
            .filter_map(Value::as_u64)
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
    let is_result = |last: &Value| {
        last["role"] == "tool"
            || last["type"] == "function_call_output"
            || last["content"]
                .as_array()
                .is_some_and(|parts| parts.iter().any(|part| part["type"] == "tool_result"))
    };
    // Of the Responses API it is the input.
    let has_result = ["messages", "input"].iter().any(|name| {
        json[*name]
            .as_array()
            .and_then(|turns| turns.last())
            .is_some_and(is_result)
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
