//! OpenAI chat completions and the vendors that speak its shape; legacy completions and embeddings too.
//!
//! The prompt counter includes cached, written, audio and image tokens; the completion counter includes reasoning and audio
//! tokens, except at xAI and Perplexity, where reasoning is on top. Usage stands in the last chunk of a stream, with choices or
//! without; some vendors state it in every chunk, so that one with unfinished choices is not the last word. What a vendor says
//! that a call costs is what it costs.

use keystore_core::{Bucket, Usage};
use serde::Deserialize;

use super::count::{Count, distribute, nano_dollars};
use super::json::{self, Answer, Elements};
use super::reading::{Reading, Vendor};

/// Whose chat it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Openai,
    /// Reasoning is on top of the completion.
    Xai,
    /// Reasoning and citations are on top of the completion; states its cost.
    Perplexity,
    /// States its cost.
    Openrouter,
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
    /// Databricks, Modal, Perplexity.
    reasoning_tokens: Count,
    /// Perplexity.
    citation_tokens: Count,
    num_search_queries: Count,
    search_context_size: Option<String>,
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
    if data == b"[DONE]" {
        reading.complete |= reading.usage.is_some();
        return false;
    }
    reading.relayed(data);
    let failed = data.starts_with(b"{\"error\"");
    if reading.model.is_some() && !failed && !json::states(data, b"\"usage") {
        return false;
    }
    let read = take(reading, Answer::whole(data));
    if !read.stated {
        return false;
    }
    let choices = read.choices.map_or(Choices::None, Choices::of);
    reading.complete = choices != Choices::Unfinished;
    choices == Choices::Empty
}

/// Reads a buffered answer.
pub(super) fn body(reading: &mut Reading, answer: Answer<'_>) {
    reading.complete = take(reading, answer).stated;
}

/// What a chunk says of its choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choices {
    None,
    Empty,
    Finished,
    Unfinished,
}

struct Read<'a> {
    choices: Option<&'a [u8]>,
    stated: bool,
}

fn take<'a>(reading: &mut Reading, answer: Answer<'a>) -> Read<'a> {
    let (mut usage, mut groq) = (None, None);
    let mut choices = None;
    for (name, value) in answer.members("usage") {
        match name {
            b"model" => reading.name_served(json::text(value), None),
            b"service_tier" => reading.name_served(None, json::text(value)),
            b"error" => reading.failed |= json::is_set(value),
            b"choices" => choices = Some(value),
            b"usage" => usage = Some(value),
            // Groq's, in the last chunk, whether usage was asked for or not.
            b"x_groq" => groq = json::find(value, &["usage"]),
            // Cloudflare's own envelope.
            b"result" if value.starts_with(b"{") => return take(reading, Answer::whole(value)),
            _ => {}
        }
    }
    let Vendor::Chat(dialect) = reading.vendor else {
        return Read {
            choices,
            stated: false,
        };
    };
    let stated = usage
        .and_then(|usage| dialect.usage(usage))
        .or_else(|| dialect.usage(groq?));
    if let Some(stated) = stated {
        reading.usage = Some(stated);
        reading.cost = usage.and_then(|usage| dialect.cost(usage)).or(reading.cost);
    }
    Read {
        choices,
        stated: stated.is_some(),
    }
}

impl Choices {
    fn of(list: &[u8]) -> Self {
        let mut choices = Elements::of(list).peekable();
        if choices.peek().is_none() {
            return Self::Empty;
        }
        let is_finished = |choice: &[u8]| json::find(choice, &["finish_reason"]).is_some_and(json::is_set);
        if choices.any(is_finished) {
            Self::Finished
        } else {
            Self::Unfinished
        }
    }
}

impl Dialect {
    /// Disjoint buckets that add up to the vendor's counters; `None` if it states neither.
    fn usage(self, stated: &[u8]) -> Option<Usage> {
        json::parse::<Counters>(stated)?.usage(self)
    }

    /// What the vendor says that the call costs.
    fn cost(self, usage: &[u8]) -> Option<u64> {
        let dollars = |path: &[&str]| json::find(usage, path).and_then(nano_dollars);
        match self {
            Self::Openai | Self::Xai => None,
            Self::Perplexity => dollars(&["cost", "total_cost"]),
            // With the customer's own key at the vendor behind, that vendor bills its part to the customer.
            Self::Openrouter if json::find(usage, &["is_byok"]) == Some(b"true") => {
                let behind = dollars(&["cost_details", "upstream_inference_cost"]).unwrap_or(0);
                Some(dollars(&["cost"])?.saturating_add(behind))
            }
            Self::Openrouter => dollars(&["cost"]),
        }
    }
}

impl Counters {
    fn usage(self, dialect: Dialect) -> Option<Usage> {
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
        let on_top = match dialect {
            Dialect::Perplexity => true,
            Dialect::Xai => self.total_tokens.0 != Some(both),
            Dialect::Openai | Dialect::Openrouter => {
                reasoning > output || self.total_tokens.0 == both.checked_add(reasoning)
            }
        };
        let output = if on_top {
            output.saturating_add(reasoning)
        } else {
            output
        };
        let output = output.saturating_add(self.citation_tokens.units());

        let mut usage = Usage::ZERO;
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
        if dialect == Dialect::Perplexity {
            // Deep research is charged by the search, the others by the request.
            usage.set(Bucket::WebSearches, self.num_search_queries.units());
            usage.set(Bucket::Requests, u64::from(self.search_context_size.is_some()));
        }
        Some(usage)
    }
}
