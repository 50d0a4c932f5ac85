//! The last event of a stream that we end: why, in the shape in which the vendor's own clients look for an error.

use bytes::Bytes;
use keystore_catalog::UsageShape;
use keystore_wire::problem::Code;
use serde_json::{Value, json};

/// The event for a vendor that speaks like `shape`: an error of ours with this code and these words.
pub(crate) fn final_event(shape: UsageShape, code: Code, message: &str) -> Bytes {
    let error = json!({"type": code.as_str(), "code": code.as_str(), "message": message});
    let (name, data) = match shape {
        UsageShape::OpenaiChat | UsageShape::Xai | UsageShape::Perplexity | UsageShape::Openrouter => {
            (None, json!({"error": error}))
        }
        // The event as it is documented, and the member that the SDKs of OpenAI take for an error.
        UsageShape::OpenaiResponses => (
            Some("error"),
            json!({"type": "error", "code": code.as_str(), "message": message, "param": null, "error": error}),
        ),
        UsageShape::AnthropicMessages => (Some("error"), json!({"type": "error", "error": error})),
        UsageShape::Gemini => (None, json!({"error": google(code, message)})),
        _ => (Some("error"), json!({"error": error})),
    };
    let name = name.map_or(String::new(), |name| format!("event: {name}\n"));
    format!("{name}data: {data}\n\n").into()
}

/// An error of Google's APIs (`google.rpc.Status`).
fn google(code: Code, message: &str) -> Value {
    let status = match code.status() {
        401 => "UNAUTHENTICATED",
        402 | 429 => "RESOURCE_EXHAUSTED",
        403 => "PERMISSION_DENIED",
        _ => "UNAVAILABLE",
    };
    let reason = json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code.as_str(), "domain": "keystore"});
    json!({"code": code.status(), "message": message, "status": status, "details": [reason]})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse::Scanner;

    fn read(shape: UsageShape) -> (String, Value) {
        let bytes = final_event(shape, Code::AgentPaused, "paused.\nSay \"why\"");
        let mut events = Vec::new();
        Scanner::default().push(&bytes, |event, end| {
            assert_eq!(end, bytes.len());
            let name = String::from_utf8(event.name.to_vec()).unwrap();
            events.push((name, serde_json::from_slice(event.data).unwrap()));
        });
        assert_eq!(events.len(), 1);
        events.remove(0)
    }

    #[test]
    fn it_is_one_event_in_the_vendors_shape() {
        let message = "paused.\nSay \"why\"";
        for (shape, name) in [
            (UsageShape::OpenaiChat, ""),
            (UsageShape::OpenaiResponses, "error"),
            (UsageShape::AnthropicMessages, "error"),
            (UsageShape::None, "error"),
        ] {
            let (named, data) = read(shape);
            assert_eq!(named, name, "{shape:?}");
            assert_eq!(
                (&data["error"]["code"], &data["error"]["message"]),
                (&json!("agent_paused"), &json!(message))
            );
        }
        assert_eq!(read(UsageShape::OpenaiResponses).1["type"], "error");
        assert_eq!(read(UsageShape::AnthropicMessages).1["type"], "error");
        let (named, data) = read(UsageShape::Gemini);
        assert_eq!(
            (
                named.as_str(),
                &data["error"]["code"],
                &data["error"]["status"],
                &data["error"]["message"]
            ),
            ("", &json!(403), &json!("PERMISSION_DENIED"), &json!(message))
        );
    }
}
