//! JSON-RPC 2.0 as the protocol uses it over HTTP: one message in, one message out. No batches, which no served revision has, and no
//! answers of the client, which is asked nothing.

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
/// Headers and body say different things (MCP 2026-07-28).
const HEADER_MISMATCH: i64 = -32020;
/// The revision is not served (MCP 2026-07-28).
const UNSUPPORTED_REVISION: i64 = -32022;

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    /// A string or an integer.
    pub(super) id: Value,
    /// What is asked for.
    pub(super) method: String,
    /// With what.
    pub(super) params: Map<String, Value>,
}

/// What a client sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Message {
    /// Something that is answered.
    Call(Call),
    /// Something that is not.
    Notification,
}

/// Why a call is not answered as it asks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    code: i64,
    message: String,
    data: Option<Value>,
}

impl Fault {
    /// The parameters are not those of the method.
    pub(super) fn params(message: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    /// There is no such method.
    pub(super) fn method(name: &str) -> Self {
        Self::new(METHOD_NOT_FOUND, format!("this server has no method `{name}`"))
    }

    /// A header says something else than the body.
    pub(super) fn header(message: impl Into<String>) -> Self {
        Self::new(HEADER_MISMATCH, message)
    }

    /// The revision is not served.
    pub(super) fn revision(requested: &str, supported: &[&str]) -> Self {
        Self {
            data: Some(json!({"supported": supported, "requested": requested})),
            ..Self::new(
                UNSUPPORTED_REVISION,
                "this revision of the protocol is not served",
            )
        }
    }

    fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    /// Whether it has the code of another one.
    #[cfg(test)]
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.code == other.code
    }

    /// The status that goes with it in the present revision, and in those before it where the message itself is at fault.
    pub(super) fn status(&self) -> StatusCode {
        match self.code {
            METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl Call {
    /// A parameter that must be there and a text.
    pub(super) fn text(&self, name: &str) -> Result<&str, Fault> {
        let value = self.params.get(name).and_then(Value::as_str);
        value.ok_or_else(|| Fault::params(format!("`{name}` must be a text")))
    }
}

/// Reads one message.
pub(super) fn read(bytes: &Bytes) -> Result<Message, Fault> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| Fault::new(PARSE_ERROR, format!("this is not JSON: {error}")))?;
    let invalid = |message: &str| Fault::new(INVALID_REQUEST, message);
    let Value::Object(mut members) = value else {
        return Err(invalid("expected one message of the protocol, an object"));
    };
    let Some(Value::String(method)) = members.remove("method") else {
        return Err(invalid("`method` must be a text"));
    };
    if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(invalid("`jsonrpc` must be \"2.0\""));
    }
    let params = match members.remove("params") {
        None => Map::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err(invalid("`params` must be an object")),
    };
    match members.remove("id") {
        None => Ok(Message::Notification),
        Some(id) if id.is_string() || id.is_i64() || id.is_u64() => {
            Ok(Message::Call(Call { id, method, params }))
        }
        Some(_) => Err(invalid("`id` must be a text or an integer")),
    }
}

/// A notification was taken.
pub(super) fn taken() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// A call was answered.
pub(super) fn result(id: &Value, result: &Value) -> Response {
    respond(
        StatusCode::OK,
        &json!({"jsonrpc": "2.0", "id": id, "result": result}),
    )
}

/// A call could not be answered.
pub(super) fn fault(id: &Value, status: StatusCode, fault: Fault) -> Response {
    let mut error = json!({"code": fault.code, "message": fault.message});
    if let Some(data) = fault.data {
        error["data"] = data;
    }
    respond(status, &json!({"jsonrpc": "2.0", "id": id, "error": error}))
}

fn respond(status: StatusCode, message: &Value) -> Response {
    let mut response = Response::new(Body::from(message.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_object() {
        let code = |text: &str| read(&Bytes::copy_from_slice(text.as_bytes())).map_err(|fault| fault.code);
        let call = |id: Value| {
            Ok(Message::Call(Call {
                id,
                method: "ping".to_owned(),
                params: Map::new(),
            }))
        };
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#),
            call(1.into())
        );
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":"a","method":"ping","params":{}}"#),
            call("a".into())
        );
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
            Ok(Message::Notification)
        );
        assert_eq!(code("{"), Err(PARSE_ERROR));
        for text in [
            "[]",
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        ] {
            assert_eq!(code(text), Err(INVALID_REQUEST), "{text}");
        }
    }
}
