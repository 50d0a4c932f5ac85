use super::*;

const KEY: &str = "sk-test-0123456789abcdef";

fn cleaned(provider: &str, headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    clean_headers(
        &mut map,
        keystore_catalog::provider(provider).unwrap(),
        &Needles::of(&[KEY]),
    );
    protect_browsers(&mut map);
    map.iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn the_list_is_sorted() {
    assert!(DROPPED.is_sorted());
}

#[test]
fn what_is_not_for_the_client_is_dropped() {
    for name in [
        "set-cookie",
        "alt-svc",
        "nel",
        "report-to",
        "strict-transport-security",
        "connection",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
        "trailer",
        "proxy-authenticate",
        "access-control-allow-origin",
        "access-control-expose-headers",
        "x-keystore-request-id",
        "openai-organization",
    ] {
        assert_eq!(
            cleaned("openai", &[(name, "x"), ("x-ok", "1")]),
            [("x-ok".into(), "1".into())],
            "{name}"
        );
    }
    let hop = cleaned(
        "openai",
        &[("connection", "X-Hop, close"), ("x-hop", "1"), ("x-ok", "1")],
    );
    assert_eq!(hop, [("x-ok".into(), "1".into())]);
}

#[test]
fn what_is_for_the_client_passes() {
    let headers = [
        ("x-request-id", "req_1"),
        ("x-ratelimit-limit-requests", "60"),
        ("x-tag", "a"),
        ("x-tag", "b"),
        ("location", "/x"),
    ];
    let expected: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    assert_eq!(cleaned("openai", &headers), expected);
}

#[test]
fn secrets_in_headers_are_masked() {
    let location = format!("https://api.openai.com/next?key={KEY}&page=2");
    let masked = location.replace(KEY, &"*".repeat(KEY.len()));
    assert_eq!(
        cleaned("openai", &[("location", &location)]),
        [("location".into(), masked)]
    );
}

#[test]
fn pages_can_do_nothing() {
    for kind in [
        "text/html",
        "TEXT/HTML; charset=utf-8",
        "application/xhtml+xml",
        "image/svg+xml",
    ] {
        let headers = cleaned(
            "openai",
            &[
                ("content-type", kind),
                ("content-security-policy", "script-src *"),
            ],
        );
        assert!(
            headers.contains(&("content-security-policy".into(), "default-src 'none'".into())),
            "{kind}"
        );
        assert!(
            headers.contains(&("x-content-type-options".into(), "nosniff".into())),
            "{kind}"
        );
    }
    assert_eq!(
        cleaned("openai", &[("content-type", "application/json")]).len(),
        1
    );
}
