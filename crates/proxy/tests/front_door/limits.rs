//! The listener's limits, its drain, and TLS.

use std::time::{Duration, Instant};

use keystore_proxy::listener::{Drained, Limits};
use keystore_testkit::raw;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::stub::Stub;

const GET: &[u8] = b"GET /v1/ok/x HTTP/1.1\r\nHost: ks.test\r\n\r\n";
const SLOW: &[u8] = b"GET /v1/slow/x HTTP/1.1\r\nHost: ks.test\r\n\r\n";
const STUCK: &[u8] = b"GET /v1/stuck/x HTTP/1.1\r\nHost: ks.test\r\n\r\n";
/// Less than the limits that are there by default.
const PATIENCE: Duration = Duration::from_secs(15);

async fn stub(change: impl FnOnce(&mut Limits)) -> Stub {
    let mut limits = Limits::default();
    change(&mut limits);
    Stub::with(limits, None, PATIENCE).await
}

/// Asks, and checks that there is an answer; the connection stays open.
async fn ask(socket: &mut TcpStream) {
    socket.write_all(GET).await.unwrap();
    answered(socket).await;
}

async fn answered(socket: &mut TcpStream) {
    let exchange = raw::read_answers(socket, 1, PATIENCE).await;
    assert_eq!(exchange.answers.len(), 1);
}

