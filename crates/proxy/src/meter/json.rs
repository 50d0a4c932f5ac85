//! Finding members in an answer without reading all of it.
//!
//! What lies between the members that are wanted is passed over at the speed of a search for brackets and quotes, and never
//! checked: the answer is the vendor's, and a part of it that is not JSON costs us nothing. What is wanted is looked for where
//! it stands and not by its name alone, because a model writes objects of its own into an answer (arguments of tools), and
//! could write a `usage` there.

use memchr::{memchr2, memmem};
use serde::de::DeserializeOwned;

use crate::words::{self, equal};

/// An answer, or what is left of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    text: &'a [u8],
    /// The text begins where the answer does; otherwise it is only the end of one.
    from_start: bool,
}

impl<'a> Answer<'a> {
    /// An answer from its start; it may break off.
    pub(super) fn whole(text: &'a [u8]) -> Self {
        Self {
            text: text.trim_ascii_start(),
            from_start: true,
        }
    }

    /// The end of an answer.
    pub(super) fn tail(text: &'a [u8]) -> Self {
        Self {
            text,
            from_start: false,
        }
    }

    /// The members of its outermost object. Of a tail: those from the last one that is called `first` on, if it is a member of
    /// the outermost object, or of the last one in the outermost list.
    pub(super) fn members(self, first: &str) -> Members<'a> {
        if self.from_start {
            return Members::of(self.text);
        }
        let name = format!("\"{first}\"");
        memmem::rfind_iter(self.text, &name)
            .filter_map(|at| at.checked_sub(1))
            .map(|at| Members { text: self.text, at })
            .find(|members| members.clone().reaches_end())
            .unwrap_or(Members::NONE)
    }

    /// The elements, where the answer is a list; `None` for a tail.
    pub(super) fn elements(self) -> Option<Elements<'a>> {
        (self.from_start && self.text.starts_with(b"[")).then(|| Elements::of(self.text))
    }

    /// The value at the end of a path of names, the last one where a name stands twice.
    pub(super) fn get(self, path: &[&str]) -> Option<&'a [u8]> {
        let (first, rest) = path.split_first()?;
        let value = self
            .members(first)
            .filter(|(name, _)| *name == first.as_bytes())
            .last()?
            .1;
        find(value, rest)
    }
}

/// The value at the end of a path of names below `value`.
pub(super) fn find<'a>(value: &'a [u8], path: &[&str]) -> Option<&'a [u8]> {
    path.iter().try_fold(value, |value, wanted| {
        Members::of(value)
            .filter(|(name, _)| *name == wanted.as_bytes())
            .last()
            .map(|(_, value)| value)
    })
}

/// The members of an object, as far as they are complete: names as they are written, and values.
#[derive(Debug, Clone)]
pub(super) struct Members<'a> {
    text: &'a [u8],
    /// At the byte before a name or before the closing brace.
    at: usize,
}

impl<'a> Members<'a> {
    const NONE: Self = Self { text: &[], at: 0 };

    fn of(object: &'a [u8]) -> Self {
        match object.first() {
            Some(b'{') => Self { text: object, at: 0 },
            _ => Self::NONE,
        }
    }

    /// Whether what follows these members is the end of the answer, of which they are thus the outermost ones. Only of members
    /// that were not read yet.
    fn reaches_end(mut self) -> bool {
        if self.by_ref().last().is_none() {
            return false;
        }
        let rest = self.text[self.at..].trim_ascii();
        rest == b"}"
            || rest
                .strip_prefix(b"}")
                .is_some_and(|rest| rest.trim_ascii() == b"]")
    }

    fn advance(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let quote = past_space(self.text, self.at + 1);
        let name_end = string_end(self.text, quote)?;
        let colon = past_space(self.text, name_end);
        if self.text.get(colon) != Some(&b':') {
            return None;
        }
        let value = past_space(self.text, colon + 1);
        let end = value_end(self.text, value)?;
        self.at = past_space(self.text, end);
        Some((&self.text[quote + 1..name_end - 1], &self.text[value..end]))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        match self.text.get(self.at) {
            // White space where a tail begins in the middle.
            Some(b'{' | b',' | b' ' | b'\n' | b'\r' | b'\t') => self.advance(),
            _ => None,
        }
    }
}

