//! `POST /v1/messages` (Anthropic API reference), with usage numbers, buffered and streamed.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde_json::{Value, json};

use super::{MODEL, Shared, answer, event_stream, prompt_of};

pub(super) async fn create_message(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if !shared.accepts(&headers) {
        return refusal(
            StatusCode::UNAUTHORIZED,
            "authentication_error",
            "the sandbox does not know this key",
        );
    }
    let Some(prompt) = prompt_of(&body) else {
        return refusal(
            StatusCode::BAD_REQUEST,
            "invalid_request_error",
            "messages: at least one message is required",
        );
    };
    let Some(cap) = body.get("max_tokens").and_then(Value::as_u64) else {
        return refusal(
            StatusCode::BAD_REQUEST,
            "invalid_request_error",
            "max_tokens: field required",
        );
    };
    let answer = answer(&prompt, Some(cap));
    let stop_reason = if answer.cut { "max_tokens" } else { "end_turn" };
    let model = body.get("model").and_then(Value::as_str).unwrap_or(MODEL);
    let output = answer.words.len() as u64;
    let usage = |output: u64| {
        json!({
            "input_tokens": answer.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output,
        })
    };
    let mut message = json!({
        "id": shared.id("msg_"), "type": "message", "role": "assistant", "model": model,
        "content": [{"type": "text", "text": answer.words.concat()}],
        "stop_reason": stop_reason, "stop_sequence": null, "usage": usage(output),
    });
    if body.get("stream") != Some(&Value::Bool(true)) {
        return Json(message).into_response();
    }
    message["content"] = json!([]);
    message["stop_reason"] = Value::Null;
    message["usage"] = usage(1);
    let mut events = vec![
        event(
            "message_start",
            &json!({"type": "message_start", "message": message}),
        ),
        event(
            "content_block_start",
            &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
    ];
    events.extend(answer.words.iter().map(|word| {
        let delta = json!({"type": "text_delta", "text": word});
        event(
            "content_block_delta",
            &json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        )
    }));
    let stopped = json!({"stop_reason": stop_reason, "stop_sequence": null});
    events.extend([
        event(
            "content_block_stop",
            &json!({"type": "content_block_stop", "index": 0}),
        ),
        event(
            "message_delta",
            &json!({"type": "message_delta", "delta": stopped, "usage": {"output_tokens": output}}),
        ),
        event("message_stop", &json!({"type": "message_stop"})),
    ]);
    event_stream(&shared.tasks, events)
}

fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response {
    let error = json!({"type": kind, "message": message});
    (status, Json(json!({"type": "error", "error": error}))).into_response()
}
