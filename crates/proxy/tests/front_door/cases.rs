//! The table of raw requests. `Refused` cases are our rules or hyper's own; `Served` cases are what hyper hides from us (bare LF, chunk
//! extensions, leading CRLF, equal lengths): they must come out as exactly one request with the body that its framing says.

/// What has to come of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Want {
    /// Seen once with this upstream path and body, answered 200; the canary as well.
    Served { path: String, body: Vec<u8> },
    /// The same, but the connection ends after it, so the canary is not served.
    ServedThenClosed { path: String, body: Vec<u8> },
    /// Not seen; answered with this status.
    Refused(u16),
    /// Not seen, not answered: the request is not over, or the connection is closed.
    Silence,
}

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) want: Want,
}

/// A whole request that must never be seen, to be hidden in bodies.
const EVIL: &str = "GET /v1/evil/x HTTP/1.1\r\nHost: ks.test\r\n\r\n";

fn served(path: &str, body: &str) -> Want {
    Want::Served {
        path: path.to_owned(),
        body: body.as_bytes().to_vec(),
    }
}

fn closed(path: &str, body: &str) -> Want {
    Want::ServedThenClosed {
        path: path.to_owned(),
        body: body.as_bytes().to_vec(),
    }
}

fn raw(name: &str, bytes: impl AsRef<[u8]>, want: Want) -> Case {
    Case {
        name: name.to_owned(),
        bytes: bytes.as_ref().to_vec(),
        want,
    }
}

/// A request line of `method` and `target`, with a good `Host`.
fn line(method: &str, target: &str, want: Want) -> Case {
    raw(
        &format!("{method} {target:.60}"),
        format!("{method} {target} HTTP/1.1\r\nHost: ks.test\r\n\r\n"),
        want,
    )
}

fn get(target: &str, want: Want) -> Case {
    line("GET", target, want)
}

/// A GET with these whole header lines and no others.
fn only(lines: &str, want: Want) -> Case {
    raw(
        &format!("lines {lines:.60?}"),
        format!("GET /v1/ok/x HTTP/1.1\r\n{lines}\r\n"),
        want,
    )
}

/// A GET with a good `Host` and these lines.
fn with(lines: &str, want: Want) -> Case {
    only(&format!("Host: ks.test\r\n{lines}"), want)
}

/// A POST with these lines and these bytes after its head.
fn post(lines: &str, body: &str, want: Want) -> Case {
    let name = format!("POST {lines:.60?} {body:.40?}");
    raw(
        &name,
        format!("POST /v1/ok/x HTTP/1.1\r\nHost: ks.test\r\n{lines}\r\n{body}"),
        want,
    )
}

