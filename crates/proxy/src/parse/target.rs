//! The request target: its form, its path, its query. Nothing is decoded or normalised: what is checked is what is matched
//! and what is sent. A path that two readers could understand in two ways is refused instead.

use http::uri::Scheme;
use http::{Uri, Version};
use keystore_core::Deny;
use keystore_core::deny::Malformed;

/// The authority in the target: always in HTTP/2, in HTTP/1 only in absolute-form.
pub(super) fn authority(uri: &Uri, version: Version) -> Result<Option<&str>, Deny> {
    let malformed = Err(Deny::Malformed(Malformed::Target));
    let Some(authority) = uri.authority() else {
        return Ok(None);
    };
    // Authority-form (`example.com:443`) has no scheme; it is for `CONNECT` alone (RFC 9112, 3.2.3).
    match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS => Ok(Some(authority.as_str())),
        None if version == Version::HTTP_2 => Ok(Some(authority.as_str())),
        _ => malformed,
    }
}

/// What a byte of a path means to this check.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Never allowed.
    Bad,
    Plain,
    Slash,
    Dot,
    /// Begins a parameter within a segment (`..;x`), which some servers cut off before they resolve dots.
    Semicolon,
    Percent,
}

/// RFC 3986 `pchar` and `/`, and the brackets and bar that browsers' URL parsers leave as they are.
const CLASSES: [Class; 256] = {
    let mut classes = [Class::Bad; 256];
    let plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_~!$&'()*+,=:@[]|";
    let mut at = 0;
    while at < plain.len() {
        classes[plain[at] as usize] = Class::Plain;
        at += 1;
    }
    classes[b'/' as usize] = Class::Slash;
    classes[b'.' as usize] = Class::Dot;
    classes[b';' as usize] = Class::Semicolon;
    classes[b'%' as usize] = Class::Percent;
    classes
};

/// How much of a segment was read: nothing, that many dots, or something else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Segment {
    Empty,
    Dots(u8),
    Other,
}

impl Segment {
    const fn dot(self) -> Self {
        match self {
            Self::Empty => Self::Dots(1),
            Self::Dots(1) => Self::Dots(2),
            _ => Self::Other,
        }
    }

    const fn is_dot_segment(self) -> bool {
        matches!(self, Self::Dots(_))
    }
}

/// Checks a path; `true` when it holds `//`, `%2f`, `%5c` or `%2e`, which only some providers may be sent.
///
/// Refused for every provider: what is not a path, raw or encoded control characters, backslashes, raw non-ASCII, a `%`
/// without two hex digits, and dot segments, whichever way their dots and slashes are written.
pub(super) fn check_path(path: &[u8]) -> Result<bool, Deny> {
    scan(path).ok_or(Deny::Malformed(Malformed::Path))
}

fn scan(path: &[u8]) -> Option<bool> {
    let mut noted = false;
    let mut segment = Segment::Empty;
    let mut at = 1;
    if path.first() != Some(&b'/') {
        return None;
    }
    while let Some(byte) = path.get(at) {
        at += 1;
        let mut class = CLASSES[usize::from(*byte)];
        if class == Class::Percent {
            class = class_of_encoded(decode(path.get(at..at + 2)?)?);
            at += 2;
            noted |= matches!(class, Class::Slash | Class::Dot);
        }
        segment = match class {
            Class::Bad | Class::Percent => return None,
            Class::Plain => Segment::Other,
            Class::Dot => segment.dot(),
            Class::Slash | Class::Semicolon if segment.is_dot_segment() => return None,
            Class::Semicolon => Segment::Other,
            Class::Slash => {
                noted |= segment == Segment::Empty;
                Segment::Empty
            }
        };
    }
    (!segment.is_dot_segment()).then_some(noted)
}

/// An encoded backslash is a slash to some servers. Every other encoded character is data, a second `%` included.
const fn class_of_encoded(byte: u8) -> Class {
    match byte {
        b'/' | b'\\' => Class::Slash,
        b'.' => Class::Dot,
        b';' => Class::Semicolon,
        0..=0x1f | 0x7f => Class::Bad,
        _ => Class::Plain,
    }
}

fn decode(digits: &[u8]) -> Option<u8> {
    let value = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    Some(value(*digits.first()?)? << 4 | value(*digits.get(1)?)?)
}