/// Waits until the stub has seen so many requests.
async fn seen(stub: &Stub, count: usize) {
    let all = async {
        while stub.seen().len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
}

/// Slow heads, of either protocol, and connections that say nothing at all.
#[tokio::test]
async fn a_connection_without_a_head_in_time_is_closed() {
    let stub = stub(|limits| limits.first_head_timeout = Duration::from_millis(200)).await;
    for start in [
        &b""[..],
        b"GET /v1/ok",
        b"PRI * HTTP/2.0\r\n",
        b"GET / HTTP/1.1\r\nHost: ks.te",
    ] {
        let mut socket = TcpStream::connect(stub.addr).await.unwrap();
        socket.write_all(start).await.unwrap();
        let began = Instant::now();
        let exchange = raw::read(&mut socket, PATIENCE).await;
        assert!(exchange.closed && exchange.answers.is_empty(), "{start:?}");
        assert!(began.elapsed() >= Duration::from_millis(150), "{start:?}");
    }
    assert!(stub.seen().is_empty());
}

#[tokio::test]
async fn an_answer_may_take_longer_than_a_head_and_an_idle_connection_is_closed() {
    let stub = stub(|limits| {
        limits.first_head_timeout = Duration::from_millis(200);
        limits.next_head_timeout = Duration::from_millis(300);
    })
    .await;
    let mut socket = TcpStream::connect(stub.addr).await.unwrap();
    socket.write_all(SLOW).await.unwrap();
    let exchange = raw::read(&mut socket, PATIENCE).await;
    assert_eq!(exchange.answers.len(), 1);
    assert_eq!(exchange.answers[0].status, 200);
    assert!(exchange.closed, "an idle connection stays");
}

#[tokio::test]
async fn connections_above_the_cap_wait_for_a_place() {
    let stub = stub(|limits| limits.max_connections = 1).await;
    let mut first = TcpStream::connect(stub.addr).await.unwrap();
    ask(&mut first).await;

    let mut second = TcpStream::connect(stub.addr).await.unwrap();
    second.write_all(GET).await.unwrap();
    assert!(
        raw::read(&mut second, Duration::from_millis(300))
            .await
            .answers
            .is_empty()
    );
    drop(first);
    answered(&mut second).await;
}

#[tokio::test]
async fn a_drain_lets_answers_end_and_closes_the_rest() {
    let stub = stub(|_| {}).await;
    let mut idle = TcpStream::connect(stub.addr).await.unwrap();
    ask(&mut idle).await;
    let mut busy = TcpStream::connect(stub.addr).await.unwrap();
    busy.write_all(SLOW).await.unwrap();
    seen(&stub, 2).await;

    stub.stop.cancel();
    let ended = raw::read(&mut idle, PATIENCE).await;
    assert!(
        ended.closed && ended.answers.is_empty(),
        "the idle connection is not closed"
    );
    let answered = raw::read(&mut busy, PATIENCE).await;
    assert_eq!(answered.answers[0].status, 200);
    assert_eq!(answered.answers[0].header("connection"), Some("close"));
    assert!(answered.closed);
    assert_eq!(stub.served.await.unwrap(), Drained { cut: 0 });
    assert!(TcpStream::connect(stub.addr).await.is_err(), "still accepts");
}

#[tokio::test]
async fn what_outlasts_the_drain_is_cut_and_counted() {
    let stub = Stub::with(Limits::default(), None, Duration::from_millis(100)).await;
    let mut busy = TcpStream::connect(stub.addr).await.unwrap();
    busy.write_all(STUCK).await.unwrap();
    seen(&stub, 1).await;
    stub.stop.cancel();
    let exchange = raw::read(&mut busy, PATIENCE).await;
    assert!(exchange.closed && exchange.answers.is_empty());
    assert_eq!(stub.served.await.unwrap(), Drained { cut: 1 });
}

/// What hyper answers by itself is the bare status; ours carry the code.
#[tokio::test]
async fn hyper_answers_what_it_cannot_parse_and_closes() {
    let stub = stub(|_| {}).await;
    let long = format!(
        "GET /v1/ok/x HTTP/1.1\r\nHost: ks.test\r\nX: {}\r\n\r\n",
        "a".repeat(100_000)
    );
    for (bytes, status) in [("GET / HTTP/9\r\n\r\n", 400), (long.as_str(), 431)] {
        let exchange = raw::exchange(stub.addr, bytes.as_bytes(), PATIENCE).await;
        assert!(exchange.closed);
        assert_eq!(exchange.answers.len(), 1);
        assert_eq!(
            (exchange.answers[0].status, exchange.answers[0].body.len()),
            (status, 0)
        );
        assert_eq!(exchange.answers[0].header("x-keystore-error"), None);
    }
    let ours = raw::exchange(
        stub.addr,
        b"GET /v1/ok/%zz HTTP/1.1\r\nHost: ks.test\r\nConnection: close\r\n\r\n",
        PATIENCE,
    )
    .await;
    assert_eq!(ours.answers[0].header("x-keystore-error"), Some("bad_request"));
    assert_eq!(ours.answers[0].json()["error"]["code"], "bad_request");
}

#[tokio::test]
async fn probes_need_no_name_of_ours_and_refusals_of_form_come_before_the_token() {
    let stub = stub(|_| {}).await;
    let probe = b"GET /readyz HTTP/1.1\r\nHost: 10.1.2.3:8400\r\nConnection: close\r\n\r\n";
    assert_eq!(
        raw::exchange(stub.addr, probe, PATIENCE).await.answers[0].body,
        b"ok"
    );
}

/// Dropped headers never reach the next step.
#[tokio::test]
async fn dropped_headers_are_not_seen() {
    let stub = stub(|_| {}).await;
    let bytes = b"POST /v1/ok/x?q=%41 HTTP/1.1\r\nHost: ks.test\r\nX_Api_Key: 1\r\nX-Method-Override: GET\r\nX-Kept: 1\r\nConnection: close\r\n\r\n";
    raw::exchange(stub.addr, bytes, PATIENCE).await;
    let seen = stub.seen().remove(0);
    assert_eq!(
        (seen.method.as_str(), seen.query.as_deref()),
        ("POST", Some("q=%41"))
    );
    let mut names: Vec<_> = seen.headers.keys().map(|name| name.as_str().to_owned()).collect();
    names.sort_unstable();
    assert_eq!(names, ["connection", "host", "x-kept"]);
}
