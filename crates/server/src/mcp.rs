//! `/mcp`: the Model Context Protocol, for agents and for people's assistants. An agent's token opens the tools of [`own`]: what it may
//! use, what is left, why it was refused, and asking for more. A session or a management key opens the operations of the API as tools
//! ([`operations`]), each within its role.
//!
//! One POST is one message and one JSON answer; nothing is kept between two of them. That is all of the revision 2026-07-28, and what the
//! two before it allow a server that sends nothing by itself. So there are no sessions, streams, prompts or resources here. The protocol
//! is in [`rpc`] and [`revision`]: a handful of methods, by hand. The official crate (`rmcp`) would bring a dozen more, a second system of
//! schemas beside the API's own and a second library of dates among them, most of it for sessions and streams that are not offered here; and
//! tools whose schemas come from `openapi.json` are not what its macros are for. That this speaks the protocol is shown by the official clients.

mod operations;
mod own;
mod revision;
mod rpc;
mod schema;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use keystore_core::deny::RateScope;
use keystore_core::rate::{Arrival, RateLimits};
use keystore_proxy::counters::RateKey;
use keystore_vault::TokenKind;
use keystore_wire::problem::{Code, FieldError, Problem};
use serde_json::{Value, json};

use crate::api::BODY_LIMIT_BYTES;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::auth::agent::AgentCaller;
use crate::auth::caller::Caller;
use crate::auth::origin::Origin;

/// The path.
pub(crate) const PATH: &str = "/mcp";

/// The most messages of an agent in any minute: what it asks costs no money and moves nothing, and needs no hurry.
const AGENT_RPM: u32 = 120;

/// What a tool call comes to: an object, or why there is none. `Err` outside of it is a fault of the call itself.
type Called = Result<Result<Value, ToolError>, rpc::Fault>;

/// Something that can be called.
#[derive(Debug, Clone)]
struct Tool {
    /// Its name.
    name: &'static str,
    /// What it does.
    description: String,
    /// The JSON Schema of its arguments: an object.
    input: Value,
    /// The JSON Schema of its answer: an object.
    output: Value,
    /// What a host may think of it.
    hints: Hints,
}

/// What a host may think of a tool before it is called.
#[derive(Debug, Clone, Copy)]
struct Hints {
    /// It changes nothing.
    read_only: bool,
    /// It may take something away.
    destructive: bool,
    /// Called again in the same way, it changes nothing more.
    idempotent: bool,
}

impl Tool {
    fn shown(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "inputSchema": self.input,
            "outputSchema": self.output,
            "annotations": {
                "readOnlyHint": self.hints.read_only,
                "destructiveHint": self.hints.destructive,
                "idempotentHint": self.hints.idempotent,
                // Everything that a tool touches is this server's own.
                "openWorldHint": false,
            },
        })
    }
}

/// Why a tool did not do what it was asked: what the API says in the same case.
#[derive(Debug, serde::Serialize)]
struct ToolError {
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// Who asks, and what they can call.
enum Client {
    Agent(AgentCaller),
    Person(Box<operations::Person>),
}

impl Client {
    /// Whoever the one bearer value of the head stands for. A cookie counts for nothing here: a browser sends it by itself.
    async fn of(app: &Arc<App>, mut parts: Parts, operations: Router) -> ApiResult<Self> {
        let value = bearer(&parts.headers)
            .ok_or_else(ApiError::unauthenticated)?
            .to_owned();
        if value.starts_with(TokenKind::Agent.prefix()) {
            let agent = AgentCaller::of(app, &value, Origin::of(&parts)).await?;
            return Ok(Self::Agent(agent));
        }
        let caller = Caller::from_request_parts(&mut parts, app).await?;
        let person = operations::Person::new(caller, &parts, operations);
        Ok(Self::Person(Box::new(person)))
    }

    /// What the model is told of this server.
    fn instructions(&self) -> &'static str {
        match self {
            Self::Agent(_) => own::INSTRUCTIONS,
            Self::Person(_) => operations::INSTRUCTIONS,
        }
    }

    /// The tools, as a list shows them.
    fn tools(&self) -> Vec<Value> {
        match self {
            Self::Agent(_) => own::tools().map(Tool::shown).collect(),
            Self::Person(person) => person.tools().map(Tool::shown).collect(),
        }
    }

    async fn call(&self, app: &Arc<App>, name: &str, arguments: Value) -> Called {
        match self {
            Self::Agent(agent) => own::call(app, agent, name, arguments).await,
            Self::Person(person) => person.call(name, arguments).await,
        }
    }
}

