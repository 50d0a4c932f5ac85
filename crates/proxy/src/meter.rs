//! From an answer's bytes to what it used.
//!
//! A meter is a tap: it sees the bytes that are relayed and changes nothing, except that it leaves out the usage chunk
//! that only we asked for. It knows where each vendor states its usage and turns that into disjoint buckets; what they cost
//! is not its business, unless the vendor says it. Only events that state usage are parsed. The last statement counts, wherever
//! it stands; where there is none, what was asked for counts where the vendor charges by that, and otherwise what was relayed,
//! marked as an estimate. A reported zero is zero. WebSockets are not metered.
//!
//! `framing` and `event_stream` cut bytes into pieces, `reading` says which file reads them, and there is one file for each way of
//! stating usage.

mod anthropic_messages;
mod bedrock;
mod cohere;
mod count;
pub(crate) mod event_stream;
mod framing;
mod gemini;
mod headers;
mod json;
mod ollama;
mod openai_audio;
mod openai_chat;
mod openai_images;
mod openai_responses;
mod reading;
mod relayed;
mod stated;

use bytes::Bytes;
use http::HeaderMap;
use keystore_catalog::UsageShape;
use keystore_core::{Bucket, Usage};

use crate::sse::{Forward, Hide, Scanner};
use event_stream::Frames;
pub(crate) use framing::Framing;
use framing::{Kept, Lines};
use reading::{Reading, Vendor};

/// Bytes of text that count as one token where the vendor reported none. Tokens of English take about four bytes, of other
/// scripts about three: an estimate should rather be too high.
const BYTES_PER_ESTIMATED_TOKEN: u64 = 3;

/// Bytes of audio that count as one token in such a place: vendors make about 20 tokens of a second of speech.
const BYTES_PER_ESTIMATED_MEDIA_TOKEN: u64 = 200;

/// About how many tokens a text has.
pub(crate) fn tokens_of_text(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_ESTIMATED_TOKEN)
}

/// About how many tokens audio or an image has.
pub(crate) fn tokens_of_media(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_ESTIMATED_MEDIA_TOKEN)
}

/// What the meter needs to know of the request.
#[derive(Debug, Clone, Copy)]
pub struct MeterSetup {
    /// How the vendor counts.
    pub shape: UsageShape,
    /// The usage chunk was asked for by us, not by the client: hide it.
    pub hide_usage_chunk: bool,
    /// About how many tokens the request has.
    pub input_tokens: u64,
    /// What the request asks for, where the vendor does not charge by tokens.
    pub asked: Option<Asked>,
}

/// What a request asks for, in the unit that the vendor charges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The unit.
    pub bucket: Bucket,
    /// How many are charged where the answer does not say.
    pub units: u64,
    /// How many can be charged at most; `None` where the request does not say, which makes `units` an estimate.
    pub most: Option<u64>,
    /// How the answer states them.
    pub stated: Stated,
    /// Units of another kind beside them, which no answer states.
    pub also: Option<(Bucket, u64)>,
}

/// How an answer states what was asked for, if it states anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stated {
    /// As what it is.
    Itself,
    /// As units of another kind, for each of which so many are charged instead.
    As(Bucket, u64),
    /// Not at all: it is charged beside what the answer states.
    Beside,
}

impl Asked {
    /// What an answer states, in the units that are charged.
    fn restated(self, stated: Usage) -> Usage {
        match self.stated {
            Stated::Itself => stated,
            Stated::As(bucket, each) => {
                let units = stated.get(bucket).saturating_mul(each);
                stated.with(bucket, 0).with(self.bucket, units)
            }
            Stated::Beside => stated.with(self.bucket, self.units),
        }
    }

    /// What is charged where the answer states nothing.
    pub(crate) fn usage(self) -> Usage {
        let usage = Usage::ZERO.with(self.bucket, self.units);
        match self.also {
            Some((bucket, units)) => usage.with(bucket, units),
            None => usage,
        }
    }
}

/// What a statement of usage rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The vendor reported all of it.
    Reported,
    /// The request says it, and the vendor charges by that.
    Asked,
    /// (Part of) it is an estimate.
    Estimated,
}

/// What an answer used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metered {
    /// What was used, in disjoint buckets.
    pub usage: Usage,
    /// What that rests on. An answer whose status is an error states no usage, and vendors do not bill it: there, drop what was
    /// not reported.
    pub basis: Basis,
    /// What the vendor says that the call costs, in nano-dollars.
    pub cost: Option<u64>,
    /// The model that the vendor says it served.
    pub served_model: Option<String>,
    /// The service tier that the vendor says it served; `fast` for Anthropic's `speed: "fast"`.
    pub service_tier: Option<String>,
    /// Where the vendor says that inference ran.
    pub inference_geo: Option<String>,
    /// Bytes of the answer's body.
    pub output_bytes_seen: u64,
    /// The answer carries an error inside a successful status.
    pub failed: bool,
}

impl Metered {
    /// The terms that the vendor says it served.
    pub(crate) fn served(&self) -> Served<'_> {
        Served {
            service_tier: self.service_tier.as_deref(),
            inference_geo: self.inference_geo.as_deref(),
        }
    }
}

