//! Where checkpoints go besides the database.

use std::sync::Arc;
use std::time::Duration;

use keystore_server::audit::offline::notes;
use keystore_server::audit::sinks::{FileSink, S3Settings, S3Sink, Sink, Sinks, SyslogSink};
use keystore_server::config::SecretText;
use keystore_testkit::clock::MockClock;
use keystore_vault::sigv4::{AccessKey, Scope, Unsigned, payload_hash, sign};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket, UnixDatagram};

use super::key_of;
use crate::support::{Setup, TestApp};

#[tokio::test]
async fn every_checkpoint_is_appended_to_the_file() {
    let app = TestApp::with(Setup {
        sinks: |folder| {
            let file = Sink::File(FileSink::new(folder.join("checkpoints.txt")));
            Sinks::new(vec![file], Some(Duration::from_secs(60)))
        },
        ..Setup::default()
    })
    .await;
    let key = key_of(app.owner_client()).await;
    for _ in 0..3 {
        app.do_jobs().await;
    }
    let kept = std::fs::read_to_string(app.folder().join("checkpoints.txt")).unwrap();
    let kept = notes(&kept);
    assert!(kept.len() >= 3);
    let sizes: Vec<u64> = kept.iter().map(|note| key.open(note).unwrap().size).collect();
    assert!(sizes.is_sorted() && sizes[0] > 0, "{sizes:?}");
    let ready = app.anonymous().get("/readyz").await.expect(200);
    assert!(
        ready["checks"]
            .as_array()
            .unwrap()
            .iter()
            .any(|check| check["name"] == "audit")
    );
    app.finish().await;
}

/// Calls go on for the grace, are refused after it, and go on again with the first checkpoint that gets out.
#[tokio::test]
async fn a_sink_that_fails_is_told_of_and_closes_the_door_when_its_time_is_over() {
    let clock = Arc::new(MockClock::default());
    let app = TestApp::with(Setup {
        clock: Some(Arc::clone(&clock)),
        sinks: |folder| {
            let file = Sink::File(FileSink::new(folder.join("gone/checkpoints.txt")));
            Sinks::new(vec![file], Some(Duration::from_secs(60)))
        },
        ..Setup::default()
    })
    .await;
    app.create_credential("openai").await;
    let token = app.create_token("a", &["openai"]).await;
    let operator = app.operator().await;
    let call = async || {
        let body = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]});
        app.caller(&token)
            .post("/v1/openai/v1/chat/completions", &body)
            .await
    };
    let ready = async || app.anonymous().get("/readyz").await;
    app.do_jobs().await;
    call().await.expect(200);
    // Anybody may ask which sink fails. Why is told to the operator.
    let shown = ready().await.expect(200);
    let check = shown["checks"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&check["name"], &check["ok"], &check["detail"]),
        (
            &json!("audit"),
            &json!(false),
            &json!("checkpoints of the audit log do not get to file")
        )
    );
    assert!(!shown.to_string().contains("checkpoints.txt"), "{shown:#}");
    let events = operator
        .get("/v1/events?kind=audit.sink_failed")
        .await
        .expect(200);
    assert_eq!(events["data"].as_array().unwrap().len(), 1);
    let why = events["data"][0]["data"]["why"].as_str().unwrap();
    assert!(why.contains("checkpoints.txt cannot be written"), "{why}");
    clock.advance(Duration::from_secs(61));
    app.do_jobs().await;
    let before = app.fake_upstream().count();
    for _ in 0..20 {
        call().await.refused(503, "audit_unavailable");
    }
    assert_eq!(app.fake_upstream().count(), before, "nothing was sent");
    let shown = ready().await.expect(503).to_string();
    assert!(
        shown.contains("do not get to file, so calls are refused"),
        "{shown}"
    );
    assert!(!shown.contains("checkpoints.txt"), "{shown}");
    std::fs::create_dir(app.folder().join("gone")).unwrap();
    app.do_jobs().await;
    call().await.expect(200);
    ready().await.expect(200);
    app.finish().await;
}

/// Whoever can write the database can keep the log from being signed, and cannot keep that quiet.
#[tokio::test]
async fn a_log_that_cannot_be_signed_is_told_of_as_a_failing_sink_is() {
    let clock = Arc::new(MockClock::default());
    let app = TestApp::with(Setup {
        clock: Some(Arc::clone(&clock)),
        sinks: |folder| {
            let file = Sink::File(FileSink::new(folder.join("checkpoints.txt")));
            Sinks::new(vec![file], Some(Duration::from_secs(60)))
        },
        ..Setup::default()
    })
    .await;
    let operator = app.operator().await;
    app.do_jobs().await;
    app.statement("UPDATE audit_tree SET size = size + 1").await;
    let mut shown = String::new();
    for number in 0..100 {
        let new = json!({"name": format!("agent-{number}"), "providers": []});
        app.owner_client().post("/v1/agents", &new).await.expect(201);
        clock.advance(Duration::from_secs(31));
        tokio::time::sleep(Duration::from_millis(300)).await;
        shown = app.anonymous().get("/readyz").await.body.to_string();
        if shown.contains("nothing of the audit log is signed, so calls are refused") {
            break;
        }
    }
    assert!(shown.contains("so calls are refused"), "{shown}");
    let events = operator
        .get("/v1/events?kind=audit.sink_failed")
        .await
        .expect(200);
    let why = events["data"][0]["data"]["why"].as_str().unwrap();
    assert!(why.starts_with("nothing can be signed: "), "{why}");
    app.leave();
}

