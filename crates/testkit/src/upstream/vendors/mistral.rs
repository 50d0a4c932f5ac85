//! Mistral's dialect of OpenAI's shapes: usage in the last chunk of a stream without being asked, bodies without OpenAI's extra
//! members, errors of its own.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Call, Counts, Reply, TOOL_ARGUMENTS, called_tool, plain, words};

/// What Mistral sends when a stream fails under way.
pub(super) const ERROR_EVENT: &str = "data: {\"object\":\"error\",\"message\":\"Service unavailable.\",\"type\":\"internal_server_error\",\"param\":null,\"code\":\"3700\"}\n\n";

const CREATED: u64 = 1_795_000_000;

pub(super) fn answer(call: &Call<'_>, json: &Value) -> Reply {
    match call.method.as_str() {
        "POST" if call.ends("/chat/completions") || call.ends("/fim/completions") => chat(call, json),
        "POST" if call.ends("/embeddings") => embeddings(call, json),
        "GET" if call.ends("/models") => models(),
        _ => plain::echo(call),
    }
}

fn chat(call: &Call<'_>, json: &Value) -> Reply {
    if !json["messages"].is_array() && !json["prompt"].is_string() {
        return error(StatusCode::UNPROCESSABLE_ENTITY);
    }
    let tool = called_tool(json).map(|tool| tool["function"]["name"].clone());
    let counts = Counts::of(json, call.behaviour, 1, tool.is_some());
    let usage = (!call.behaviour.no_usage).then(|| usage(&counts));
    let body = |object: &str, choice: Value| {
        json!({
            "id": format!("fake{:08}", call.index), "object": object, "created": CREATED, "model": json["model"],
            "choices": [choice],
        })
    };
    let finish = if tool.is_some() { "tool_calls" } else { "stop" };
    let calls = tool.map(|name| {
        let function = json!({"name": name, "arguments": TOOL_ARGUMENTS});
        json!([{"id": "fake00001", "type": "function", "index": 0, "function": function}])
    });
    let mut reply = if json["stream"] == true {
        let chunk = |delta: Value, finish: Value| {
            body(
                "chat.completion.chunk",
                json!({"index": 0, "delta": delta, "finish_reason": finish}),
            )
        };
        let mut chunks = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
        if calls.is_none() {
            chunks.extend(words(counts.output).map(|word| chunk(json!({"content": word}), Value::Null)));
        }
        let mut last = chunk(json!({"content": "", "tool_calls": calls}), finish.into());
        if let Some(usage) = &usage {
            last["usage"] = usage.clone();
        }
        chunks.push(last);
        let framed = chunks.iter().map(|chunk| format!("data: {chunk}\n\n"));
        Reply::events(framed.chain(["data: [DONE]\n\n".to_owned()]))
    } else {
        let content = match calls {
            Some(_) => String::new(),
            None => words(counts.output).collect(),
        };
        let message = json!({"role": "assistant", "content": content, "tool_calls": calls});
        let mut whole = body(
            "chat.completion",
            json!({"index": 0, "message": message, "finish_reason": finish}),
        );
        if let Some(usage) = &usage {
            whole["usage"] = usage.clone();
        }
        Reply::ok(&whole)
    };
    reply.header("x-ratelimit-limit-req-minute", "60");
    reply.header("x-ratelimit-remaining-req-minute", "59");
    match usage {
        Some(_) => reply.with_tokens(&counts),
        None => reply,
    }
}

fn usage(counts: &Counts) -> Value {
    json!({
        "prompt_tokens": counts.input, "completion_tokens": counts.output, "total_tokens": counts.input + counts.output,
        "prompt_tokens_details": {"cached_tokens": counts.cached},
    })
}

fn embeddings(call: &Call<'_>, json: &Value) -> Reply {
    let inputs = json["input"].as_array().map_or(1, Vec::len);
    let counts = Counts::of(json, call.behaviour, 0, false);
    let row = |index| json!({"object": "embedding", "index": index, "embedding": [0.125, -0.25, 0.5, 0.0]});
    let body = json!({
        "id": format!("fake{:08}", call.index), "object": "list", "model": json["model"],
        "data": (0..inputs).map(row).collect::<Vec<_>>(),
        "usage": {"prompt_tokens": counts.input, "completion_tokens": 0, "total_tokens": counts.input},
    });
    Reply::ok(&body).with_tokens(&counts)
}

fn models() -> Reply {
    let capabilities = json!({"completion_chat": true, "function_calling": true, "completion_fim": false, "fine_tuning": false});
    let model = json!({"id": "mistral-fake", "object": "model", "created": CREATED, "owned_by": "mistralai", "type": "base", "capabilities": capabilities});
    Reply::ok(&json!({"object": "list", "data": [model]}))
}

/// Mistral's error of `status`.
pub(super) fn error(status: StatusCode) -> Reply {
    let body = match status.as_u16() {
        401 => json!({"detail": "Unauthorized"}),
        422 => {
            let field = json!({"type": "missing", "loc": ["body", "messages"], "msg": "Field required"});
            json!({"detail": [field]})
        }
        429 => problem("Requests rate limit exceeded", "rate_limited", "1300"),
        500.. => problem("Service unavailable.", "internal_server_error", "3700"),
        _ => problem(
            "The request was refused by the fake.",
            "invalid_request_error",
            "3051",
        ),
    };
    let mut reply = Reply::json(status, &body);
    if status == StatusCode::TOO_MANY_REQUESTS {
        reply.header("x-ratelimit-limit-req-minute", "60");
        reply.header("x-ratelimit-remaining-req-minute", "0");
    }
    reply
}

fn problem(message: &str, kind: &str, code: &str) -> Value {
    json!({"object": "error", "message": message, "type": kind, "param": null, "code": code})
}
