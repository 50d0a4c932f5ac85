mod bodies;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt as _;
use keystore_core::destination::{Destination, DestinationPolicy, Injection, Scheme};
use keystore_core::ids::CredentialId;
use keystore_testkit::upstream::{FakeUpstream, Slot};
use uuid::Uuid;

use super::*;
use crate::answer;
use crate::inject::Needles;
use crate::upstream::{CredentialKey, Upstreams};

const LIMIT: Duration = Duration::from_secs(5);

fn policy(scheme: Scheme, host: &str, port: u16) -> DestinationPolicy {
    let host = Destination {
        alias: String::new(),
        scheme,
        host: host.into(),
        port,
        base_path: String::new(),
    };
    let bearer = Injection::Bearer {
        template: "{key}".into(),
    };
    DestinationPolicy {
        version: 1,
        hosts: vec![host],
        injections: vec![bearer],
        self_hosted: true,
    }
}

/// A fake upstream and our connections to it.
struct World {
    fake: FakeUpstream,
    upstreams: Arc<Upstreams>,
    policy: DestinationPolicy,
}

impl World {
    async fn plain() -> Self {
        let fake = FakeUpstream::start().await;
        Self::around(fake, Scheme::Http, None)
    }

    async fn tls() -> Self {
        let fake = FakeUpstream::start_tls().await;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), fake.ca_pem().unwrap()).unwrap();
        Self::around(fake, Scheme::Https, Some(file.path().to_owned()))
    }

    fn around(fake: FakeUpstream, scheme: Scheme, extra_ca: Option<std::path::PathBuf>) -> Self {
        let port = fake.addr().port();
        let config = ProxyConfig {
            allow_private: BTreeSet::from([format!("127.0.0.1:{port}")]),
            connect_timeout: Duration::from_secs(10),
            extra_ca,
            ..ProxyConfig::default()
        };
        Self {
            upstreams: Arc::new(Upstreams::new(&config).unwrap()),
            policy: policy(scheme, "127.0.0.1", port),
            fake,
        }
    }

    fn client(&self, credential: u128) -> Client {
        self.upstreams.client(key(credential), &self.policy, "")
    }

    async fn get(&self, directives: &str) -> Result<Response<AnswerBody>, ForwardError> {
        send(
            &self.client(1),
            request("key-1", directives),
            OutgoingBody::Empty,
            LIMIT,
        )
        .await
    }
}

fn key(credential: u128) -> CredentialKey {
    CredentialKey {
        credential: CredentialId::new(Uuid::from_u128(credential)),
        version: 1,
    }
}

fn request(secret: &str, directives: &str) -> Outgoing {
    let mut headers = HeaderMap::new();
    headers.insert(
        "authorization",
        HeaderValue::from_str(&format!("Bearer {secret}")).unwrap(),
    );
    if !directives.is_empty() {
        headers.insert("x-fake", HeaderValue::from_str(directives).unwrap());
    }
    Outgoing {
        method: Method::GET,
        path_and_query: PathAndQuery::from_static("/v1/models"),
        headers,
    }
}

async fn send(
    client: &Client,
    request: Outgoing,
    body: OutgoingBody,
    limit: Duration,
) -> Result<Response<AnswerBody>, ForwardError> {
    let lease = lease(client).await?;
    super::send((client, lease), request, body, limit, &|| true).await
}

async fn whole(response: Response<AnswerBody>) -> Result<Bytes, answer::AnswerError> {
    response
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
}

fn clean(response: Response<AnswerBody>) -> Response<AnswerBody> {
    answer::clean(
        response,
        keystore_catalog::provider("openai").unwrap(),
        &Needles::default(),
    )
    .ok()
    .unwrap()
}

