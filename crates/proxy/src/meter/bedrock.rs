//! Amazon Bedrock: Converse and `InvokeModel`, buffered and streamed.
//!
//! Converse states its own counters, of which the input holds neither cache reads nor cache writes; a stream states them in its
//! last frame, `metadata`. `InvokeModel` passes on what the model's family states, and has counters of its own in the head, or in
//! the last chunk of a stream. Anthropic's counters are the more precise ones and win.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keystore_core::{Bucket, Usage};
use serde::Deserialize;

use super::anthropic_messages::Counters as Anthropic;
use super::count::Count;
use super::event_stream::Frame;
use super::json::{self, Answer, Elements, find};
use super::reading::{Reading, Vendor};

/// Converse's counters, Nova's, those of `amazon-bedrock-invocationMetrics`, and those of OpenAI's shape. An answer may state one
/// number under two names.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Counters {
    input_tokens: Count,
    input_token_count: Count,
    #[serde(rename = "prompt_tokens")]
    prompt_tokens: Count,
    output_tokens: Count,
    output_token_count: Count,
    #[serde(rename = "completion_tokens")]
    completion_tokens: Count,
    cache_read_input_tokens: Count,
    cache_read_input_token_count: Count,
    cache_write_input_tokens: Count,
    cache_write_input_token_count: Count,
    cache_details: Vec<CacheDetail>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CacheDetail {
    ttl: Option<String>,
    #[serde(rename = "inputTokens")]
    input: Count,
}

/// Reads a frame of a stream.
pub(super) fn frame(reading: &mut Reading, frame: Frame<'_>) {
    if frame.header(":message-type") == Some(b"exception") {
        reading.failed = true;
        return;
    }
    match frame.header(":event-type") {
        Some(b"metadata") => body(reading, Answer::whole(frame.payload)),
        Some(b"chunk") => {
            let bytes = find(frame.payload, &["bytes"]).and_then(json::text);
            if let Some(inner) = bytes.and_then(|bytes| STANDARD.decode(bytes).ok()) {
                chunk(reading, &inner);
            }
        }
        _ => reading.relayed(frame.payload),
    }
}

/// Reads what a chunk of `InvokeModelWithResponseStream` holds: an event of the model's family.
fn chunk(reading: &mut Reading, inner: &[u8]) {
    reading.relayed(inner);
    let answer = Answer::whole(inner);
    for path in [&["message", "usage"][..], &["usage"]] {
        anthropic(reading, answer.get(path));
    }
    let metrics = answer.get(&["amazon-bedrock-invocationMetrics"]);
    reading.complete |= metrics.is_some();
    if !knows_anthropic(reading) {
        reading.state(metrics.and_then(counters));
    }
}

/// Reads a buffered answer, or the last frame of a stream.
pub(super) fn body(reading: &mut Reading, answer: Answer<'_>) {
    let usage = answer.get(&["usage"]);
    anthropic(reading, usage);
    let model = answer.get(&["model"]).and_then(json::text);
    let tier = answer.get(&["serviceTier", "type"]).and_then(json::text);
    reading.name_served(model, tier);
    if knows_anthropic(reading) {
        reading.complete = true;
    } else {
        reading.state(usage.and_then(counters).or_else(|| family(answer)));
    }
}

/// Takes Anthropic's counters, if these are.
fn anthropic(reading: &mut Reading, usage: Option<&[u8]>) {
    let stated = usage
        .and_then(json::parse::<Anthropic>)
        .filter(Anthropic::is_stated);
    if let (Some(stated), Vendor::Bedrock(counters)) = (stated, &mut reading.vendor) {
        reading.usage = Some(counters.replace(stated));
        // Anthropic's own tier is not that of AWS.
    }
}

fn knows_anthropic(reading: &Reading) -> bool {
    matches!(&reading.vendor, Vendor::Bedrock(counters) if counters.is_stated())
}

fn counters(usage: &[u8]) -> Option<Usage> {
    json::parse::<Counters>(usage)?.usage()
}

impl Counters {
    fn usage(self) -> Option<Usage> {
        let input = self
            .input_tokens
            .or(self.input_token_count)
            .or(self.prompt_tokens);
        let output = self
            .output_tokens
            .or(self.output_token_count)
            .or(self.completion_tokens);
        input.0.or(output.0)?;
        let read = self.cache_read_input_tokens.or(self.cache_read_input_token_count);
        let written = self
            .cache_write_input_tokens
            .or(self.cache_write_input_token_count)
            .units();
        let for_an_hour = self
            .cache_details
            .iter()
            .filter(|detail| detail.ttl.as_deref() == Some("1h"))
            .fold(0_u64, |sum, detail| sum.saturating_add(detail.input.units()))
            .min(written);
        Some(
            Usage::ZERO
                .with(Bucket::InputUncached, input.units())
                .with(Bucket::CacheRead, read.units())
                .with(Bucket::CacheWrite1h, for_an_hour)
                .with(Bucket::CacheWrite5m, written - for_an_hour)
                .with(Bucket::OutputText, output.units()),
        )
    }
}

/// Counters of families that have no `usage`: Llama, and Titan.
fn family(answer: Answer<'_>) -> Option<Usage> {
    let count = |name: &str| answer.get(&[name]).and_then(|value| Count::of(value).0);
    let results = answer.get(&["results"]).map(|results| {
        Elements::of(results)
            .filter_map(|result| Count::of(find(result, &["tokenCount"])?).0)
            .fold(0, u64::saturating_add)
    });
    let input = count("prompt_token_count").or(count("inputTextTokenCount"));
    let output = count("generation_token_count").or(results);
    input.or(output)?;
    Some(
        Usage::ZERO
            .with(Bucket::InputUncached, input.unwrap_or(0))
            .with(Bucket::OutputText, output.unwrap_or(0)),
    )
}
