//! Which operation a request is.
//!
//! Paths are compared by the bytes they mean, not by how they are written: percent escapes of a segment count as what they
//! stand for and letters match in either case, so that another spelling of a credential-minting path is still refused. Nothing
//! is allocated and nothing is rewritten: the path that is forwarded is the caller's.

use std::borrow::Cow;

use keystore_core::policy::Access;

use crate::provider::{ANY_HOST, Billing, Operation, UsageShape};

/// A known operation, or what holds for one that is not listed (named `other`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationMatch<'a> {
    /// The operation of the catalog, if it is listed.
    pub operation: Option<&'a Operation>,
    /// Its number among the provider's operations.
    pub number: Option<usize>,
    /// Its name, or `other`.
    pub name: &'a str,
    /// Whether it reads or writes.
    pub access: Access,
    /// How it is charged.
    pub billing: Billing,
    /// How its usage is read.
    pub usage_shape: UsageShape,
    /// Whether it makes or shows credentials: refused to everyone.
    pub minting: bool,
    /// The largest request body, in bytes, where the catalog says.
    pub max_body_bytes: Option<u64>,
    /// The price row, where the request does not name a model.
    pub price_model: Option<&'a str>,
    /// Whether it is a WebSocket.
    pub websocket: bool,
}

/// The operation among `operations` that a request is, or what holds for an unlisted one.
pub(crate) fn find<'a>(
    operations: &'a [Operation],
    default_billing: Billing,
    method: &str,
    alias: &str,
    path: &str,
) -> OperationMatch<'a> {
    let plain = is_plain(path);
    let number = operations.iter().position(|operation| {
        (!plain || may_cover(&operation.path, path))
            && operation.is_on(alias)
            && operation.takes(method)
            && operation.covers(path)
    });
    let by_method = if is_read(method) {
        Access::Read
    } else {
        Access::Write
    };
    match number.and_then(|number| operations.get(number)) {
        Some(operation) => OperationMatch {
            operation: Some(operation),
            number,
            name: &operation.name,
            access: operation.access.unwrap_or(by_method),
            billing: operation.billing,
            usage_shape: operation.usage_shape,
            minting: operation.minting,
            max_body_bytes: operation.max_body_bytes,
            price_model: operation.price_model.as_deref(),
            websocket: operation.websocket,
        },
        None => OperationMatch {
            operation: None,
            number: None,
            name: "other",
            access: by_method,
            billing: default_billing,
            usage_shape: UsageShape::None,
            minting: false,
            max_body_bytes: None,
            price_model: None,
            websocket: false,
        },
    }
}

fn is_read(method: &str) -> bool {
    method == "GET" || method == "HEAD"
}

/// Whether every byte of `path` stands for itself: no escapes, nothing that separates segments besides `/`, and nothing that
/// means something else in a pattern.
fn is_plain(path: &str) -> bool {
    let special = |byte| matches!(byte, b'%' | b'\\' | b';' | b'{' | b'*');
    path.starts_with('/') && !path.bytes().any(special)
}

/// Whether a plain path agrees with a pattern as far as the pattern is literal. Nearly every pattern of a provider fails here,
/// after a few bytes.
fn may_cover(pattern: &str, path: &str) -> bool {
    let differ = |(expected, byte): &(u8, u8)| expected != byte && !expected.eq_ignore_ascii_case(byte);
    match pattern.bytes().zip(path.bytes()).find(differ) {
        Some((expected, _)) => matches!(expected, b'{' | b'*'),
        None => true,
    }
}

impl Operation {
    /// Whether the host with this alias has the operation. Where credentials are made on the base host, they may be made on each
    /// of its mirrors too.
    fn is_on(&self, alias: &str) -> bool {
        self.host == alias || self.host == ANY_HOST || (self.minting && self.host.is_empty())
    }

    /// Whether the operation has this method.
    pub(crate) fn takes(&self, method: &str) -> bool {
        let asked = if method == "HEAD" { "GET" } else { method };
        self.methods.is_empty() || self.methods.iter().any(|known| known == asked || known == method)
    }

    /// Whether `path` is one of this operation. Where credentials are made, an escaped slash separates segments too.
    pub(crate) fn covers(&self, path: &str) -> bool {
        // As nearly every request of nearly every operation writes it.
        if self.path == path {
            return true;
        }
        let mut segments = Segments::of(path, self.minting);
        for pattern in self.path.split('/').skip(1) {
            if pattern == "**" {
                return true;
            }
            if !segments
                .next()
                .is_some_and(|segment| segment_matches(pattern, segment))
            {
                return false;
            }
        }
        segments.all(<[u8]>::is_empty)
    }

