//! Anthropic's shapes: messages, token counts, errors.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Call, Counts, Reply, TOOL_ARGUMENTS, called_tool, words};

/// What Anthropic sends when a stream fails under way.
pub(super) const ERROR_EVENT: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";

pub(super) fn answer(call: &Call<'_>, json: &Value) -> Reply {
    match call.ends("/count_tokens") {
        true => count_tokens(call, json),
        false => messages(call, json),
    }
}

fn messages(call: &Call<'_>, json: &Value) -> Reply {
    if !json["messages"].is_array() || !json["max_tokens"].is_u64() {
        let missing = if json["messages"].is_array() {
            "max_tokens"
        } else {
            "messages"
        };
        return error_of(
            StatusCode::BAD_REQUEST,
            "invalid_request_error",
            &format!("{missing}: Field required"),
            call.index,
        );
    }
    let tool = called_tool(json).map(|tool| tool["name"].clone());
    let counts = Counts::of(json, call.behaviour, 1, tool.is_some());
    let content = match &tool {
        Some(name) => {
            let input: Value = serde_json::from_str(TOOL_ARGUMENTS).unwrap_or_default();
            json!({"type": "tool_use", "id": "toolu_fake1", "name": name, "input": input})
        }
        None => json!({"type": "text", "text": words(counts.output).collect::<String>()}),
    };
    let mut message = json!({
        "id": format!("msg_fake{:08}", call.index), "type": "message", "role": "assistant",
        "model": json["model"].as_str().unwrap_or("claude-fake"), "content": [content],
        "stop_reason": match (&tool, call.behaviour.policy) {
            (_, true) => "refusal",
            (Some(_), _) => "tool_use",
            _ => "end_turn",
        },
        "stop_sequence": null,
        "usage": usage(&counts),
    });
    if call.behaviour.no_usage {
        message["usage"] = Value::Null;
    }
    let reply = if json["stream"] == true {
        Reply::events(events(&message, &counts))
    } else {
        Reply::ok(&message)
    };
    let mut reply = if call.behaviour.no_usage {
        reply
    } else {
        reply.with_tokens(&counts)
    };
    reply.header("request-id", "req_fake");
    reply.header("anthropic-ratelimit-requests-remaining", "99");
    reply
}

/// Cached tokens are counted beside the input here, not in it.
fn usage(counts: &Counts) -> Value {
    json!({
        "input_tokens": counts.input - counts.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": counts.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": counts.output,
        "service_tier": "standard",
    })
}

fn events(message: &Value, counts: &Counts) -> Vec<String> {
    let block = &message["content"][0];
    let has_usage = !message["usage"].is_null();
    let mut opened = message.clone();
    opened["content"] = json!([]);
    opened["stop_reason"] = Value::Null;
    if has_usage {
        opened["usage"]["output_tokens"] = 1.into();
    }
    let delta = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    let mut events = vec![json!({"type": "message_start", "message": opened})];
    if block["type"] == "tool_use" {
        let mut start = block.clone();
        start["input"] = json!({});
        events.push(json!({"type": "content_block_start", "index": 0, "content_block": start}));
        events.push(json!({"type": "ping"}));
        let (first, second) = TOOL_ARGUMENTS.split_at(6);
        events.extend(
            ["", first, second].map(|part| delta(json!({"type": "input_json_delta", "partial_json": part}))),
        );
    } else {
        events.push(
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        );
        events.push(json!({"type": "ping"}));
        events.extend(words(counts.output).map(|word| delta(json!({"type": "text_delta", "text": word}))));
    }
    events.push(json!({"type": "content_block_stop", "index": 0}));
    let mut end = json!({"type": "message_delta", "delta": {"stop_reason": message["stop_reason"], "stop_sequence": null}});
    if has_usage {
        end["usage"] = json!({"output_tokens": counts.output});
    }
    events.push(end);
    events.push(json!({"type": "message_stop"}));
    let framed = events.iter().map(|event| {
        format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap_or_default()
        )
    });
    framed.collect()
}

fn count_tokens(call: &Call<'_>, json: &Value) -> Reply {
    let counts = Counts::of(json, call.behaviour, 0, false);
    Reply::ok(&json!({"input_tokens": counts.input}))
}

pub(super) fn error(status: StatusCode, call: &Call<'_>) -> Reply {
    let (kind, message) = match status.as_u16() {
        401 => ("authentication_error", "invalid x-api-key"),
        403 => (
            "permission_error",
            "Your API key does not have permission to use the specified resource.",
        ),
        404 => ("not_found_error", "model: claude-unknown"),
        413 => ("request_too_large", "Request exceeds the maximum size"),
        429 => (
            "rate_limit_error",
            "This request would exceed your organization's rate limit of 5 requests per minute.",
        ),
        529 => ("overloaded_error", "Overloaded"),
        500.. => ("api_error", "Internal server error"),
        _ => ("invalid_request_error", "The request was refused by the fake."),
    };
    let mut reply = error_of(status, kind, message, call.index);
    if status == StatusCode::TOO_MANY_REQUESTS {
        reply.header("retry-after", "20");
        reply.header("anthropic-ratelimit-requests-limit", "5");
        reply.header("anthropic-ratelimit-requests-remaining", "0");
        reply.header("anthropic-ratelimit-requests-reset", "2026-11-23T10:00:00Z");
    }
    reply
}

fn error_of(status: StatusCode, kind: &str, message: &str, index: usize) -> Reply {
    let body = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": format!("req_fake{index:08}")});
    Reply::json(status, &body)
}
