//! OpenAI's shapes: chat completions, responses, embeddings, models, errors.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Call, Counts, Reply, TOOL_ARGUMENTS, called_tool, plain, words};

/// What OpenAI sends when a stream fails under way.
pub(super) const ERROR_EVENT: &str = "data: {\"error\":{\"message\":\"The server had an error while processing your request.\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n";

const CREATED: u64 = 1_795_000_000;

/// What is none of OpenAI's operations is echoed.
pub(super) fn answer(call: &Call<'_>, json: &Value) -> Reply {
    match call.method.as_str() {
        "POST" if call.ends("/chat/completions") => chat(call, json),
        "POST" if call.ends("/responses") => responses(call, json),
        "POST" if call.ends("/embeddings") => embeddings(json),
        "GET" if call.ends("/models") => models(),
        _ => plain::echo(call),
    }
}

fn chat(call: &Call<'_>, json: &Value) -> Reply {
    if !json["messages"].is_array() {
        return error_of(
            StatusCode::BAD_REQUEST,
            "invalid_request_error",
            None,
            "Missing required parameter: 'messages'.",
        );
    }
    let choices = json["n"].as_u64().unwrap_or(1).clamp(1, 128);
    let tool = called_tool(json).map(|tool| tool["function"]["name"].clone());
    let counts = Counts::of(json, call.behaviour, choices, tool.is_some());
    let chat = Chat {
        id: format!("chatcmpl-fake{:08}", call.index),
        model: json["model"].as_str().unwrap_or("gpt-fake"),
        choices,
        tool,
        counts,
    };
    if json["stream"] == true {
        let usage = json["stream_options"]["include_usage"] == true && !call.behaviour.no_usage;
        let counted = if usage {
            counts
        } else {
            Counts {
                input: 0,
                output: 0,
                ..counts
            }
        };
        return Reply::events(chat.stream(usage)).with_tokens(&counted);
    }
    let mut body = chat.whole();
    if call.behaviour.no_usage {
        body.as_object_mut().and_then(|body| body.remove("usage"));
        return Reply::ok(&body);
    }
    Reply::ok(&body).with_tokens(&counts)
}

struct Chat<'a> {
    id: String,
    model: &'a str,
    choices: u64,
    tool: Option<Value>,
    counts: Counts,
}

impl Chat<'_> {
    fn usage(&self) -> Value {
        let Counts {
            input,
            cached,
            output,
            reasoning,
        } = self.counts;
        json!({
            "prompt_tokens": input,
            "completion_tokens": output,
            "total_tokens": input + output,
            "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": reasoning, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        })
    }

    fn words(&self) -> impl Iterator<Item = String> {
        words(self.counts.output / self.choices)
    }

    fn finish(&self) -> &'static str {
        if self.tool.is_some() { "tool_calls" } else { "stop" }
    }

    fn whole(&self) -> Value {
        let message = match &self.tool {
            Some(name) => json!({"role": "assistant", "content": null, "refusal": null, "tool_calls": [
                {"id": "call_fake1", "type": "function", "function": {"name": name, "arguments": TOOL_ARGUMENTS}},
            ]}),
            None => {
                json!({"role": "assistant", "content": self.words().collect::<String>(), "refusal": null})
            }
        };
        let choice = |index| json!({"index": index, "message": message, "logprobs": null, "finish_reason": self.finish()});
        json!({
            "id": self.id, "object": "chat.completion", "created": CREATED, "model": self.model,
            "choices": (0..self.choices).map(choice).collect::<Vec<_>>(),
            "usage": self.usage(), "service_tier": "default", "system_fingerprint": "fp_fake",
        })
    }

    fn chunk(&self, choices: &Value, usage: Option<Value>) -> String {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": CREATED, "model": self.model,
            "service_tier": "default", "system_fingerprint": "fp_fake", "choices": choices,
        });
        if let Some(usage) = usage {
            chunk["usage"] = usage;
        }
        format!("data: {chunk}\n\n")
    }

    fn stream(&self, include_usage: bool) -> Vec<String> {
        let null = || include_usage.then_some(Value::Null);
        let delta = |index: u64, delta: Value, finish: Value| {
            let choice = json!([{"index": index, "delta": delta, "logprobs": null, "finish_reason": finish}]);
            self.chunk(&choice, null())
        };
        let mut pieces = Vec::new();
        for index in 0..self.choices {
            pieces.push(delta(
                index,
                json!({"role": "assistant", "content": "", "refusal": null}),
                Value::Null,
            ));
            if let Some(name) = &self.tool {
                let function = json!({"name": name, "arguments": ""});
                let call = json!({"tool_calls": [{"index": 0, "id": "call_fake1", "type": "function", "function": function}]});
                pieces.push(delta(index, call, Value::Null));
                let (first, second) = TOOL_ARGUMENTS.split_at(6);
                for part in [first, second] {
                    let call = json!({"tool_calls": [{"index": 0, "function": {"arguments": part}}]});
                    pieces.push(delta(index, call, Value::Null));
                }
            } else {
                pieces.extend(
                    self.words()
                        .map(|word| delta(index, json!({"content": word}), Value::Null)),
                );
            }
            pieces.push(delta(index, json!({}), self.finish().into()));
        }
        if include_usage {
            pieces.push(self.chunk(&json!([]), Some(self.usage())));
        }
        pieces.push("data: [DONE]\n\n".to_owned());
        pieces
    }
}

