//! The JSON body of a metered operation: the few facts that bound and price it, and the splices that it needs.
//!
//! The body is read once, without building values, and is never written anew: what is spliced in is put between its bytes.
//! Bodies that two parsers could read in two ways are refused: text after the object, a name that stands twice, a name
//! that differs from one of ours only by case. The body is the client's, and nothing of it but the facts is kept.

pub(crate) mod asked;
mod content;
pub(crate) mod form;
pub(crate) mod scan;
mod splice;
mod tools;

use std::borrow::Cow;
use std::ops::Range;

use keystore_catalog::OutputCap;
use keystore_core::Bucket;
use keystore_core::deny::Malformed;
use keystore_core::price::BoundInput;

use content::{Found, TOKENS_PER_IMAGE};
use scan::{Kind, NotJson, Scan, Scanner, Text};
pub use splice::splice;
use tools::Tools;

/// Tokens that vendors put around the text of a body: chat templates, preambles of tool use (Anthropic documents up to 346).
pub const TOKENS_AROUND_A_BODY: u64 = 1_024;

/// More members than any vendor's request has; it keeps the search for doubled names short.
const MAX_MEMBERS: usize = 256;

/// Whether `member` caps the output of an operation whose own member is `own`. Only OpenAI's chat, which renamed its member,
/// knows two; a vendor that does not know a member ignores it, and then it caps nothing.
fn caps(member: OutputCap, own: OutputCap) -> bool {
    member == own || (member, own) == (OutputCap::MaxTokens, OutputCap::MaxCompletionTokens)
}

/// What a request says about itself.
#[derive(Debug, Clone)]
pub struct RequestFacts<'a> {
    /// `model`.
    pub model: Option<Cow<'a, str>>,
    /// `models`: others that may serve the request in its place (OpenRouter).
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
    /// Where to splice.
    pub layout: Layout,
}

impl RequestFacts<'_> {
    /// What the price bound needs to know.
    pub fn bound_input(&self) -> BoundInput<'_> {
        BoundInput {
            input_tokens: self.input_tokens,
            unbounded_input: self.unbounded_input,
            rounds: self.rounds,
            n: self.n,
            max_output: self.max_output,
            service_tier: self.service_tier.as_deref(),
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
pub struct Edits {
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
/// is a text that is no plain number.
pub fn read(body: &[u8], own: Option<OutputCap>) -> Result<RequestFacts<'_>, Malformed> {
    Reader::new(own).read(body).map_err(|NotJson| Malformed::Json)
}

/// The names that are read here.
const NAMES: [&str; 33] = [
    "model",
    "stream",
    "n",
    "best_of",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tool_calls",
    "stream_options",
    "service_tier",
    "speed",
    "background",
    "prompt",
    "tools",
    "web_search_options",
    "previous_response_id",
    "conversation",
    "mcp_servers",
    "container",
    "plugins",
    "cachedContent",
    "cached_content",
    "generationConfig",
    "generation_config",
    "candidateCount",
    "candidate_count",
    "models",
    "num_generations",
    "inferenceConfig",
    "serviceTier",
    "toolConfig",
    "additionalModelRequestFields",
    "performanceConfig",
];

struct Reader<'a> {
    own: Option<OutputCap>,
    names: Vec<Cow<'a, str>>,
    facts: RequestFacts<'a>,
    found: Found,
    tools: Tools,
    prompts: u64,
    max_tool_calls: Option<u64>,
}

impl<'a> Reader<'a> {
    fn new(own: Option<OutputCap>) -> Self {
        let layout = Layout {
            top: Object {
                inside: 0,
                empty: true,
            },
            stream_options: None,
            config: None,
            caps: [const { None }; OutputCap::ALL.len()],
        };
        Self {
            own,
            names: Vec::with_capacity(16),
            facts: RequestFacts {
                model: None,
                other_models: Vec::new(),
                stream: false,
                n: 1,
                max_output: None,
                include_usage: None,
                service_tier: None,
                input_tokens: 0,
                unbounded_input: false,
                has_images: false,
                rounds: Some(1),
                background: false,
                calls: Vec::new(),
                layout,
            },
            found: Found::default(),
            tools: Tools::default(),
            prompts: 1,
            max_tool_calls: None,
        }
    }

