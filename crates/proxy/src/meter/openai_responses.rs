//! OpenAI responses.
//!
//! Cached and written tokens are in the input counter, reasoning in the output counter. A stream states usage in its last
//! event: `response.completed`, `.incomplete` or `.failed`. Calls of built-in tools are items of the output; they are counted
//! as they are done, in case the stream breaks off, and again from the whole output at its end.

use keystore_core::{Bucket, Usage};
use memchr::memmem;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::count::{Count, last_usage, parse, states_usage};
use super::openai_chat::distribute;
use super::relayed::text_bytes;
use super::{Reading, Vendor};
use crate::sse::Event;

/// Calls of built-in tools that cost apart from tokens.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Calls {
    web_searches: u64,
    file_searches: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    model: Option<String>,
    service_tier: Option<String>,
    output: Option<Vec<Item>>,
    usage: Option<Counters>,
    error: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item {
    r#type: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StreamEvent {
    response: Option<Answer>,
    item: Option<Item>,
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
        reading.text_bytes = reading
            .text_bytes
            .saturating_add(text_bytes(event.data).unwrap_or(0));
        return;
    }
    if event.name == b"error" || event.data.starts_with(b"{\"type\":\"error\"") {
        reading.failed = true;
        return;
    }
    let done = says(b"response.output_item.done");
    if !done && !says(b"response.created") && !states_usage(event.data) && !says(b"response.failed") {
        return;
    }
    let Some(stated) = parse::<StreamEvent>(event.data) else {
        return;
    };
    if let (Some(item), Vendor::Responses(calls)) = (&stated.item, &mut reading.vendor) {
        calls.count(item);
        reading.usage = Some(calls.added_to(reading.usage.unwrap_or_default()));
    }
    if let Some(answer) = stated.response {
        take(reading, answer);
    }
}

/// Reads a buffered answer.
pub(super) fn body(reading: &mut Reading, body: &[u8]) {
    let answer = parse(body).unwrap_or_else(|| Answer {
        usage: last_usage(body),
        ..Answer::default()
    });
    take(reading, answer);
}

fn take(reading: &mut Reading, answer: Answer) {
    reading.name_served(answer.model, answer.service_tier);
    reading.failed |= answer.error.is_some();
    let Vendor::Responses(calls) = &mut reading.vendor else {
        return;
    };
    if let Some(output) = answer.output.filter(|output| !output.is_empty()) {
        *calls = Calls::default();
        output.iter().for_each(|item| calls.count(item));
    }
    let stated = answer.usage.and_then(Counters::usage);
    reading.complete |= stated.is_some();
    if let Some(usage) = stated {
        reading.usage = Some(calls.added_to(usage));
    }
}

impl Calls {
    fn count(&mut self, item: &Item) {
        match item.r#type.as_deref() {
            Some("web_search_call") => self.web_searches += 1,
            Some("file_search_call") => self.file_searches += 1,
            _ => {}
        }
    }

    /// `usage` and the calls.
    pub(super) fn added_to(self, usage: Usage) -> Usage {
        usage
            .with(Bucket::WebSearches, self.web_searches)
            .with(Bucket::FileSearches, self.file_searches)
    }
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