fn responses(call: &Call<'_>, json: &Value) -> Reply {
    let tool = called_tool(json)
        .filter(|tool| tool["type"] == "function")
        .map(|tool| tool["name"].clone());
    let counts = Counts::of(json, call.behaviour, 1, tool.is_some());
    let output = match tool {
        Some(name) => json!({
            "type": "function_call", "id": "fc_fake1", "call_id": "call_fake1", "name": name, "arguments": TOOL_ARGUMENTS,
            "status": "completed",
        }),
        None => json!({
            "type": "message", "id": "msg_fake1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": words(counts.output).collect::<String>(), "annotations": []}],
        }),
    };
    let response = |status: &str, output: Value, usage: Value| {
        json!({
            "id": format!("resp_fake{:08}", call.index), "object": "response", "created_at": CREATED, "status": status,
            "model": json["model"].as_str().unwrap_or("gpt-fake"), "output": output, "usage": usage,
            "error": null, "incomplete_details": null, "instructions": null, "metadata": {}, "parallel_tool_calls": true,
            "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0, "service_tier": "default",
        })
    };
    let usage = if call.behaviour.no_usage {
        Value::Null
    } else {
        responses_usage(&counts)
    };
    let done = response("completed", json!([output]), usage);
    let reply = if json["stream"] == true {
        let started = response("in_progress", json!([]), Value::Null);
        Reply::events(response_events(&started, &output, &done, counts.output))
    } else {
        Reply::ok(&done)
    };
    if call.behaviour.no_usage {
        reply
    } else {
        reply.with_tokens(&counts)
    }
}

fn responses_usage(counts: &Counts) -> Value {
    json!({
        "input_tokens": counts.input, "input_tokens_details": {"cached_tokens": counts.cached},
        "output_tokens": counts.output, "output_tokens_details": {"reasoning_tokens": counts.reasoning},
        "total_tokens": counts.input + counts.output,
    })
}

