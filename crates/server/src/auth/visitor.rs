//! Who stands at the door: where a request that begins a session comes from, and which program sent it.
//!
//! A program names itself (`User-Agent`), and whoever attacks chooses that name: it is shortened to a few words for a list that
//! its owner reads, and nothing is decided by it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;

use super::origin::Origin;

/// Most bytes of what a program is called in the list of sessions.
const MOST_BYTES: usize = 64;

/// Browsers by the mark that tells them; one that has the marks of others in its name comes before them.
const BROWSERS: [(&str, &str); 5] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Systems, in the same way.
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// Where a request comes from, and what sent it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visitor {
    /// Where from.
    pub(crate) origin: Origin,
    /// The program, in a few words of visible ASCII.
    pub(crate) client: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let name = parts.headers.get(header::USER_AGENT);
        Ok(Self {
            origin: Origin::of(parts),
            client: name.and_then(|name| client(&String::from_utf8_lossy(name.as_bytes()))),
        })
    }
}

/// The program that calls itself so: `Firefox on Linux` for a browser, else its first word.
fn client(user_agent: &str) -> Option<String> {
    let find = |marks: &[(&str, &'static str)]| {
        let found = marks.iter().find(|(mark, _)| user_agent.contains(mark));
        found.map(|(_, name)| *name)
    };
    if user_agent.starts_with("Mozilla/")
        && let Some(browser) = find(&BROWSERS)
    {
        let system = find(&SYSTEMS);
        return Some(system.map_or_else(|| browser.to_owned(), |system| format!("{browser} on {system}")));
    }
    let word = user_agent.split_whitespace().next()?;
    let word: String = word
        .chars()
        .filter(char::is_ascii_graphic)
        .take(MOST_BYTES)
        .collect();
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::client;

    #[test]
    fn programs_in_a_few_words() {
        for (name, expected) in [
            ("ks/0.1.0", "ks/0.1.0"),
            ("python-httpx/0.28.1", "python-httpx/0.28.1"),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari on iOS",
            ),
            ("Mozilla/5.0 nothing known", "Mozilla/5.0"),
        ] {
            assert_eq!(client(name).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn a_hostile_name_is_a_short_harmless_word() {
        assert_eq!(client(""), None);
        assert_eq!(client(" \u{202e}\u{1b} x"), None);
        assert_eq!(client("a\u{1b}[2Jb\u{202e}c d").as_deref(), Some("a[2Jbc"));
        assert_eq!(client(&"x".repeat(100_000)).unwrap().len(), 64);
    }
}
