//! Ollama's own API: one JSON document a line, of which the last one, `"done": true`, has the counters.

use keystore_core::{Bucket, Usage};

use super::count::Count;
use super::json::{self, Answer};
use super::reading::Reading;

/// Reads a line of a stream, or a buffered answer.
pub(super) fn read(reading: &mut Reading, answer: Answer<'_>) {
    let (mut input, mut output) = (Count(None), Count(None));
    for (name, value) in answer.members("prompt_eval_count") {
        match name {
            b"model" if reading.model.is_none() => reading.name_served(json::text(value), None),
            b"prompt_eval_count" => input = Count::of(value),
            b"eval_count" => output = Count::of(value),
            b"error" => reading.failed = true,
            _ => {}
        }
    }
    if input.or(output).0.is_some() {
        reading.state(Some(
            Usage::ZERO
                .with(Bucket::InputUncached, input.units())
                .with(Bucket::OutputText, output.units()),
        ));
    }
}
