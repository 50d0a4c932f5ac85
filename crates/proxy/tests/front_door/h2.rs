//! HTTP/2: with hyper's client where it can say what is wanted, with frames written by hand where no client would.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use keystore_proxy::listener::{Limits, tls_from_pem};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::stub::Stub;

type Client = SendRequest<Empty<Bytes>>;

async fn client<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(io: I) -> Client {
    let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn ask(client: &mut Client, request: http::request::Builder) -> (u16, Bytes) {
    let response = client
        .send_request(request.body(Empty::new()).unwrap())
        .await
        .unwrap();
    (
        response.status().as_u16(),
        response.into_body().collect().await.unwrap().to_bytes(),
    )
}

fn get(uri: &str) -> http::request::Builder {
    Request::get(uri).version(Version::HTTP_2)
}

#[tokio::test]
async fn the_authority_is_the_host() {
    let stub = Stub::start().await;
    let mut client = client(TcpStream::connect(stub.addr).await.unwrap()).await;
    for (request, status) in [
        (get("http://ks.test/v1/ok/x"), 200),
        (get("https://KS.test:8400/v1/ok/x"), 200),
        (get("http://ks.test/v1/ok/x").header("host", "ks.test"), 200),
        (get("http://ks.test/v1/ok/x").header("host", "evil.test"), 400),
        (get("http://evil.test/v1/ok/x"), 421),
        (get("http://evil.test/healthz"), 200),
        (get("http://ks.test/v1/ok/../x"), 400),
        (get("http://ks.test/v1/ok/a%2fb"), 400),
        (get("http://ks.test/v1/ok/x").header("te", "trailers"), 200),
        (get("http://ks.test/v1/ok/x").header("expect", "magic"), 417),
        (get("http://ks.test/v1/ok/x").method("TRACE"), 405),
        (
            get("http://ks.test/v1/ok/x").header("x-long", "a".repeat(33_000)),
            431,
        ),
    ] {
        let name = format!("{request:?}");
        assert_eq!(ask(&mut client, request).await.0, status, "{name:.200}");
    }
    assert_eq!(stub.seen().len(), 4);
}

#[tokio::test]
async fn both_protocols_are_offered_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["ks.test".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = tls_from_pem(&certificate, &key).unwrap();
    let stub = Stub::with(Limits::default(), Some(tls), Duration::from_secs(1)).await;

    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&certificate).unwrap())
        .unwrap();
    for protocol in [&b"h2"[..], b"http/1.1"] {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let socket = TcpStream::connect(stub.addr).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let mut socket = connector
            .connect(ServerName::try_from("ks.test").unwrap(), socket)
            .await
            .unwrap();
        assert_eq!(socket.get_ref().1.alpn_protocol(), Some(protocol));
        if protocol == b"h2" {
            assert_eq!(
                ask(&mut client(socket).await, get("https://ks.test/v1/ok/x"))
                    .await
                    .0,
                200
            );
        } else {
            socket
                .write_all(b"GET /v1/ok/x HTTP/1.1\r\nHost: ks.test\r\nConnection: close\r\n\r\n")
                .await
                .unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        }
    }
    assert_eq!(stub.seen().len(), 2);
}

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// HPACK, every field a literal without indexing (RFC 7541, 6.2.2).
fn fields(list: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in list {
        bytes.push(0);
        for text in [name, value] {
            assert!(text.len() < 127);
            bytes.push(u8::try_from(text.len()).unwrap());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

fn preface() -> Vec<u8> {
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, &[]),
    ]
    .concat()
}

/// The kinds of the frames that come back before the server closes, or falls silent behind one of the kinds in `until`.
async fn kinds(stub: &Stub, bytes: &[u8], until: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(stub.addr).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut received = Vec::new();
    loop {
        let found = kinds_of(&received);
        let silence = match until.iter().any(|kind| found.contains(kind)) {
            true => Duration::from_millis(300),
            false => Duration::from_secs(10),
        };
        match tokio::time::timeout(silence, socket.read_buf(&mut received)).await {
            Ok(Ok(read)) if read > 0 => {}
            _ => return found,
        }
    }
}

fn kinds_of(received: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    let mut rest = received;
    while rest.len() >= 9 {
        let length = usize::from(rest[0]) << 16 | usize::from(rest[1]) << 8 | usize::from(rest[2]);
        kinds.push(rest[3]);
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    kinds
}

const GOOD: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "ks.test"),
    (":path", "/v1/ok/x"),
];

