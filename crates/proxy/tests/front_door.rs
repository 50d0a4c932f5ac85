//! The front door under raw bytes: the real listener, `parse` and `route`, and behind them a stub that counts and echoes. Every
//! case is one request, followed in the same write by a canary request. One request in, one request out: whatever the case is, the
//! stub sees it at most once, as it was framed, and then at most the canary, unharmed.

#![expect(clippy::disallowed_methods, reason = "tests spawn their own tasks")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod front_door {
    pub(crate) mod cases;
    pub(crate) mod h2;
    pub(crate) mod limits;
    pub(crate) mod stub;
}

use std::time::Duration;

use front_door::cases::{self, Case, Want};
use front_door::stub::Stub;
use keystore_testkit::raw;

/// How long is waited for the end of a connection on which something is answered: the canary asks for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long for an answer that must not come.
const SILENCE: Duration = Duration::from_millis(400);

const CANARY: &str = "GET /v1/canary/alive HTTP/1.1\r\nHost: ks.test\r\nConnection: close\r\n\r\n";

async fn check(stub: &Stub, case: &Case) -> Result<(), String> {
    stub.forget();
    let mut bytes = case.bytes.clone();
    bytes.extend_from_slice(CANARY.as_bytes());
    let silence = match case.want {
        Want::Silence => SILENCE,
        _ => PATIENCE,
    };
    let exchange = raw::exchange(stub.addr, &bytes, silence).await;
    let seen = stub.seen();
    let statuses: Vec<u16> = exchange.answers.iter().map(|answer| answer.status).collect();
    let fail = |what: &str| {
        Err(format!(
            "{}: {what}; answers {statuses:?}, seen {seen:?}",
            case.name
        ))
    };
    let (canaries, own): (Vec<_>, Vec<_>) = seen.iter().partition(|seen| seen.slug == "canary");
    if own.len() + canaries.len() != seen.len() || seen.iter().any(|seen| seen.slug == "evil") {
        return fail("a request was smuggled");
    }
    if canaries.len() > 1
        || canaries
            .iter()
            .any(|canary| canary.path != "/alive" || !canary.body.is_empty())
    {
        return fail("the canary was harmed");
    }
    if exchange.answers.len() > 2 {
        return fail("more answers than requests");
    }
    match &case.want {
        Want::Served { path, body } => {
            if statuses != [200, 200] || own.len() != 1 || canaries.len() != 1 {
                return fail("case and canary are not each served once");
            }
            if own[0].path != *path || own[0].body != *body {
                return fail("served with another path or body");
            }
        }
        Want::ServedThenClosed { path, body } => {
            if statuses != [200] || own.len() != 1 || !canaries.is_empty() || !exchange.closed {
                return fail("not served once and then closed");
            }
            if own[0].path != *path || own[0].body != *body {
                return fail("served with another path or body");
            }
        }
        Want::Refused(status) => {
            if statuses.first() != Some(status) || !own.is_empty() {
                return fail("not refused as it should be");
            }
            if statuses.len() == 2 && (statuses[1] != 200 || canaries.len() != 1) {
                return fail("the canary was not served");
            }
        }
        Want::Silence => {
            if !statuses.is_empty() || !seen.is_empty() {
                return fail("answered");
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_raw_case_is_one_request_or_none() {
    let cases = cases::all();
    assert!(cases.len() >= 120, "only {} cases", cases.len());
    let mut names: Vec<_> = cases.iter().map(|case| &case.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    let stub = Stub::start().await;
    let mut failures = Vec::new();
    for case in &cases {
        if let Err(failure) = check(&stub, case).await {
            failures.push(failure);
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} cases:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

/// The same cases, byte by byte in several writes: the outcome must not hang on how the network cuts the bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cases_come_out_the_same_in_small_pieces() {
    use tokio::io::AsyncWriteExt as _;
    let stub = Stub::start().await;
    for case in cases::all().iter().filter(|case| case.bytes.len() < 400) {
        let Want::Served { path, body } = &case.want else {
            continue;
        };
        stub.forget();
        let mut socket = tokio::net::TcpStream::connect(stub.addr).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let bytes = [&case.bytes, CANARY.as_bytes()].concat();
        for piece in bytes.chunks(7) {
            socket.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        let exchange = raw::read(&mut socket, PATIENCE).await;
        let statuses: Vec<u16> = exchange.answers.iter().map(|answer| answer.status).collect();
        let seen = stub.seen();
        assert_eq!(statuses, [200, 200], "{}", case.name);
        assert_eq!(
            (&seen[0].path, &seen[0].body[..]),
            (path, &body[..]),
            "{}",
            case.name
        );
        assert_eq!(seen.len(), 2, "{}", case.name);
    }
}