    /// The model in `path`, where the pattern has a `{model}`: what it reads decoded, as the vendor reads it.
    pub fn model_in_path<'p>(&self, path: &'p str) -> Option<Cow<'p, str>> {
        if !self.path.contains('{') {
            return None;
        }
        let (pattern, segment) = self
            .path
            .split('/')
            .zip(path.split('/'))
            .find(|(pattern, _)| pattern.contains("{model}"))?;
        let (before, after) = pattern.split_once("{model}")?;
        let bytes = segment.as_bytes();
        let end = decoded(bytes).count().checked_sub(after.len())?;
        let range = raw_length(bytes, before.len())..raw_length(bytes, end);
        let model = segment.get(range).filter(|model| !model.is_empty())?;
        if !model.contains('%') {
            return Some(Cow::Borrowed(model));
        }
        let bytes: Vec<u8> = decoded(model.as_bytes()).collect();
        Some(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// The segments of a path. A slash at the end begins an empty one.
struct Segments<'p> {
    rest: Option<&'p [u8]>,
    escaped: bool,
}

impl<'p> Segments<'p> {
    fn of(path: &'p str, escaped: bool) -> Self {
        let path = path.as_bytes();
        Self {
            rest: Some(path.strip_prefix(b"/").unwrap_or(path)),
            escaped,
        }
    }
}

impl<'p> Iterator for Segments<'p> {
    type Item = &'p [u8];

    fn next(&mut self) -> Option<&'p [u8]> {
        let rest = self.rest?;
        for at in 0..rest.len() {
            let width = separator(&rest[at..], self.escaped);
            if width > 0 {
                self.rest = Some(&rest[at + width..]);
                return Some(self.named(&rest[..at]));
            }
        }
        self.rest = None;
        Some(self.named(rest))
    }
}