/// Answers one message. `operations` is the API itself.
pub(crate) async fn serve(app: Arc<App>, operations: Router, request: Request) -> Response {
    match exchange(&app, operations, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn exchange(app: &Arc<App>, operations: Router, request: Request) -> ApiResult<Response> {
    let (parts, body) = request.into_parts();
    check_origin(&app.settings.api_url, &parts.headers)?;
    let headers = parts.headers.clone();
    let client = Client::of(app, parts, operations).await?;
    if let Client::Agent(agent) = &client {
        count(app, agent)?;
    }
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        return Err(ApiError::new(
            Code::UnsupportedMediaType,
            "send one message of the protocol as JSON, with `content-type: application/json`",
        ));
    }
    let bytes = axum::body::to_bytes(body, BODY_LIMIT_BYTES).await.map_err(|_| {
        ApiError::new(
            Code::BodyTooLarge,
            format!("the body ended early, or has more than {BODY_LIMIT_BYTES} bytes"),
        )
    })?;
    Ok(answer(app, &client, &headers, &bytes).await)
}

async fn answer(app: &Arc<App>, client: &Client, headers: &HeaderMap, bytes: &Bytes) -> Response {
    let call = match rpc::read(bytes) {
        Ok(rpc::Message::Call(call)) => call,
        Ok(rpc::Message::Notification) => return rpc::taken(),
        Err(fault) => return rpc::fault(&Value::Null, fault.status(), fault),
    };
    let revision = match revision::of(headers, &call) {
        Ok(revision) => revision,
        Err(fault) => return rpc::fault(&call.id, fault.status(), fault),
    };
    match perform(app, client, revision, &call).await {
        Ok(result) => rpc::result(&call.id, &revision.complete(result)),
        // Clients with a handshake take another status for a failure of the way here.
        Err(fault) if revision.has_handshake() => rpc::fault(&call.id, StatusCode::OK, fault),
        Err(fault) => rpc::fault(&call.id, fault.status(), fault),
    }
}

async fn perform(
    app: &Arc<App>,
    client: &Client,
    revision: revision::Revision,
    call: &rpc::Call,
) -> Result<Value, rpc::Fault> {
    match (call.method.as_str(), revision.has_handshake()) {
        ("initialize", true) => Ok(revision::initialized(call, client.instructions())),
        ("server/discover", false) => Ok(revision::discovered(client.instructions())),
        ("ping", true) => Ok(json!({})),
        ("tools/list", _) => Ok(revision.cacheable(json!({"tools": client.tools()}))),
        ("tools/call", _) => {
            let name = call.text("name")?;
            let arguments = match call.params.get("arguments") {
                None | Some(Value::Null) => json!({}),
                Some(Value::Object(members)) => Value::Object(members.clone()),
                Some(_) => return Err(rpc::Fault::params("`arguments` must be an object")),
            };
            Ok(match client.call(app, name, arguments).await? {
                Ok(value) => json!({
                    "content": [{"type": "text", "text": value.to_string()}],
                    "structuredContent": value,
                    "isError": false,
                }),
                Err(error) => json!({
                    "content": [{"type": "text", "text": serde_json::to_string(&error).unwrap_or_default()}],
                    "isError": true,
                }),
            })
        }
        (method, _) => Err(rpc::Fault::method(method)),
    }
}

/// That a browser, if one sends this, shows a page of ours: a page of another site whose name now leads to this address is one of
/// theirs. Other clients send no `Origin`.
fn check_origin(own: &str, headers: &HeaderMap) -> ApiResult<()> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => Ok(()),
        (Some(origin), None) if origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()) => Ok(()),
        _ => Err(ApiError::new(
            Code::CrossSite,
            "a page of another site cannot use this; call it from outside of a browser",
        )),
    }
}

/// The one bearer value.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, more) = (values.next()?, values.next());
    let (scheme, value) = value.to_str().ok()?.split_once(' ')?;
    (more.is_none() && scheme.eq_ignore_ascii_case("bearer")).then_some(value)
}

/// Counts a message of an agent.
fn count(app: &App, agent: &AgentCaller) -> ApiResult<()> {
    // No provider is called so.
    let rates = app
        .proxy
        .counters()
        .rates(RateKey::Agent(agent.agent(), PATH.to_owned()));
    let arrival = Arrival {
        now: app.clock.now(),
        boottime: app.clock.boottime(),
    };
    let limits = RateLimits {
        rpm: Some(AGENT_RPM),
        ..RateLimits::default()
    };
    let mut rates = rates.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match rates.try_admit(arrival, &limits, RateScope::Agent) {
        Ok(_) => {
            rates.ended();
            Ok(())
        }
        Err(limited) => {
            let wait = limited
                .resets_at
                .map_or_else(Default::default, |at| at.since(arrival.now));
            Err(ApiError::new(
                Code::RateLimited,
                format!("an agent may ask {AGENT_RPM} times in any minute"),
            )
            .remedy("ask less often; nothing here changes within seconds")
            .after(wait))
        }
    }
}

impl From<Problem> for ToolError {
    fn from(problem: Problem) -> Self {
        Self {
            code: problem.code,
            message: problem.detail,
            remedy: problem.remedy,
            errors: problem.errors,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_another_site_is_turned_away_whatever_name_leads_here() {
        let own = "https://keystore.example:8401";
        let allowed = |origins: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for origin in origins {
                headers.append(header::ORIGIN, origin.parse().unwrap());
            }
            // What a rebound name would send.
            headers.insert(header::HOST, "evil.example".parse().unwrap());
            check_origin(own, &headers).is_ok()
        };
        assert!(allowed(&[]));
        assert!(allowed(&["https://keystore.example:8401"]));
        for origin in [
            "http://evil.example",
            "null",
            "http://keystore.example:8401",
            "https://keystore.example",
            "",
        ] {
            assert!(!allowed(&[origin]), "{origin}");
        }
        assert!(!allowed(&[own, own]));
    }
}
