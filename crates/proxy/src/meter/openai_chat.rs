//! OpenAI chat completions and the vendors that speak its shape; legacy completions and embeddings too.
//!
//! The prompt counter includes cached, written, audio and image tokens; the completion counter includes reasoning and audio
//! tokens, except at xAI, where reasoning is on top (seen by the total). Usage stands in the last chunk of a stream, with
//! choices or without.

use keystore_core::{Bucket, Usage};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Reading;
use super::count::{Count, last_usage, parse, states_usage};
use super::relayed::text_bytes;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    model: Option<String>,
    service_tier: Option<String>,
    choices: Option<Vec<IgnoredAny>>,
    usage: Option<Counters>,
    /// Groq's, in the last chunk, whether usage was asked for or not.
    x_groq: Option<Groq>,
    error: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Groq {
    usage: Option<Counters>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counters {
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek.
    prompt_cache_hit_tokens: Count,
    /// Databricks.
    cache_read_input_tokens: Count,
    /// Anthropic's compatible endpoint.
    cached_tokens: Count,
    /// Databricks, Modal.
    reasoning_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
    audio_tokens: Count,
    image_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Count,
    audio_tokens: Count,
}

/// Reads a chunk, and says whether it is the extra one that only states usage.
pub(super) fn event(reading: &mut Reading, data: &[u8]) -> bool {
    reading.text_bytes = reading.text_bytes.saturating_add(text_bytes(data).unwrap_or(0));
    let failed = data.starts_with(b"{\"error\"");
    if reading.model.is_some() && !failed && !states_usage(data) {
        return false;
    }
    let Some(answer) = parse::<Answer>(data) else {
        state(reading, last_usage(data));
        return false;
    };
    let only_usage = answer.usage.is_some() && answer.choices.as_ref().is_some_and(Vec::is_empty);
    take(reading, answer);
    only_usage
}

/// Reads a buffered answer.
pub(super) fn body(reading: &mut Reading, body: &[u8]) {
    match parse::<Answer>(body) {
        Some(answer) => take(reading, answer),
        None => state(reading, last_usage(body)),
    }
}

fn take(reading: &mut Reading, answer: Answer) {
    reading.name_served(answer.model, answer.service_tier);
    reading.failed |= answer.error.is_some();
    state(
        reading,
        answer.usage.or(answer.x_groq.and_then(|groq| groq.usage)),
    );
}

fn state(reading: &mut Reading, counters: Option<Counters>) {
    if let Some(usage) = counters.and_then(Counters::usage) {
        reading.usage = Some(usage);
        reading.complete = true;
    }
}

impl Counters {
    /// Disjoint buckets that add up to the vendor's counters; `None` if it states neither.
    fn usage(self) -> Option<Usage> {
        self.prompt_tokens.0.or(self.completion_tokens.0)?;
        let prompt = self.prompt_tokens_details.unwrap_or_default();
        let cached = prompt
            .cached_tokens
            .or(self.prompt_cache_hit_tokens)
            .or(self.cache_read_input_tokens)
            .or(self.cached_tokens);
        let completion = self.completion_tokens_details.unwrap_or_default();
        let reasoning = completion.reasoning_tokens.or(self.reasoning_tokens).units();
        let output = self.completion_tokens.units();
        let both = self.prompt_tokens.units().saturating_add(output);
        let on_top = reasoning > output || self.total_tokens.0 == both.checked_add(reasoning);
        let output = if on_top {
            output.saturating_add(reasoning)
        } else {
            output
        };

        let mut usage = Usage::ZERO;
        // Parts that overlap, or exceed the whole, are cut in this order, so that the dearest is kept whole.
        let parts = [
            (Bucket::AudioIn, prompt.audio_tokens.units()),
            (Bucket::ImageIn, prompt.image_tokens.units()),
            (Bucket::CacheWrite, prompt.cache_write_tokens.units()),
            (Bucket::CacheRead, cached.units()),
        ];
        distribute(
            &mut usage,
            self.prompt_tokens.units(),
            &parts,
            Bucket::InputUncached,
        );
        let parts = [
            (Bucket::AudioOut, completion.audio_tokens.units()),
            (Bucket::Reasoning, reasoning),
        ];
        distribute(&mut usage, output, &parts, Bucket::OutputText);
        Some(usage)
    }
}

/// Takes the parts out of the whole, and puts what is left into `rest`.
pub(super) fn distribute(usage: &mut Usage, whole: u64, parts: &[(Bucket, u64)], rest: Bucket) {
    let mut left = whole;
    for (bucket, units) in parts {
        let taken = (*units).min(left);
        usage.set(*bucket, taken);
        left -= taken;
    }
    usage.set(rest, left);
}
