//! A scanner over JSON text (RFC 8259) that goes through it once and builds nothing.
//!
//! It checks the grammar, so that what it accepts any JSON parser reads in the same way, and gives slices of the text. It
//! does not build values; where one is wanted, its caller hands the slice to `serde_json`.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr2;

use crate::words::{self, control, equal};

/// How deep arrays and objects may nest; the limit of `serde_json`.
const MAX_DEPTH: u8 = 128;

/// The text is not JSON, or nests too deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotJson;

pub(crate) type Scan<T> = Result<T, NotJson>;

/// A string as it is written, without its quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    /// As it stands in the text, escapes and all.
    pub(crate) fn written(self) -> &'a str {
        self.raw
    }

    /// Its bytes in the text, escapes and all.
    pub(crate) fn written_bytes(self) -> usize {
        self.raw.len()
    }

    /// What it says.
    pub(crate) fn decode(self) -> Scan<Cow<'a, str>> {
        match self.escaped {
            false => Ok(Cow::Borrowed(self.raw)),
            true => self.unescaped().map(Cow::Owned),
        }
    }

    #[cold]
    fn unescaped(self) -> Scan<String> {
        serde_json::from_str(&format!("\"{}\"", self.raw)).map_err(|_| NotJson)
    }
}

/// What begins at the scanner's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    Boolean,
    Null,
}

/// A place in a JSON text.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: u8,
}

impl<'a> Scanner<'a> {
    /// At the beginning of `bytes`, which must be UTF-8.
    pub(crate) fn new(bytes: &'a [u8]) -> Scan<Self> {
        let text = std::str::from_utf8(bytes).map_err(|_| NotJson)?;
        Ok(Self {
            text,
            at: 0,
            depth: 0,
        })
    }

    /// Where the scanner is, in bytes.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// What the next value is.
    pub(crate) fn kind(&mut self) -> Scan<Kind> {
        match self.next_byte() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Boolean),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(NotJson),
        }
    }

    /// Reads an object: `member` is called at each value with its name, and must read that value.
    pub(crate) fn object(&mut self, mut member: impl FnMut(&mut Self, Text<'a>) -> Scan<()>) -> Scan<()> {
        self.enter(b'{')?;
        if self.next_byte() == Some(b'}') {
            return self.leave();
        }
        loop {
            let name = self.string()?;
            self.expect(b':')?;
            member(self, name)?;
            match self.next_byte() {
                Some(b',') => self.at += 1,
                Some(b'}') => return self.leave(),
                _ => return Err(NotJson),
            }
        }
    }

    /// Reads an array: `element` is called at each value and must read it.
    pub(crate) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Scan<()>) -> Scan<()> {
        self.enter(b'[')?;
        if self.next_byte() == Some(b']') {
            return self.leave();
        }
        loop {
            element(self)?;
            match self.next_byte() {
                Some(b',') => self.at += 1,
                Some(b']') => return self.leave(),
                _ => return Err(NotJson),
            }
        }
    }

    /// Reads a string.
    pub(crate) fn string(&mut self) -> Scan<Text<'a>> {
        self.expect(b'"')?;
        let start = self.at;
        let escaped = match short_end(&self.text.as_bytes()[start..]) {
            Some(end) => {
                self.at += end;
                false
            }
            None => self.text_end()?,
        };
        let raw = &self.text[start..self.at];
        self.at += 1;
        Ok(Text { raw, escaped })
    }

    /// Goes to the quote at the end of a string and gives whether there are escapes before it. A function of its own, so that
    /// names don't pay for what texts need.
    #[inline(never)]
    fn text_end(&mut self) -> Scan<bool> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += memchr2(b'"', b'\\', &bytes[self.at..]).ok_or(NotJson)?;
            if bytes[self.at] == b'"' {
                break;
            }
            escaped = true;
            self.escape()?;
        }
        // Without leaving early, which the compiler turns into a few vector instructions.
        let least = bytes[start..self.at]
            .iter()
            .fold(u8::MAX, |least, byte| least.min(*byte));
        match least < 0x20 {
            true => Err(NotJson),
            false => Ok(escaped),
        }
    }

    /// Reads any value and gives the place it took.
    pub(crate) fn value(&mut self) -> Scan<Range<usize>> {
        let kind = self.kind()?;
        let start = self.at;
        match kind {
            Kind::Object => self.object(|scanner, _| scanner.skip())?,
            Kind::Array => self.array(Self::skip)?,
            Kind::String => drop(self.string()?),
            Kind::Number => self.number()?,
            Kind::Boolean | Kind::Null => self.word()?,
        }
        Ok(start..self.at)
    }

    /// Reads any value.
    pub(crate) fn skip(&mut self) -> Scan<()> {
        self.value().map(drop)
    }

    /// Reads any value and gives its text.
    pub(crate) fn slice(&mut self) -> Scan<&'a str> {
        self.value().map(|place| &self.text[place])
    }

    /// Reads to the end of the text, where nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Scan<()> {
        match self.next_byte() {
            None => Ok(()),
            Some(_) => Err(NotJson),
        }
    }

    /// The byte after white space, which is skipped.
    fn next_byte(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Scan<()> {
        if self.next_byte() != Some(byte) {
            return Err(NotJson);
        }
        self.at += 1;
        Ok(())
    }

    fn enter(&mut self, byte: u8) -> Scan<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(NotJson);
        }
        self.expect(byte)
    }

    fn leave(&mut self) -> Scan<()> {
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    /// Reads an escape at a backslash. A surrogate must be followed by its other half, as `serde_json` wants it.
    fn escape(&mut self) -> Scan<()> {
        let bytes = self.text.as_bytes();
        match bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => match self.hex(self.at + 2)? {
                0xDC00..=0xDFFF => Err(NotJson),
                0xD800..=0xDBFF => {
                    let paired = bytes.get(self.at + 6..self.at + 8) == Some(b"\\u")
                        && matches!(self.hex(self.at + 8)?, 0xDC00..=0xDFFF);
                    self.at += 12;
                    if paired { Ok(()) } else { Err(NotJson) }
                }
                _ => {
                    self.at += 6;
                    Ok(())
                }
            },
            _ => Err(NotJson),
        }
    }

    fn hex(&self, at: usize) -> Scan<u32> {
        let digits = self.text.as_bytes().get(at..at + 4).ok_or(NotJson)?;
        digits.iter().try_fold(0, |value, digit| {
            let digit = char::from(*digit).to_digit(16).ok_or(NotJson)?;
            Ok(value * 16 + digit)
        })
    }

    fn number(&mut self) -> Scan<()> {
        if self.text.as_bytes()[self.at] == b'-' {
            self.at += 1;
        }
        let first = self.at;
        let digits = self.digits();
        if digits == 0 || (digits > 1 && self.text.as_bytes()[first] == b'0') {
            return Err(NotJson);
        }
        let bytes = self.text.as_bytes();
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(NotJson);
            }
        }
        if let Some(b'e' | b'E') = bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = bytes.get(self.at) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(NotJson);
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn word(&mut self) -> Scan<()> {
        let rest = &self.text[self.at..];
        let word = ["true", "false", "null"]
            .into_iter()
            .find(|word| rest.starts_with(word));
        self.at += word.ok_or(NotJson)?.len();
        Ok(())
    }
}

