//! From an answer's bytes to what it used.
//!
//! A meter is a tap: it sees the bytes that are relayed and changes nothing, except that it leaves out the usage chunk
//! that only we asked for. It knows where each vendor states its usage and turns that into disjoint buckets; what they cost
//! is not its business. Only events that state usage are parsed. The last statement counts, wherever it stands; where there
//! is none, what was relayed is counted and marked as an estimate. A reported zero is zero.

mod anthropic_messages;
mod count;
mod openai_chat;
mod openai_responses;
mod relayed;

use bytes::Bytes;
use keystore_catalog::UsageShape;
use keystore_core::{Bucket, Usage};

use crate::sse::{Event, Forward, Hide, Scanner};

/// A buffered answer that is larger is not kept whole: only its end is searched for usage.
const MAX_KEPT_BYTES: usize = 8 << 20;
/// How much of the end that is. Vendors state usage behind the content.
const TAIL_BYTES: usize = 64 << 10;
/// Relayed bytes that count as one token where the vendor reported none. Tokens of English take about four bytes, of other
/// scripts about three: an estimate should rather be too high.
const BYTES_PER_ESTIMATED_TOKEN: u64 = 3;

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
    /// The vendor reported all of it; otherwise (part of) it is an estimate. An answer whose status is an error states no
    /// usage, and vendors do not bill it: there, drop an estimate.
    pub reported: bool,
    /// The model that the vendor says it served.
    pub served_model: Option<String>,
    /// The service tier that the vendor says it served; `fast` for Anthropic's `speed: "fast"`.
    pub service_tier: Option<String>,
    /// Bytes of the answer's body.
    pub output_bytes_seen: u64,
    /// The answer carries an error inside a successful status.
    pub failed: bool,
}

/// The tap on one answer's body.
#[derive(Debug)]
pub struct Meter {
    setup: MeterSetup,
    body: Body,
    reading: Reading,
    bytes_seen: u64,
}

#[derive(Debug)]
enum Body {
    /// Nothing to read.
    Ignored,
    Events(Scanner),
    EventsWithout(Hide),
    Buffered(Kept),
}

/// What was read so far.
#[derive(Debug)]
struct Reading {
    vendor: Vendor,
    /// What the vendor stated last.
    usage: Option<Usage>,
    /// The statement is the final one.
    complete: bool,
    model: Option<String>,
    service_tier: Option<String>,
    failed: bool,
    /// Bytes of the texts that the answer consists of.
    text_bytes: u64,
}

#[derive(Debug)]
enum Vendor {
    /// A shape that is not metered by its answer.
    Other,
    Chat,
    Responses(openai_responses::Calls),
    Anthropic(anthropic_messages::Counters),
}

/// Whether the usage of this shape is read from the answer. If not, all that is known of a call is its bytes.
pub fn reads(shape: UsageShape) -> bool {
    !matches!(Vendor::of(shape), Vendor::Other)
}

impl Vendor {
    fn of(shape: UsageShape) -> Self {
        match shape {
            UsageShape::OpenaiChat
            | UsageShape::OpenaiEmbeddings
            | UsageShape::Xai
            | UsageShape::Openrouter => Self::Chat,
            UsageShape::OpenaiResponses => Self::Responses(openai_responses::Calls::default()),
            UsageShape::AnthropicMessages => Self::Anthropic(anthropic_messages::Counters::default()),
            _ => Self::Other,
        }
    }
}

impl Meter {
    /// A meter for one answer.
    pub fn new(setup: MeterSetup) -> Self {
        let vendor = Vendor::of(setup.shape);
        let body = match vendor {
            Vendor::Other => Body::Ignored,
            _ if !setup.streamed => Body::Buffered(Kept::default()),
            Vendor::Chat if setup.hide_usage_chunk => Body::EventsWithout(Hide::default()),
            _ => Body::Events(Scanner::default()),
        };
        Self {
            setup,
            body,
            reading: Reading {
                vendor,
                usage: None,
                complete: false,
                model: None,
                service_tier: None,
                failed: false,
                text_bytes: 0,
            },
            bytes_seen: 0,
        }
    }

    /// Takes a chunk and says what to forward now. That is the chunk itself; only where the usage chunk is hidden may the
    /// beginning of an event wait for its end.
    pub fn on_chunk(&mut self, chunk: Bytes) -> Forward {
        self.bytes_seen = self.bytes_seen.saturating_add(chunk.len() as u64);
        let reading = &mut self.reading;
        match &mut self.body {
            Body::Ignored => {}
            Body::Events(scanner) => scanner.push(&chunk, |event, _| {
                reading.event(event);
            }),
            Body::EventsWithout(hide) => return hide.push(&chunk, |event| reading.event(event)),
            Body::Buffered(kept) => kept.push(&chunk),
        }
        Forward::from(chunk)
    }

