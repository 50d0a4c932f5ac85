//! Where vendors look for a credential, and what stood there.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// A place in a request that can hold a credential.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Slot {
    /// `Authorization: Bearer …`.
    Bearer,
    /// Another `Authorization`, whole.
    Authorization,
    /// The user name of Basic credentials.
    BasicUsername,
    /// The password of Basic credentials.
    BasicPassword,
    /// A header of its own, in lower case.
    Header(String),
    /// A query parameter.
    Query(String),
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer => f.write_str("bearer"),
            Self::Authorization => f.write_str("authorization"),
            Self::BasicUsername => f.write_str("basic-username"),
            Self::BasicPassword => f.write_str("basic-password"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
        }
    }
}

impl FromStr for Slot {
    type Err = String;

    /// As it is displayed: `bearer`, `header:x-api-key`, `query:key`.
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.split_once(':') {
            Some(("header", name)) if HEADERS.contains(&name) => Self::Header(name.to_owned()),
            Some(("query", name)) if PARAMETERS.contains(&name) => Self::Query(name.to_owned()),
            None if text == "bearer" => Self::Bearer,
            None if text == "authorization" => Self::Authorization,
            None if text == "basic-username" => Self::BasicUsername,
            None if text == "basic-password" => Self::BasicPassword,
            _ => return Err(format!("the fake looks at no slot `{text}`")),
        })
    }
}

/// A value in a slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Credential {
    /// Where it stood.
    pub slot: Slot,
    /// What stood there.
    pub value: String,
}

const HEADERS: [&str; 8] = [
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "xi-api-key",
    "x-subscription-token",
    "x-auth-token",
    "apikey",
    "private-token",
];
const PARAMETERS: [&str; 4] = ["key", "api_key", "apikey", "access_token"];

/// Every credential in a request; two in one slot are two.
pub(super) fn find(headers: &HeaderMap, query: Option<&str>) -> Vec<Credential> {
    let mut found = Vec::new();
    let mut add = |slot, value: &[u8]| {
        let value = String::from_utf8_lossy(value).into_owned();
        found.push(Credential { slot, value });
    };
    for value in headers.get_all(AUTHORIZATION) {
        let value = value.as_bytes();
        let scheme_end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
        let (scheme, rest) = value.split_at(scheme_end);
        let rest = rest.get(1..).unwrap_or_default();
        if scheme.eq_ignore_ascii_case(b"bearer") {
            add(Slot::Bearer, rest);
        } else if scheme.eq_ignore_ascii_case(b"basic")
            && let Ok(pair) = STANDARD.decode(rest)
        {
            let colon = pair.iter().position(|byte| *byte == b':').unwrap_or(pair.len());
            add(Slot::BasicUsername, &pair[..colon]);
            add(Slot::BasicPassword, pair.get(colon + 1..).unwrap_or_default());
        } else {
            add(Slot::Authorization, value);
        }
    }
    for name in HEADERS {
        for value in headers.get_all(name) {
            add(Slot::Header(name.to_owned()), value.as_bytes());
        }
    }
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        if let Some((name, value)) = pair.split_once('=')
            && PARAMETERS.contains(&name)
        {
            add(Slot::Query(name.to_owned()), value.as_bytes());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_read_as_they_are_written() {
        let named = [
            Slot::Bearer,
            Slot::Authorization,
            Slot::BasicUsername,
            Slot::BasicPassword,
            Slot::Header("x-goog-api-key".to_owned()),
            Slot::Query("key".to_owned()),
        ];
        for slot in named {
            assert_eq!(slot.to_string().parse(), Ok(slot));
        }
        // A slot that is never looked at would never be found wrong.
        for unknown in ["", "header:x-none", "query:q", "cookie"] {
            assert!(unknown.parse::<Slot>().is_err(), "{unknown}");
        }
    }
}