#[tokio::test]
async fn a_plain_request_by_hand_is_served() {
    let stub = Stub::start().await;
    let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, &fields(&GOOD));
    let kinds = kinds(&stub, &[preface(), request].concat(), &[HEADERS]).await;
    assert!(kinds.contains(&HEADERS), "{kinds:?}");
    assert_eq!(stub.seen().len(), 1);
}

#[tokio::test]
async fn malformed_requests_are_reset_and_never_seen() {
    let with = |extra: &[(&'static str, &'static str)]| [&GOOD[..], extra].concat();
    let without = |name: &str| {
        GOOD.into_iter()
            .filter(|(own, _)| *own != name)
            .collect::<Vec<_>>()
    };
    let cases = [
        ("connection", with(&[("connection", "close")])),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")])),
        ("upgrade", with(&[("upgrade", "h2c")])),
        ("keep-alive", with(&[("keep-alive", "1")])),
        ("proxy-connection", with(&[("proxy-connection", "close")])),
        ("te", with(&[("te", "gzip")])),
        ("upper case", with(&[("X-Upper", "1")])),
        ("a line end in a value", with(&[("x", "a\r\nhost: evil.test")])),
        ("a line end in a name", with(&[("x\r\ny", "1")])),
        ("a space in a name", with(&[("x y", "1")])),
        ("no path", without(":path")),
        ("an empty path", [without(":path"), vec![(":path", "")]].concat()),
        ("no method", without(":method")),
        ("two paths", with(&[(":path", "/v1/evil/x")])),
        ("two methods", with(&[(":method", "POST")])),
        ("a pseudo-header of responses", with(&[(":status", "200")])),
        ("an unknown pseudo-header", with(&[(":evil", "1")])),
        (
            "a pseudo-header after a header",
            [vec![("x", "1")], GOOD.to_vec()].concat(),
        ),
        (
            "a line end in the path",
            [
                without(":path"),
                vec![(":path", "/v1/ok/x HTTP/1.1\r\nhost: evil.test")],
            ]
            .concat(),
        ),
        ("a length without a body", with(&[("content-length", "5")])),
    ];
    for (name, list) in cases {
        let stub = Stub::start().await;
        let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, &fields(&list));
        let ends = [RST_STREAM, GOAWAY, HEADERS];
        let kinds = kinds(&stub, &[preface(), request].concat(), &ends).await;
        assert!(stub.seen().iter().all(|seen| seen.slug != "evil"), "{name}");
        assert!(stub.seen().is_empty(), "{name}: {:?}", stub.seen());
        let ended = ends.iter().any(|kind| kinds.contains(kind));
        assert!(ended, "{name}: {kinds:?}");
    }
}

#[tokio::test]
async fn a_body_longer_than_its_length_is_not_served() {
    let stub = Stub::start().await;
    let list = [&GOOD[1..], &[(":method", "POST"), ("content-length", "2")]].concat();
    let head = frame(HEADERS, END_HEADERS, 1, &fields(&list));
    let body = frame(DATA, END_STREAM, 1, b"GET /v1/evil/x");
    let kinds = kinds(&stub, &[preface(), head, body].concat(), &[RST_STREAM, GOAWAY]).await;
    assert!(
        kinds.contains(&RST_STREAM) || kinds.contains(&GOAWAY),
        "{kinds:?}"
    );
    assert!(stub.seen().is_empty());
}

/// CVE-2023-44487: streams opened and reset at once.
#[tokio::test]
async fn a_flood_of_resets_ends_the_connection() {
    let stub = Stub::start().await;
    let mut bytes = preface();
    for stream in (1..4_000).step_by(2) {
        bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, &fields(&GOOD)));
        bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    let kinds = kinds(&stub, &bytes, &[GOAWAY]).await;
    assert!(kinds.contains(&GOAWAY), "{} frames, no GOAWAY", kinds.len());
}

/// A head that never ends, in CONTINUATION frames.
#[tokio::test]
async fn a_flood_of_continuations_ends_the_connection() {
    let stub = Stub::start().await;
    let mut bytes = [preface(), frame(HEADERS, END_STREAM, 1, &fields(&GOOD))].concat();
    for _ in 0..2_000 {
        bytes.extend(frame(
            CONTINUATION,
            0,
            1,
            &fields(&[("x-more", &"a".repeat(100))]),
        ));
    }
    let kinds = kinds(&stub, &bytes, &[GOAWAY, RST_STREAM]).await;
    assert!(
        kinds.contains(&GOAWAY) || kinds.contains(&RST_STREAM),
        "{kinds:?}"
    );
    assert!(stub.seen().is_empty());
}
