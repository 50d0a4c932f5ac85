mod catalog;
mod signed;

use std::collections::HashMap;

use keystore_core::destination::{Destination, Scheme};
use proptest::prelude::*;

use super::*;

const KEY: &str = "sk-test-0123456789abcdef";

fn policy(injections: Vec<Injection>) -> DestinationPolicy {
    let host = |alias: &str, base_path: &str| Destination {
        alias: alias.into(),
        scheme: Scheme::Https,
        host: "api.vendor.test".into(),
        port: 443,
        base_path: base_path.into(),
    };
    DestinationPolicy {
        version: 1,
        hosts: vec![host("", ""), host("files", "/base")],
        injections,
        self_hosted: false,
    }
}

fn bearer() -> Injection {
    Injection::Bearer {
        template: "{key}".into(),
    }
}

/// A request to be built, with everything at its plainest.
struct Ask {
    policy: DestinationPolicy,
    provider: &'static str,
    method: Method,
    alias: &'static str,
    path: &'static str,
    query: Option<&'static str>,
    headers: Vec<(&'static str, &'static str)>,
    fields: Vec<(&'static str, &'static str)>,
    body_bytes: Option<u64>,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            policy: policy(vec![bearer()]),
            provider: "openai",
            method: Method::POST,
            alias: "",
            path: "/v1/things",
            query: None,
            headers: Vec::new(),
            fields: vec![("key", KEY)],
            body_bytes: Some(2),
        }
    }
}

impl Ask {
    fn injecting(injections: Vec<Injection>) -> Self {
        Self {
            policy: policy(injections),
            ..Self::default()
        }
    }

    fn build(self) -> Result<Built, InjectError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let fields: HashMap<&str, &str> = self.fields.iter().copied().collect();
        let parts = BuildParts {
            method: &self.method,
            path: self.path,
            query: self.query,
            headers,
            provider: keystore_catalog::provider(self.provider).unwrap(),
            alias: self.alias,
            policy: &self.policy,
            body_bytes: self.body_bytes,
            body_sha256: Some("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a".to_owned()),
            token: None,
            now: Micros::from_seconds(1_440_938_160),
        };
        assemble(parts, &|name| fields.get(name).copied())
    }

    /// By name: the order of different headers says nothing (RFC 9110, 5.3); the values of one keep theirs.
    fn headers(self) -> Vec<(String, String)> {
        let built = self.build().unwrap_or_else(|error| panic!("{error}"));
        let text = |value: &HeaderValue| String::from_utf8(value.as_bytes().to_vec()).unwrap();
        let headers = built.request.headers.iter();
        let mut headers: Vec<_> = headers
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect();
        headers.sort_by(|(name, _), (other, _)| name.cmp(other));
        headers
    }

    fn target(self) -> String {
        self.build()
            .unwrap_or_else(|error| panic!("{error}"))
            .request
            .path_and_query
            .to_string()
    }

    fn error(self) -> InjectError {
        self.build().err().unwrap()
    }
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn a_request_is_built_from_what_may_pass_and_the_credential() {
    let ask = Ask {
        headers: vec![
            ("host", "keystore.test"),
            ("user-agent", "sdk/1"),
            ("authorization", "Bearer ks_own"),
            ("content-type", "application/json"),
            ("x-tag", "one"),
            ("accept-encoding", "gzip, br"),
            ("x-tag", "two"),
            ("openai-beta", "assistants=v2"),
        ],
        ..Ask::default()
    };
    assert_eq!(
        ask.headers(),
        pairs(&[
            ("accept-encoding", "identity"),
            ("authorization", &format!("Bearer {KEY}")),
            ("content-length", "2"),
            ("content-type", "application/json"),
            ("openai-beta", "assistants=v2"),
            ("user-agent", "sdk/1"),
            ("x-tag", "one"),
            ("x-tag", "two"),
        ])
    );
}

