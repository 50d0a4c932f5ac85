//! The bytes of the texts that an answer consists of, for answers that state no usage.

use crate::body::scan::{Kind, Scan, Scanner};

/// Whether a member of this name holds what the model wrote, in the shapes that are metered here.
fn is_text(name: &str) -> bool {
    matches!(
        name,
        "content"
            | "generation"
            | "reasoning_content"
            | "reasoning"
            | "refusal"
            | "response"
            | "text"
            | "thinking"
            | "arguments"
            | "partial_json"
            | "delta"
            | "transcript"
    )
}

/// How many bytes such members hold, as they are written; `None` if it is not JSON.
pub(super) fn text_bytes(json: &[u8]) -> Option<u64> {
    let mut sum = 0;
    let mut scanner = Scanner::new(json).ok()?;
    search(&mut scanner, &mut sum).ok()?;
    Some(sum)
}

fn search(scanner: &mut Scanner<'_>, sum: &mut u64) -> Scan<()> {
    match scanner.kind()? {
        Kind::Object => scanner.object(|scanner, name| {
            if scanner.kind()? == Kind::String && is_text(&name.decode()?) {
                *sum += scanner.string()?.written_bytes() as u64;
                return Ok(());
            }
            search(scanner, sum)
        }),
        Kind::Array => scanner.array(|scanner| search(scanner, sum)),
        _ => scanner.skip(),
    }
}
