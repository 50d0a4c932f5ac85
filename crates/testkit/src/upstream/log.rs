//! What arrived at a fake upstream and what it sent: append-only, the ground truth of every test.

use std::fs::File;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Version};
use serde_json::json;

use super::credential::Credential;

/// One request, whole, with what came of it.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its place in the log, from 0.
    pub index: usize,
    /// When its body had arrived, since the upstream's start.
    pub at: Duration,
    /// The connection that it came on, counted from 0: for tests of connection reuse.
    pub connection: u64,
    /// The protocol.
    pub version: Version,
    /// The method.
    pub method: Method,
    /// Path and query as received.
    pub target: String,
    /// All headers; over HTTP/2 `:authority` stands as `host`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Every credential that stood in a slot known to the fake.
    pub credentials: Vec<Credential>,
    /// The input and output tokens that the answer reports; 0 where it reports none.
    pub tokens: (u64, u64),
    /// What was sent so far.
    pub sent: Sent,
}

impl Received {
    /// The value of the header `name`; the first of several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; `Null` when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// The fate of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// The status; 0 while there is no head.
    pub status: u16,
    /// Bytes of body handed to the connection.
    pub body_bytes: u64,
    /// The body was handed over whole.
    pub complete: bool,
    /// The answer is over, whole or not.
    pub ended: bool,
}

/// The log of one upstream, shared by its connections.
#[derive(Debug)]
pub(super) struct Log {
    start: Instant,
    entries: Mutex<Vec<Received>>,
    file: Option<Mutex<File>>,
    /// Keeps entries in memory; a stand-alone upstream keeps only the file.
    in_memory: bool,
}

impl Log {
    pub(super) fn new(file: Option<File>, in_memory: bool) -> Self {
        Self {
            start: Instant::now(),
            entries: Mutex::default(),
            file: file.map(Mutex::new),
            in_memory,
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Received>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends before anything is answered; gives the entry's place.
    pub(super) fn arrived(&self, mut received: Received) -> usize {
        if let Some(file) = &self.file {
            write_line(file, &line(&received));
        }
        if !self.in_memory {
            return 0;
        }
        let mut entries = self.entries();
        received.index = entries.len();
        entries.push(received);
        entries.len() - 1
    }

    pub(super) fn answered(&self, index: usize, change: impl FnOnce(&mut Received)) {
        if let Some(entry) = self.entries().get_mut(index) {
            change(entry);
        }
    }

    pub(super) fn all(&self) -> Vec<Received> {
        self.entries().clone()
    }

    pub(super) fn len(&self) -> usize {
        self.entries().len()
    }
}

/// One write per line, so that a killed process leaves whole lines.
fn write_line(file: &Mutex<File>, line: &str) {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    // A log that cannot be written must not go unnoticed: the tests that read it would pass on nothing.
    assert!(file.write_all(line.as_bytes()).is_ok(), "cannot write the log");
}

fn line(received: &Received) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: Vec<_> = received
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), text(value.as_bytes())]))
        .collect();
    let credentials: Vec<_> = received
        .credentials
        .iter()
        .map(|credential| json!({"slot": credential.slot.to_string(), "value": credential.value}))
        .collect();
    let line = json!({
        "atMicros": u64::try_from(received.at.as_micros()).unwrap_or(u64::MAX),
        "connection": received.connection,
        "method": received.method.as_str(),
        "target": received.target,
        "headers": headers,
        "credentials": credentials,
        "inputTokens": received.tokens.0,
        "outputTokens": received.tokens.1,
        "body": text(&received.body),
    });
    format!("{line}\n")
}
