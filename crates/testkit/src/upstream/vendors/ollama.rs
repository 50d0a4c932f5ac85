//! Ollama's chat: lines of JSON, of which the last one has the counts.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::{Call, Counts, Reply, words};

/// What Ollama sends when a stream fails under way.
pub(super) const ERROR_LINE: &str = "{\"error\":\"an error was encountered while running the model\"}\n";

pub(super) fn knows(path: &str) -> bool {
    path == "/api/chat"
}

pub(super) fn answer(call: &Call<'_>, json: &Value) -> Reply {
    let counts = Counts::of(json, call.behaviour, 1, false);
    let line = |content: &str, done: bool| {
        let message = json!({"role": "assistant", "content": content});
        json!({"model": json["model"], "created_at": "2026-11-20T12:00:00.000000Z", "message": message, "done": done})
    };
    let mut last = line("", true);
    last["done_reason"] = "stop".into();
    if !call.behaviour.no_usage {
        last["prompt_eval_count"] = counts.input.into();
        last["eval_count"] = counts.output.into();
    }
    if json["stream"] == false {
        last["message"]["content"] = words(counts.output).collect::<String>().into();
        return Reply::ok(&last).with_tokens(&counts);
    }
    let lines = words(counts.output).map(|word| line(&word, false)).chain([last]);
    let mut reply = Reply::events(lines.map(|line| format!("{line}\n"))).with_tokens(&counts);
    let kind = HeaderValue::from_static("application/x-ndjson");
    reply.headers.insert(CONTENT_TYPE, kind);
    reply
}

pub(super) fn error(status: StatusCode) -> Reply {
    let message = match status {
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::NOT_FOUND => "model not found",
        _ => "the request failed",
    };
    Reply::json(status, &json!({"error": message}))
}
