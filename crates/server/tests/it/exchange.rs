//! The whole request path, from an agent's request to its record, against a fake provider. Every test ends with
//! [`TestApp::finish`](crate::support::TestApp::finish), which compares the provider's log with the journal, the sums and the
//! budgets, and looks for secrets.

mod abuse;
mod bodies;
mod budgets;
mod catalog;
mod control;
mod endings;
mod events;
mod health;
mod journal;
mod kill;
mod late;
mod leaks;
mod limits;
mod market;
mod metering;
mod metrics;
mod passing;
mod prices;
mod protocols;
mod restart;
mod revocation;
mod scopes;
mod secrets;
mod slots;
mod stray;
mod streaming;
mod tenants;
mod tokens;

use std::time::Duration;

use keystore_core::NanoUsd;
use serde_json::{Value, json};

use crate::support::{Caller, TestApp};

const CHAT: &str = "/v1/openai/v1/chat/completions";
const RESPONSES: &str = "/v1/openai/v1/responses";
const EMBEDDINGS: &str = "/v1/openai/v1/embeddings";
const MODELS: &str = "/v1/openai/v1/models";
const MESSAGES: &str = "/v1/anthropic/v1/messages";

/// A chat completion's body.
fn chat(more: Value) -> Value {
    with(
        json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "How many, and why?"}]}),
        more,
    )
}

/// A message's body.
fn message(more: Value) -> Value {
    with(
        json!({"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": "How many, and why?"}]}),
        more,
    )
}

fn with(mut body: Value, more: Value) -> Value {
    let Value::Object(more) = more else {
        panic!("{more} is not an object");
    };
    for (member, value) in more {
        body[member] = value;
    }
    body
}

/// A caller with a credential and a grant for OpenAI, and with further members in the request that makes its token.
async fn openai(app: &TestApp, more: Value) -> Caller {
    app.create_credential("openai").await;
    app.caller(&app.create_token_with("agent", &["openai"], more).await)
}

/// The record of a request, as soon as there is one.
async fn record(app: &TestApp, id: &str) -> Value {
    for _ in 0..1_000 {
        let answer = app.owner_client().get(&format!("/v1/requests/{id}")).await;
        if answer.status == 200 {
            return answer.body;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{id} has no record");
}

/// Waits until so many requests have arrived at the provider.
async fn arrived(app: &TestApp, count: usize) {
    for _ in 0..2_000 {
        if app.fake_upstream().count() >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{} of {count} requests arrived", app.fake_upstream().count());
}

/// Sends, and hangs up when a request has arrived at the provider, which answers only then.
async fn leave(app: &TestApp, request: reqwest::RequestBuilder) {
    let upstream = app.fake_upstream();
    upstream.gate();
    let next = upstream.count() + 1;
    let call = tokio::spawn(request.send());
    arrived(app, next).await;
    call.abort();
    assert!(call.await.is_err(), "the client left first");
    // So that the server sees it.
    tokio::time::sleep(Duration::from_millis(100)).await;
    upstream.ungate();
}

/// The newest record, as soon as it is of an attempt that ended so.
async fn ended(app: &TestApp, ending: &str) -> Value {
    let mut newest = Value::Null;
    for _ in 0..1_000 {
        let requests = app.owner_client().get("/v1/requests?limit=1").await.expect(200);
        newest = requests["data"].get(0).cloned().unwrap_or_default();
        if newest["ending"] == ending {
            return newest;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no attempt ended so: {newest:#}");
}

fn nanos(amount: &Value) -> i64 {
    amount.as_str().unwrap().parse::<NanoUsd>().unwrap().0
}

/// The one budget, as the API shows it.
async fn budget(app: &TestApp) -> Value {
    app.owner_client().get("/v1/budgets").await.expect(200)["data"][0].take()
}
