//! From an answer's bytes to what it used.

use bytes::Bytes;
use keystore_catalog::UsageShape;
use keystore_core::Usage;

/// What the meter needs to know of the request and of the head of the answer.
#[derive(Debug, Clone, Copy)]
pub struct MeterSetup {
    /// How the vendor counts.
    pub shape: UsageShape,
    /// The answer is `text/event-stream`.
    pub streamed: bool,
    /// The usage chunk was asked for by us, not by the client: hide it.
    pub hide_usage_chunk: bool,
    /// Bytes of the request's body, for the estimate.
    pub request_bytes: u64,
}

/// What an answer used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metered {
    /// What was used, in disjoint buckets.
    pub usage: Usage,
    /// The vendor reported all of it; otherwise (part of) it is an estimate.
    pub reported: bool,
    /// The model that the vendor says it served.
    pub served_model: Option<String>,
    /// The service tier that the vendor says it served.
    pub service_tier: Option<String>,
    /// Bytes of the answer's body.
    pub output_bytes_seen: u64,
    /// The answer carries an error inside a successful status.
    pub failed: bool,
}

/// What to forward now: mostly the very chunk that came.
#[derive(Debug)]
pub struct Forward {}

impl Iterator for Forward {
    type Item = Bytes;
    fn next(&mut self) -> Option<Bytes> {
        todo!()
    }
}

/// The tap on one answer's body.
pub struct Meter {}

impl Meter {
    /// A meter for one answer.
    pub fn new(setup: MeterSetup) -> Self {
        todo!()
    }
    /// Takes a chunk and says what to forward now.
    pub fn on_chunk(&mut self, chunk: Bytes) -> Forward {
        todo!()
    }
    /// At the end of the body (clean or not): bytes that were held back and are to be forwarded.
    pub fn on_end(&mut self) -> Option<Bytes> {
        todo!()
    }
    /// What was used.
    pub fn finish(self) -> Metered {
        todo!()
    }
}
