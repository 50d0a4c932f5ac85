//! Vendors without tokens: a search in Tavily's shape, a mail in Resend's, objects in Stripe's, and for every other path an echo of
//! what was asked, without headers.

use http::StatusCode;
use serde_json::{Value, json};

use super::openai::masked;
use super::{Call, Reply};

/// Stripe's first version segment is that of OpenAI, so its objects are told by name.
const STRIPE: [&str; 5] = [
    "/v1/customers",
    "/v1/charges",
    "/v1/payment_intents",
    "/v1/balance",
    "/v1/products",
];

fn is_stripe(path: &str) -> bool {
    STRIPE.iter().any(|object| path.starts_with(object))
}

pub(super) fn answer(call: &Call<'_>, json: &Value) -> Reply {
    match (call.method.as_str(), call.path) {
        ("POST", "/search") => search(json),
        ("POST", "/emails") => {
            Reply::ok(&json!({"id": format!("49a3999c-0ce1-4ea6-ab68-{:012}", call.index)}))
        }
        (_, path) if is_stripe(path) => stripe(call),
        (method, path) => Reply::ok(&json!({
            "ok": true, "method": method, "path": path, "bodyBytes": call.body.len(),
        })),
    }
}

fn search(json: &Value) -> Reply {
    let mut body = json!({
        "query": json["query"], "follow_up_questions": null, "answer": null, "images": [],
        "results": [{"title": "Fake", "url": "https://example.com/", "content": "A result.", "score": 0.99, "raw_content": null}],
        "response_time": 0.5, "request_id": "fake",
    });
    if json["include_usage"] == true {
        let credits = if json["search_depth"] == "advanced" { 2 } else { 1 };
        body["usage"] = json!({"credits": credits});
    }
    Reply::ok(&body)
}

fn stripe(call: &Call<'_>) -> Reply {
    let object = call
        .path
        .trim_start_matches("/v1/")
        .split('/')
        .next()
        .unwrap_or_default();
    let single = object.trim_end_matches('s');
    let one = json!({"id": format!("fake_{:08}", call.index), "object": single, "livemode": false, "created": 1_795_000_000});
    let is_list =
        *call.method == http::Method::GET && call.path.matches('/').count() == 2 && object != "balance";
    let mut reply = if is_list {
        Reply::ok(&json!({"object": "list", "url": call.path, "has_more": false, "data": [one]}))
    } else {
        Reply::ok(&one)
    };
    reply.header("request-id", "req_fake");
    reply.header("stripe-version", "2026-10-29");
    reply
}

/// The error of these vendors; `None` for a path of none of them.
pub(super) fn error(status: StatusCode, call: &Call<'_>) -> Option<Reply> {
    let key = masked(call.key);
    let body = match call.path {
        "/search" if status == StatusCode::UNAUTHORIZED => {
            json!({"detail": {"error": "Unauthorized: missing or invalid API key."}})
        }
        "/search" => json!({"detail": {"error": "The request was refused by the fake."}}),
        "/emails" if status == StatusCode::UNAUTHORIZED => {
            json!({"statusCode": 401, "name": "invalid_api_key", "message": "API key is invalid"})
        }
        "/emails" => {
            json!({"statusCode": status.as_u16(), "name": "application_error", "message": "Refused by the fake."})
        }
        path if is_stripe(path) && status == StatusCode::UNAUTHORIZED => {
            json!({"error": {"message": format!("Invalid API Key provided: {key}"), "type": "invalid_request_error"}})
        }
        path if is_stripe(path) => json!({"error": {"message": "Refused by the fake.", "type": "api_error"}}),
        _ => return None,
    };
    Some(Reply::json(status, &body))
}