#[test]
fn what_may_not_pass_is_dropped() {
    for name in [
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "x-goog-api-key",
        "api-key",
        "cookie",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
        "host",
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-real-ip",
        "x-http-method-override",
        "x-method-override",
        "x-original-url",
        "x-keystore-anything",
        "x_api_key",
        "content_length",
        "openai-organization",
        "openai-project",
    ] {
        // Injected elsewhere, so that every header of these names is the client's.
        let ask = Ask {
            headers: vec![(name, "mine")],
            ..Ask::injecting(vec![Injection::Header {
                name: "x-vendor-key".into(),
                template: "{key}".into(),
            }])
        };
        let left = ask.headers();
        assert!(!left.iter().any(|(other, _)| other == name), "{name}");
    }
}

#[test]
fn our_own_token_stays_here_whatever_header_it_stands_in() {
    let token = format!("ks_{}", "0123456789abcdef".repeat(4));
    let token: &'static str = Box::leak(token.into_boxed_str());
    let in_text: &'static str = Box::leak(format!("Token token={token}, x=ks_").into_boxed_str());
    let ask = Ask {
        headers: vec![
            ("x-mine", token),
            ("referer", in_text),
            ("x-many", "1"),
            ("x-many", token),
            ("x-near", &token[..66]),
        ],
        ..Ask::default()
    };
    let left = ask.headers();
    assert!(!left.iter().any(|(_, value)| value.contains(token)), "{left:?}");
    let names: Vec<&str> = left.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["accept-encoding", "authorization", "content-length", "x-near"]
    );
}

#[test]
fn what_connection_names_is_dropped() {
    let ask = Ask {
        headers: vec![
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("connection", "x-other"),
            ("x-other", "2"),
            ("x-end", "3"),
        ],
        ..Ask::default()
    };
    let names: Vec<String> = ask.headers().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["accept-encoding", "authorization", "content-length", "x-end"]
    );
}

#[test]
fn a_client_cannot_name_the_injected_slot_away_or_fill_it() {
    let ask = Ask {
        headers: vec![
            ("connection", "authorization, x-vendor-key"),
            ("x-vendor-key", "mine"),
            ("authorization", "Bearer mine"),
        ],
        ..Ask::injecting(vec![
            bearer(),
            Injection::Header {
                name: "x-vendor-key".into(),
                template: "k={key}".into(),
            },
        ])
    };
    let headers = ask.headers();
    let of = |name: &str| {
        headers
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("authorization"), [format!("Bearer {KEY}")]);
    assert_eq!(of("x-vendor-key"), [format!("k={KEY}")]);
}

#[test]
fn defaults_of_the_provider_fill_gaps_only() {
    let version = |headers| {
        let ask = Ask {
            provider: "anthropic",
            headers,
            ..Ask::default()
        };
        ask.headers()
            .into_iter()
            .filter(|(name, _)| name == "anthropic-version")
            .map(|(_, value)| value)
            .collect::<Vec<_>>()
    };
    assert_eq!(version(vec![("anthropic-version", "2099-01-01")]), ["2099-01-01"]);
    assert_eq!(version(Vec::new()), ["2023-06-01"]);
}

#[test]
fn every_kind_of_slot_is_filled() {
    let basic = Ask {
        fields: vec![("key", "secret-value"), ("account", "AC1")],
        ..Ask::injecting(vec![Injection::Basic {
            username: "{account}".into(),
            password: "{key}".into(),
        }])
    };
    assert!(
        basic
            .headers()
            .contains(&("authorization".into(), "Basic QUMxOnNlY3JldC12YWx1ZQ==".into()))
    );

    let query = Ask {
        query: Some("alt=sse&x=%2F"),
        fields: vec![("key", "a/b+c d&e")],
        ..Ask::injecting(vec![Injection::Query {
            name: "key".into(),
            template: "{key}".into(),
        }])
    };
    assert_eq!(query.target(), "/v1/things?alt=sse&x=%2F&key=a%2Fb%2Bc%20d%26e");

    let path = Ask {
        path: "/getMe",
        fields: vec![("key", "123456:AAb-c_d")],
        ..Ask::injecting(vec![Injection::Path {
            template: "/bot{key}".into(),
        }])
    };
    assert_eq!(path.target(), "/bot123456:AAb-c_d/getMe");
}