fn response_events(started: &Value, output: &Value, done: &Value, output_tokens: u64) -> Vec<String> {
    let id = &output["id"];
    let mut events = vec![
        json!({"type": "response.created", "response": started}),
        json!({"type": "response.in_progress", "response": started}),
    ];
    let mut opened = output.clone();
    opened["status"] = "in_progress".into();
    if output["type"] == "function_call" {
        opened["arguments"] = "".into();
        events.push(json!({"type": "response.output_item.added", "output_index": 0, "item": opened}));
        let delta = json!({"type": "response.function_call_arguments.delta", "item_id": id, "output_index": 0, "delta": TOOL_ARGUMENTS});
        events.push(delta);
        events.push(json!({"type": "response.function_call_arguments.done", "item_id": id, "output_index": 0, "arguments": TOOL_ARGUMENTS}));
    } else {
        opened["content"] = json!([]);
        let part = &output["content"][0];
        let empty = json!({"type": "output_text", "text": "", "annotations": []});
        events.push(json!({"type": "response.output_item.added", "output_index": 0, "item": opened}));
        events.push(json!({"type": "response.content_part.added", "item_id": id, "output_index": 0, "content_index": 0, "part": empty}));
        events.extend(words(output_tokens).map(
            |word| json!({"type": "response.output_text.delta", "item_id": id, "output_index": 0, "content_index": 0, "delta": word, "logprobs": []}),
        ));
        events.push(json!({"type": "response.output_text.done", "item_id": id, "output_index": 0, "content_index": 0, "text": part["text"], "logprobs": []}));
        events.push(json!({"type": "response.content_part.done", "item_id": id, "output_index": 0, "content_index": 0, "part": part}));
    }
    events.push(json!({"type": "response.output_item.done", "output_index": 0, "item": output}));
    events.push(json!({"type": "response.completed", "response": done}));
    let numbered = events.into_iter().enumerate().map(|(number, mut event)| {
        event["sequence_number"] = number.into();
        format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap_or_default()
        )
    });
    numbered.collect()
}

fn embeddings(json: &Value) -> Reply {
    let inputs = match &json["input"] {
        Value::Array(inputs) if inputs.iter().all(Value::is_string) => inputs.len(),
        _ => 1,
    };
    let counts = Counts::of(json, &super::Behaviour::default(), 0, false);
    let row = |index| json!({"object": "embedding", "index": index, "embedding": [0.125, -0.25, 0.5, 0.0]});
    let body = json!({
        "object": "list", "model": json["model"], "data": (0..inputs).map(row).collect::<Vec<_>>(),
        "usage": {"prompt_tokens": counts.input, "total_tokens": counts.input},
    });
    Reply::ok(&body).with_tokens(&counts)
}

fn models() -> Reply {
    let model = |id: &str| json!({"id": id, "object": "model", "created": CREATED, "owned_by": "fake"});
    Reply::ok(&json!({"object": "list", "data": [model("gpt-fake"), model("gpt-fake-mini")]}))
}

/// OpenAI's error of `status`; a 401 shows the first and last characters of the key, as the real one does.
pub(super) fn error(status: StatusCode, call: &Call<'_>) -> Reply {
    match status.as_u16() {
        401 => {
            let message = format!(
                "Incorrect API key provided: {}. You can find your API key at https://platform.openai.com/account/api-keys.",
                masked(call.key)
            );
            error_of(status, "invalid_request_error", Some("invalid_api_key"), &message)
        }
        429 => {
            let message = "Rate limit reached for gpt-fake in organization org-fake on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.";
            let mut reply = error_of(status, "requests", Some("rate_limit_exceeded"), message);
            for (name, value) in [
                ("retry-after", "20"),
                ("retry-after-ms", "20000"),
                ("x-ratelimit-limit-requests", "3"),
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "20s"),
                ("x-ratelimit-limit-tokens", "40000"),
                ("x-ratelimit-remaining-tokens", "39000"),
                ("x-ratelimit-reset-tokens", "1.5s"),
            ] {
                reply.header(name, value);
            }
            reply
        }
        400 if call.behaviour.policy => error_of(
            status,
            "invalid_request_error",
            Some("content_policy_violation"),
            "Your request was rejected as a result of our safety system.",
        ),
        500.. => error_of(
            status,
            "server_error",
            None,
            "The server had an error while processing your request. Sorry about that!",
        ),
        _ => error_of(
            status,
            "invalid_request_error",
            None,
            "The request was refused by the fake.",
        ),
    }
}

fn error_of(status: StatusCode, kind: &str, code: Option<&str>, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({"error": {"message": message, "type": kind, "param": null, "code": code}}),
    )
}

/// The first eight and last four characters, stars between; short keys keep less.
pub(super) fn masked(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    let (head, tail) = if letters.len() >= 24 {
        (8, 4)
    } else {
        (letters.len() / 3, letters.len() / 4)
    };
    let stars = letters.len() - head - tail;
    let kept = |range: &[char]| range.iter().collect::<String>();
    format!(
        "{}{}{}",
        kept(&letters[..head]),
        "*".repeat(stars),
        kept(&letters[letters.len() - tail..])
    )
}
