//! The tools that a request offers: which run at the vendor, and which cost per call.
//!
//! A tool that runs at the vendor brings input that the body does not bound, and has the vendor read all of it again after each
//! call. Functions that the client runs do not; what they add to the prompt stands in the body, apart from the preamble that a
//! vendor writes for its own client tools.

use keystore_core::Bucket;

use super::scan::{Kind, Scan, Scanner};
use super::value::{number, same_name};

/// No vendor's preamble for one of its client tools (shell, editor, computer) is longer; Anthropic documents up to 735.
const TOKENS_PER_CLIENT_TOOL: u64 = 1_024;

/// What the tools of a request can add.
#[derive(Debug, Clone, Default)]
pub(super) struct Tools {
    /// How often the tools that the vendor runs are called at most; `None` where one of them says no number.
    uses: Uses,
    /// Tokens of preambles.
    pub(super) tokens: u64,
    /// Fees per call: the bucket and the most calls, `None` where the tool itself says no number.
    pub(super) calls: Vec<(Bucket, Option<u64>)>,
}

/// How often tools that run at the vendor are called at most, together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Uses {
    /// There is no such tool.
    #[default]
    None,
    Most(u64),
    /// No tool says; the request may.
    Unsaid,
    /// Nothing that a request can say bounds what it costs: a container, agents of the vendor's, another price, a tool that is not
    /// known.
    Unbounded,
}

/// Members by which a family of models caps its output, in the fields that Bedrock passes on unread.
const CAPS_OF_FAMILIES: [&str; 6] = [
    "max_tokens",
    "max_new_tokens",
    "max_gen_len",
    "max_tokens_to_sample",
    "max_completion_tokens",
    "maxOutputTokens",
];

impl Tools {
    /// How often the input is read at most, if the request allows `max_calls` calls.
    pub(super) fn rounds(&self, max_calls: Option<u64>) -> Option<u64> {
        let most = match self.uses {
            Uses::None => return Some(1),
            Uses::Most(most) => Some(most),
            Uses::Unsaid => None,
            Uses::Unbounded => return None,
        };
        let most = [most, max_calls].into_iter().flatten().min()?;
        Some(most.saturating_add(1))
    }

    /// Reads the value of `tools`.
    pub(super) fn read(&mut self, scanner: &mut Scanner<'_>) -> Scan<()> {
        match scanner.kind()? {
            Kind::Null => scanner.skip(),
            Kind::Array => scanner.array(|scanner| match scanner.kind()? {
                Kind::Object => self.tool(scanner),
                _ => self.served(scanner),
            }),
            _ => self.served(scanner),
        }
    }

    /// Reads Bedrock's `toolConfig`, whose `systemTool`s run at the vendor.
    pub(super) fn read_config(&mut self, scanner: &mut Scanner<'_>) -> Scan<()> {
        if scanner.kind()? != Kind::Object {
            return scanner.skip();
        }
        scanner.object(|scanner, name| {
            if &*name.decode()? != "tools" || scanner.kind()? != Kind::Array {
                return scanner.skip();
            }
            scanner.array(|scanner| {
                if scanner.kind()? != Kind::Object {
                    return self.served(scanner);
                }
                scanner.object(|scanner, name| match &*name.decode()? {
                    "toolSpec" | "cachePoint" => scanner.skip(),
                    _ => self.served(scanner),
                })
            })
        })
    }

    /// Reads Bedrock's fields that it passes on to the model: they may offer tools, and cap anew.
    pub(super) fn read_model_fields(&mut self, scanner: &mut Scanner<'_>) -> Scan<()> {
        if scanner.kind()? != Kind::Object {
            return scanner.skip();
        }
        scanner.object(|scanner, name| {
            let name = name.decode()?;
            if CAPS_OF_FAMILIES.iter().any(|cap| same_name(&name, cap)) || name.contains("inference") {
                return self.served(scanner);
            }
            match &*name {
                "tools" | "mcp_servers" => self.served(scanner),
                _ => scanner.skip(),
            }
        })
    }