/// What a vendor says that it served, as far as prices depend on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served<'a> {
    pub(crate) service_tier: Option<&'a str>,
    pub(crate) inference_geo: Option<&'a str>,
}

/// The tap on one answer's body.
#[derive(Debug)]
pub struct Meter {
    setup: MeterSetup,
    framing: Framing,
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
    Lines(Lines),
    Frames(Frames),
    Buffered(Kept),
}

/// Whether the usage of this shape is read. If not, all that is known of a call is its bytes.
pub fn reads(shape: UsageShape) -> bool {
    !matches!(Vendor::of(shape), Vendor::Unread)
}

impl Meter {
    /// A meter for the answer with this head.
    pub fn new(setup: MeterSetup, head: &HeaderMap) -> Self {
        let reading = Reading::new(&setup, head);
        let framing = Framing::of(head);
        let body = match framing {
            _ if reading.vendor.ignores_bodies() => Body::Ignored,
            Framing::Opaque => Body::Ignored,
            Framing::Whole => Body::Buffered(Kept::default()),
            Framing::Lines => Body::Lines(Lines::default()),
            Framing::Frames => Body::Frames(Frames::default()),
            Framing::Events if setup.hide_usage_chunk && matches!(reading.vendor, Vendor::Chat(_)) => {
                Body::EventsWithout(Hide::default())
            }
            Framing::Events => Body::Events(Scanner::default()),
        };
        Self {
            setup,
            framing,
            body,
            reading,
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
            Body::Lines(lines) => lines.push(&chunk, |line| reading.document(line)),
            Body::Frames(frames) => frames.push(&chunk, |frame| reading.frame(frame)),
            Body::Buffered(kept) => kept.push(&chunk),
        }
        Forward::from(chunk)
    }

    /// At the end of the body, clean or not: bytes that were held back and are now to be forwarded.
    pub fn on_end(&mut self) -> Option<Bytes> {
        let reading = &mut self.reading;
        match std::mem::replace(&mut self.body, Body::Ignored) {
            Body::Ignored | Body::Frames(_) => {}
            Body::Events(mut scanner) => scanner.end(|event| {
                reading.event(event);
            }),
            Body::EventsWithout(mut hide) => return hide.end(|event| reading.event(event)),
            Body::Lines(mut lines) => lines.end(|line| reading.document(line)),
            Body::Buffered(kept) => kept.with(|body| reading.body(body, self.bytes_seen)),
        }
        None
    }

    /// What was used. Includes `on_end`, if that was not called.
    pub fn finish(mut self) -> Metered {
        let _ = self.on_end();
        let (mut usage, basis) = self.usage();
        let cost = self.reading.cost;
        usage.set(Bucket::VendorCostNanos, cost.unwrap_or(0));
        Metered {
            usage,
            basis,
            cost,
            served_model: self.reading.model,
            service_tier: self.reading.service_tier,
            inference_geo: self.reading.inference_geo,
            output_bytes_seen: self.bytes_seen,
            failed: self.reading.failed,
        }
    }

    /// What was used so far: as far as the vendor stated it, and otherwise by the bytes that were seen.
    pub fn so_far(&self) -> Usage {
        self.usage().0
    }

    /// The terms that the vendor said by now that it serves.
    pub(crate) fn served(&self) -> Served<'_> {
        Served {
            service_tier: self.reading.service_tier.as_deref(),
            inference_geo: self.reading.inference_geo.as_deref(),
        }
    }

    fn usage(&self) -> (Usage, Basis) {
        let reading = &self.reading;
        match (reading.usage, self.setup.asked) {
            (Some(usage), asked) if reading.complete => {
                let usage = asked.map_or(usage, |asked| asked.restated(usage));
                (usage, Basis::Reported)
            }
            (_, Some(asked)) => {
                let basis = match asked.most {
                    Some(_) => Basis::Asked,
                    None => Basis::Estimated,
                };
                (asked.usage(), basis)
            }
            (_, None) if self.setup.shape == UsageShape::None => {
                (Usage::ZERO.with(Bucket::Requests, 1), Basis::Reported)
            }
            (partial, None) => (self.estimate(partial), Basis::Estimated),
        }
    }

    /// What was used by the bytes that were seen. What the vendor did state is kept, and its output is not less than that.
    fn estimate(&self, stated: Option<Usage>) -> Usage {
        let text_bytes = match self.setup.shape {
            _ if self.reading.vendor.ignores_bodies() => self.bytes_seen,
            // Numbers, and texts that the request had.
            UsageShape::OpenaiEmbeddings | UsageShape::Voyage | UsageShape::Jina => 0,
            _ => self.reading.text_bytes,
        };
        let mut usage = stated.unwrap_or_default();
        if usage.input_tokens() == 0 {
            usage.set(Bucket::InputUncached, self.setup.input_tokens);
        }
        if self.framing == Framing::Opaque {
            return usage.with(Bucket::AudioOut, tokens_of_media(self.bytes_seen));
        }
        let output = tokens_of_text(text_bytes);
        let missing = output.saturating_sub(usage.output_tokens());
        usage.set(
            Bucket::OutputText,
            usage.get(Bucket::OutputText).saturating_add(missing),
        );
        usage
    }
}

#[cfg(test)]
mod tests;
