//! Gemini's shapes: content whole, as events and as one array that is written piece by piece; token counts, embeddings, models,
//! errors. Its paths in OpenAI's format answer like OpenAI, with errors of its own in a list.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Call, Counts, Reply, TOOL_ARGUMENTS, openai, words};

/// Its methods stand behind a colon; version 1 has paths of OpenAI's beside them.
pub(super) fn knows(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    path.starts_with("/v1beta/") || (path.contains("/models/") && name.contains(':'))
}

fn is_openai(call: &Call<'_>) -> bool {
    call.path.starts_with("/v1beta/openai/")
}

fn is_array(call: &Call<'_>) -> bool {
    call.ends(":streamGenerateContent") && !call.query.split('&').any(|pair| pair == "alt=sse")
}

pub(super) fn answer(call: &Call<'_>, json: &Value) -> Reply {
    if is_openai(call) {
        return openai::answer(call, json);
    }
    let counts = || Counts::of(json, call.behaviour, 0, false);
    match call.method.as_str() {
        "POST" if call.ends(":generateContent") || call.ends(":streamGenerateContent") => content(call, json),
        "POST" if call.ends(":countTokens") => Reply::ok(&json!({"totalTokens": counts().input})),
        "POST" if call.ends(":embedContent") => Reply::ok(&json!({"embedding": embedding()})),
        "POST" if call.ends(":batchEmbedContents") => {
            let inputs = json["requests"].as_array().map_or(0, Vec::len);
            Reply::ok(&json!({"embeddings": vec![embedding(); inputs]}))
        }
        "GET" if call.ends("/models") => Reply::ok(&json!({"models": [model("gemini-fake")]})),
        "GET" => Reply::ok(&model(named(call))),
        _ => error(StatusCode::NOT_FOUND, call),
    }
}

/// The model that the path names.
fn named<'a>(call: &Call<'a>) -> &'a str {
    let name = call.path.rsplit('/').next().unwrap_or_default();
    name.split(':').next().unwrap_or_default()
}

fn embedding() -> Value {
    json!({"values": [0.125, -0.25, 0.5, 0.0]})
}

fn model(name: &str) -> Value {
    json!({
        "name": format!("models/{name}"), "version": "001", "displayName": name, "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536, "supportedGenerationMethods": ["generateContent", "countTokens"],
    })
}

fn content(call: &Call<'_>, json: &Value) -> Reply {
    if !json["contents"].is_array() {
        return problem(StatusCode::BAD_REQUEST, "contents is not specified", None);
    }
    let tool = called_tool(json);
    let counts = Counts::of(json, call.behaviour, 1, tool.is_some());
    let content = Content {
        id: format!("fake{:08}", call.index),
        model: named(call),
        counts,
        has_usage: !call.behaviour.no_usage,
    };
    let parts: Vec<Value> = match tool {
        Some(name) => {
            let arguments: Value = serde_json::from_str(TOOL_ARGUMENTS).unwrap_or_default();
            vec![json!({"functionCall": {"name": name, "args": arguments}})]
        }
        None => words(counts.output - counts.reasoning)
            .map(|word| json!({"text": word}))
            .collect(),
    };
    let reply = if call.ends(":streamGenerateContent") {
        let chunks = content.stream(parts);
        match is_array(call) {
            true => Reply::array(&chunks),
            false => Reply::events(chunks.into_iter().map(|chunk| format!("data: {chunk}\r\n\r\n"))),
        }
    } else {
        Reply::ok(&content.whole(&parts))
    };
    if call.behaviour.no_usage {
        reply
    } else {
        reply.with_tokens(&counts)
    }
}

/// The tool that an answer calls: the first, unless the conversation ends with a result.
fn called_tool(json: &Value) -> Option<&Value> {
    let last = json["contents"].as_array().and_then(|contents| contents.last());
    let has_result = last
        .and_then(|last| last["parts"].as_array())
        .is_some_and(|parts| parts.iter().any(|part| part["functionResponse"].is_object()));
    let name = &json["tools"][0]["functionDeclarations"][0]["name"];
    (name.is_string() && !has_result).then_some(name)
}

struct Content<'a> {
    id: String,
    model: &'a str,
    counts: Counts,
    has_usage: bool,
}