/// A reason phrase is no header and no body, and a vendor may write into it what it was sent.
#[tokio::test]
async fn a_reason_phrase_ends_here() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = ProxyConfig {
        allow_private: BTreeSet::from([format!("127.0.0.1:{port}")]),
        ..ProxyConfig::default()
    };
    let upstreams = Upstreams::new(&config).unwrap();
    let client = upstreams.client(key(1), &policy(Scheme::Http, "127.0.0.1", port), "");
    let vendor = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await.unwrap();
        socket
            .write_all(b"HTTP/1.1 400 Bad key sk-canary\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        socket
    };
    let asked = send(&client, request("sk-canary", ""), OutgoingBody::Empty, LIMIT);
    let (_socket, response) = tokio::join!(vendor, asked);
    let response = response.unwrap();
    let phrase =
        |response: &Response<AnswerBody>| response.extensions().get::<hyper::ext::ReasonPhrase>().cloned();
    assert!(phrase(&response).is_some(), "hyper keeps it");
    assert_eq!(phrase(&clean(response)), None);
}

/// What waited for a new connection asks again whether it may still be sent.
#[tokio::test]
async fn a_call_that_is_taken_back_while_it_connects_again_is_not_sent() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = ProxyConfig {
        allow_private: BTreeSet::from([format!("127.0.0.1:{port}")]),
        ..ProxyConfig::default()
    };
    let upstreams = Upstreams::new(&config).unwrap();
    let client = upstreams.client(key(1), &policy(Scheme::Http, "127.0.0.1", port), "");
    let vendor = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await.unwrap();
        socket
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .await
            .unwrap();
        socket
    };
    let asked = send(&client, request("k", ""), OutgoingBody::Empty, LIMIT);
    let (socket, response) = tokio::join!(vendor, asked);
    whole(response.unwrap()).await.unwrap();
    // The kept connection is leased, and closes before it takes the request.
    let kept = lease(&client).await.unwrap();
    assert!(kept.is_reused());
    drop(socket);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let sent = super::send(
        (&client, kept),
        request("k", ""),
        OutgoingBody::Empty,
        LIMIT,
        &|| false,
    )
    .await;
    assert!(matches!(sent, Err(ForwardError::Stale)), "{:?}", sent.err());
}

#[tokio::test]
async fn a_connection_serves_again_once_its_answer_is_read() {
    let world = World::plain().await;
    for _ in 0..20 {
        let response = world.get("").await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        whole(response).await.unwrap();
    }
    assert_eq!(world.fake.count(), 20);
    assert!(
        world.fake.connections() <= 2,
        "{} connections",
        world.fake.connections()
    );
}

#[tokio::test]
async fn http2_calls_share_a_connection() {
    let world = World::tls().await;
    let calls = (0..40).map(|_| async { whole(world.get("head-delay-ms=20").await.unwrap()).await.unwrap() });
    for call in futures_join(calls).await {
        assert!(!call.is_empty());
    }
    assert_eq!(world.fake.connections(), 1);
    let last = world.fake.last();
    assert_eq!(last.version, http::Version::HTTP_2);
    assert_eq!(last.header("host"), Some(world.fake.authority().as_str()));
}

#[tokio::test]
async fn beyond_64_calls_another_http2_connection_is_opened() {
    let world = World::tls().await;
    whole(world.get("").await.unwrap()).await.unwrap();
    let calls = (0..100).map(|_| async {
        whole(world.get("head-delay-ms=200").await.unwrap())
            .await
            .unwrap()
    });
    futures_join(calls).await;
    assert_eq!(world.fake.connections(), 2);
}

