//! `POST /v1/chat/completions` (OpenAI API reference), with usage numbers, buffered and streamed.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde_json::{Value, json};

use super::{MODEL, Shared, answer, event_stream, prompt_of};

pub(super) async fn create_chat_completion(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if !shared.accepts(&headers) {
        return unauthorized();
    }
    let Some(prompt) = prompt_of(&body) else {
        return refusal(
            StatusCode::BAD_REQUEST,
            "invalid_request_error",
            "`messages` must be a list with at least one message",
        );
    };
    if body.get("n").and_then(Value::as_u64).unwrap_or(1) != 1 {
        return refusal(
            StatusCode::BAD_REQUEST,
            "invalid_request_error",
            "the sandbox gives one choice: `n` must be 1",
        );
    }
    let cap = ["max_completion_tokens", "max_tokens"]
        .into_iter()
        .find_map(|name| body.get(name)?.as_u64());
    let answer = answer(&prompt, cap);
    let finish = if answer.cut { "length" } else { "stop" };
    let model = body.get("model").and_then(Value::as_str).unwrap_or(MODEL);
    let output = answer.words.len() as u64;
    let usage = json!({
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": output,
        "total_tokens": answer.input_tokens + output,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    });
    let (id, created) = (shared.id("chatcmpl-"), shared.clock.now().seconds());
    if body.get("stream") != Some(&Value::Bool(true)) {
        return Json(json!({
            "id": id, "object": "chat.completion", "created": created, "model": model,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": answer.words.concat(), "refusal": null},
                "logprobs": null,
                "finish_reason": finish,
            }],
            "usage": usage,
        }))
        .into_response();
    }
    let with_usage = body.pointer("/stream_options/include_usage") == Some(&Value::Bool(true));
    let chunk = |choices: Value, usage: Option<&Value>| {
        let mut chunk = json!({
            "id": id, "object": "chat.completion.chunk", "created": created, "model": model, "choices": choices,
        });
        if with_usage {
            chunk["usage"] = usage.cloned().unwrap_or(Value::Null);
        }
        format!("data: {chunk}\n\n")
    };
    let delta = |delta: Value, finish: Option<&str>| {
        chunk(
            json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]),
            None,
        )
    };
    let mut events = vec![delta(json!({"role": "assistant", "content": ""}), None)];
    events.extend(
        answer
            .words
            .iter()
            .map(|word| delta(json!({"content": word}), None)),
    );
    events.push(delta(json!({}), Some(finish)));
    if with_usage {
        events.push(chunk(json!([]), Some(&usage)));
    }
    events.push("data: [DONE]\n\n".to_owned());
    event_stream(&shared.tasks, events)
}

/// The answer to a missing or wrong key, in OpenAI's shape.
pub(super) fn unauthorized() -> Response {
    let message = "the sandbox does not know this key";
    let error = json!({"message": message, "type": "invalid_request_error", "param": null, "code": "invalid_api_key"});
    (StatusCode::UNAUTHORIZED, Json(json!({"error": error}))).into_response()
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response {
    let error = json!({"message": message, "type": kind, "param": null, "code": null});
    (status, Json(json!({"error": error}))).into_response()
}