#[test]
fn another_host_has_its_own_base_path() {
    assert_eq!(
        Ask {
            alias: "files",
            query: Some("a=1"),
            ..Ask::default()
        }
        .target(),
        "/base/v1/things?a=1"
    );
    assert_eq!(
        Ask {
            alias: "nowhere",
            ..Ask::default()
        }
        .error(),
        InjectError::Host
    );
}

#[test]
fn parameters_that_hold_credentials_are_dropped_however_they_are_written() {
    let build = |query| {
        let injections = vec![Injection::Query {
            name: "key".into(),
            template: "{key}".into(),
        }];
        Ask {
            query: Some(query),
            ..Ask::injecting(injections)
        }
        .target()
    };
    let own = format!("key={KEY}");
    for query in [
        "key=mine",
        "KEY=mine",
        "%6bey=mine",
        "ke%79=mine",
        "key",
        "key=a&key=b",
    ] {
        assert_eq!(build(query), format!("/v1/things?{own}"), "{query}");
    }
    assert_eq!(build("a=1&key=mine&b=key"), format!("/v1/things?a=1&b=key&{own}"));
    assert_eq!(
        build("monkey=1&keys=2"),
        format!("/v1/things?monkey=1&keys=2&{own}")
    );
    // What another vendor takes for a key is an ordinary parameter here; a token of ours is none anywhere.
    let token = format!("ks_{}", "0123456789abcdef".repeat(4));
    let query: &'static str = Box::leak(format!("appid=1&x={token}&token=2").into_boxed_str());
    assert_eq!(build(query), format!("/v1/things?appid=1&token=2&{own}"));
}

#[test]
fn nothing_follows_a_key_that_ends_the_path() {
    let target = |path| {
        let part = |template: &str| Injection::Path {
            template: template.into(),
        };
        Ask {
            path,
            fields: vec![("key", "k"), ("team", "T1")],
            ..Ask::injecting(vec![part("/{team}"), part("/{key}")])
        }
        .target()
    };
    assert_eq!(target("/"), "/T1/k");
    assert_eq!(target("/getMe"), "/T1/k/getMe");
}

#[test]
fn secrets_that_cannot_stand_in_their_slot_are_refused() {
    for secret in [
        "a\r\nx-evil: 1",
        "a\nb",
        "a\0b",
        "k\u{e9}y",
        " padded",
        "padded ",
        "two words",
        "",
    ] {
        let ask = Ask {
            fields: vec![("key", secret)],
            ..Ask::default()
        };
        assert!(matches!(ask.error(), InjectError::Unfit { .. }), "{secret:?}");
    }
    let colon = Ask {
        fields: vec![("user", "a:b")],
        ..Ask::injecting(vec![Injection::Basic {
            username: "{user}".into(),
            password: String::new(),
        }])
    };
    assert!(matches!(colon.error(), InjectError::Unfit { .. }));
    for secret in ["..", "."] {
        let ask = Ask {
            fields: vec![("key", secret)],
            ..Ask::injecting(vec![Injection::Path {
                template: "/{key}".into(),
            }])
        };
        assert!(matches!(ask.error(), InjectError::Unfit { .. }), "{secret}");
    }
    let slash = Ask {
        fields: vec![("key", "a/../b?c#d%2e")],
        ..Ask::injecting(vec![Injection::Path {
            template: "/bot{key}".into(),
        }])
    };
    assert_eq!(slash.target(), "/bota%2F..%2Fb%3Fc%23d%252e/v1/things");
}

