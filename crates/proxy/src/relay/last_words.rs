//! The last piece of a stream that we end: why, in the shape in which the vendor's own clients look for an error.

use std::sync::Arc;

use bytes::Bytes;
use keystore_catalog::UsageShape;
use keystore_core::Deny;
use keystore_wire::problem::Code;
use serde_json::{Value, json};

use crate::cache::Agent;
use crate::meter::{Framing, event_stream};
use crate::refuse;

/// How the client of a stream is told why it ends.
pub(super) struct LastWords {
    pub(super) framing: Framing,
    pub(super) shape: UsageShape,
    pub(super) agent: Arc<Agent>,
}

impl LastWords {
    /// The piece that says why; `None` where nothing can be said in the answer itself.
    pub(super) fn piece(&self, deny: &Deny) -> Option<Bytes> {
        let message = refuse::cut_message(deny, &self.agent.name);
        let code = Code::of_deny(deny);
        match self.framing {
            Framing::Events => Some(event(self.shape, code, &message)),
            Framing::Lines => Some(line(self.shape, code, &message)),
            Framing::Frames => Some(exception(code, &message)),
            Framing::Whole | Framing::Opaque => None,
        }
    }
}

/// The line for a vendor that speaks like `shape`. Ollama's clients look for a text.
fn line(shape: UsageShape, code: Code, message: &str) -> Bytes {
    let error = match shape {
        UsageShape::Ollama => json!({"error": message, "code": code.as_str()}),
        _ => json!({"error": {"type": code.as_str(), "code": code.as_str(), "message": message}}),
    };
    format!("{error}\n").into()
}

/// An exception of AWS's event streams. Its SDKs raise it by its type, of which this one is not tried again.
fn exception(code: Code, message: &str) -> Bytes {
    let headers = [
        (":message-type", "exception"),
        (":exception-type", "validationException"),
        (":content-type", "application/json"),
    ];
    let payload = json!({"message": message, "code": code.as_str()});
    event_stream::encode(&headers, payload.to_string().as_bytes()).into()
}

/// The event for a vendor that speaks like `shape`: an error of ours with this code and these words.
fn event(shape: UsageShape, code: Code, message: &str) -> Bytes {
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
        let bytes = event(shape, Code::AgentPaused, "paused.\nSay \"why\"");
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
    fn lines_and_frames_have_their_own() {
        let ollama = line(UsageShape::Ollama, Code::AgentPaused, "paused");
        assert!(ollama.ends_with(b"\n"));
        let read: Value = serde_json::from_slice(&ollama).unwrap();
        assert_eq!(read, json!({"error": "paused", "code": "agent_paused"}));
        let other: Value =
            serde_json::from_slice(&line(UsageShape::Cohere, Code::AgentPaused, "paused")).unwrap();
        assert_eq!(other["error"]["message"], "paused");
        let mut frames = event_stream::Frames::default();
        let mut found = Vec::new();
        frames.push(&exception(Code::AgentPaused, "paused"), |frame| {
            let header = |name| frame.header(name).map(<[u8]>::to_vec);
            found.push((
                header(":message-type"),
                header(":exception-type"),
                frame.payload.to_vec(),
            ));
        });
        let [(message_type, exception_type, payload)] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(message_type.as_deref(), Some(&b"exception"[..]));
        assert_eq!(exception_type.as_deref(), Some(&b"validationException"[..]));
        let payload: Value = serde_json::from_slice(payload).unwrap();
        assert_eq!(payload["message"], "paused");
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