impl<'p> Segments<'p> {
    /// A segment without its parameters (`keys;x=1`), which some servers cut off before they route: where credentials are made,
    /// they do not make it another one.
    fn named(&self, segment: &'p [u8]) -> &'p [u8] {
        let begins = |rest: &[u8]| matches!(rest, [b';', ..] | [b'%', b'3', b'b' | b'B', ..]);
        match (0..segment.len()).find(|at| self.escaped && begins(&segment[*at..])) {
            Some(end) => &segment[..end],
            None => segment,
        }
    }
}

/// How many bytes of a separator `rest` begins with.
fn separator(rest: &[u8], escaped: bool) -> usize {
    match rest {
        [b'/', ..] => 1,
        [b'\\', ..] if escaped => 1,
        [b'%', b'2', b'f' | b'F', ..] | [b'%', b'5', b'c' | b'C', ..] if escaped => 3,
        _ => 0,
    }
}

fn segment_matches(pattern: &str, segment: &[u8]) -> bool {
    let Some((before, rest)) = pattern.split_once('{') else {
        // Nearly every segment of nearly every request.
        if !segment.contains(&b'%') {
            return segment.eq_ignore_ascii_case(pattern.as_bytes());
        }
        return same(decoded(segment), pattern);
    };
    let after = rest.split_once('}').map_or("", |(_, after)| after);
    let length = decoded(segment).count();
    length > before.len() + after.len()
        && same(decoded(segment).take(before.len()), before)
        && same(decoded(segment).skip(length - after.len()), after)
}

fn same(bytes: impl Iterator<Item = u8>, text: &str) -> bool {
    bytes
        .map(|byte| byte.to_ascii_lowercase())
        .eq(text.bytes().map(|byte| byte.to_ascii_lowercase()))
}

/// The bytes that a segment stands for (RFC 3986, 2.1). What is not a valid escape stands for itself.
fn decoded(segment: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = segment;
    std::iter::from_fn(move || {
        let (byte, width) = first(rest)?;
        rest = &rest[width..];
        Some(byte)
    })
}

/// How many bytes of `segment` stand for its first `count` decoded ones.
fn raw_length(segment: &[u8], count: usize) -> usize {
    let mut at = 0;
    for _ in 0..count {
        at += first(&segment[at..]).map_or(0, |(_, width)| width);
    }
    at
}

fn first(rest: &[u8]) -> Option<(u8, usize)> {
    let hex = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    if let [b'%', high, low, ..] = rest
        && let (Some(high), Some(low)) = (hex(*high), hex(*low))
    {
        return Some((high << 4 | low, 3));
    }
    rest.first().map(|byte| (*byte, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn operation(path: &'static str, minting: bool) -> Operation {
        operation_of(path.into(), minting)
    }

    fn operation_of(path: String, minting: bool) -> Operation {
        Operation {
            name: "x".into(),
            methods: vec!["GET".into()].into(),
            path: path.into(),
            host: "".into(),
            access: None,
            billing: Billing::External,
            usage_shape: UsageShape::None,
            output_cap: None,
            end_user: None,
            ask_usage: false,
            minting,
            max_body_bytes: None,
            seconds: None,
            moves: None,
            price_model: None,
            websocket: false,
        }
    }

    #[test]
    fn patterns_cover_whole_paths() {
        for (pattern, path, expected) in [
            ("/v1/models", "/v1/models", true),
            ("/v1/models", "/v1/models/", true),
            ("/v1/models", "/v1/models/x", false),
            ("/v1/models", "/v1", false),
            ("/v1/models", "/V1/Models", true),
            ("/v1/models", "/v1/m%6fdels", true),
            ("/v1/models", "/v1/m%6Fdels", true),
            ("/v1/models", "/v1/m%6gdels", false),
            ("/v1/models/{id}", "/v1/models/a", true),
            ("/v1/models/{id}", "/v1/models/", false),
            ("/v1/models/{id}", "/v1/models/a/b", false),
            ("/v1/files/**", "/v1/files", true),
            ("/v1/files/**", "/v1/files/a/b/c", true),
            ("/v1/files/**", "/v1/filesystem", false),
            ("/**", "/", true),
            ("/**", "/a", true),
            (
                "/m/{model}:generateContent",
                "/m/gemini-2.5:generateContent",
                true,
            ),
            (
                "/m/{model}:generateContent",
                "/m/gemini-2.5%3AgenerateContent",
                true,
            ),
            ("/m/{model}:generateContent", "/m/:generateContent", false),
            ("/m/{model}:generateContent", "/m/gemini-2.5:countTokens", false),
            ("/get{method}", "/getMe", true),
            ("/get{method}", "/get", false),
        ] {
            assert_eq!(
                operation(pattern, false).covers(path),
                expected,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn an_escaped_slash_does_not_hide_where_credentials_are_made() {
        for path in [
            "/v1/organization/keys",
            "/v1%2Forganization%2fkeys",
            "/v1%5corganization/keys",
            "/v1/organizatio%6E",
            "/v1/organization;a=1/keys",
            "/v1/organization%3Ba/keys",
            "/v1;a/organization;/keys",
        ] {
            assert!(operation("/v1/organization/**", true).covers(path), "{path}");
        }
        assert!(!operation("/v1/organization/**", false).covers("/v1%2Forganization/keys"));
        assert!(!operation("/v1/organization/**", false).covers("/v1/organization;a/keys"));
    }

    #[test]
    fn the_model_is_read_off_the_path() {
        let generate = operation("/v1beta/models/{model}:generateContent", false);
        for (path, model) in [
            (
                "/v1beta/models/gemini-2.5-pro:generateContent",
                Some("gemini-2.5-pro"),
            ),
            (
                "/v1beta/models/gemini-2.5-pro%3agenerateContent",
                Some("gemini-2.5-pro"),
            ),
            ("/v1beta/models/a%2Fb:generateContent", Some("a/b")),
            ("/v1beta/models/:generateContent", None),
            ("/v1beta", None),
        ] {
            assert_eq!(generate.model_in_path(path).as_deref(), model, "{path}");
        }
        assert_eq!(operation("/v1/models", false).model_in_path("/v1/models"), None);
    }

    proptest! {
        #[test]
        fn what_a_pattern_covers_is_never_passed_over(
            pattern in "(/(v1|a|\\{x\\}|b\\{x\\}|\\{x\\}:c)){1,3}(/\\*\\*)?", path in "(/(v1|V1|a|A|b|bx|x:c|;|%61)?){0,4}", minting: bool,
        ) {
            let covers = operation_of(pattern.clone(), minting).covers(&path);
            prop_assert!(!covers || !is_plain(&path) || may_cover(&pattern, &path));
        }
    }

    proptest! {
        #[test]
        fn braces_and_stars_of_a_path_are_letters(
            pattern in "(/(v1|\\{x\\}|\\{x\\}:c)){1,3}(/\\*\\*)?", path in "(/(v1|\\{x\\}|\\{y\\}|\\{y\\}:c|\\*\\*|\\*)?){0,4}", minting: bool,
        ) {
            let operation = operation_of(pattern.clone(), minting);
            prop_assert!(operation.covers(&pattern));
            prop_assert!(!operation.covers(&path) || !is_plain(&path) || may_cover(&pattern, &path));
        }
    }

    #[test]
    fn what_mints_does_so_on_every_host() {
        let mints = |alias| {
            find(
                &[operation("/keys/**", true)],
                Billing::External,
                "GET",
                alias,
                "/keys",
            )
            .minting
        };
        assert!(mints("") && mints("eu"));
        let reads = |host: &'static str, alias| {
            let operation = Operation {
                host: host.into(),
                ..operation("/a", false)
            };
            find(&[operation], Billing::External, "GET", alias, "/a").name == "x"
        };
        assert!(reads("", "") && !reads("", "eu") && reads("eu", "eu") && !reads("eu", ""));
        assert!(reads("*", "") && reads("*", "eu"));
    }

    #[test]
    fn head_is_get() {
        assert!(operation("/a", false).takes("HEAD") && operation("/a", false).takes("GET"));
        assert!(!operation("/a", false).takes("POST") && !operation("/a", false).takes("get"));
    }
}
