//! Reading the facts of a body in one pass.

use keystore_catalog::OutputCap;
use keystore_core::Bucket;

use super::content::{Found, TOKENS_PER_IMAGE};
use super::scan::{Kind, NotJson, Scan, Scanner};
use super::tools::Tools;
use super::value::{boolean, count, nested, number, same_name, text};
use super::{Layout, Object, RequestFacts, TOKENS_AROUND_A_BODY};

/// More members than any vendor's request has; it keeps the search for doubled names short.
const MAX_MEMBERS: usize = 256;

/// Whether `member` caps the output of an operation whose own member is `own`. Only OpenAI's chat, which renamed its member,
/// knows two; a vendor that does not know a member ignores it, and then it caps nothing.
fn caps(member: OutputCap, own: OutputCap) -> bool {
    member == own || (member, own) == (OutputCap::MaxTokens, OutputCap::MaxCompletionTokens)
}

/// The names that are read here and have no capitals.
const NAMES: [&str; 29] = [
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
    "inference_geo",
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
    "cached_content",
    "generation_config",
    "candidate_count",
    "models",
    "fallbacks",
    "context_management",
    "compaction",
    "num_generations",
];

/// The names that are read here and have capitals.
const NAMES_WITH_CAPITALS: [&str; 8] = [
    "cachedContent",
    "generationConfig",
    "candidateCount",
    "inferenceConfig",
    "serviceTier",
    "toolConfig",
    "additionalModelRequestFields",
    "performanceConfig",
];

/// Whether a name differs only by case from one that is read here. Without capitals it can do so only from those that have some.
fn is_imitation(name: &str) -> bool {
    let imitated = |known: &&str| known.eq_ignore_ascii_case(name) && *known != name;
    let has_capitals = name.bytes().any(|byte| byte.is_ascii_uppercase());
    NAMES_WITH_CAPITALS.iter().any(imitated) || (has_capitals && NAMES.iter().any(imitated))
}

