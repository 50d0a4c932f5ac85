//! Anthropic messages.
//!
//! The input counter holds neither cache reads nor cache writes; the output counter includes thinking. A stream states the
//! input in `message_start`, with a provisional output, and the final counters in `message_delta`: they are cumulative, and
//! what they name replaces what was said before. Compactions are in no counter but their own. What other models used on the way
//! (`advisor_message`, `fallback_message`) is not read.

use keystore_core::{Bucket, Usage};
use memchr::memmem;
use serde::Deserialize;

use super::count::{Count, distribute};
use super::json::{self, Answer};
use super::reading::{Reading, Vendor};
use crate::sse::Event;

/// What was said last, counter by counter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Counters {
    input_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_creation: Option<CacheCreation>,
    output_tokens: Count,
    output_tokens_details: Option<OutputDetails>,
    server_tool_use: Option<ServerToolUse>,
    service_tier: Option<String>,
    inference_geo: Option<String>,
    speed: Option<String>,
    iterations: Option<Vec<Self>>,
    /// Of an iteration.
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct CacheCreation {
    ephemeral_5m_input_tokens: Count,
    ephemeral_1h_input_tokens: Count,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Count,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct ServerToolUse {
    web_search_requests: Count,
}

/// Reads an event of a stream.
pub(super) fn event(reading: &mut Reading, event: Event<'_>) {
    let says = |kind: &[u8]| match event.name {
        [] => memmem::find(event.data, kind).is_some(),
        name => name == kind,
    };
    if says(b"content_block_delta") || says(b"content_block_start") {
        reading.relayed(event.data);
        return;
    }
    if event.name == b"error" || event.data.starts_with(b"{\"type\":\"error\"") {
        reading.failed = true;
        return;
    }
    if json::states(event.data, b"\"usage") {
        reading.complete |= take(reading, Answer::whole(event.data));
    }
}

/// Reads a buffered answer.
pub(super) fn body(reading: &mut Reading, answer: Answer<'_>) {
    reading.complete = take(reading, answer);
}

/// Reads a message, or an event of a stream: the names that both have mean the same. Says whether the output is final.
fn take(reading: &mut Reading, answer: Answer<'_>) -> bool {
    let mut is_final = false;
    for (name, value) in answer.members("usage") {
        match name {
            b"type" => reading.failed |= value == b"\"error\"",
            b"model" => reading.name_served(json::text(value), None),
            // In `message_start`: its output is provisional.
            b"message" => {
                take(reading, Answer::whole(value));
            }
            b"usage" => is_final = state(reading, value),
            _ => {}
        }
    }
    is_final
}

/// Takes what was stated, and says whether it names the output.
fn state(reading: &mut Reading, stated: &[u8]) -> bool {
    let (Some(stated), Vendor::Anthropic(counters)) = (json::parse::<Counters>(stated), &mut reading.vendor)
    else {
        return false;
    };
    let names_output = stated.output_tokens.0.is_some();
    reading.usage = Some(counters.replace(stated));
    reading.service_tier = counters.service_tier();
    reading.inference_geo = counters.inference_geo.clone();
    names_output
}

impl Counters {
    /// Takes over what is `stated`, and gives what was used by all that was stated so far.
    pub(super) fn replace(&mut self, stated: Self) -> Usage {
        self.keep(stated);
        self.usage()
    }

    /// The tier that was served; `fast` for `speed: "fast"`.
    pub(super) fn service_tier(&self) -> Option<String> {
        match self.speed.as_deref() {
            Some("fast") => Some("fast".to_owned()),
            _ => self.service_tier.clone(),
        }
    }

    /// Whether there is an input counter at all.
    pub(super) fn is_stated(&self) -> bool {
        self.input_tokens.0.or(self.output_tokens.0).is_some()
    }

    fn keep(&mut self, stated: Self) {
        self.input_tokens = stated.input_tokens.or(self.input_tokens);
        self.cache_read_input_tokens = stated.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.cache_creation_input_tokens = stated
            .cache_creation_input_tokens
            .or(self.cache_creation_input_tokens);
        self.cache_creation = stated.cache_creation.or(self.cache_creation);
        self.output_tokens = stated.output_tokens.or(self.output_tokens);
        self.output_tokens_details = stated.output_tokens_details.or(self.output_tokens_details);
        self.server_tool_use = stated.server_tool_use.or(self.server_tool_use);
        self.service_tier = stated.service_tier.or(self.service_tier.take());
        self.inference_geo = stated.inference_geo.or(self.inference_geo.take());
        self.speed = stated.speed.or(self.speed.take());
        self.iterations = stated.iterations.or(self.iterations.take());
    }

    /// What was used: as the counters say, and by compactions, which they leave out.
    fn usage(&self) -> Usage {
        let is_compaction = |iteration: &&Self| iteration.kind.as_deref() == Some("compaction");
        let compactions = self.iterations.iter().flatten().filter(is_compaction);
        compactions.fold(self.counted(), |sum, compaction| {
            let used = compaction.counted();
            used.iter().fold(sum, |sum, (bucket, units)| {
                sum.with(bucket, sum.get(bucket).saturating_add(units))
            })
        })
    }

    /// What these counters say.
    fn counted(&self) -> Usage {
        let created = self.cache_creation.unwrap_or_default();
        let one_hour = created.ephemeral_1h_input_tokens.units();
        let five_minutes = created.ephemeral_5m_input_tokens.units();
        // Writes of which the lifetime is not said are for five minutes, Anthropic's default.
        let unsaid = self
            .cache_creation_input_tokens
            .units()
            .saturating_sub(one_hour)
            .saturating_sub(five_minutes);
        let thinking = self
            .output_tokens_details
            .unwrap_or_default()
            .thinking_tokens
            .units();
        let searches = self
            .server_tool_use
            .unwrap_or_default()
            .web_search_requests
            .units();
        let mut usage = Usage::ZERO
            .with(Bucket::InputUncached, self.input_tokens.units())
            .with(Bucket::CacheRead, self.cache_read_input_tokens.units())
            .with(Bucket::CacheWrite5m, five_minutes.saturating_add(unsaid))
            .with(Bucket::CacheWrite1h, one_hour)
            .with(Bucket::WebSearches, searches);
        let parts = [(Bucket::Reasoning, thinking)];
        distribute(&mut usage, self.output_tokens.units(), &parts, Bucket::OutputText);
        usage
    }
}