pub(crate) fn all() -> Vec<Case> {
    [
        hosts(),
        forms(),
        methods(),
        paths(),
        queries(),
        headers(),
        sizes(),
        lengths(),
        chunks(),
        lines(),
        expectations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn hosts() -> Vec<Case> {
    let ok = || served("/x", "");
    let bad = || Want::Refused(400);
    vec![
        only("", bad()),
        only("Host: ks.test\r\n", ok()),
        only("host: KS.TEST:8400\r\n", ok()),
        only("Host: ks.test\r\nHost: ks.test\r\n", bad()),
        only("Host: ks.test\r\nHost: evil.test\r\n", bad()),
        only("Host: ks.test, evil.test\r\n", bad()),
        only("Host:\r\n", bad()),
        only("Host:   \r\n", bad()),
        only("Host: ks.test/../x\r\n", bad()),
        only("Host: ks.test/\r\n", bad()),
        only("Host: user@ks.test\r\n", bad()),
        only("Host: user:pw@ks.test\r\n", bad()),
        only("Host: ks.test:\r\n", bad()),
        only("Host: ks.test:99999\r\n", bad()),
        only("Host: ks.test:80:80\r\n", bad()),
        only("Host: ks.test evil.test\r\n", bad()),
        only("Host: ks.test#x\r\n", bad()),
        only("Host: ks.test?x\r\n", bad()),
        only("Host: http://ks.test\r\n", bad()),
        only("Host: [::1\r\n", bad()),
        only("Host: %6bs.test\r\n", bad()),
        only("Host: ks..test\r\n", bad()),
        only("Host: evil.test\r\n", Want::Refused(421)),
        only("Host: ks.test.evil.test\r\n", Want::Refused(421)),
        only("Host: [::1]\r\n", Want::Refused(421)),
        only("Host: 127.0.0.1\r\n", Want::Refused(421)),
        only("Host : ks.test\r\n", bad()),
        only(" Host: ks.test\r\n", bad()),
        only("X: 1\r\n Host: ks.test\r\n", bad()),
        raw("no Host in HTTP/1.0", "GET /v1/ok/x HTTP/1.0\r\n\r\n", bad()),
        raw(
            "HTTP/1.0 with Host",
            "GET /v1/ok/x HTTP/1.0\r\nHost: ks.test\r\n\r\n",
            closed("/x", ""),
        ),
    ]
}

fn forms() -> Vec<Case> {
    let bad = || Want::Refused(400);
    vec![
        get("http://ks.test/v1/ok/x", served("/x", "")),
        get("HTTP://KS.TEST/v1/ok/x", served("/x", "")),
        get("http://evil.test/v1/ok/x", bad()),
        get("http://ks.test:1/v1/ok/x", bad()),
        get("http://user@ks.test/v1/ok/x", bad()),
        get("ftp://ks.test/v1/ok/x", bad()),
        get("http:///v1/ok/x", bad()),
        raw(
            "absolute-form with another Host",
            "GET http://ks.test/v1/ok/x HTTP/1.1\r\nHost: evil.test\r\n\r\n",
            bad(),
        ),
        raw(
            "absolute-form of another with its Host",
            "GET http://evil.test/v1/ok/x HTTP/1.1\r\nHost: evil.test\r\n\r\n",
            Want::Refused(421),
        ),
        raw(
            "absolute-form without Host",
            "GET http://ks.test/v1/ok/x HTTP/1.1\r\n\r\n",
            bad(),
        ),
        get("ks.test:80", bad()),
        get("ks.test", bad()),
        get("*", bad()),
        line("OPTIONS", "*", bad()),
        get("", bad()),
        get("v1/ok/x", bad()),
        get("?x", bad()),
        get("/v1/ok/x /y", bad()),
        raw("no version", "GET /v1/ok/x\r\nHost: ks.test\r\n\r\n", bad()),
        raw(
            "HTTP/1.2",
            "GET /v1/ok/x HTTP/1.2\r\nHost: ks.test\r\n\r\n",
            bad(),
        ),
        raw(
            "HTTP/2.0 in text",
            "GET /v1/ok/x HTTP/2.0\r\nHost: ks.test\r\n\r\n",
            bad(),
        ),
        raw(
            "http/1.1 in lower case",
            "GET /v1/ok/x http/1.1\r\nHost: ks.test\r\n\r\n",
            bad(),
        ),
        raw(
            "two spaces before the target",
            "GET  /v1/ok/x HTTP/1.1\r\nHost: ks.test\r\n\r\n",
            bad(),
        ),
        raw(
            "a tab for a space",
            "GET\t/v1/ok/x HTTP/1.1\r\nHost: ks.test\r\n\r\n",
            bad(),
        ),
        raw("noise", "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", bad()),
    ]
}

fn methods() -> Vec<Case> {
    let ok = || served("/x", "");
    let no = || Want::Refused(405);
    vec![
        line("PUT", "/v1/ok/x", ok()),
        line("PATCH", "/v1/ok/x", ok()),
        line("DELETE", "/v1/ok/x", ok()),
        line("OPTIONS", "/v1/ok/x", ok()),
        line("POST", "/v1/ok/x", ok()),
        line("TRACE", "/v1/ok/x", no()),
        line("CONNECT", "/v1/ok/x", no()),
        line("CONNECT", "ks.test:443", no()),
        line("get", "/v1/ok/x", no()),
        line("Post", "/v1/ok/x", no()),
        line("PURGE", "/v1/ok/x", no()),
        line("PROPFIND", "/v1/ok/x", no()),
        line("QUERY", "/v1/ok/x", no()),
        line("PRI", "/v1/ok/x", no()),
        line("G@T", "/v1/ok/x", Want::Refused(400)),
        line("GET:", "/v1/ok/x", Want::Refused(400)),
    ]
}

fn paths() -> Vec<Case> {
    let bad = || Want::Refused(400);
    let mut cases: Vec<Case> = [
        "/",
        "/v1",
        "/v1/",
        "/v1/ok",
        "/v2/ok/x",
        "/v1/OK/x",
        "/v1/o_k/x",
        "/v1/-ok/x",
        "/v1/ok~/x",
        "/v1/~a/x",
        "//v1/ok/x",
        "/v1//ok/x",
        "/v1/ok//x",
        "/v1/ok/x//",
        "/v1/ok/./x",
        "/v1/ok/../x",
        "/v1/ok/..",
        "/v1/ok/.",
        "/v1/ok/%2e/x",
        "/v1/ok/%2E%2e/x",
        "/v1/ok/.%2e/x",
        "/v1/ok/a%2eb",
        "/v1/ok/a%2fb",
        "/v1/ok/a%2Fb",
        "/v1/ok/a%5cb",
        "/v1/ok/a%5Cb",
        "/v1/ok/a\\b",
        "/v1/ok\\x",
        "/v1/ok/..;/x",
        "/v1/ok/%00",
        "/v1/ok/a%0d%0ab",
        "/v1/ok/%7f",
        "/v1/ok/%",
        "/v1/ok/%2",
        "/v1/ok/%zz",
        "/v1/ok/%u0041",
        "/v1/ok/ä",
        "/v1/ok/\u{7f}",
        "/v1/ok/\u{1}",
        "/v1/ok/a\"b",
        "/v1/ok/<x>",
        "/v1/ok/{x}",
        "/v1/%6fk/x",
        "/v1/ok%2fx",
        "/v1/slashes/a%2f..%2fb",
        "/v1/slashes/%2e%2e/b",
        "/v1/slashes/..%5cb",
    ]
    .into_iter()
    .map(|path| get(path, bad()))
    .collect();
    cases.extend(
        [
            ("/v1/ok/x.y", "/x.y"),
            ("/v1/ok/", "/"),
            ("/v1/ok~eu/x", "/x"),
            ("/v1/ok/x/", "/x/"),
            ("/v1/ok/%C3%A4%20b", "/%C3%A4%20b"),
            ("/v1/ok/%252e%252e/x", "/%252e%252e/x"),
            (
                "/v1/ok/v1/m:generate;a=1@b!$&'()*+,=~-_",
                "/v1/m:generate;a=1@b!$&'()*+,=~-_",
            ),
            ("/v1/slashes/a%2fb%5Cc//d%2Ee", "/a%2fb%5Cc//d%2Ee"),
            ("/v1/ok/x#/v1/evil/x", "/x"),
        ]
        .map(|(target, path)| get(target, served(path, ""))),
    );
    cases
}

fn queries() -> Vec<Case> {
    let ok = || served("/x", "");
    let bad = || Want::Refused(400);
    vec![
        get("/v1/ok/x?", ok()),
        get("/v1/ok/x?a=1&b[]=%2F..%2F", ok()),
        get("/v1/ok/x?a=%00%0a", ok()),
        get("/v1/ok/x?a=//../b", ok()),
        get("/v1/ok/x?%", bad()),
        get("/v1/ok/x?a=%1", bad()),
        get("/v1/ok/x?a=%gg", bad()),
        get("/v1/ok/x?ä", bad()),
        get("/v1/ok/x?a=\u{1}", bad()),
        get("/v1/ok/x?a=\u{7f}", bad()),
    ]
}

fn headers() -> Vec<Case> {
    let ok = || served("/x", "");
    let bad = || Want::Refused(400);
    vec![
        with(
            "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n",
            Want::Refused(401),
        ),
        with(
            "Authorization: Bearer a\r\nAuthorization: Bearer a\r\n",
            Want::Refused(401),
        ),
        with("X-Note: \u{e4}\r\n", bad()),
        raw(
            "a lone obs-text byte",
            b"GET /v1/ok/x HTTP/1.1\r\nHost: ks.test\r\nX: a\xffb\r\n\r\n",
            bad(),
        ),
        raw(
            "NUL in a value",
            b"GET /v1/ok/x HTTP/1.1\r\nHost: ks.test\r\nX: a\0b\r\n\r\n",
            bad(),
        ),
        with("X: a\u{1}b\r\n", bad()),
        with("X: a\u{7f}b\r\n", bad()),
        with("X: a\rb\r\n", bad()),
        with("X: a\tb\r\n", ok()),
        with("X:\r\n", ok()),
        with("X\r\n", bad()),
        with(": x\r\n", bad()),
        with("X Y: 1\r\n", bad()),
        with("X\u{e4}: 1\r\n", bad()),
        with("X(: 1\r\n", bad()),
        with("X: 1\r\n folded\r\n", bad()),
        with("Content_Length: 5\r\nTransfer_Encoding: chunked\r\n", ok()),
        with("X-HTTP-Method-Override: DELETE\r\n", ok()),
        with("TE: trailers\r\n", ok()),
        with("TE: gzip\r\n", bad()),
        with("TE: trailers, deflate;q=0.5\r\n", bad()),
        with("Upgrade: websocket\r\nConnection: Upgrade\r\n", bad()),
        with(
            "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
            bad(),
        ),
        with("Connection: keep-alive, UPGRADE\r\n", bad()),
        with("Upgrade: h2c\r\n", bad()),
        with("Connection: close\r\n", closed("/x", "")),
        with("Connection: Host, Content-Length\r\n", ok()),
    ]
}

fn sizes() -> Vec<Case> {
    let path = |bytes: usize| format!("/v1/ok/{}", "a".repeat(bytes - "/v1/ok/".len()));
    let many = |lines: usize| (0..lines).map(|at| format!("X-{at}: 1\r\n")).collect::<String>();
    let long = |bytes: usize| format!("X: {}\r\n", "a".repeat(bytes));
    let sized = |name: &str, lines: &str, want| {
        raw(
            name,
            format!("GET /v1/ok/x HTTP/1.1\r\nHost: ks.test\r\n{lines}\r\n"),
            want,
        )
    };
    vec![
        raw(
            "a target of 8 KiB",
            format!("GET {} HTTP/1.1\r\nHost: ks.test\r\n\r\n", path(8_192)),
            served(&path(8_192)["/v1/ok".len()..], ""),
        ),
        raw(
            "a target of 8 KiB and a byte",
            format!("GET {} HTTP/1.1\r\nHost: ks.test\r\n\r\n", path(8_193)),
            Want::Refused(414),
        ),
        raw(
            "a query of 8 KiB",
            format!(
                "GET /v1/ok/x?{} HTTP/1.1\r\nHost: ks.test\r\n\r\n",
                "a".repeat(8_192)
            ),
            Want::Refused(414),
        ),
        raw(
            "a target of 60 KiB",
            format!("GET {} HTTP/1.1\r\nHost: ks.test\r\n\r\n", path(61_440)),
            Want::Refused(414),
        ),
        raw(
            "a target of 100 KiB",
            format!("GET {} HTTP/1.1\r\nHost: ks.test\r\n\r\n", path(102_400)),
            Want::Refused(431),
        ),
        sized("64 headers", &many(63), served("/x", "")),
        sized("65 headers", &many(64), Want::Refused(431)),
        sized("100 headers", &many(99), Want::Refused(431)),
        sized("101 headers", &many(100), Want::Refused(431)),
        sized("1,000 headers", &many(999), Want::Refused(431)),
        sized("a header of 32,000 bytes", &long(32_000), served("/x", "")),
        sized("a header of 33,000 bytes", &long(33_000), Want::Refused(431)),
        sized("a header of 64 KiB", &long(65_536), Want::Refused(431)),
        sized("a header of 200 KiB", &long(204_800), Want::Refused(431)),
    ]
}

fn lengths() -> Vec<Case> {
    let bad = || Want::Refused(400);
    let evil = EVIL.len();
    vec![
        post("Content-Length: 5\r\n", "hello", served("/x", "hello")),
        post("Content-Length: 0\r\n", "", served("/x", "")),
        post(&format!("Content-Length: {evil}\r\n"), EVIL, served("/x", EVIL)),
        with("Content-Length: 0\r\n", served("/x", "")),
        raw(
            "GET with a body",
            "GET /v1/ok/x HTTP/1.1\r\nHost: ks.test\r\nContent-Length: 2\r\n\r\nab",
            served("/x", "ab"),
        ),
        post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!", bad()),
        post("Content-Length: 5, 6\r\n", "hello", bad()),
        post("Content-Length: 5, 5\r\n", "hello", bad()),
        post("Content-Length: +5\r\n", "hello", bad()),
        post("Content-Length: -5\r\n", "hello", bad()),
        post("Content-Length: 0x5\r\n", "hello", bad()),
        post("Content-Length: 5 5\r\n", "hello", bad()),
        post("Content-Length: five\r\n", "hello", bad()),
        post("Content-Length:\r\n", "", bad()),
        post("Content-Length: 005\r\n", "hello", bad()),
        post("Content-Length: 00\r\n", "", bad()),
        post("Content-Length: 18446744073709551616\r\n", "x", bad()),
        post("Content-Length: 99999999999999999999999\r\n", "x", bad()),
        post("Content-Length: 5.0\r\n", "hello", bad()),
        // hyper keeps one of two equal lengths.
        post(
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "hello",
            served("/x", "hello"),
        ),
        post(
            &format!("Content-Length: {evil}\r\nContent-Length: {evil}\r\n"),
            EVIL,
            served("/x", EVIL),
        ),
        // The body takes in the canary and waits for more.
        post("Content-Length: 500\r\n", "hello", Want::Silence),
        post("Content-Length : 5\r\n", "hello", bad()),
        post("Content-Length\t: 5\r\n", "hello", bad()),
    ]
}

fn chunks() -> Vec<Case> {
    let bad = || Want::Refused(400);
    let te = "Transfer-Encoding: chunked\r\n";
    let evil_after_end = format!("0\r\n\r\n{EVIL}");
    let evil_chunk = format!("{:x}\r\n{EVIL}\r\n0\r\n\r\n", EVIL.len());
    vec![
        post(te, "5\r\nhello\r\n0\r\n\r\n", served("/x", "hello")),
        post(
            "transfer-encoding: CHUNKED\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            served("/x", "hello"),
        ),
        post(te, "0\r\n\r\n", served("/x", "")),
        post(te, &evil_chunk, served("/x", EVIL)),
        post(te, "005\r\nhello\r\n0\r\n\r\n", served("/x", "hello")),
        post(te, "A\r\n0123456789\r\n0\r\n\r\n", served("/x", "0123456789")),
        // Extensions, and a space after a size, are gone when hyper hands the body on.
        post(te, "5;name=value\r\nhello\r\n0\r\n\r\n", served("/x", "hello")),
        post(
            te,
            "5;a=\"b;c\"\r\nhello\r\n0;last\r\n\r\n",
            served("/x", "hello"),
        ),
        post(te, "5 \r\nhello\r\n0\r\n\r\n", served("/x", "hello")),
        // Trailers are dropped, whatever their names.
        post(
            te,
            "5\r\nhello\r\n0\r\nAuthorization: Bearer x\r\n\r\n",
            served("/x", "hello"),
        ),
        post(
            te,
            "5\r\nhello\r\n0\r\nHost: evil.test\r\nContent-Length: 9\r\n\r\n",
            served("/x", "hello"),
        ),
        // Both lengths: the chunks count, and the connection ends, so what a hidden second request would be is never read.
        post(
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            closed("/x", "hello"),
        ),
        post(
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            closed("/x", "hello"),
        ),
        post(
            &format!("Content-Length: {}\r\n{te}", evil_after_end.len()),
            &evil_after_end,
            closed("/x", ""),
        ),
        post(
            &format!("{te}Content-Length: 6\r\n"),
            &evil_after_end,
            closed("/x", ""),
        ),
        post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n", bad()),
        post("Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n", bad()),
        post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n", bad()),
        post("Transfer-Encoding: identity\r\n", "", bad()),
        post("Transfer-Encoding: gzip\r\n", "", bad()),
        post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n", bad()),
        post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n", bad()),
        post("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n", bad()),
        post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n", bad()),
        post(
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "0\r\n\r\n",
            bad(),
        ),
        post(
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            "0\r\n\r\n",
            bad(),
        ),
        post(
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
            "0\r\n\r\n",
            bad(),
        ),
        post("Transfer-Encoding:\r\n", "", bad()),
        post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n", bad()),
        post("Transfer-Encoding:\u{b}chunked\r\n", "0\r\n\r\n", bad()),
        post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n", bad()),
        raw(
            "chunked in HTTP/1.0",
            format!("POST /v1/ok/x HTTP/1.0\r\nHost: ks.test\r\n{te}\r\n0\r\n\r\n"),
            bad(),
        ),
        // Broken inside the body.
        post(te, "x\r\nhello\r\n0\r\n\r\n", bad()),
        post(te, "-5\r\nhello\r\n0\r\n\r\n", bad()),
        post(te, "0x5\r\nhello\r\n0\r\n\r\n", bad()),
        post(te, "5\r\nhelloo\r\n0\r\n\r\n", bad()),
        post(te, "4\r\nhello\r\n0\r\n\r\n", bad()),
        post(te, "5\nhello\n0\n\n", bad()),
        post(te, "fffffffffffffffff\r\nx", bad()),
        post(te, "5;a\nb\r\nhello\r\n0\r\n\r\n", bad()),
        post(te, "\r\n5\r\nhello\r\n0\r\n\r\n", bad()),
        post(te, "500\r\nhello", Want::Silence),
    ]
}

fn lines() -> Vec<Case> {
    let ok = || served("/x", "");
    vec![
        raw(
            "bare LF throughout",
            "GET /v1/ok/x HTTP/1.1\nHost: ks.test\n\n",
            ok(),
        ),
        raw(
            "bare LF after the request line",
            "GET /v1/ok/x HTTP/1.1\nHost: ks.test\r\n\r\n",
            ok(),
        ),
        raw(
            "bare LF between headers",
            "GET /v1/ok/x HTTP/1.1\r\nHost: ks.test\nX: 1\r\n\r\n",
            ok(),
        ),
        raw(
            "bare LF at the end of the head",
            "POST /v1/ok/x HTTP/1.1\r\nHost: ks.test\r\nContent-Length: 5\r\n\nhello",
            served("/x", "hello"),
        ),
        raw(
            "a leading CRLF",
            "\r\nGET /v1/ok/x HTTP/1.1\r\nHost: ks.test\r\n\r\n",
            ok(),
        ),
        raw(
            "three leading CRLF",
            "\r\n\r\n\r\nGET /v1/ok/x HTTP/1.1\r\nHost: ks.test\r\n\r\n",
            ok(),
        ),
        raw(
            "a leading LF",
            "\nGET /v1/ok/x HTTP/1.1\r\nHost: ks.test\r\n\r\n",
            ok(),
        ),
        raw(
            "a leading space",
            " GET /v1/ok/x HTTP/1.1\r\nHost: ks.test\r\n\r\n",
            Want::Refused(400),
        ),
        raw(
            "a bare CR for a line end",
            "GET /v1/ok/x HTTP/1.1\rHost: ks.test\r\r",
            Want::Refused(400),
        ),
        raw(
            "CR CR LF",
            "GET /v1/ok/x HTTP/1.1\r\nHost: ks.test\r\r\n\r\n",
            Want::Refused(400),
        ),
        raw(
            "a CRLF after a body",
            "POST /v1/ok/x HTTP/1.1\r\nHost: ks.test\r\nContent-Length: 2\r\n\r\nab\r\n",
            served("/x", "ab"),
        ),
        // The canary's request line becomes a value of the case's own head, and its headers those of the case.
        raw(
            "an unfinished head",
            "GET /v1/ok/x HTTP/1.1\r\nX-Swallows: ",
            closed("/x", ""),
        ),
    ]
}

fn expectations() -> Vec<Case> {
    vec![
        post(
            "Content-Length: 2\r\nExpect: 100-continue\r\n",
            "ab",
            served("/x", "ab"),
        ),
        post(
            "Content-Length: 2\r\nExpect: 100-Continue\r\n",
            "ab",
            served("/x", "ab"),
        ),
        post(
            "Content-Length: 2\r\nExpect: 200-ok\r\n",
            "ab",
            Want::Refused(417),
        ),
        post(
            "Content-Length: 2\r\nExpect: 100-continue, x\r\n",
            "ab",
            Want::Refused(417),
        ),
        with("Expect: magic\r\n", Want::Refused(417)),
    ]
}