/// The elements of a list, as far as they are complete.
#[derive(Debug, Clone)]
pub(super) struct Elements<'a> {
    text: &'a [u8],
    /// At the byte before an element.
    at: usize,
}

impl<'a> Elements<'a> {
    pub(super) fn of(list: &'a [u8]) -> Self {
        match list.first() {
            Some(b'[') => Self { text: list, at: 0 },
            _ => Self { text: &[], at: 0 },
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        if !matches!(self.text.get(self.at), Some(b'[' | b',')) {
            return None;
        }
        let value = past_space(self.text, self.at + 1);
        let end = value_end(self.text, value)?;
        self.at = past_space(self.text, end);
        Some(&self.text[value..end])
    }
}

fn past_space(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// Where the value that begins at `at` ends; `None` if the text breaks off before.
fn value_end(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => string_end(text, at),
        b'{' | b'[' => container_end(text, at),
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
            let length = text[at..].iter().position(ends)?;
            (length > 0).then_some(at + length)
        }
    }
}

/// Where the string whose opening quote is at `at` ends.
fn string_end(text: &[u8], at: usize) -> Option<usize> {
    /// Names are not longer; texts are.
    const SHORT: usize = 32;
    if text.get(at) != Some(&b'"') {
        return None;
    }
    let mut from = at + 1;
    let short = &text[from..text.len().min(from + SHORT)];
    from += words::run_before(short, |word| equal(word, b'"') | equal(word, b'\\'));
    loop {
        match text.get(from)? {
            b'"' => return Some(from + 1),
            b'\\' => from += 2,
            _ => {}
        }
        from += memchr2(b'"', b'\\', text.get(from..)?)?;
    }
}

fn container_end(text: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut from = at;
    loop {
        match text.get(from)? {
            b'"' => from = string_end(text, from)?,
            // Mostly something follows that is not plain.
            b':' | b',' => from += 1,
            b'{' | b'[' => {
                depth += 1;
                from += 1;
            }
            b'}' | b']' => {
                depth -= 1;
                from += 1;
                if depth == 0 {
                    return Some(from);
                }
            }
            _ => from += plain_run(&text[from..]),
        }
    }
}

/// How many bytes there are before the next quote or bracket: few, unless it is a list of numbers.
fn plain_run(bytes: &[u8]) -> usize {
    const FEW: usize = 16;
    const BLOCK: usize = 32;
    // Braces and brackets of a kind differ by this one bit.
    let special = |byte: u8| (byte == b'"') | (byte | 0x20 == b'{') | (byte | 0x20 == b'}');
    if let Some(few) = bytes.iter().take(FEW).position(|byte| special(*byte)) {
        return few;
    }
    let mut run = 0;
    // A block is looked at without leaving early and without a `bool`, which the compiler turns into a few vector instructions.
    while let Some(block) = bytes[run..].first_chunk::<BLOCK>() {
        if block
            .iter()
            .fold(0, |found, byte| found | u8::from(special(*byte)))
            != 0
        {
            break;
        }
        run += BLOCK;
    }
    let rest = &bytes[run..];
    run + rest.iter().position(|byte| special(*byte)).unwrap_or(rest.len())
}

/// Parses a value. Where a name stands twice, which a derived parser refuses, the last one counts.
pub(super) fn parse<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    serde_json::from_slice(value).ok().or_else(|| {
        let value: serde_json::Value = serde_json::from_slice(value).ok()?;
        serde_json::from_value(value).ok()
    })
}

/// A text.
pub(super) fn text(value: &[u8]) -> Option<String> {
    value.starts_with(b"\"").then(|| parse(value)).flatten()
}

/// Whether a value is there and is not null.
pub(super) fn is_set(value: &[u8]) -> bool {
    value != b"null"
}

/// Whether there is an object called `name`, as opposed to null. A quoted name inside a string has a backslash before its second
/// quote, and is not found.
pub(super) fn states(text: &[u8], name: &[u8]) -> bool {
    memmem::find_iter(text, name).any(|at| {
        let rest = text[at + name.len()..].trim_ascii_start();
        rest.strip_prefix(b"\"")
            .and_then(|rest| rest.trim_ascii_start().strip_prefix(b":"))
            .is_some_and(|value| value.trim_ascii_start().starts_with(b"{"))
    })
}

#[cfg(test)]
mod tests;
