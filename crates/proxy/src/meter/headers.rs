//! Usage that stands in the head of an answer.

use http::HeaderMap;
use keystore_core::{Bucket, Usage};

use super::count::Count;

/// The units that a header states.
pub(super) fn units(head: &HeaderMap, name: &str) -> Option<u64> {
    Count::of(head.get(name)?.as_bytes()).0
}

/// The text of a header.
pub(super) fn text(head: &HeaderMap, name: &str) -> Option<String> {
    Some(head.get(name)?.to_str().ok()?.to_owned())
}

/// Bedrock's counters: the input holds neither cache reads nor cache writes. Models of AI21 and Cohere come without.
pub(super) fn bedrock(head: &HeaderMap) -> Option<Usage> {
    let count = |name: &str| units(head, name);
    let input = count("x-amzn-bedrock-input-token-count");
    let output = count("x-amzn-bedrock-output-token-count");
    input.or(output)?;
    let read = count("x-amzn-bedrock-cache-read-input-token-count");
    let written = count("x-amzn-bedrock-cache-write-input-token-count");
    Some(
        Usage::ZERO
            .with(Bucket::InputUncached, input.unwrap_or(0))
            .with(Bucket::CacheRead, read.unwrap_or(0))
            .with(Bucket::CacheWrite5m, written.unwrap_or(0))
            .with(Bucket::OutputText, output.unwrap_or(0)),
    )
}
