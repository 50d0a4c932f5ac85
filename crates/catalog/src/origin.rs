//! Base URLs: an origin, optionally with a path before every upstream path.
//!
//! Deliberately narrower than RFC 3986: no user information, no query, no fragment, no escapes, no dot segments.

use std::net::Ipv6Addr;

use keystore_core::destination::{Destination, Scheme};

/// Reads `url` as the host with this alias; the error says what is wrong with it.
pub(crate) fn parse(alias: &str, url: &str) -> Result<Destination, &'static str> {
    let (scheme, rest) = match url.split_once("://") {
        Some(("https", rest)) => (Scheme::Https, rest),
        Some(("http", rest)) => (Scheme::Http, rest),
        _ => return Err("it must begin with https:// or http://"),
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let (host, port) = split_port(authority)?;
    let port = match port {
        None => scheme.default_port(),
        Some(text) => parse_port(text)?,
    };
    Ok(Destination {
        alias: alias.to_owned(),
        scheme,
        host: parse_host(host)?,
        port,
        base_path: parse_path(path)?,
    })
}

/// `host:port` as the operator lists it, IPv6 in brackets, the port always there.
pub(crate) fn host_port(destination: &Destination) -> String {
    if destination.host.contains(':') {
        format!("[{}]:{}", destination.host, destination.port)
    } else {
        format!("{}:{}", destination.host, destination.port)
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (host, after) = bracketed.split_once(']').ok_or("the address has no `]`")?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err("after `]` only a port can stand"),
        };
    }
    match authority.split_once(':') {
        Some(("", _)) => Err("it has no host"),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((authority, None)),
    }
}

fn parse_port(text: &str) -> Result<u16, &'static str> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    match text.parse::<u16>() {
        Ok(port) if digits => Ok(port),
        _ => Err("the port must be a number from 1 to 65535"),
    }
}

fn parse_host(host: &str) -> Result<String, &'static str> {
    if host.contains(':') {
        return match host.parse::<Ipv6Addr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => Err("the IPv6 address is not valid"),
        };
    }
    let host = host.to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if host.len() > 253 || !host.split('.').all(is_label) {
        return Err("the host must be a DNS name or an IP address, without user name or password");
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    // What a resolver could take for a number is an address, as browsers see it (WHATWG URL, "ends in a number").
    let ends_in_number = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
    if ends_in_number && host.parse::<std::net::Ipv4Addr>().is_err() {
        return Err("the IPv4 address is not valid");
    }
    Ok(host)
}

fn parse_path(path: &str) -> Result<String, &'static str> {
    let path = path.trim_end_matches('/');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte);
    for segment in path.split('/').skip(1) {
        if segment.is_empty() || segment == "." || segment == ".." || !segment.bytes().all(is_plain) {
            return Err("its path must be plain segments, without query, fragment or escapes");
        }
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_an_origin_and_a_path() {
        for (url, host, port, path) in [
            ("https://api.openai.com", "api.openai.com", 443, ""),
            ("https://API.Example.com:8443/v1/", "api.example.com", 8443, "/v1"),
            ("http://127.0.0.1:9000", "127.0.0.1", 9000, ""),
            ("https://[::1]:1/a/b", "::1", 1, "/a/b"),
            ("https://[0:0:0::1]", "::1", 443, ""),
        ] {
            let read = parse("", url).unwrap();
            assert_eq!(
                (read.host.as_str(), read.port, read.base_path.as_str()),
                (host, port, path),
                "{url}"
            );
        }
    }

    #[test]
    fn what_hides_a_host_is_refused() {
        for url in [
            "api.openai.com",
            "ftp://api.openai.com",
            "https://",
            "https://:443",
            "https://user@evil.com",
            "https://api.openai.com@evil.com",
            "https://a.com:0",
            "https://a.com:99999",
            "https://a.com:+80",
            "https://a.com?x=1",
            "https://a.com/?x=1",
            "https://a.com/#x",
            "https://a.com/../b",
            "https://a.com//b",
            "https://a.com/%2e%2e",
            "https://a.com\\b",
            "https://a..com",
            "https://-a.com",
            "https://{resource}.com",
            "https://1.2.3",
            "https://0x7f.0.0.1.999",
            "https://2130706433",
            "https://0x7f000001",
            "https://a.com ",
            "https://[::1",
            "https://[::1]x",
            "https://[::g]",
        ] {
            assert!(parse("", url).is_err(), "{url}");
        }
    }
}