pub(super) struct Reader<'a> {
    own: Option<OutputCap>,
    facts: RequestFacts<'a>,
    found: Found,
    tools: Tools,
    prompts: u64,
    max_tool_calls: Option<u64>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(own: Option<OutputCap>) -> Self {
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
            facts: RequestFacts {
                model: None,
                other_models: Vec::new(),
                stream: false,
                n: 1,
                max_output: None,
                include_usage: None,
                service_tier: None,
                inference_geo: None,
                input_tokens: 0,
                unbounded_input: false,
                has_images: false,
                rounds: Some(1),
                background: false,
                calls: Vec::new(),
                names: Vec::with_capacity(16),
                layout,
            },
            found: Found::default(),
            tools: Tools::default(),
            prompts: 1,
            max_tool_calls: None,
        }
    }

    pub(super) fn read(mut self, body: &'a [u8]) -> Scan<RequestFacts<'a>> {
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
            self.facts.names.push(name);
            Ok(())
        })?;
        scanner.end()?;
        let facts = &mut self.facts;
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
        Ok(self.facts)
    }

    fn check_name(&self, name: &str) -> Scan<()> {
        let twice = self
            .facts
            .names
            .iter()
            .any(|seen| seen.eq_ignore_ascii_case(name));
        if twice || is_imitation(name) || self.facts.names.len() >= MAX_MEMBERS {
            return Err(NotJson);
        }
        Ok(())
    }

    fn member(&mut self, scanner: &mut Scanner<'a>, name: &str) -> Scan<()> {
        if let Some((Some(config), cap)) = self.own.map(OutputCap::place)
            && same_name(name, config)
        {
            if name != config && !self.knows_two_spellings() {
                return Err(NotJson);
            }
            return self.config(scanner, Some(cap));
        }
        let facts = &mut self.facts;
        match name {
            "model" => facts.model = text(scanner)?,
            "models" => return self.other_models(scanner),
            "fallbacks" => return self.fallbacks(scanner),
            "stream" => facts.stream = boolean(scanner)? == Some(true),
            "background" => facts.background = boolean(scanner)? == Some(true),
            "n" | "best_of" | "candidateCount" | "candidate_count" | "num_generations" => {
                facts.n = facts.n.max(count(scanner)?.unwrap_or(1));
            }
            "generationConfig" | "generation_config" => return self.config(scanner, None),
            "max_tokens" | "max_completion_tokens" | "max_output_tokens" => {
                return self.output_cap(scanner, name);
            }
            // Others than OpenAI's responses do not know it.
            "max_tool_calls" if self.own == Some(OutputCap::MaxOutputTokens) => {
                self.max_tool_calls = count(scanner)?;
            }
            "stream_options" => return self.stream_options(scanner),
            "inference_geo" => facts.inference_geo = text(scanner)?,
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
            // The vendor reads everything once more to sum it up, as often as it likes.
            "compaction" => return self.tools.served(scanner),
            "context_management" => return self.tools.read_context(scanner),
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

    /// Whether the vendor knows names with capitals by underscores too. Others ignore them, and then they cap nothing.
    fn knows_two_spellings(&self) -> bool {
        self.own == Some(OutputCap::GenerationConfig)
    }

    /// An object that holds the cap, and at Gemini the number of answers. Two spellings of one name are one name.
    fn config(&mut self, scanner: &mut Scanner<'a>, cap: Option<&str>) -> Scan<()> {
        let two_spellings = self.knows_two_spellings();
        let facts = &mut self.facts;
        let config = nested(
            scanner,
            |name| cap.is_some_and(|cap| same_name(name, cap)),
            |scanner, name, is_cap| {
                if is_cap && cap != Some(name) && !two_spellings {
                    return Err(NotJson);
                }
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
        if cap.is_some() && facts.layout.config.replace(config).is_some() {
            return Err(NotJson);
        }
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

    /// A text; or, at Bedrock, an object that holds it as its `type`. What `speed` has said is dearer, and stays.
    fn service_tier(&mut self, scanner: &mut Scanner<'a>) -> Scan<()> {
        let mut seen = self.facts.names.iter();
        if seen.any(|name| same_name(name, "service_tier")) {
            return Err(NotJson);
        }
        let mut tier = None;
        if scanner.kind()? == Kind::Object {
            scanner.object(|scanner, name| {
                if &*name.decode()? == "type" {
                    tier = text(scanner)?;
                    return Ok(());
                }
                scanner.skip()
            })?;
        } else {
            tier = text(scanner)?;
        }
        if self.facts.service_tier.is_none() {
            self.facts.service_tier = tier;
        }
        Ok(())
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

    /// Models that serve what the first one does not: in a list, or one alone. At Anthropic `default` leaves them to the vendor, and is
    /// no model that has a price.
    fn fallbacks(&mut self, scanner: &mut Scanner<'a>) -> Scan<()> {
        match scanner.kind()? {
            Kind::Null => scanner.skip(),
            Kind::Array => scanner.array(|scanner| self.fallback(scanner)),
            _ => self.fallback(scanner),
        }
    }

    /// The name of a model, or an object that has it. Where it has a cap or a speed of its own, nothing bounds the call.
    fn fallback(&mut self, scanner: &mut Scanner<'a>) -> Scan<()> {
        let models = &mut self.facts.other_models;
        let tools = &mut self.tools;
        if scanner.kind()? != Kind::Object {
            models.push(text(scanner)?.ok_or(NotJson)?);
            return Ok(());
        }
        let mut named = false;
        scanner.object(|scanner, name| {
            match &*name.decode()?.to_ascii_lowercase() {
                "model" => {
                    models.push(text(scanner)?.ok_or(NotJson)?);
                    named = true;
                }
                "max_tokens" | "speed" => tools.served(scanner)?,
                _ => scanner.skip()?,
            }
            Ok(())
        })?;
        if named { Ok(()) } else { Err(NotJson) }
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