/// Runs all of `calls` at the same time.
async fn futures_join<F: Future>(calls: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut calls: Vec<_> = calls.map(|call| (Box::pin(call), None)).collect();
    std::future::poll_fn(|cx| {
        let mut all = true;
        for (call, output) in &mut calls {
            if output.is_none() {
                match call.as_mut().poll(cx) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => all = false,
                }
            }
        }
        if all {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    calls.into_iter().filter_map(|(_, output)| output).collect()
}

#[tokio::test]
async fn a_dropped_answer_takes_its_connection_with_it() {
    let world = World::plain().await;
    let mut response = world.get("body-bytes=5000000; chunk-delay-ms=1").await.unwrap();
    assert!(response.body_mut().frame().await.unwrap().is_ok());
    drop(response);
    whole(world.get("").await.unwrap()).await.unwrap();
    assert_eq!(
        world.fake.connections(),
        2,
        "the broken-off one is not used again"
    );
}

#[tokio::test]
async fn credentials_do_not_share_connections() {
    let world = World::plain().await;
    for credential in [1, 2, 1, 2] {
        let client = world.client(credential);
        let response = send(&client, request("k", ""), OutgoingBody::Empty, LIMIT)
            .await
            .unwrap();
        whole(response).await.unwrap();
    }
    let by_connection: Vec<u64> = world.fake.log().iter().map(|entry| entry.connection).collect();
    assert_ne!(by_connection[0], by_connection[1]);
    assert_eq!(by_connection[0], by_connection[2]);
    assert_eq!(by_connection[1], by_connection[3]);
}

#[tokio::test]
async fn a_forgotten_credential_has_no_connection_left() {
    let world = World::plain().await;
    whole(world.get("").await.unwrap()).await.unwrap();
    let running = world.get("chunk-delay-ms=50; body-bytes=3").await.unwrap();
    world.upstreams.forget(key(1).credential);
    whole(running).await.expect("what is under way ends");
    whole(world.get("").await.unwrap()).await.unwrap();
    let log = world.fake.log();
    assert_ne!(log[0].connection, log[2].connection);
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let world = World::plain().await;
    let elsewhere = FakeUpstream::start().await;
    let response = world
        .get(&format!("redirect={}/v1/models", elsewhere.url()))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert!(response.headers().contains_key("location"));
    assert_eq!(elsewhere.count(), 0);
    assert_eq!(world.fake.count(), 1);
}

#[tokio::test]
async fn early_heads_are_skipped() {
    let world = World::plain().await;
    assert_eq!(
        world.get("informational=3").await.unwrap().status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_request_that_may_have_been_taken_is_not_sent_again() {
    let world = World::plain().await;
    whole(world.get("").await.unwrap()).await.unwrap();
    for directives in ["no-head", "garbage"] {
        let before = world.fake.count();
        let error = world.get(directives).await.err().unwrap();
        assert!(
            matches!(error, ForwardError::Broken { .. }),
            "{directives}: {error:?}"
        );
        assert_eq!(world.fake.count(), before + 1, "{directives}");
    }
}

#[tokio::test]
async fn a_late_head_is_a_timeout() {
    let world = World::plain().await;
    let late = send(
        &world.client(1),
        request("k", "head-delay-ms=3000"),
        OutgoingBody::Empty,
        Duration::from_millis(60),
    )
    .await;
    assert!(matches!(late.err().unwrap(), ForwardError::Timeout));
    whole(world.get("").await.unwrap()).await.unwrap();
    let log = world.fake.log();
    assert_ne!(
        log[0].connection, log[1].connection,
        "the connection is not used again"
    );
}

#[tokio::test]
async fn what_cannot_be_reached_was_not_sent() {
    let world = World::plain().await;
    // Bound, so that nobody else is there, and deaf.
    let deaf = tokio::net::TcpSocket::new_v4().unwrap();
    deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = deaf.local_addr().unwrap().port();
    let config = ProxyConfig {
        allow_private: BTreeSet::from([format!("127.0.0.1:{port}")]),
        ..ProxyConfig::default()
    };
    let upstreams = Upstreams::new(&config).unwrap();
    let fake_port = world.fake.addr().port();
    for (name, policy) in [
        ("nobody listens", policy(Scheme::Http, "127.0.0.1", port)),
        ("not listed", policy(Scheme::Http, "127.0.0.1", fake_port)),
        ("a name for it", policy(Scheme::Http, "localhost", fake_port)),
        ("mapped", policy(Scheme::Http, "::ffff:127.0.0.1", fake_port)),
        ("metadata", policy(Scheme::Http, "169.254.169.254", 80)),
        ("no such name", policy(Scheme::Https, "no-such-host.invalid", 443)),
    ] {
        let client = upstreams.client(key(7), &policy, "");
        let error = send(&client, request("k", ""), OutgoingBody::Empty, LIMIT)
            .await
            .err()
            .unwrap();
        upstreams.forget(key(7).credential);
        assert!(matches!(error, ForwardError::NotSent { .. }), "{name}: {error:?}");
    }
    assert_eq!((world.fake.count(), world.fake.connections()), (0, 0));
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_ends_before_the_request() {
    let world = World::tls().await;
    let port = world.fake.addr().port();
    let config = ProxyConfig {
        allow_private: BTreeSet::from([format!("127.0.0.1:{port}")]),
        ..ProxyConfig::default()
    };
    let upstreams = Upstreams::new(&config).unwrap();
    let client = upstreams.client(key(1), &world.policy, "");
    let error = send(&client, request("k", ""), OutgoingBody::Empty, LIMIT)
        .await
        .err()
        .unwrap();
    assert!(matches!(error, ForwardError::NotSent { .. }), "{error:?}");
    assert_eq!(world.fake.count(), 0);
}

#[tokio::test]
async fn an_encoded_answer_is_decoded() {
    for world in [World::plain().await, World::tls().await] {
        let response = clean(world.get("gzip").await.unwrap());
        assert!(!response.headers().contains_key("content-encoding"));
        assert!(!response.headers().contains_key("content-length"));
        let plain = whole(clean(world.get("").await.unwrap())).await.unwrap();
        assert_eq!(whole(response).await.unwrap(), plain);
    }
}

#[tokio::test]
async fn trailers_and_hostile_headers_end_here() {
    let world = World::plain().await;
    let response = clean(world.get("hostile; trailers").await.unwrap());
    for name in [
        "set-cookie",
        "alt-svc",
        "nel",
        "report-to",
        "strict-transport-security",
        "access-control-allow-origin",
        "connection",
    ] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    let collected = response.into_body().collect().await.unwrap();
    assert!(collected.trailers().is_none());
}

#[tokio::test]
async fn a_truncated_answer_is_an_error() {
    for world in [World::plain().await, World::tls().await] {
        let response = world.get("truncate").await.unwrap();
        assert!(whole(response).await.is_err());
    }
}

/// Every request carries its own credential and gets its own answer, whatever is dropped half-way around it.
async fn no_mix_up(world: World) {
    const TENANTS: u128 = 25;
    const REQUESTS: u128 = 1_000;
    for tenant in 0..TENANTS {
        world.fake.expect(Slot::Bearer, secret(tenant));
    }
    let calls = (0..REQUESTS).map(|number| {
        let world = &world;
        async move {
            let tenant = number * 7 % TENANTS;
            tokio::time::sleep(Duration::from_millis((number % 40) as u64 * 10)).await;
            let mut asked = request(&secret(tenant), "");
            asked
                .headers
                .insert("x-tenant", HeaderValue::from(u64::try_from(tenant).unwrap()));
            let aborts = number % 10 < 3;
            if aborts {
                let directive = if number % 2 == 0 {
                    "body-bytes=200000; chunk-delay-ms=1"
                } else {
                    "head-delay-ms=30"
                };
                asked
                    .headers
                    .insert("x-fake", HeaderValue::from_static(directive));
            }
            let client = world.client(tenant);
            let answer = send(&client, asked, OutgoingBody::Empty, LIMIT);
            if aborts {
                if let Ok(Ok(mut response)) = tokio::time::timeout(Duration::from_millis(15), answer).await {
                    drop(response.body_mut().frame().await);
                }
                return;
            }
            let response = answer.await.unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!(response.status(), StatusCode::OK);
            whole(response).await.unwrap();
        }
    });
    futures_join(calls).await;
    let log = world.fake.log();
    assert!(
        log.len() as u128 >= REQUESTS * 7 / 10,
        "{} requests arrived",
        log.len()
    );
    let mut owners = std::collections::HashMap::new();
    for entry in &log {
        let tenant: u128 = entry.header("x-tenant").unwrap().parse().unwrap();
        assert_eq!(entry.credentials.len(), 1);
        assert_eq!(entry.credentials[0].value, secret(tenant));
        assert_eq!(
            *owners.entry(entry.connection).or_insert(tenant),
            tenant,
            "a connection of another tenant"
        );
    }
}

fn secret(tenant: u128) -> String {
    format!("sk-tenant-{tenant:04}-secret")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_credential_is_mixed_up_over_http1() {
    no_mix_up(World::plain().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_credential_is_mixed_up_over_http2() {
    no_mix_up(World::tls().await).await;
}