#[tokio::test]
async fn syslog_gets_them_by_every_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let unix = UnixDatagram::bind(&path).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let urls = [
        format!("unix://{}", path.display()),
        format!("udp://{}", udp.local_addr().unwrap()),
        format!("tcp://{}", tcp.local_addr().unwrap()),
    ];
    let sinks = urls
        .iter()
        .map(|url| Sink::Syslog(SyslogSink::new(url).unwrap()))
        .collect();
    let app = TestApp::start().await;
    let key = key_of(app.owner_client()).await;
    let sinks = Sinks::new(sinks, None);
    let (sent, accepted) = tokio::join!(app.sign_to(&sinks), async {
        let (mut stream, _) = tcp.accept().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    });
    assert_eq!(sent, None);
    let (length, message) = accepted.split_once(' ').unwrap();
    assert_eq!(length.parse(), Ok(message.len()), "it is counted");
    let mut buffer = vec![0; 4096];
    let count = unix.recv(&mut buffer).await.unwrap();
    let by_unix = String::from_utf8(buffer[..count].to_vec()).unwrap();
    let count = udp.recv(&mut buffer).await.unwrap();
    let by_udp = String::from_utf8(buffer[..count].to_vec()).unwrap();
    for message in [message, &by_unix, &by_udp] {
        assert!(message.starts_with("<109>1 "), "{message}");
        let found = notes(message);
        assert!(key.open(&found[0]).unwrap().size > 0);
    }
    app.finish().await;
}

/// A bucket that checks the signature, the checksum and the lock, once each way.
#[tokio::test]
async fn a_bucket_gets_locked_objects_and_its_refusals_are_told() {
    let app = TestApp::start().await;
    let key = key_of(app.owner_client()).await;
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", None),
        (
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 38\r\n\r\n<Error><Code>AccessDenied</Code></Error>",
            Some("AccessDenied"),
        ),
    ] {
        let bucket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = bucket.local_addr().unwrap().to_string();
        let sink = S3Sink::new(S3Settings {
            url: format!("http://{host}/bucket/keystore"),
            region: "eu-central-1".to_owned(),
            access_key: "AKIDEXAMPLE".to_owned(),
            secret_key: SecretText::new("wJalrXUtnFEMI".to_owned()),
            lock: Some(Duration::from_secs(86_400)),
        })
        .unwrap();
        let sinks = Sinks::new(vec![Sink::S3(sink)], None);
        let (failed, request) = tokio::join!(app.sign_to(&sinks), async {
            let (mut stream, _) = bucket.accept().await.unwrap();
            let request = whole_request(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
            request
        });
        match expected {
            None => assert_eq!(failed, None),
            Some(code) => assert!(failed.unwrap().contains(code)),
        }
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(key.open(body).unwrap().size > 0);
        the_request_is_signed(head, body, &host);
    }
    app.finish().await;
}

async fn whole_request(stream: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").parse().unwrap();
            if body.len() >= length {
                return text;
            }
        }
    }
}

fn header(head: &str, name: &str) -> String {
    let line = head
        .lines()
        .skip(1)
        .find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name} in {head}"))
        .split_once(':')
        .unwrap()
        .1
        .trim()
        .to_owned()
}

fn the_request_is_signed(head: &str, body: &str, host: &str) {
    let path = head.split(' ').nth(1).unwrap();
    assert!(path.starts_with("/bucket/keystore/0000000000"), "{path}");
    assert_eq!(header(head, "x-amz-object-lock-mode"), "COMPLIANCE");
    let hash = payload_hash(body.as_bytes());
    assert_eq!(header(head, "x-amz-content-sha256"), hash);
    let names = [
        "content-type",
        "x-amz-checksum-sha256",
        "x-amz-content-sha256",
        "x-amz-object-lock-mode",
        "x-amz-object-lock-retain-until-date",
    ];
    let values = names.map(|name| header(head, name));
    let signed: Vec<(&str, &str)> = names
        .iter()
        .zip(&values)
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let unsigned = Unsigned {
        method: "PUT",
        host,
        path,
        query: None,
        headers: &signed,
        payload_sha256: &hash,
    };
    let key = AccessKey {
        id: "AKIDEXAMPLE",
        secret: "wJalrXUtnFEMI",
        session_token: None,
    };
    let scope = Scope {
        service: "s3",
        region: "eu-central-1",
    };
    let date = header(head, "x-amz-date");
    let at = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &date[..4],
        &date[4..6],
        &date[6..8],
        &date[9..11],
        &date[11..13],
        &date[13..15]
    );
    let signature = sign(&unsigned, key, scope, at.parse().unwrap());
    assert_eq!(header(head, "authorization"), signature.authorization);
}
