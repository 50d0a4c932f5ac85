//! `ks mcp`: a server of the Model Context Protocol on stdio, for hosts that start one themselves. It is a bridge and no more: each line is
//! one message, which goes to the control plane's `/mcp` with the token or the key that this command has, and the answer is one line.
//!
//! It knows no tool and keeps nothing but the revision that was agreed on. Words for people go to stderr.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use keystore_wire::Problem;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Context;
use crate::client::Client;
use crate::output::{Output, advice, told};
use crate::settings::Settings;

const REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Where a call of the present revision names it.
const REVISION_IN_BODY: &str = "/params/_meta/io.modelcontextprotocol~1protocolVersion";

/// A fault between the host and the server, as JSON-RPC numbers it.
const INTERNAL_ERROR: i64 = -32603;

/// `ks mcp`.
#[derive(Args)]
pub(crate) struct McpArgs {
    /// Act with your session or management key, even where KS_TOKEN is set
    #[arg(long)]
    manage: bool,
}

/// Bridges until stdin ends.
pub(crate) async fn run(args: McpArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let bridge = Arc::new(Bridge {
        client: client(&args, context.settings)?,
        output: *context.output,
        agreed: Mutex::default(),
    });
    let mut lines = lines();
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) if line.trim().is_empty() => {}
                Some(line) => {
                    let bridge = Arc::clone(&bridge);
                    running.spawn(async move { bridge.carry(&line).await });
                }
                None => break,
            },
            Some(ended) = running.join_next() => ended??,
        }
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}

/// The lines of stdin, until it ends. They are read by a thread that nobody waits for: a host may leave stdin open.
fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let Ok(line) = line else { break };
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The way to the server: as the agent whose token is in KS_TOKEN, else as the person.
fn client(args: &McpArgs, settings: &Settings) -> anyhow::Result<Client> {
    let token = settings.token.clone().filter(|_| !args.manage);
    match token.or_else(|| settings.api_key.clone()) {
        Some(key) => Ok(Client::new(settings)?.with_key(Some(key))),
        None => Err(advice(
            "there is neither a token nor a key to act with",
            "set KS_TOKEN to an agent's token; or sign in with `ks login`, or set KS_API_KEY, to administer",
        )),
    }
}

struct Bridge {
    client: Client,
    output: Output,
    /// The revision that `initialize` agreed on.
    agreed: Mutex<Option<String>>,
}

impl Bridge {
    /// Carries one message there, and its answer back.
    async fn carry(&self, line: &str) -> anyhow::Result<()> {
        let message: Value = serde_json::from_str(line).unwrap_or_default();
        let headers = self.headers(&message);
        let answer = match self.client.message("/mcp", headers, line.to_owned()).await {
            Ok(body) if body.is_empty() => return Ok(()),
            Ok(body) => readable(&message, &body),
            Err(error) => fault(&message, &told(&error), None),
        };
        if message["method"] == "initialize"
            && let Some(revision) = answer["result"]["protocolVersion"].as_str()
        {
            *self.agreed.lock().unwrap_or_else(PoisonError::into_inner) = Some(revision.to_owned());
        }
        match message.get("id") {
            // A notification is not answered; what became of it is for whoever reads the host's log.
            None if message.is_object() => {
                self.output.warn(&answer["error"]["message"].to_string());
                Ok(())
            }
            _ => self.output.line(&answer.to_string()),
        }
    }

    /// What the revision asks for in the head: what the body says.
    fn headers(&self, message: &Value) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let in_body = message.pointer(REVISION_IN_BODY).and_then(Value::as_str);
        let agreed = self.agreed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut put = |name: HeaderName, text: Option<&str>| {
            headers.extend(text.and_then(header).map(|value| (name, value)));
        };
        put(REVISION, in_body.or(agreed.as_deref()));
        if in_body.is_some() {
            put(METHOD, message["method"].as_str());
            put(NAME, message["params"]["name"].as_str());
        }
        headers
    }
}

/// A text as a header holds it: as it is, or in base64 where it cannot be.
fn header(text: &str) -> Option<HeaderValue> {
    let plain = text
        .chars()
        .all(|letter| letter == ' ' || letter.is_ascii_graphic());
    let coded = || format!("=?base64?{}?=", STANDARD.encode(text));
    let value = match plain && text.trim() == text && !text.starts_with("=?base64?") {
        true => HeaderValue::from_str(text),
        false => HeaderValue::from_str(&coded()),
    };
    value.ok()
}

/// The server's answer, or its refusal as an answer.
fn readable(message: &Value, body: &[u8]) -> Value {
    let answer = serde_json::from_slice::<Value>(body).ok();
    if let Some(answer) = answer.as_ref().filter(|answer| answer["jsonrpc"] == "2.0") {
        return answer.clone();
    }
    match answer.and_then(|answer| serde_json::from_value::<Problem>(answer).ok()) {
        Some(problem) => {
            let data = json!({"code": problem.code, "remedy": problem.remedy});
            fault(message, &problem.detail, Some(data))
        }
        None => fault(
            message,
            "the server does not answer as a Keystore does; `ks doctor` checks its address",
            None,
        ),
    }
}

fn fault(message: &Value, words: &str, data: Option<Value>) -> Value {
    let mut error = json!({"code": INTERNAL_ERROR, "message": words});
    if let Some(data) = data {
        error["data"] = data;
    }
    json!({"jsonrpc": "2.0", "id": message["id"], "error": error})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_what_the_body_says() {
        let of = |text: &str| header(text).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(of("tools/call").as_deref(), Some("tools/call"));
        assert_eq!(of("größer").as_deref(), Some("=?base64?Z3LDtsOfZXI=?="));
        assert_eq!(of(" a").as_deref(), Some("=?base64?IGE=?="));
        assert_eq!(of("a\nb").as_deref(), Some("=?base64?YQpi?="));
    }

    #[test]
    fn a_refusal_of_the_server_is_an_answer_with_its_code() {
        let message = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"});
        let problem = Problem::new(keystore_wire::Code::Unauthenticated, "no").with_remedy("sign in");
        let answer = readable(&message, &serde_json::to_vec(&problem).unwrap());
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&json!(7), &json!(INTERNAL_ERROR))
        );
        assert_eq!(
            answer["error"]["data"],
            json!({"code": "unauthenticated", "remedy": "sign in"})
        );
        let own = json!({"jsonrpc": "2.0", "id": 7, "result": {}});
        assert_eq!(readable(&message, own.to_string().as_bytes()), own);
        assert!(
            readable(&message, b"<html>")["error"]["message"]
                .as_str()
                .unwrap()
                .contains("ks doctor")
        );
    }
}
