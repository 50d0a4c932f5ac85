//! Cohere: chat in both versions, embed and rerank.
//!
//! What is billed stands in `billed_units`, apart from what the model saw; that counts only where the former is absent. A stream
//! states it in its last event, `message-end` (version 2) or `stream-end` (version 1).

use keystore_core::{Bucket, Usage};
use serde::Deserialize;

use super::count::Count;
use super::json::{self, Answer, find};
use super::reading::Reading;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counters {
    input_tokens: Count,
    output_tokens: Count,
    search_units: Count,
    classifications: Count,
    images: Count,
    image_tokens: Count,
}

/// Reads an event of a stream.
pub(super) fn event(reading: &mut Reading, answer: Answer<'_>) {
    for (name, value) in answer.members("delta") {
        match name {
            b"delta" => {
                reading.failed |= find(value, &["error"]).is_some_and(json::is_set);
                reading.state(find(value, &["usage"]).and_then(billed));
            }
            b"response" => body(reading, Answer::whole(value)),
            _ => {}
        }
    }
}

/// Reads a buffered answer, or the one that the last event of version 1 holds.
pub(super) fn body(reading: &mut Reading, answer: Answer<'_>) {
    for place in ["usage", "meta"] {
        reading.state(answer.get(&[place]).and_then(billed));
    }
}

fn billed(usage: &[u8]) -> Option<Usage> {
    let units = find(usage, &["billed_units"]).filter(|units| json::is_set(units));
    json::parse::<Counters>(units.or_else(|| find(usage, &["tokens"]))?)?.usage()
}

impl Counters {
    fn usage(self) -> Option<Usage> {
        // Where an image is billed by its tokens, it is not billed apart.
        let images = self.images.0.filter(|_| self.image_tokens.0.is_none());
        let counters = [
            (Bucket::InputUncached, self.input_tokens.0),
            (Bucket::OutputText, self.output_tokens.0),
            (Bucket::Searches, self.search_units.0),
            (Bucket::Requests, self.classifications.0),
            (Bucket::ImageIn, self.image_tokens.0),
            (Bucket::Images, images),
        ];
        let stated = counters.iter().any(|(_, units)| units.is_some());
        let usage = counters.iter().fold(Usage::ZERO, |usage, (bucket, units)| {
            usage.with(*bucket, units.unwrap_or(0))
        });
        stated.then_some(usage)
    }
}
