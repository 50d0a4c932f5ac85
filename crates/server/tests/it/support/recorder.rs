//! What a test was given and what it was told: the secrets, and every answer, so that the end of the test can look for the ones in
//! the others.

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::HeaderMap;
use serde_json::Value;

/// Answers and secrets of one test. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Records>>);

#[derive(Default)]
struct Records {
    secrets: Vec<String>,
    answers: Vec<Recorded>,
    accounts: Vec<Account>,
}

/// Somebody who signed up.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) email: String,
    pub(crate) session: String,
}

/// An answer: where it came from, and its head and body as bytes.
#[derive(Clone)]
pub(crate) struct Recorded {
    pub(crate) what: String,
    pub(crate) bytes: Vec<u8>,
    /// The answer is the one place where a new token is told.
    pub(crate) tells_tokens: bool,
}

impl Recorder {
    fn with<T>(&self, change: impl FnOnce(&mut Records) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on `secret` may appear nowhere.
    pub(crate) fn secret(&self, secret: &str) {
        self.with(|records| {
            if !records.secrets.iter().any(|known| known == secret) {
                records.secrets.push(secret.to_owned());
            }
        });
    }

    /// Somebody signed up with this address and has this session.
    pub(crate) fn account(&self, email: &str, session: &str) {
        let account = Account {
            email: email.to_owned(),
            session: session.to_owned(),
        };
        self.with(|records| records.accounts.push(account));
    }

    pub(crate) fn accounts(&self) -> Vec<Account> {
        self.with(|records| records.accounts.clone())
    }

    pub(crate) fn secrets(&self) -> Vec<String> {
        self.with(|records| records.secrets.clone())
    }

    pub(crate) fn answers(&self) -> Vec<Recorded> {
        self.with(|records| records.answers.clone())
    }

    /// Learns the secrets that a request to the API stores.
    pub(crate) fn api_request(&self, body: &Value) {
        match &body["secret"] {
            Value::String(secret) => self.secret(secret),
            Value::Object(fields) => {
                for (_, value) in fields.iter().filter(|(name, _)| !is_id(&body["provider"], name)) {
                    self.secret(value.as_str().unwrap());
                }
            }
            _ => {}
        }
    }

    /// Keeps an answer of the API, and learns the tokens that it tells.
    pub(crate) fn api_answer(&self, path: &str, headers: &HeaderMap, body: &[u8]) {
        let tells_tokens = ["/v1/tokens", "/v1/api-keys", "/v1/auth/", "/v1/webhooks"]
            .iter()
            .any(|start| path.starts_with(start));
        if tells_tokens && let Ok(json) = serde_json::from_slice::<Value>(body) {
            for member in ["token", "key"] {
                if let Some(token) = json[member].as_str().filter(|token| token.starts_with("ks")) {
                    self.secret(token);
                }
            }
            if let Some(secret) = json["endpoint"]["secret"].as_str() {
                self.secret(secret);
            }
        }
        self.keep(path, tells_tokens, headers, body);
    }

    /// Keeps an answer of the data plane.
    pub(crate) fn proxy_answer(&self, path: &str, headers: &HeaderMap, body: &[u8]) {
        self.keep(path, false, headers, body);
    }

    fn keep(&self, path: &str, tells_tokens: bool, headers: &HeaderMap, body: &[u8]) {
        let mut bytes = Vec::new();
        for (name, value) in headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(body);
        let what = format!("the answer to {path}");
        self.with(|records| {
            records.answers.push(Recorded {
                what,
                bytes,
                tells_tokens,
            });
        });
    }
}

/// Whether a field is sent with the secrets and is none. A rotation does not name its provider: there, Twilio's is the only one.
fn is_id(provider: &Value, name: &str) -> bool {
    let Some(slug) = provider.as_str() else {
        return name == "account_sid";
    };
    keystore_catalog::provider(slug).is_some_and(|known| {
        known
            .fields
            .iter()
            .any(|field| field.name == name && !field.secret)
    })
}
