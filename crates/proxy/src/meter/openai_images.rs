//! OpenAI images, and those who make images in its way.
//!
//! Models that are charged by the token state them; of others the images are counted.

use keystore_core::{Bucket, Usage};
use serde::Deserialize;

use super::count::{Count, distribute};
use super::json::{self, Answer, Elements};
use super::reading::Reading;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counters {
    input_tokens: Count,
    input_tokens_details: Option<Details>,
    output_tokens: Count,
    output_tokens_details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    image_tokens: Count,
    text_tokens: Count,
    cached_tokens: Count,
}

/// Reads an event of a stream: the last one, `image_generation.completed` or `image_edit.completed`, states usage.
pub(super) fn event(reading: &mut Reading, json: &[u8]) {
    if json::states(json, b"\"usage") {
        reading.state(usage(Answer::whole(json)));
    }
    reading.failed |= json.starts_with(b"{\"type\":\"error\"") || json.starts_with(b"{\"error\"");
}

/// Reads a buffered answer.
pub(super) fn body(reading: &mut Reading, answer: Answer<'_>) {
    reading.failed |= answer.get(&["error"]).is_some_and(json::is_set);
    let images = || {
        let made = Elements::of(answer.get(&["data"])?).count() as u64;
        (made > 0).then(|| Usage::ZERO.with(Bucket::Images, made))
    };
    reading.state(usage(answer).or_else(images));
}

fn usage(answer: Answer<'_>) -> Option<Usage> {
    let stated = json::parse::<Counters>(answer.get(&["usage"])?)?;
    stated.input_tokens.0.or(stated.output_tokens.0)?;
    let input = stated.input_tokens_details.unwrap_or_default();
    let output = stated.output_tokens_details.unwrap_or_default();
    let mut usage = Usage::ZERO;
    let parts = [
        (Bucket::ImageIn, input.image_tokens.units()),
        (Bucket::CacheRead, input.cached_tokens.units()),
    ];
    distribute(
        &mut usage,
        stated.input_tokens.units(),
        &parts,
        Bucket::InputUncached,
    );
    // What is not said to be text is an image.
    let parts = [(Bucket::OutputText, output.text_tokens.units())];
    distribute(&mut usage, stated.output_tokens.units(), &parts, Bucket::ImageOut);
    Some(usage)
}
