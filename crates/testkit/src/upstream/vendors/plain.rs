//! Vendors without tokens: a search in Tavily's shape, a mail in Resend's, objects in Stripe's; and the echo that answers whatever no
//! vendor knows.

use http::StatusCode;
use serde_json::{Value, json};

use super::openai::masked;
use super::{Call, Reply};

/// Stripe's first version segment is that of OpenAI, so its objects are told by name.
const STRIPE: [&str; 7] = [
    "/v1/checkout",
    "/v1/customers",
    "/v1/charges",
    "/v1/payment_intents",
    "/v1/refunds",
    "/v1/balance",
    "/v1/products",
];

fn is_stripe(path: &str) -> bool {
    STRIPE.iter().any(|object| path.starts_with(object))
}

pub(super) fn knows(path: &str) -> bool {
    ["/search", "/emails"].contains(&path) || is_stripe(path)
}

pub(super) fn answer(call: &Call<'_>, json: &Value) -> Reply {
    match (call.method.as_str(), call.path) {
        ("POST", "/search") => search(json),
        ("POST", "/emails") => {
            Reply::ok(&json!({"id": format!("49a3999c-0ce1-4ea6-ab68-{:012}", call.index)}))
        }
        (_, path) if is_stripe(path) => stripe(call),
        _ => echo(call),
    }
}

/// What was asked, without headers: the answer of a path that no vendor here knows.
pub(super) fn echo(call: &Call<'_>) -> Reply {
    Reply::ok(&json!({
        "ok": true, "method": call.method.as_str(), "path": call.path, "bodyBytes": call.body.len(),
    }))
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

/// A field of a form.
fn form(body: &[u8], wanted: &str) -> Option<String> {
    let mut fields = form_urlencoded::parse(body);
    fields.find_map(|(name, value)| (name == wanted).then(|| value.into_owned()))
}

fn stripe(call: &Call<'_>) -> Reply {
    let object = call
        .path
        .trim_start_matches("/v1/")
        .split('/')
        .next()
        .unwrap_or_default();
    let single = object.trim_end_matches('s');
    let mut one = json!({"id": format!("fake_{:08}", call.index), "object": single, "livemode": false, "created": 1_795_000_000});
    if let Some(amount) = form(call.body, "amount").and_then(|amount| amount.parse::<u64>().ok()) {
        // What a refund gives back is in the currency of its charge.
        let charged = form(call.body, "charge").unwrap_or_default();
        let of_charge = if charged.starts_with("ch_eur") {
            "eur"
        } else {
            "usd"
        };
        one["amount"] = amount.into();
        one["currency"] = form(call.body, "currency").as_deref().unwrap_or(of_charge).into();
    }
    if call.path == "/v1/checkout/sessions" {
        one["url"] = json!(format!("https://checkout.example/{}", call.index));
    }
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

/// The error of the vendor that `call` is for.
pub(super) fn error(status: StatusCode, call: &Call<'_>) -> Reply {
    match call.path {
        "/search" => tavily_error(status),
        "/emails" => resend_error(status),
        _ => stripe_error(status, call),
    }
}

fn tavily_error(status: StatusCode) -> Reply {
    let words = match status.as_u16() {
        401 => "Unauthorized: missing or invalid API key.",
        429 => "Too many requests.",
        432 => "The plan's usage limit is reached.",
        _ => "The request was refused by the fake.",
    };
    Reply::json(status, &json!({"detail": {"error": words}}))
}

fn resend_error(status: StatusCode) -> Reply {
    let (name, message) = match status.as_u16() {
        401 => ("invalid_api_key", "API key is invalid"),
        422 => ("validation_error", "The request was refused by the fake."),
        429 => ("rate_limit_exceeded", "Too many requests."),
        _ => ("application_error", "An internal error of the fake."),
    };
    let body = json!({"statusCode": status.as_u16(), "name": name, "message": message});
    let mut reply = Reply::json(status, &body);
    if status == StatusCode::TOO_MANY_REQUESTS {
        for (name, value) in [
            ("ratelimit-limit", "2"),
            ("ratelimit-remaining", "0"),
            ("ratelimit-reset", "1"),
            ("retry-after", "1"),
        ] {
            reply.header(name, value);
        }
    }
    reply
}

/// A 401 shows the first and last characters of the key, as the real one does.
fn stripe_error(status: StatusCode, call: &Call<'_>) -> Reply {
    let error = match status.as_u16() {
        401 => {
            let message = format!("Invalid API Key provided: {}", masked(call.key));
            json!({"message": message, "type": "invalid_request_error"})
        }
        402 => json!({"message": "The card was declined.", "type": "card_error", "code": "card_declined"}),
        429 => {
            json!({"message": "Too many requests.", "type": "invalid_request_error", "code": "rate_limit"})
        }
        500.. => json!({"message": "An internal error of the fake.", "type": "api_error"}),
        _ => json!({"message": "The request was refused by the fake.", "type": "invalid_request_error"}),
    };
    let mut reply = Reply::json(status, &json!({"error": error}));
    reply.header("request-id", "req_fake");
    reply
}