    /// Reads how the vendor shall keep the context short. To sum it up it reads all of it once more, as often as it likes.
    pub(super) fn read_context(&mut self, scanner: &mut Scanner<'_>) -> Scan<()> {
        match scanner.kind()? {
            Kind::Object => scanner.object(|scanner, name| {
                if &*name.decode()? != "type" || scanner.kind()? != Kind::String {
                    return self.read_context(scanner);
                }
                if scanner.string()?.decode()?.starts_with("compact") {
                    self.uses = Uses::Unbounded;
                }
                Ok(())
            }),
            Kind::Array => scanner.array(|scanner| self.read_context(scanner)),
            _ => scanner.skip(),
        }
    }

    /// A value that, unless it is null or false, makes a request cost what nothing in it bounds.
    pub(super) fn served(&mut self, scanner: &mut Scanner<'_>) -> Scan<()> {
        if !matches!(scanner.slice()?, "null" | "false") {
            self.uses = Uses::Unbounded;
        }
        Ok(())
    }

    fn add_uses(&mut self, most: Option<u64>) {
        self.uses = match (self.uses, most) {
            (Uses::None, Some(most)) => Uses::Most(most),
            (Uses::Most(others), Some(most)) => Uses::Most(others.saturating_add(most)),
            (Uses::None | Uses::Most(_), None) => Uses::Unsaid,
            (uses, _) => uses,
        };
    }

    fn tool(&mut self, scanner: &mut Scanner<'_>) -> Scan<()> {
        let mut kinds = Vec::new();
        let mut max_uses = None;
        let (mut named, mut others) = (false, false);
        scanner.object(|scanner, name| {
            match &*name.decode()? {
                "type" if scanner.kind()? == Kind::String => kinds.push(scanner.string()?.decode()?),
                "max_uses" => max_uses = number(scanner)?,
                "name" | "functionDeclarations" | "function_declarations" | "function" => {
                    named = true;
                    scanner.skip()?;
                }
                "description"
                | "input_schema"
                | "cache_control"
                | "strict"
                | "parameters"
                | "parameter_definitions" => {
                    scanner.skip()?;
                }
                _ => {
                    others = true;
                    scanner.skip()?;
                }
            }
            Ok(())
        })?;
        if kinds.is_empty() && (!named || others) {
            self.uses = Uses::Unbounded;
        }
        for kind in kinds {
            self.offer(&kind, max_uses);
        }
        Ok(())
    }

    /// What runs at the vendor costs what its calls cost only where it is known: others run in a container that is charged by its
    /// time, or ask another model.
    fn offer(&mut self, kind: &str, max_uses: Option<u64>) {
        // Behind some of them stands a date.
        const CLIENT: [&str; 7] = [
            "bash_2",
            "text_editor_2",
            "computer_2",
            "computer_use_preview",
            "memory_2",
            "local_shell",
            "apply_patch",
        ];
        const SERVED: [&str; 3] = ["web_search", "web_fetch", "tool_search"];
        let begins = |kinds: &[&str]| kinds.iter().any(|prefix| kind.starts_with(prefix));
        if matches!(kind, "function" | "custom") {
            return;
        }
        if begins(&CLIENT) {
            self.tokens = self.tokens.saturating_add(TOKENS_PER_CLIENT_TOOL);
            return;
        }
        if !begins(&SERVED) && !matches!(kind, "file_search" | "image_generation" | "mcp") {
            self.uses = Uses::Unbounded;
            return;
        }
        self.add_uses(max_uses);
        let fee = match kind {
            _ if kind.starts_with("web_search") => Bucket::WebSearches,
            "file_search" => Bucket::FileSearches,
            "image_generation" => Bucket::Images,
            _ => return,
        };
        self.calls.push((fee, max_uses));
    }
}
