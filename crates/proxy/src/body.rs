//! The JSON body of a metered operation: the few facts that bound and price it, and the splices that it needs.
//!
//! The body is read once, without building values, and is never written anew: what is spliced in is put between its bytes.
//! Bodies that two parsers could read in two ways are refused: text after the object, a name that stands twice, a name
//! that differs from one of ours only by case. The body is the client's, and nothing of it but the facts is kept.

pub(crate) mod asked;
pub(crate) mod chosen;
mod content;
pub(crate) mod form;
pub(crate) mod moved;
mod read;
pub(crate) mod scan;
mod splice;
mod tools;
mod value;
mod whole;

use std::borrow::Cow;
use std::ops::Range;

use keystore_catalog::OutputCap;
use keystore_core::Bucket;
use keystore_core::deny::Malformed;
use keystore_core::price::{BoundInput, Terms};

use scan::NotJson;
pub use splice::splice;
pub(crate) use whole::read_whole;

/// Tokens that vendors put around the text of a body: chat templates, preambles of tool use (Anthropic documents up to 346).
pub const TOKENS_AROUND_A_BODY: u64 = 1_024;

/// What a request says about itself.
#[derive(Debug, Clone)]
pub struct RequestFacts<'a> {
    /// `model`.
    pub model: Option<Cow<'a, str>>,
    /// `models` and `fallbacks`: others that may serve the request in its place (OpenRouter, Anthropic).
    pub other_models: Vec<Cow<'a, str>>,
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
    /// `inference_geo`: where inference shall run (Anthropic).
    pub inference_geo: Option<Cow<'a, str>>,
    /// No more input tokens than this can come from what stands in the body.
    pub input_tokens: u64,
    /// The body refers to input that it does not contain.
    pub unbounded_input: bool,
    /// Images stand in the body.
    pub has_images: bool,
    /// How often the vendor reads the input at most: once, and once more after each call of a tool that it runs itself; `None`
    /// where nothing bounds that.
    pub rounds: Option<u64>,
    /// `background: true`: the answer is fetched later.
    pub background: bool,
    /// Fees per call that the request can cause: the bucket and the most calls, `None` where nothing bounds them
    /// (`max_tool_calls`, or a tool's `max_uses`, would).
    pub calls: Vec<(Bucket, Option<u64>)>,
    /// The names of its members.
    pub names: Vec<Cow<'a, str>>,
    /// Where to splice.
    pub layout: Layout,
}

impl RequestFacts<'_> {
    /// What the price bound needs to know, of a request that asks for `terms`.
    pub fn bound_input<'a>(&'a self, terms: Terms<'a>) -> BoundInput<'a> {
        BoundInput {
            input_tokens: self.input_tokens,
            unbounded_input: self.unbounded_input,
            rounds: self.rounds,
            n: self.n,
            max_output: self.max_output,
            terms,
            calls: &self.calls,
        }
    }
}

/// Where in a body its members stand. Only valid for the very bytes that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    top: Object,
    stream_options: Option<Nested>,
    /// The object that holds the operation's cap, where it does not stand in the request itself.
    config: Option<Nested>,
    /// The values of the members that cap in the request itself, in the order of `OutputCap::ALL`.
    caps: [Option<Range<usize>>; OutputCap::ALL.len()],
}

/// Where an object can be added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Object {
    /// Behind its opening brace.
    inside: usize,
    empty: bool,
}

/// A value that holds a member that is spliced.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Nested {
    value: Range<usize>,
    /// `None` if it is not an object.
    object: Option<Object>,
    /// The value of the member.
    member: Option<Range<usize>>,
}

/// What is written into a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edits<'a> {
    /// A member that is not there (or `object.member`, of an object that is not there), and its value, a text of plain letters.
    pub end_user: Option<(&'a str, &'a str)>,
    /// Set `stream_options.include_usage` to true.
    pub include_usage: bool,
    /// Cap the output.
    pub output_cap: Option<(OutputCap, u64)>,
}

/// Reads the facts in one pass. `own` is the member that caps the operation's output, where it has one.
///
/// # Errors
/// `Malformed::Json`: not one JSON object (RFC 8259) of at most 256 members and a depth of at most 128; or a name of it, or
/// one that is spliced inside, stands twice or differs only by case from one that is read here; or a flag is none, or a count
/// is a text that is no plain number; or a fallback names no model.
pub fn read(body: &[u8], own: Option<OutputCap>) -> Result<RequestFacts<'_>, Malformed> {
    read::Reader::new(own)
        .read(body)
        .map_err(|NotJson| Malformed::Json)
}

#[cfg(test)]
mod tests;