/// Where a string ends, if it is short, has no escapes, and is not at the end of the body.
fn short_end(bytes: &[u8]) -> Option<usize> {
    /// Names are hardly ever longer; texts are.
    const SHORT: usize = 16;
    let short: &[u8; SHORT] = bytes.first_chunk()?;
    let special = |word| equal(word, b'"') | equal(word, b'\\') | control(word);
    let end = words::run_before(short, special);
    (bytes.get(end) == Some(&b'"')).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    fn accepts(bytes: &[u8]) -> bool {
        let scan = || -> Scan<()> {
            let mut scanner = Scanner::new(bytes)?;
            scanner.value()?;
            scanner.end()
        };
        scan().is_ok()
    }

    /// Whether `serde_json` takes it; `None` where it stumbles over a number beyond the range of a float, which is JSON
    /// all the same. (`IgnoredAny` would not look into strings.)
    fn serde_accepts(bytes: &[u8]) -> Option<bool> {
        match serde_json::from_slice::<serde_json::Value>(bytes) {
            Ok(_) => Some(true),
            Err(error) if error.to_string().starts_with("number out of range") => None,
            Err(_) => Some(false),
        }
    }

    #[test]
    fn the_grammar() {
        for text in [
            "{}",
            "[]",
            " { } ",
            "0",
            "-0",
            "1.5e+3",
            "1E9",
            "\"\"",
            "\"a\\u00e9\\n\"",
            "\"\\ud83d\\ude00\"",
            "{\"a\":[1,{\"b\":null}],\"c\":true}",
            "[[[[]]]]",
            "\"\u{7f}é😀\"",
        ] {
            assert!(
                accepts(text.as_bytes()) && serde_accepts(text.as_bytes()) == Some(true),
                "{text}"
            );
        }
        for text in [
            "",
            " ",
            "{",
            "}",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\"}",
            "{a:1}",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "-",
            "nul",
            "truee",
            "\"",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "{} {}",
            "'a'",
            "{\"a\":1 \"b\":2}",
            "[1 2]",
            "// {}",
            "NaN",
            "\u{feff}{}",
        ] {
            assert!(
                !accepts(text.as_bytes()) && serde_accepts(text.as_bytes()) == Some(false),
                "{text}"
            );
        }
        assert!(!accepts(b"\"\xff\""));
    }

    #[test]
    fn depth_is_limited() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(accepts(&nested(128)));
        assert!(!accepts(&nested(129)));
        assert!(!accepts(&vec![b'['; 1_000_000]));
    }

    fn fragments() -> impl Strategy<Value = Vec<u8>> {
        let fragment = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\"a\"",
            "\"b\":",
            "1",
            "-",
            "0",
            ".",
            "e",
            "true",
            "null",
            " ",
            "\\",
            "u00e9",
            "\\ud83d",
            "\\ude00",
            "\n",
            "é",
            "x",
            "\"long enough to be scanned in blocks of thirty-two bytes\"",
        ]);
        prop::collection::vec(fragment, 0..24).prop_map(|parts| parts.concat().into_bytes())
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            ".{0,80}".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
                prop::collection::hash_map(".{0,12}", inner, 0..6)
                    .prop_map(|members| serde_json::Value::from(serde_json::Map::from_iter(members))),
            ]
        })
    }

    proptest! {
        #[test]
        fn accepts_what_serde_json_accepts(bytes in fragments()) {
            prop_assert!(serde_accepts(&bytes).is_none_or(|expected| accepts(&bytes) == expected));
        }

        #[test]
        fn valid_and_damaged_texts(value in json(), at in any::<prop::sample::Index>(), byte: u8, pretty: bool) {
            let mut text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
            prop_assert!(accepts(&text));
            let at = at.index(text.len());
            text[at] = byte;
            prop_assert!(serde_accepts(&text).is_none_or(|expected| accepts(&text) == expected));
            let cut = &text[..at];
            let ignored = serde_json::from_slice::<IgnoredAny>(cut).is_ok();
            prop_assert!(!accepts(cut) || ignored);
        }
    }
}
