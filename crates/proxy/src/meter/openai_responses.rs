//! OpenAI responses.
//!
//! Cached and written tokens are in the input counter, reasoning in the output counter. A stream states usage in its last
//! event: `response.completed`, `.incomplete` or `.failed`. Calls of built-in tools are items of the output; they are counted
//! as they are done, in case the stream breaks off, and again from the whole output at its end.

use keystore_core::{Bucket, Usage};
use memchr::memmem;
use serde::Deserialize;

use super::count::{Count, distribute};
use super::json::{self, Answer, Elements};
use super::reading::{Reading, Vendor};
use crate::sse::Event;

/// Calls of built-in tools that cost apart from tokens.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Calls {
    web_searches: u64,
    file_searches: u64,
    images: u64,
    /// A container was used, which is charged by its sessions: one at least.
    sessions: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counters {
    input_tokens: Count,
    input_tokens_details: Option<InputDetails>,
    output_tokens: Count,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Count,
}

/// Reads an event of a stream.
pub(super) fn event(reading: &mut Reading, event: Event<'_>) {
    let says = |kind: &[u8]| match event.name {
        [] => memmem::find(event.data, kind).is_some(),
        name => name == kind,
    };
    if event.name.ends_with(b".delta")
        || (event.name.is_empty() && memmem::find(event.data, b".delta\"").is_some())
    {
        reading.relayed(event.data);
        return;
    }
    if event.name == b"error" || event.data.starts_with(b"{\"type\":\"error\"") {
        reading.failed = true;
        return;
    }
    let done = says(b"response.output_item.done");
    let states = || json::states(event.data, b"\"usage");
    if !done && !says(b"response.created") && !states() && !says(b"response.failed") {
        return;
    }
    for (name, value) in Answer::whole(event.data).members("response") {
        match name {
            b"item" if done => {
                if let Vendor::Responses(calls) = &mut reading.vendor {
                    calls.count(value);
                    reading.usage = Some(calls.added_to(reading.usage.unwrap_or_default()));
                }
            }
            b"response" => body(reading, Answer::whole(value)),
            _ => {}
        }
    }
}

/// Reads a buffered answer, or the one that an event holds.
pub(super) fn body(reading: &mut Reading, answer: Answer<'_>) {
    let mut stated = None;
    for (name, value) in answer.members("usage") {
        match (name, &mut reading.vendor) {
            (b"model", _) => reading.name_served(json::text(value), None),
            (b"service_tier", _) => reading.name_served(None, json::text(value)),
            (b"error", _) => reading.failed |= json::is_set(value),
            (b"output", Vendor::Responses(calls)) => {
                let mut items = Elements::of(value).peekable();
                if items.peek().is_some() {
                    *calls = Calls::default();
                    items.for_each(|item| calls.count(item));
                }
            }
            (b"usage", _) => stated = json::parse::<Counters>(value).and_then(Counters::usage),
            _ => {}
        }
    }
    if let (Some(usage), Vendor::Responses(calls)) = (stated, &reading.vendor) {
        let usage = calls.added_to(usage);
        reading.state(Some(usage));
    }
}

impl Calls {
    fn count(&mut self, item: &[u8]) {
        match json::find(item, &["type"]) {
            Some(b"\"web_search_call\"") => self.web_searches += u64::from(is_search(item)),
            Some(b"\"file_search_call\"") => self.file_searches += 1,
            Some(b"\"image_generation_call\"") => self.images += 1,
            Some(b"\"code_interpreter_call\"") => self.sessions = 1,
            _ => {}
        }
    }

    /// `usage` and the calls.
    fn added_to(self, usage: Usage) -> Usage {
        usage
            .with(Bucket::WebSearches, self.web_searches)
            .with(Bucket::FileSearches, self.file_searches)
            .with(Bucket::Images, self.images)
            .with(Bucket::Sessions, self.sessions)
    }
}

/// Whether a call of web search is one: reading a page that a search found is no search, and not charged.
fn is_search(call: &[u8]) -> bool {
    !matches!(
        json::find(call, &["action", "type"]),
        Some(b"\"open_page\"" | b"\"find_in_page\"")
    )
}

impl Counters {
    fn usage(self) -> Option<Usage> {
        self.input_tokens.0.or(self.output_tokens.0)?;
        let input = self.input_tokens_details.unwrap_or_default();
        let output = self.output_tokens_details.unwrap_or_default();
        let mut usage = Usage::ZERO;
        let parts = [
            (Bucket::CacheWrite, input.cache_write_tokens.units()),
            (Bucket::CacheRead, input.cached_tokens.units()),
        ];
        distribute(
            &mut usage,
            self.input_tokens.units(),
            &parts,
            Bucket::InputUncached,
        );
        let parts = [(Bucket::Reasoning, output.reasoning_tokens.units())];
        distribute(&mut usage, self.output_tokens.units(), &parts, Bucket::OutputText);
        Some(usage)
    }
}
