//! Anthropic messages.
//!
//! The input counter holds neither cache reads nor cache writes; the output counter includes thinking. A stream states the
//! input in `message_start`, with a provisional output, and the final counters in `message_delta`: they are cumulative, and
//! what they name replaces what was said before.

use keystore_core::{Bucket, Usage};
use memchr::memmem;
use serde::Deserialize;

use super::count::{Count, last_usage, parse, states_usage};
use super::openai_chat::distribute;
use super::relayed::text_bytes;
use super::{Reading, Vendor};
use crate::sse::Event;

/// A message, or an event of a stream: the names that both have mean the same.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    r#type: Option<String>,
    model: Option<String>,
    usage: Option<Counters>,
    /// In `message_start`.
    message: Option<Message>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    model: Option<String>,
    usage: Option<Counters>,
}

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
    speed: Option<String>,
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
        reading.text_bytes = reading
            .text_bytes
            .saturating_add(text_bytes(event.data).unwrap_or(0));
        return;
    }
    if event.name == b"error" || event.data.starts_with(b"{\"type\":\"error\"") {
        reading.failed = true;
        return;
    }
    if !states_usage(event.data) {
        return;
    }
    let Some(answer) = parse::<Answer>(event.data) else {
        return;
    };
    let is_final = answer
        .usage
        .as_ref()
        .is_some_and(|usage| usage.output_tokens.0.is_some());
    let message = answer.message.unwrap_or_default();
    reading.name_served(message.model, None);
    for counters in [message.usage, answer.usage].into_iter().flatten() {
        state(reading, counters);
    }
    reading.complete |= is_final;
}

/// Reads a buffered answer.
pub(super) fn body(reading: &mut Reading, body: &[u8]) {
    let answer = parse(body).unwrap_or_else(|| Answer {
        usage: last_usage(body),
        ..Answer::default()
    });
    reading.failed |= answer.r#type.as_deref() == Some("error");
    reading.name_served(answer.model, None);
    if let Some(counters) = answer.usage {
        reading.complete = counters.output_tokens.0.is_some();
        state(reading, counters);
    }
}

fn state(reading: &mut Reading, stated: Counters) {
    let Vendor::Anthropic(counters) = &mut reading.vendor else {
        return;
    };
    counters.replace(stated);
    reading.usage = Some(counters.usage());
    let fast = counters.speed.as_deref() == Some("fast");
    reading.service_tier = if fast {
        Some("fast".to_owned())
    } else {
        counters.service_tier.clone()
    };
}

impl Counters {
    fn replace(&mut self, stated: Self) {
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
        self.speed = stated.speed.or(self.speed.take());
    }

    fn usage(&self) -> Usage {
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
