//! Cohere's shapes, version 2: chat, embeddings, reranking, errors. Counts are floats, and what is billed is less than what the model
//! saw, as with the real one.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Call, Counts, Reply, TOOL_ARGUMENTS, called_tool, words};

/// What Cohere sends when a stream fails under way.
pub(super) const ERROR_EVENT: &str = "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"The generation failed.\"}}\n\n";

/// The tokens of Cohere's own template around a conversation: seen by the model, not billed.
const TEMPLATE_TOKENS: u64 = 64;

pub(super) fn knows(path: &str) -> bool {
    ["/v2/chat", "/v2/embed", "/v2/rerank"].contains(&path)
}

pub(super) fn answer(call: &Call<'_>, json: &Value) -> Reply {
    match call.path {
        "/v2/chat" if call.is_post() => chat(call, json),
        "/v2/embed" if call.is_post() => embed(call, json),
        "/v2/rerank" if call.is_post() => rerank(call, json),
        _ => error(StatusCode::METHOD_NOT_ALLOWED, call),
    }
}

/// A count as Cohere writes it.
fn float(count: u64) -> Value {
    json!(f64::from(u32::try_from(count).unwrap_or(u32::MAX)))
}

fn chat(call: &Call<'_>, json: &Value) -> Reply {
    if !json["messages"].is_array() {
        return refusal(call, StatusCode::BAD_REQUEST, "messages is required");
    }
    let tool = called_tool(json).map(|tool| tool["function"]["name"].clone());
    let counts = Counts::of(json, call.behaviour, 1, tool.is_some());
    let usage = (!call.behaviour.no_usage).then(|| usage(&counts));
    let id = format!("fake-{:08}", call.index);
    let reply = if json["stream"] == true {
        Reply::events(events(&id, tool.as_ref(), counts.output, usage.as_ref()))
    } else {
        let mut message = json!({"role": "assistant"});
        match &tool {
            Some(name) => message["tool_calls"] = json!([tool_call(name, TOOL_ARGUMENTS)]),
            None => {
                let text: String = words(counts.output).collect();
                message["content"] = json!([{"type": "text", "text": text}]);
            }
        }
        let mut body = json!({"id": id, "finish_reason": finish(tool.as_ref()), "message": message});
        if let Some(usage) = &usage {
            body["usage"] = usage.clone();
        }
        Reply::ok(&body)
    };
    match usage {
        Some(_) => reply.with_tokens(&counts),
        None => reply,
    }
}

fn usage(counts: &Counts) -> Value {
    json!({
        "billed_units": {"input_tokens": float(counts.input), "output_tokens": float(counts.output)},
        "tokens": {"input_tokens": float(counts.input + TEMPLATE_TOKENS), "output_tokens": float(counts.output)},
        "cached_tokens": float(counts.cached),
    })
}

fn finish(tool: Option<&Value>) -> &'static str {
    if tool.is_some() { "TOOL_CALL" } else { "COMPLETE" }
}

fn tool_call(name: &Value, arguments: &str) -> Value {
    json!({"id": "call_fake1", "type": "function", "function": {"name": name, "arguments": arguments}})
}

fn events(id: &str, tool: Option<&Value>, output: u64, usage: Option<&Value>) -> Vec<String> {
    let of_message =
        |kind: &str, message: Value| json!({"type": kind, "index": 0, "delta": {"message": message}});
    let content = |kind: &str, content: Value| of_message(kind, json!({"content": content}));
    let calls = |kind: &str, call: Value| of_message(kind, json!({"tool_calls": call}));
    let opened =
        json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []});
    let mut events = vec![json!({"id": id, "type": "message-start", "delta": {"message": opened}})];
    match tool {
        Some(name) => {
            events.push(calls("tool-call-start", tool_call(name, "")));
            let (first, second) = TOOL_ARGUMENTS.split_at(6);
            events.extend(
                [first, second]
                    .map(|part| calls("tool-call-delta", json!({"function": {"arguments": part}}))),
            );
            events.push(json!({"type": "tool-call-end", "index": 0}));
        }
        None => {
            events.push(content("content-start", json!({"type": "text", "text": ""})));
            events.extend(words(output).map(|word| content("content-delta", json!({"text": word}))));
            events.push(json!({"type": "content-end", "index": 0}));
        }
    }
    let mut end = json!({"type": "message-end", "delta": {"finish_reason": finish(tool)}});
    if let Some(usage) = usage {
        end["delta"]["usage"] = usage.clone();
    }
    events.push(end);
    let framed = events.iter().map(|event| {
        let kind = event["type"].as_str().unwrap_or_default();
        format!("event: {kind}\ndata: {event}\n\n")
    });
    framed.collect()
}

fn embed(call: &Call<'_>, json: &Value) -> Reply {
    let counts = Counts::of(json, call.behaviour, 0, false);
    let texts = json["texts"].as_array().map_or(0, Vec::len);
    let body = json!({
        "id": format!("fake-{:08}", call.index), "response_type": "embeddings_by_type", "texts": json["texts"],
        "embeddings": {"float": vec![json!([0.125, -0.25, 0.5, 0.0]); texts]},
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": float(counts.input)}},
    });
    Reply::ok(&body).with_tokens(&counts)
}

/// The documents in their order, each less relevant than the one before.
fn rerank(call: &Call<'_>, json: &Value) -> Reply {
    let documents = json["documents"].as_array().map_or(0, Vec::len);
    let most = json["top_n"].as_u64().and_then(|most| usize::try_from(most).ok());
    let results: Vec<Value> = (0..documents.min(most.unwrap_or(documents)))
        .zip(
            [0.875, 0.5, 0.25, 0.125]
                .into_iter()
                .chain(std::iter::repeat(0.0625)),
        )
        .map(|(index, score)| json!({"index": index, "relevance_score": score}))
        .collect();
    Reply::ok(&json!({
        "id": format!("fake-{:08}", call.index), "results": results,
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1.0}},
    }))
}

/// Cohere's error of `status`.
pub(super) fn error(status: StatusCode, call: &Call<'_>) -> Reply {
    let message = match status.as_u16() {
        401 => "invalid api token",
        429 => "The limit of 40 calls a minute of a trial key is reached.",
        500.. => "An internal error of the fake.",
        _ => "The request was refused by the fake.",
    };
    refusal(call, status, message)
}

fn refusal(call: &Call<'_>, status: StatusCode, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({"id": format!("fake-{:08}", call.index), "message": message}),
    )
}
