//! OpenAI transcriptions and speech, and those who offer them in its way.
//!
//! A transcription states tokens or seconds; where it states neither, its own length in seconds counts, if it says it. Speech
//! states tokens only as a stream of events; otherwise it is bytes of audio, and the characters of the request count.

use keystore_core::{Bucket, Usage};
use memchr::memmem;
use serde::Deserialize;

use super::count::{Count, distribute};
use super::json::{self, Answer};
use super::reading::Reading;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counters {
    input_tokens: Count,
    input_token_details: Option<Details>,
    output_tokens: Count,
    seconds: Count,
    /// Mistral, which charges by nothing else.
    prompt_audio_seconds: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    audio_tokens: Count,
}

/// Reads an event of a stream: `transcript.text.done` or `speech.audio.done` states usage.
pub(super) fn event(reading: &mut Reading, json: &[u8]) {
    if json::states(json, b"\"usage") {
        let answer = Answer::whole(json);
        let is_speech = answer
            .get(&["type"])
            .is_some_and(|kind| memmem::find(kind, b"speech.").is_some());
        let made = if is_speech {
            Bucket::AudioOut
        } else {
            Bucket::OutputText
        };
        reading.state(usage(answer, made));
    }
    reading.failed |= json.starts_with(b"{\"type\":\"error\"") || json.starts_with(b"{\"error\"");
}

/// Reads a buffered answer.
pub(super) fn body(reading: &mut Reading, answer: Answer<'_>) {
    reading.failed |= answer.get(&["error"]).is_some_and(json::is_set);
    let model = answer.get(&["model"]).and_then(json::text);
    reading.name_served(model, None);
    let length = || {
        let seconds = Count::of(answer.get(&["duration"])?).0?;
        Some(Usage::ZERO.with(Bucket::Seconds, seconds))
    };
    reading.state(usage(answer, Bucket::OutputText).or_else(length));
}

fn usage(answer: Answer<'_>, made: Bucket) -> Option<Usage> {
    let stated = json::parse::<Counters>(answer.get(&["usage"])?)?;
    if let Some(seconds) = stated.seconds.or(stated.prompt_audio_seconds).0 {
        return Some(Usage::ZERO.with(Bucket::Seconds, seconds));
    }
    stated.input_tokens.0.or(stated.output_tokens.0)?;
    let input = stated.input_token_details.unwrap_or_default();
    let mut usage = Usage::ZERO.with(made, stated.output_tokens.units());
    let parts = [(Bucket::AudioIn, input.audio_tokens.units())];
    distribute(
        &mut usage,
        stated.input_tokens.units(),
        &parts,
        Bucket::InputUncached,
    );
    Some(usage)
}
