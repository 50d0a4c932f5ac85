//! A `.env` file: what it assigns and where, and the same file with other values. Every byte that is not part of a replaced value stays.
//!
//! Read as the common readers agree to read it: values without quotes end at their line or at ` #`, values in quotes may go on over
//! lines. What they would read differently is refused, not guessed at. References (`${OTHER}`) are not followed.

use std::collections::BTreeMap;
use std::ops::Range;

use zeroize::Zeroizing;

/// A file.
pub(super) struct Dotenv {
    text: Zeroizing<String>,
    assigned: Vec<Assigned>,
}

/// What a line, or several of them, assign.
pub(super) struct Assigned {
    pub(super) name: String,
    pub(super) value: Zeroizing<String>,
    /// The line that it begins on, from 1.
    pub(super) line: usize,
    /// From `export` or the name to the end of the value, the quote included.
    whole: Range<usize>,
    /// The value as it is written, within its quotes.
    inner: Range<usize>,
}

/// What becomes of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It has this value, which needs no quotes.
    Set(String),
    /// It is taken out; these words stand in its place, as a comment.
    TakeOut(String),
}

/// That a line would not be read in one way by everybody.
#[derive(Debug, PartialEq, Eq)]
struct Unclear;

impl Dotenv {
    /// Reads a file.
    ///
    /// # Errors
    /// The number of the line that cannot be read, from 1.
    pub(super) fn parse(text: &str) -> Result<Self, usize> {
        let mut assigned = Vec::new();
        let mut at = text.strip_prefix('\u{feff}').map_or(0, |_| '\u{feff}'.len_utf8());
        while at < text.len() {
            let line = line_number(text, at);
            let found = assignment(text, at..end_of_line(text, at), line).map_err(|Unclear| line)?;
            let last = found.as_ref().map_or(at, |one| one.whole.end);
            at = after_line(text, end_of_line(text, last));
            assigned.extend(found);
        }
        Ok(Self {
            text: Zeroizing::new(text.to_owned()),
            assigned,
        })
    }

    /// What is assigned, in the order of the file.
    pub(super) fn assigned(&self) -> &[Assigned] {
        &self.assigned
    }

    /// The file with these changes, and with `added` at its end, as far as it is not assigned already.
    pub(super) fn changed(
        &self,
        changes: &BTreeMap<String, Change>,
        added: &BTreeMap<String, String>,
    ) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.text.len() + 256));
        let mut copied = 0;
        for one in &self.assigned {
            let (place, new) = match changes.get(&one.name) {
                None => continue,
                Some(Change::Set(value)) => (&one.inner, value.clone()),
                Some(Change::TakeOut(words)) => (&one.whole, format!("# {words}")),
            };
            text.push_str(&self.text[copied..place.start]);
            text.push_str(&new);
            copied = place.end;
        }
        text.push_str(&self.text[copied..]);
        let ending = if self.text.contains("\r\n") { "\r\n" } else { "\n" };
        for (name, value) in added {
            if self.assigned.iter().any(|one| one.name == *name) {
                continue;
            }
            if !text.is_empty() && !text.ends_with(['\n', '\r']) {
                text.push_str(ending);
            }
            text.push_str(&format!("{name}={value}{ending}"));
        }
        text
    }
}

/// The number of the line that `at` is on, from 1; `\r\n`, `\n` and `\r` each end one.
pub(super) fn line_number(text: &str, at: usize) -> usize {
    let (mut line, mut start) = (1, 0);
    loop {
        let next = after_line(text, end_of_line(text, start));
        if next > at || next <= start {
            return line;
        }
        (line, start) = (line + 1, next);
    }
}

fn end_of_line(text: &str, from: usize) -> usize {
    text[from..].find(['\n', '\r']).map_or(text.len(), |at| from + at)
}

fn after_line(text: &str, end: usize) -> usize {
    match text[end..].starts_with("\r\n") {
        true => end + 2,
        false => (end + 1).min(text.len()),
    }
}

fn assignment(text: &str, line: Range<usize>, number: usize) -> Result<Option<Assigned>, Unclear> {
    let start = line.start + blanks(&text[line.clone()]);
    let content = &text[start..line.end];
    if content.is_empty() || content.starts_with('#') {
        return Ok(None);
    }
    let exported = content
        .strip_prefix("export")
        .filter(|rest| rest.starts_with([' ', '\t']));
    let skipped = exported.map_or(0, |rest| "export".len() + blanks(rest));
    let Some(equals) = content.find('=').filter(|equals| *equals >= skipped) else {
        return Ok(None);
    };
    let name = content[skipped..equals].trim_end();
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(Unclear);
    }
    let after = start + equals + 1;
    let from = after + blanks(&text[after..line.end]);
    let (value, inner, end) = match text[from..line.end].chars().next() {
        Some(quote @ ('"' | '\'' | '`')) => quoted(text, from + 1, quote)?,
        // A comment right behind the equals sign: the value is nothing, and what is put there must not run into the comment.
        Some('#') if from > after => (Zeroizing::default(), from - 1..from - 1, from - 1),
        _ => {
            let end = from + plain_length(&text[from..line.end]);
            (Zeroizing::new(text[from..end].to_owned()), from..end, end)
        }
    };
    Ok(Some(Assigned {
        name: name.to_owned(),
        value,
        line: number,
        whole: start..end,
        inner,
    }))
}

fn blanks(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t']).len()
}

/// How much of the rest of a line is a value without quotes.
fn plain_length(rest: &str) -> usize {
    let comment = rest.find(" #").into_iter().chain(rest.find("\t#")).min();
    rest[..comment.unwrap_or(rest.len())].trim_end().len()
}

/// A value whose opening quote stands before `from`: what it says, where it is, and where its closing quote ends.
fn quoted(text: &str, from: usize, quote: char) -> Result<(Zeroizing<String>, Range<usize>, usize), Unclear> {
    let mut value = Zeroizing::new(String::with_capacity(text.len() - from));
    let mut letters = text[from..].char_indices();
    let close = loop {
        match letters.next().ok_or(Unclear)? {
            (at, letter) if letter == quote => break from + at,
            (_, '\\') => {
                let (_, next) = letters.next().ok_or(Unclear)?;
                match (quote, next) {
                    ('"', 'n') => value.push('\n'),
                    ('"', 'r') => value.push('\r'),
                    ('"', 't') => value.push('\t'),
                    ('"', '"' | '\\' | '$') => value.push(next),
                    // Shells end the value here, others read on.
                    (_, next) if next == quote => return Err(Unclear),
                    (_, '\\') if quote != '"' => return Err(Unclear),
                    (_, next) => value.extend(['\\', next]),
                }
            }
            (_, letter) => value.push(letter),
        }
    };
    let end = close + quote.len_utf8();
    let rest = &text[end..end_of_line(text, end)];
    let rest = &rest[blanks(rest)..];
    match rest.is_empty() || rest.starts_with('#') {
        true => Ok((value, from..close, end)),
        false => Err(Unclear),
    }
}

#[cfg(test)]
mod tests;