impl Content<'_> {
    /// Thoughts are counted beside the candidates here, not in them. What is zero is left out.
    fn usage(&self, is_last: bool) -> Value {
        let Counts {
            input,
            cached,
            output,
            reasoning,
        } = self.counts;
        let candidates = if is_last { output - reasoning } else { 0 };
        let mut usage = json!({
            "promptTokenCount": input, "totalTokenCount": input + candidates + reasoning,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": input}],
        });
        for (name, count) in [
            ("cachedContentTokenCount", cached),
            ("candidatesTokenCount", candidates),
            ("thoughtsTokenCount", reasoning),
        ] {
            if count > 0 {
                usage[name] = count.into();
            }
        }
        usage
    }

    fn chunk(&self, parts: &Value, is_last: bool) -> Value {
        let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
        if is_last {
            candidate["finishReason"] = "STOP".into();
        }
        let mut chunk = json!({"candidates": [candidate], "modelVersion": self.model, "responseId": self.id});
        if self.has_usage {
            chunk["usageMetadata"] = self.usage(is_last);
        }
        chunk
    }

    fn whole(&self, parts: &[Value]) -> Value {
        let text: String = parts.iter().filter_map(|part| part["text"].as_str()).collect();
        match text.is_empty() {
            true => self.chunk(&json!(parts), true),
            false => self.chunk(&json!([{"text": text}]), true),
        }
    }

    /// A chunk for each part; usage in every chunk, without the candidates in all but the last.
    fn stream(&self, parts: Vec<Value>) -> Vec<Value> {
        let last = parts.len().saturating_sub(1);
        let numbered = parts.into_iter().enumerate();
        numbered
            .map(|(at, part)| self.chunk(&json!([part]), at == last))
            .collect()
    }
}

/// Gemini's error of `status`. A key that is not valid is a 400.
pub(super) fn error(status: StatusCode, call: &Call<'_>) -> Reply {
    let reply = match status.as_u16() {
        401 => {
            let reason = json!([{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
                "domain": "googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"},
            }]);
            problem(StatusCode::BAD_REQUEST, "API key not valid.", Some(reason))
        }
        429 => {
            let details = json!([
                {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [
                    {"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "quotaValue": "3"},
                ]},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.7s"},
            ]);
            problem(
                status,
                "The quota of requests per minute is used up.",
                Some(details),
            )
        }
        500.. => problem(status, "An internal error of the fake.", None),
        _ => problem(status, "The request was refused by the fake.", None),
    };
    match is_openai(call) || is_array(call) {
        true => reply.in_a_list(),
        false => reply,
    }
}

fn problem(status: StatusCode, message: &str, details: Option<Value>) -> Reply {
    let name = match status.as_u16() {
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INVALID_ARGUMENT",
    };
    let mut error = json!({"code": status.as_u16(), "message": message, "status": name});
    if let Some(details) = details {
        error["details"] = details;
    }
    Reply::json(status, &json!({"error": error}))
}

impl Reply {
    /// One JSON array in pieces, an element each.
    fn array(chunks: &[Value]) -> Self {
        let last = chunks.len().saturating_sub(1);
        let pieces = chunks.iter().enumerate().map(|(at, chunk)| {
            let open = if at == 0 { "[" } else { ",\r\n" };
            let close = if at == last { "]" } else { "" };
            format!("{open}{chunk}{close}").into()
        });
        Self {
            pieces: pieces.collect(),
            streamed: true,
            ..Self::ok(&Value::Null)
        }
    }

    fn in_a_list(mut self) -> Self {
        self.pieces.push_front("[".into());
        self.pieces.push_back("]".into());
        self
    }
}

/// What Gemini sends when a stream fails under way.
pub(super) fn error_event(call: &Call<'_>) -> &'static str {
    const EVENT: &str = "data: {\"error\":{\"code\":503,\"message\":\"The model is overloaded.\",\"status\":\"UNAVAILABLE\"}}\r\n\r\n";
    const ELEMENT: &str = ",\r\n{\"error\":{\"code\":503,\"message\":\"The model is overloaded.\",\"status\":\"UNAVAILABLE\"}}]";
    if is_openai(call) {
        openai::ERROR_EVENT
    } else if is_array(call) {
        ELEMENT
    } else {
        EVENT
    }
}
