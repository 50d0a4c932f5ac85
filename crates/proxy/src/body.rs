//! The JSON body of a metered operation: the few facts that bound and price it, and the splices that it needs.

use std::borrow::Cow;

use bytes::Bytes;
use keystore_catalog::UsageShape;
use keystore_core::Bucket;
use keystore_core::deny::Malformed;
use keystore_core::price::BoundInput;

/// The member that caps the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputCap {
    /// `max_tokens`: Anthropic, legacy completions, and most vendors that speak OpenAI's chat shape.
    MaxTokens,
    /// `max_completion_tokens`: OpenAI chat.
    MaxCompletionTokens,
    /// `max_output_tokens`: OpenAI responses.
    MaxOutputTokens,
}

/// What a request says about itself.
#[derive(Debug, Clone)]
pub struct RequestFacts<'a> {
    /// `model`.
    pub model: Option<Cow<'a, str>>,
    /// `stream`.
    pub stream: bool,
    /// How many answers are made: `n`, `best_of` or `candidateCount`, times the prompts of a legacy completion.
    pub n: u64,
    /// The output cap per answer, by whichever member the shape uses; `None` if there is none that caps.
    pub max_output: Option<u64>,
    /// `stream_options.include_usage`.
    pub include_usage: Option<bool>,
    /// `service_tier`, or `fast` for Anthropic's `speed: "fast"`.
    pub service_tier: Option<Cow<'a, str>>,
    /// No more input tokens than this can come from what stands in the body.
    pub input_tokens: u64,
    /// The body refers to input that it does not contain.
    pub unbounded_input: bool,
    /// `background: true`.
    pub background: bool,
    /// Fees per call that the request can cause: the bucket and the most calls, `None` where nothing bounds them.
    pub calls: Vec<(Bucket, Option<u64>)>,
    /// Where to splice.
    pub layout: Layout,
}

/// Where in a body its members stand. Only valid for the very bytes it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {}

/// What is written into a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edits {
    /// Set `stream_options.include_usage` to true.
    pub include_usage: bool,
    /// Cap the output.
    pub output_cap: Option<(OutputCap, u64)>,
}

/// Reads the facts in one pass.
pub fn read(body: &[u8], shape: UsageShape) -> Result<RequestFacts<'_>, Malformed> {
    todo!()
}

impl RequestFacts<'_> {
    /// What the price bound needs to know.
    pub fn bound_input(&self) -> BoundInput<'_> {
        todo!()
    }
}

/// The body with `edits`, every other byte as it was.
pub fn splice(body: &Bytes, layout: &Layout, edits: Edits) -> Bytes {
    todo!()
}
