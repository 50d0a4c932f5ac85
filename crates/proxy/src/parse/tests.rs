//! The rules over whole heads. Raw bytes against the real listener are in `tests/front_door.rs`.

use http::Request;
use proptest::prelude::*;

use super::*;

const CONN: ConnInfo = ConnInfo {
    peer: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1),
    tls: false,
};

fn check(head: http::request::Builder) -> Result<CleanRequest<()>, Deny> {
    let hosts = AllowedHosts::new(["ks.test"]).unwrap();
    parse(head.body(()).unwrap(), &CONN, &hosts)
}

fn get(target: &str) -> http::request::Builder {
    Request::get(target).header("host", "ks.test")
}

fn refusal(head: http::request::Builder) -> Deny {
    check(head).map(|clean| clean.path_and_query).unwrap_err()
}

#[test]
fn a_plain_head_passes_unchanged() {
    let head = Request::post("/v1/openai/v1/chat%20x?a=%2F&b")
        .header("host", "KS.test:8400")
        .header("authorization", "Bearer x")
        .header("te", "Trailers")
        .header("expect", "100-Continue")
        .header("connection", "keep-alive, close")
        .header("content-length", "10")
        .header("x-tab", "a\tb");
    let clean = check(head).unwrap();
    assert_eq!(*clean.method(), Method::POST);
    assert_eq!(clean.path(), "/v1/openai/v1/chat%20x");
    assert_eq!(clean.query(), Some("a=%2F&b"));
    assert_eq!(clean.headers().len(), 7);
    assert_eq!(clean.peer(), CONN.peer);
    assert!(!clean.has_encoded_slash());
}

#[test]
fn sizes_have_edges() {
    let path = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
    assert!(check(get(&path(MAX_TARGET_BYTES))).is_ok());
    assert_eq!(refusal(get(&path(MAX_TARGET_BYTES + 1))), Deny::UriTooLong);

    let with_lines =
        |lines: usize| (1..lines).fold(get("/"), |head, line| head.header(format!("x-{line}"), "1"));
    assert!(check(with_lines(MAX_HEADERS)).is_ok());
    assert_eq!(refusal(with_lines(MAX_HEADERS + 1)), Deny::HeadersTooLarge);

    let host = "host".len() + "ks.test".len() + 4;
    let with_bytes = |bytes: usize| get("/").header("x", "a".repeat(bytes - host - 5));
    assert!(check(with_bytes(MAX_HEADER_BYTES)).is_ok());
    assert_eq!(refusal(with_bytes(MAX_HEADER_BYTES + 1)), Deny::HeadersTooLarge);
}

#[test]
fn framing_that_hyper_would_hide_is_refused_where_it_shows() {
    let framing = Deny::Malformed(Malformed::Framing);
    for lines in [
        &[("content-length", "5"), ("transfer-encoding", "chunked")][..],
        &[("content-length", "5"), ("content-length", "5")],
        &[("content-length", "5"), ("content-length", "6")],
        &[("content-length", "5, 5")],
        &[("content-length", "005")],
        &[("content-length", "+5")],
        &[("content-length", "-1")],
        &[("content-length", "")],
        &[("content-length", "0x5")],
        &[("content-length", "99999999999999999999")],
        &[("transfer-encoding", "gzip, chunked")],
        &[("transfer-encoding", "identity, chunked")],
        &[("transfer-encoding", "identity")],
        &[("transfer-encoding", "xchunked")],
        &[("transfer-encoding", "chunked, chunked")],
        &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
    ] {
        let head = lines
            .iter()
            .fold(get("/"), |head, (name, value)| head.header(*name, *value));
        assert_eq!(refusal(head), framing, "{lines:?}");
    }
    assert!(check(get("/").header("transfer-encoding", "Chunked")).is_ok());
    assert!(check(get("/").header("content-length", "0")).is_ok());
    let old = get("/")
        .version(Version::HTTP_10)
        .header("transfer-encoding", "chunked");
    assert_eq!(refusal(old), framing);
}

#[test]
fn dropped_headers_are_gone_and_the_rest_stays() {
    let head = get("/")
        .header("x_api_key", "a")
        .header("x_api_key", "b")
        .header("x-http-method-override", "DELETE")
        .header("x-http-method", "DELETE")
        .header("x-method-override", "DELETE")
        .header("x-api-key", "kept");
    let clean = check(head).unwrap();
    let mut names: Vec<_> = clean.headers().keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["host", "x-api-key"]);
}

#[test]
fn http2_takes_its_host_from_the_authority() {
    let h2 = |uri: &str| Request::get(uri).version(Version::HTTP_2);
    assert!(check(h2("http://ks.test/x")).is_ok());
    assert!(check(h2("https://ks.test/x").header("host", "KS.test")).is_ok());
    assert!(check(h2("/x").header("host", "ks.test")).is_ok());
    assert_eq!(refusal(h2("http://other.test/x")), Deny::Misdirected);
    assert_eq!(
        refusal(h2("http://ks.test/x").header("host", "other.test")),
        Deny::Malformed(Malformed::Host)
    );
    assert_eq!(
        refusal(h2("http://u@ks.test/x")),
        Deny::Malformed(Malformed::Host)
    );
    assert_eq!(refusal(h2("/x")), Deny::Malformed(Malformed::Host));
    assert_eq!(refusal(h2("ftp://ks.test/x")), Deny::Malformed(Malformed::Target));
}

#[test]
fn a_probe_may_name_any_valid_host() {
    assert!(check(Request::get("/healthz").header("host", "10.0.0.7:8400")).is_ok());
    assert_eq!(
        refusal(Request::get("/healthz").header("host", "a,b")),
        Deny::Malformed(Malformed::Host)
    );
    assert_eq!(
        refusal(Request::get("/healthz/x").header("host", "10.0.0.7")),
        Deny::Misdirected
    );
}

#[test]
fn obs_text_is_refused_anywhere() {
    let value = HeaderValue::from_bytes(b"a\xffb").unwrap();
    assert_eq!(
        refusal(get("/").header("x-note", value)),
        Deny::Malformed(Malformed::Header)
    );
}

proptest! {
    #[test]
    fn no_head_panics_and_what_passes_keeps_the_limits(
        target in "/[ -~]{0,40}", name in "[a-z_-]{1,12}", value in "[ -~]{0,20}", host in "[a-z.:@/,]{0,9}",
    ) {
        let head = Request::get(target).header("host", host).header(name, value).body(());
        if let Ok(head) = head && let Ok(clean) = parse(head, &CONN, &AllowedHosts::any()) {
            prop_assert!(clean.path().starts_with('/'));
            prop_assert!(clean.headers().keys().all(|name| !name.as_str().contains('_')));
            prop_assert_eq!(clean.headers().get_all("host").iter().count(), 1);
        }
    }
}