/// Checks a query: visible ASCII without `#`, every `%` with two hex digits. Encoded characters are data, whatever they are.
pub(super) fn check_query(query: &[u8]) -> Result<(), Deny> {
    let visible = query.iter().fold(true, |visible, byte| {
        visible & byte.is_ascii_graphic() & (*byte != b'#')
    });
    let encoded = memchr::memchr_iter(b'%', query).all(|at| {
        query
            .get(at + 1..at + 3)
            .is_some_and(|digits| decode(digits).is_some())
    });
    if visible && encoded {
        Ok(())
    } else {
        Err(Deny::Malformed(Malformed::Path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REFUSED: Result<bool, Deny> = Err(Deny::Malformed(Malformed::Path));

    #[test]
    fn plain_paths_pass() {
        for path in [
            "/",
            "/v1/chat/completions",
            "/v1/models/gemini-3:generateContent",
            "/a.b/.c/...",
            "/a..b",
            "/..a",
            "/a/",
            "/%C3%A4",
            "/a%20b",
            "/%252e%252e",
            "/x;y=1",
            "/expand[]",
            "/a|b",
            "/@me",
            "/a%3F",
            "/.well-known/x",
            "/....",
        ] {
            assert_eq!(check_path(path.as_bytes()), Ok(false), "{path}");
        }
    }

    #[test]
    fn ambiguous_separators_and_dots_are_noted() {
        for path in [
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a%5Cb",
            "/a%2eb",
            "/report%2Epdf",
            "//",
            "/a//b",
            "/a/%2f",
            "/a%2f%2fb",
            "//a",
        ] {
            assert_eq!(check_path(path.as_bytes()), Ok(true), "{path}");
        }
    }

    #[test]
    fn paths_without_one_meaning_are_refused() {
        for path in [
            "",
            "*",
            "a",
            "/.",
            "/..",
            "/./a",
            "/../a",
            "/a/..",
            "/a/.",
            "/a/../b",
            "/%2e",
            "/%2E%2e",
            "/.%2e/a",
            "/%2e./a",
            "/a%2f..%2fb",
            "/a/..%2fb",
            "/a%5c..%5cb",
            "/a%2f.",
            "/..;x/a",
            "/.;/a",
            "/..%3b/a",
            "/\\",
            "/a\\..\\b",
            "/%00",
            "/a%0ab",
            "/%7f",
            "/%1f",
            "/a b",
            "/a\tb",
            "/\u{7f}",
            "/ä",
            "/%",
            "/%2",
            "/%zz",
            "/%2g",
            "/%+1",
            "/a%",
            "/a#b",
            "/a\"b",
            "/<a>",
            "/a{b}",
            "/a^b",
            "/a`b",
        ] {
            assert_eq!(check_path(path.as_bytes()), REFUSED, "{path}");
        }
    }

    #[test]
    fn queries_are_visible_ascii_with_whole_escapes() {
        for query in [
            "",
            "a=1",
            "a=%0a%00",
            "expand[]=x&y={z}|^`\\",
            "a=b/c?d",
            "%2e%2E/../x",
        ] {
            assert_eq!(check_query(query.as_bytes()), Ok(()), "{query}");
        }
        for query in [
            "a=%", "a=%1", "a=%gg", "a=\u{1}", "a b", "ä", "a#b", "\u{7f}", "%%41",
        ] {
            assert!(check_query(query.as_bytes()).is_err(), "{query}");
        }
    }

    /// The dot segments of `path` after all escapes are decoded once and parameters are cut: what a careless upstream does.
    fn climbs(path: &str) -> bool {
        let bytes = path.as_bytes();
        let mut decoded = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let escaped = (bytes[at] == b'%')
                .then(|| bytes.get(at + 1..at + 3).and_then(decode))
                .flatten();
            decoded.push(escaped.unwrap_or(bytes[at]));
            at += if escaped.is_some() { 3 } else { 1 };
        }
        decoded
            .split(|byte| *byte == b'/' || *byte == b'\\')
            .any(|segment| {
                let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
                name == b"." || name == b".."
            })
    }

    proptest! {
        #[test]
        fn what_passes_never_climbs(path in "/((%2[eEfF]|%5[cC]|%3[bB]|[./a;%0-9]|\\\\){0,12})") {
            if let Ok(noted) = check_path(path.as_bytes()) {
                prop_assert!(!climbs(&path), "{}", path);
                let lower = path.to_ascii_lowercase();
                let separators = ["//", "%2f", "%5c", "%2e"].iter().any(|text| lower.contains(text));
                prop_assert_eq!(noted, separators, "{}", path);
            }
        }

        #[test]
        fn segments_of_letters_always_pass(path in "(/[a-z]{1,8}){1,6}/?") {
            prop_assert_eq!(check_path(path.as_bytes()), Ok(false));
        }
    }
}