    fn read(mut self, body: &'a [u8]) -> Scan<RequestFacts<'a>> {
        let mut scanner = Scanner::new(body)?;
        if scanner.kind()? != Kind::Object {
            return Err(NotJson);
        }
        self.facts.layout.top.inside = scanner.position() + 1;
        scanner.object(|scanner, name| {
            let name = name.decode()?;
            self.check_name(&name)?;
            self.facts.layout.top.empty = false;
            self.member(scanner, &name)?;
            self.names.push(name);
            Ok(())
        })?;
        scanner.end()?;
        let mut facts = self.facts;
        facts.n = facts.n.saturating_mul(self.prompts);
        facts.unbounded_input |= self.found.unbounded;
        facts.has_images = self.found.images > 0;
        facts.rounds = self.tools.rounds(self.max_tool_calls);
        facts.input_tokens = (body.len() as u64)
            .saturating_add(TOKENS_AROUND_A_BODY)
            .saturating_add(self.tools.tokens)
            .saturating_add(self.found.images.saturating_mul(TOKENS_PER_IMAGE));
        facts.calls.extend(self.tools.calls);
        for (_, most) in &mut facts.calls {
            *most = [*most, self.max_tool_calls].into_iter().flatten().min();
        }
        Ok(facts)
    }

    fn check_name(&self, name: &str) -> Scan<()> {
        let twice = self.names.iter().any(|seen| seen.eq_ignore_ascii_case(name));
        let imitation = NAMES
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name) && *known != name);
        if twice || imitation || self.names.len() >= MAX_MEMBERS {
            return Err(NotJson);
        }
        Ok(())
    }

    fn member(&mut self, scanner: &mut Scanner<'a>, name: &str) -> Scan<()> {
        if let Some((Some(config), cap)) = self.own.map(OutputCap::place)
            && same_name(name, config)
        {
            return self.config(scanner, cap);
        }
        let facts = &mut self.facts;
        match name {
            "model" => facts.model = text(scanner)?,
            "models" => return self.other_models(scanner),
            "stream" => facts.stream = boolean(scanner)? == Some(true),
            "background" => facts.background = boolean(scanner)? == Some(true),
            "n" | "best_of" | "candidateCount" | "candidate_count" | "num_generations" => {
                facts.n = facts.n.max(count(scanner)?.unwrap_or(1));
            }
            "generationConfig" | "generation_config" => return self.config(scanner, ""),
            "max_tokens" | "max_completion_tokens" | "max_output_tokens" => {
                return self.output_cap(scanner, name);
            }
            "max_tool_calls" => self.max_tool_calls = count(scanner)?,
            "stream_options" => return self.stream_options(scanner),
            "service_tier" | "serviceTier" => return self.service_tier(scanner),
            "speed" => {
                let speed = text(scanner)?;
                if speed.as_deref() == Some("fast") {
                    facts.service_tier = speed;
                }
            }
            "prompt" => return self.prompt(scanner),
            "tools" => return self.tools.read(scanner),
            "toolConfig" => return self.tools.read_config(scanner),
            "mcp_servers" | "plugins" | "connectors" | "search_parameters" | "enable_search" => {
                return self.tools.served(scanner);
            }
            "additionalModelRequestFields" => return self.tools.read_model_fields(scanner),
            // Dearer, by a price that no row has.
            "performanceConfig" => return self.tools.served(scanner),
            "web_search_options" => {
                if scanner.kind()? == Kind::Object {
                    facts.calls.push((Bucket::WebSearches, Some(1)));
                    facts.unbounded_input = true;
                }
                scanner.skip()?;
            }
            "previous_response_id"
            | "conversation"
            | "conversation_id"
            | "container"
            | "cachedContent"
            | "cached_content" => {
                facts.unbounded_input |= scanner.kind()? != Kind::Null;
                scanner.skip()?;
            }
            _ => return self.found.member(scanner, name),
        }
        Ok(())
    }

    fn output_cap(&mut self, scanner: &mut Scanner<'a>, name: &str) -> Scan<()> {
        scanner.kind()?;
        let start = scanner.position();
        let cap = number(scanner)?;
        for (index, member) in OutputCap::ALL.into_iter().enumerate() {
            if member.as_str() != name {
                continue;
            }
            self.facts.layout.caps[index] = Some(start..scanner.position());
            if self.own.is_some_and(|own| caps(member, own)) {
                self.facts.max_output = self.facts.max_output.max(cap);
            }
        }
        Ok(())
    }

    /// An object that holds the cap, and at Gemini the number of answers. Two spellings of one name are one name.
    fn config(&mut self, scanner: &mut Scanner<'a>, cap: &str) -> Scan<()> {
        if self.facts.layout.config.is_some() {
            return Err(NotJson);
        }
        let facts = &mut self.facts;
        let config = nested(
            scanner,
            |name| same_name(name, cap),
            |scanner, name, is_cap| {
                if is_cap {
                    facts.max_output = number(scanner)?;
                } else if same_name(name, "candidateCount") {
                    facts.n = facts.n.max(count(scanner)?.unwrap_or(1));
                } else {
                    scanner.skip()?;
                }
                Ok(())
            },
        )?;
        facts.layout.config = Some(config);
        Ok(())
    }

    fn stream_options(&mut self, scanner: &mut Scanner<'a>) -> Scan<()> {
        let facts = &mut self.facts;
        let options = nested(
            scanner,
            |name| name.eq_ignore_ascii_case("include_usage"),
            |scanner, _, is_wanted| {
                if is_wanted {
                    facts.include_usage = boolean(scanner)?;
                    return Ok(());
                }
                scanner.skip()
            },
        )?;
        facts.layout.stream_options = Some(options);
        Ok(())
    }

    /// A text; or, at Bedrock, an object that holds it as its `type`.
    fn service_tier(&mut self, scanner: &mut Scanner<'a>) -> Scan<()> {
        let tier = &mut self.facts.service_tier;
        if scanner.kind()? != Kind::Object {
            *tier = text(scanner)?;
            return Ok(());
        }
        scanner.object(|scanner, name| {
            if &*name.decode()? == "type" {
                *tier = text(scanner)?;
                return Ok(());
            }
            scanner.skip()
        })
    }

    fn other_models(&mut self, scanner: &mut Scanner<'a>) -> Scan<()> {
        if scanner.kind()? != Kind::Array {
            return scanner.skip();
        }
        let models = &mut self.facts.other_models;
        scanner.array(|scanner| {
            models.extend(text(scanner)?);
            Ok(())
        })
    }

    /// A text; a list of texts or of lists of token ids, each answered apart; or the reference to a stored template.
    fn prompt(&mut self, scanner: &mut Scanner<'a>) -> Scan<()> {
        match scanner.kind()? {
            Kind::Array => {
                let mut prompts = 0;
                scanner.array(|scanner| {
                    prompts += u64::from(scanner.kind()? != Kind::Number);
                    scanner.skip()
                })?;
                self.prompts = prompts.max(1);
                Ok(())
            }
            Kind::Object => {
                self.facts.unbounded_input = true;
                scanner.skip()
            }
            _ => scanner.skip(),
        }
    }
}

