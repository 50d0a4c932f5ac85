//! The tools that a request offers: which run at the vendor, and which cost per call.
//!
//! A tool that runs at the vendor brings input that the body does not bound. Functions that the client runs do not; what
//! they add to the prompt stands in the body, apart from the preamble that a vendor writes for its own client tools.

use keystore_core::Bucket;

use super::number;
use super::scan::{Kind, Scan, Scanner};

/// No vendor's preamble for one of its client tools (shell, editor, computer) is longer; Anthropic documents up to 735.
const TOKENS_PER_CLIENT_TOOL: u64 = 1_024;

/// What the tools of a request can add.
#[derive(Debug, Clone, Default)]
pub(super) struct Tools {
    /// Something that only the context window bounds.
    pub(super) unbounded: bool,
    /// Tokens of preambles.
    pub(super) tokens: u64,
    /// Fees per call: the bucket and the most calls, `None` where the tool itself says no number.
    pub(super) calls: Vec<(Bucket, Option<u64>)>,
}

impl Tools {
    /// Reads the value of `tools`.
    pub(super) fn read(&mut self, scanner: &mut Scanner<'_>) -> Scan<()> {
        match scanner.kind()? {
            Kind::Null => scanner.skip(),
            Kind::Array => scanner.array(|scanner| match scanner.kind()? {
                Kind::Object => self.tool(scanner),
                _ => self.unknown(scanner),
            }),
            _ => self.unknown(scanner),
        }
    }

    fn unknown(&mut self, scanner: &mut Scanner<'_>) -> Scan<()> {
        self.unbounded = true;
        scanner.skip()
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
                "description" | "input_schema" | "cache_control" | "strict" | "parameters" => {
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
            self.unbounded = true;
        }
        for kind in kinds {
            self.offer(&kind, max_uses);
        }
        Ok(())
    }

    fn offer(&mut self, kind: &str, max_uses: Option<u64>) {
        const CLIENT: [&str; 4] = ["bash_", "text_editor_", "computer_2", "memory_"];
        if matches!(kind, "function" | "custom") {
            return;
        }
        if CLIENT.iter().any(|prefix| kind.starts_with(prefix)) {
            self.tokens = self.tokens.saturating_add(TOKENS_PER_CLIENT_TOOL);
            return;
        }
        self.unbounded = true;
        let fee = match kind {
            _ if kind.starts_with("web_search") => Bucket::WebSearches,
            "file_search" => Bucket::FileSearches,
            "image_generation" => Bucket::Images,
            _ => return,
        };
        self.calls.push((fee, max_uses));
    }
}
