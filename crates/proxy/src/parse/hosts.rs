//! The names by which clients may call us. A request for another name is not ours to answer: it may come from a page that
//! made a browser resolve its own name to our address (DNS rebinding). Resolves nothing.

use std::net::Ipv6Addr;

/// A host with an optional port, as in `Host` and `:authority` (RFC 9110, 7.2): no user, no path, no list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host<'a> {
    /// A DNS name, an IPv4 address, or an IPv6 address in brackets.
    name: &'a str,
    port: Option<u16>,
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.port == other.port && self.name.eq_ignore_ascii_case(other.name)
    }
}

impl<'a> Host<'a> {
    /// Reads `text`; `None` for every other form, the empty one included.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let name_end = if text.starts_with('[') {
            let end = text.find(']')? + 1;
            text[1..end - 1].parse::<Ipv6Addr>().ok()?;
            end
        } else {
            let end = text.find(':').unwrap_or(text.len());
            is_name(&text.as_bytes()[..end]).then_some(end)?
        };
        let (name, rest) = text.split_at(name_end);
        let port = match rest.strip_prefix(':') {
            Some(digits) => Some(port(digits)?),
            None if rest.is_empty() => None,
            None => return None,
        };
        Some(Self { name, port })
    }
}

/// Labels of letters, digits, `-` and `_`, separated by single dots; one dot may end it.
fn is_name(name: &[u8]) -> bool {
    let name = name.strip_suffix(b".").unwrap_or(name);
    let label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let mut last = b'.';
    for byte in name {
        if !label(*byte) && (*byte != b'.' || last == b'.') {
            return false;
        }
        last = *byte;
    }
    last != b'.' && name.len() <= 253
}

fn port(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() <= 5;
    plain
        .then(|| digits.parse().ok())
        .flatten()
        .filter(|port| *port != 0)
}

/// The names that [`super::parse`] accepts.
#[derive(Debug, Clone)]
pub struct AllowedHosts {
    names: Box<[(Box<str>, Option<u16>)]>,
}

/// A configured name that is not a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a host name or address with an optional port, such as `ks.example.com` or `127.0.0.1:8400`"
)]
pub struct InvalidHost(pub String);

impl AllowedHosts {
    /// Accepts these names, each `host` (any port) or `host:port`, without regard to case. No names at all accept every
    /// valid host.
    ///
    /// # Errors
    ///
    /// The first that is not of that form.
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Self, InvalidHost> {
        let read = |text: S| {
            Host::parse(text.as_ref())
                .map(|host| (host.name.into(), host.port))
                .ok_or_else(|| InvalidHost(text.as_ref().to_owned()))
        };
        names
            .into_iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map(|names| Self { names })
    }

    /// Accepts every valid host.
    pub fn any() -> Self {
        Self { names: Box::new([]) }
    }

    /// Accepts `localhost`, `127.0.0.1` and `[::1]` on any port.
    pub fn loopback() -> Self {
        Self {
            names: ["localhost", "127.0.0.1", "[::1]"]
                .map(|name| (name.into(), None))
                .into(),
        }
    }

    pub(super) fn allow(&self, host: Host<'_>) -> bool {
        let same_port = |port: Option<u16>| match (port, host.port) {
            (None, _) => true,
            // A client leaves out the port of its scheme, and a load balancer before us may have changed the scheme.
            (Some(port), None) => port == 80 || port == 443,
            (Some(port), Some(asked)) => port == asked,
        };
        self.names.is_empty()
            || self
                .names
                .iter()
                .any(|(name, port)| name.eq_ignore_ascii_case(host.name) && same_port(*port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_one_form() {
        for good in [
            "a",
            "A.b-c.d",
            "x_y",
            "127.0.0.1:8400",
            "[::1]",
            "[::1]:1",
            "a.",
            "a:65535",
            "xn--bcher-kva.example",
        ] {
            assert!(Host::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            " ",
            ".",
            "..",
            ".a",
            "a..b",
            "a..",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:1:2",
            "a:1 ",
            "a b",
            "a,b",
            "a, b",
            "a/b",
            "a/../x",
            "u@a",
            "u:p@a",
            "a?b",
            "a#b",
            "a%41",
            "[::1",
            "[]",
            "[::1]x",
            "[::1]:",
            "[fe80::1%25eth0]",
            "::1",
            "bücher",
            "http://a",
            "a\\b",
            "*",
            "*.a",
        ] {
            assert!(Host::parse(bad).is_none(), "{bad}");
        }
        assert!(Host::parse(&"a".repeat(254)).is_none());
    }

    #[test]
    fn a_listed_name_is_allowed_and_no_other() {
        let hosts =
            AllowedHosts::new(["ks.example.com", "127.0.0.1:8400", "secure.example.com:443"]).unwrap();
        let allow = |text| hosts.allow(Host::parse(text).unwrap());
        assert!(allow("ks.example.com") && allow("KS.Example.Com:1234"));
        assert!(allow("127.0.0.1:8400"));
        assert!(!allow("127.0.0.1") && !allow("127.0.0.1:8401"));
        assert!(
            allow("secure.example.com") && allow("secure.example.com:443") && !allow("secure.example.com:80")
        );
        assert!(!allow("ks.example.com.evil.example") && !allow("example.com") && !allow("ks.example.com."));
    }

    #[test]
    fn without_names_every_valid_host_is_allowed() {
        let hosts = AllowedHosts::new(Vec::<String>::new()).unwrap();
        assert!(hosts.allow(Host::parse("anything:1").unwrap()));
        assert!(AllowedHosts::any().allow(Host::parse("anything").unwrap()));
        assert!(!AllowedHosts::loopback().allow(Host::parse("evil.example").unwrap()));
        assert!(AllowedHosts::loopback().allow(Host::parse("[::1]:8400").unwrap()));
    }

    #[test]
    fn a_name_that_is_none_is_named() {
        assert_eq!(
            AllowedHosts::new(["a", "b/c"]).unwrap_err(),
            InvalidHost("b/c".into())
        );
    }
}