/// Whether two names are one to a vendor that knows names with capitals and names with underscores (protobuf's JSON).
fn same_name(left: &str, right: &str) -> bool {
    let letters = |name: &'_ str| {
        name.bytes()
            .filter(|byte| *byte != b'_')
            .map(|byte| byte.to_ascii_lowercase())
            .collect::<Vec<_>>()
    };
    left.len().abs_diff(right.len()) <= 4 && letters(left) == letters(right)
}

/// Reads a value that a member is spliced into. `member` is called at each value of the object with its name, and whether it is the
/// wanted one, and must read it.
fn nested<'a>(
    scanner: &mut Scanner<'a>,
    is_wanted: impl Fn(&str) -> bool,
    mut member: impl FnMut(&mut Scanner<'a>, &str, bool) -> Scan<()>,
) -> Scan<Nested> {
    let kind = scanner.kind()?;
    let start = scanner.position();
    let mut found = Nested {
        value: start..start,
        object: None,
        member: None,
    };
    if kind == Kind::Object {
        let mut object = Object {
            inside: start + 1,
            empty: true,
        };
        scanner.object(|scanner, name| {
            object.empty = false;
            let name = name.decode()?;
            let wanted = is_wanted(&name);
            if wanted && found.member.is_some() {
                return Err(NotJson);
            }
            scanner.kind()?;
            let at = scanner.position();
            member(scanner, &name, wanted)?;
            if wanted {
                found.member = Some(at..scanner.position());
            }
            Ok(())
        })?;
        found.object = Some(object);
    } else {
        scanner.skip()?;
    }
    found.value.end = scanner.position();
    Ok(found)
}

fn text<'a>(scanner: &mut Scanner<'a>) -> Scan<Option<Cow<'a, str>>> {
    match scanner.kind()? {
        Kind::String => scanner.string().and_then(Text::decode).map(Some),
        _ => scanner.value().map(|_| None),
    }
}

/// `None` for null. Anything else is refused: some vendors take `"true"` and 1 for true, others do not.
fn boolean(scanner: &mut Scanner<'_>) -> Scan<Option<bool>> {
    let kind = scanner.kind()?;
    let place = scanner.value()?;
    match kind {
        Kind::Boolean => Ok(Some(place.len() == "true".len())),
        Kind::Null => Ok(None),
        _ => Err(NotJson),
    }
}

/// How many: `None` for null, and for what no vendor takes. A text that is no plain number is refused, because vendors read
/// such texts in ways of their own (`"1_000"`).
fn count(scanner: &mut Scanner<'_>) -> Scan<Option<u64>> {
    let is_text = scanner.kind()? == Kind::String;
    match number(scanner)? {
        None if is_text => Err(NotJson),
        count => Ok(count),
    }
}

/// A whole number, rounded up, that is not negative, also where it stands in a string, since some vendors take that;
/// `None` for anything else.
fn number(scanner: &mut Scanner<'_>) -> Scan<Option<u64>> {
    let digits = match scanner.kind()? {
        Kind::String => scanner.string()?.decode()?,
        Kind::Number => Cow::Borrowed(scanner.slice()?),
        _ => return scanner.value().map(|_| None),
    };
    let digits = digits.trim();
    Ok(digits.parse::<u64>().ok().or_else(|| {
        let value = digits.parse::<f64>().ok().filter(|value| *value >= 0.0)?;
        // A float beyond the range becomes the end of the range.
        Some(value.ceil() as u64)
    }))
}

#[cfg(test)]
mod tests;