    /// At the end of the body, clean or not: bytes that were held back and are now to be forwarded.
    pub fn on_end(&mut self) -> Option<Bytes> {
        let reading = &mut self.reading;
        match std::mem::replace(&mut self.body, Body::Ignored) {
            Body::Ignored => None,
            Body::Events(mut scanner) => {
                scanner.end(|event| {
                    reading.event(event);
                });
                None
            }
            Body::EventsWithout(mut hide) => hide.end(|event| reading.event(event)),
            Body::Buffered(kept) => {
                kept.with(|body| reading.body(body, self.bytes_seen));
                None
            }
        }
    }

    /// What was used. Includes `on_end`, if that was not called.
    pub fn finish(mut self) -> Metered {
        let _ = self.on_end();
        let reading = self.reading;
        let reported = reading.complete && reading.usage.is_some();
        let usage = match (reading.usage, self.setup.shape) {
            (Some(usage), _) if reported => usage,
            (_, UsageShape::None) => Usage::ZERO.with(Bucket::Requests, 1),
            (_, _) if matches!(reading.vendor, Vendor::Other) => {
                estimate(None, self.setup.request_bytes, self.bytes_seen)
            }
            (partial, _) => estimate(partial, self.setup.request_bytes, reading.text_bytes),
        };
        Metered {
            usage,
            reported: reported || self.setup.shape == UsageShape::None,
            served_model: reading.model,
            service_tier: reading.service_tier,
            output_bytes_seen: self.bytes_seen,
            failed: reading.failed,
        }
    }
}

/// What was used by the bytes that were seen. What the vendor did state is kept, and its output is not less than that.
fn estimate(stated: Option<Usage>, request_bytes: u64, text_bytes: u64) -> Usage {
    let mut usage = stated.unwrap_or_default();
    if usage.input_tokens() == 0 {
        usage.set(
            Bucket::InputUncached,
            request_bytes.div_ceil(BYTES_PER_ESTIMATED_TOKEN),
        );
    }
    let output = text_bytes.div_ceil(BYTES_PER_ESTIMATED_TOKEN);
    let missing = output.saturating_sub(usage.output_tokens());
    usage.set(
        Bucket::OutputText,
        usage.get(Bucket::OutputText).saturating_add(missing),
    );
    usage
}

impl Reading {
    /// Reads an event, and says whether it is the usage chunk that nobody but us asked for.
    fn event(&mut self, event: Event<'_>) -> bool {
        match self.vendor {
            Vendor::Other => false,
            Vendor::Chat => openai_chat::event(self, event.data),
            Vendor::Responses(_) => {
                openai_responses::event(self, event);
                false
            }
            Vendor::Anthropic(_) => {
                anthropic_messages::event(self, event);
                false
            }
        }
    }

    /// Reads a buffered answer, or the end of one that had `all_bytes`.
    fn body(&mut self, body: &[u8], all_bytes: u64) {
        match self.vendor {
            Vendor::Other => {}
            Vendor::Chat => openai_chat::body(self, body),
            Vendor::Responses(_) => openai_responses::body(self, body),
            Vendor::Anthropic(_) => anthropic_messages::body(self, body),
        }
        if !self.complete {
            let texts = relayed::text_bytes(body).filter(|_| body.len() as u64 == all_bytes);
            self.text_bytes = texts.unwrap_or(all_bytes);
        }
    }

    fn name_served(&mut self, model: Option<String>, service_tier: Option<String>) {
        self.model = model.or(self.model.take());
        self.service_tier = service_tier.or(self.service_tier.take());
    }
}

/// A buffered answer: its chunks, as long as they are not too many, and then its end.
#[derive(Debug, Default)]
struct Kept {
    chunks: Vec<Bytes>,
    bytes: usize,
}

impl Kept {
    fn push(&mut self, chunk: &Bytes) {
        self.bytes += chunk.len();
        self.chunks.push(chunk.clone());
        if self.bytes > MAX_KEPT_BYTES {
            let all = self.chunks.concat();
            let tail = Bytes::copy_from_slice(&all[all.len().saturating_sub(TAIL_BYTES)..]);
            self.bytes = tail.len();
            self.chunks = vec![tail];
        }
    }

    /// Gives what is kept, in one piece.
    fn with(self, read: impl FnOnce(&[u8])) {
        match &self.chunks[..] {
            [only] => read(only),
            chunks => read(&chunks.concat()),
        }
    }
}

#[cfg(test)]
mod tests;