#[test]
fn a_policy_that_injects_twice_or_wrongly_is_refused() {
    assert_eq!(
        Ask::injecting(vec![bearer(), bearer()]).error(),
        InjectError::Occupied
    );
    let query = || Injection::Query {
        name: "k".into(),
        template: "{key}".into(),
    };
    assert_eq!(
        Ask::injecting(vec![query(), query()]).error(),
        InjectError::Occupied
    );
    let missing = Injection::Bearer {
        template: "{other}".into(),
    };
    assert_eq!(
        Ask::injecting(vec![missing]).error(),
        InjectError::MissingField { name: "other".into() }
    );
    assert_eq!(
        Ask::injecting(vec![Injection::Bearer {
            template: "{key".into()
        }])
        .error(),
        InjectError::Template
    );
    assert_eq!(
        Ask::injecting(vec![Injection::Path {
            template: "bot{key}".into()
        }])
        .error(),
        InjectError::Template
    );
}

#[test]
fn framing_is_ours() {
    let length = |method: Method, body_bytes| {
        let ask = Ask {
            method,
            body_bytes,
            headers: vec![("content-length", "99"), ("transfer-encoding", "chunked")],
            ..Ask::default()
        };
        ask.headers()
            .into_iter()
            .filter(|(name, _)| name == "content-length" || name == "transfer-encoding")
            .collect::<Vec<_>>()
    };
    assert_eq!(length(Method::POST, Some(0)), pairs(&[("content-length", "0")]));
    assert_eq!(length(Method::POST, Some(7)), pairs(&[("content-length", "7")]));
    assert_eq!(length(Method::GET, Some(0)), []);
    assert_eq!(length(Method::POST, None), []);
}

#[test]
fn injected_values_are_marked_sensitive() {
    let built = Ask::default().build().ok().unwrap();
    assert!(built.request.headers["authorization"].is_sensitive());
}

#[test]
fn the_needles_are_what_was_injected() {
    let built = Ask::default().build().ok().unwrap();
    assert!(built.needles.occur_in(format!("x{KEY}x").as_bytes()));
    assert!(!built.needles.occur_in(&KEY.as_bytes()[1..]));

    let basic = Ask {
        fields: vec![("key", "secret-value"), ("account", "ACcount-number")],
        ..Ask::injecting(vec![Injection::Basic {
            username: "{account}".into(),
            password: "{key}".into(),
        }])
    };
    let needles = basic.build().ok().unwrap().needles;
    assert!(needles.occur_in(b"QUNjb3VudC1udW1iZXI6c2VjcmV0LXZhbHVl"));
    assert!(needles.occur_in(b"secret-value"));
    assert!(
        Ask {
            fields: vec![("key", "short")],
            ..Ask::default()
        }
        .build()
        .ok()
        .unwrap()
        .needles
        .is_empty()
    );
    assert_eq!(
        Needles::of(&[KEY, KEY]).count(),
        8,
        "itself, two of digits, two of percent signs, three of letters: forms that are the same are one"
    );
}

proptest! {
    #[test]
    fn whatever_the_client_sends_the_credential_stands_once(
        names in proptest::collection::vec("authorization|Authorization|X-API-Key|x-api-key|connection|x-[a-z]{1,8}|cookie|[a-z]{1,6}_[a-z]{1,6}", 0..12),
        values in proptest::collection::vec("[ -~]{0,30}", 12),
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in names.iter().zip(&values) {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let policy = policy(vec![Injection::Header { name: "x-api-key".into(), template: "{key}".into() }]);
        let parts = BuildParts {
            method: &Method::POST, path: "/x", query: None, headers, provider: keystore_catalog::provider("anthropic").unwrap(),
            alias: "", policy: &policy, body_bytes: None, body_sha256: None, token: None, now: Micros(0),
        };
        let built = assemble(parts, &|_| Some(KEY)).ok().unwrap();
        let keys: Vec<_> = built.request.headers.get_all("x-api-key").iter().collect();
        prop_assert_eq!(keys, [KEY]);
        for name in ["authorization", "connection", "cookie"] {
            prop_assert!(!built.request.headers.contains_key(name));
        }
        prop_assert!(!built.request.headers.keys().any(|name| name.as_str().contains('_')));
    }
}
