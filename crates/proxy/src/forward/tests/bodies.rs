//! Request bodies that stream.

use keystore_core::deny::Malformed;

use super::*;

/// A client's body as a server sees it: `sent` goes over a connection that then closes, or stays open.
async fn client_body(head: &str, sent: &[u8], closes: bool) -> (Incoming, tokio::io::DuplexStream) {
    use tokio::io::AsyncWriteExt as _;
    let (mut near, far) = tokio::io::duplex(256 * 1024);
    let (give, take) = tokio::sync::oneshot::channel();
    let give = std::sync::Mutex::new(Some(give));
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let give = give.lock().unwrap().take();
        async move {
            drop(give.map(|give| give.send(request.into_body())));
            std::future::pending::<Result<Response<String>, std::convert::Infallible>>().await
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(hyper_util::rt::TokioIo::new(far), service);
    tokio_util::task::TaskTracker::new().spawn(connection);
    near.write_all(format!("POST / HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    near.write_all(sent).await.unwrap();
    if closes {
        near.shutdown().await.unwrap();
    }
    (take.await.unwrap(), near)
}

fn upload(method: Method) -> Outgoing {
    Outgoing {
        method,
        path_and_query: PathAndQuery::from_static("/v1/things"),
        ..request("k", "")
    }
}

#[tokio::test]
async fn a_streamed_body_arrives_as_it_is() {
    for world in [World::plain().await, World::tls().await] {
        for method in [Method::POST, Method::GET] {
            let (body, _open) = client_body(
                "transfer-encoding: chunked",
                b"5\r\nhello\r\n6\r\n world\r\n0\r\nx-trailer: 1\r\n\r\n",
                false,
            )
            .await;
            let body = OutgoingBody::Stream {
                body,
                length: None,
                limit: 100,
            };
            whole(send(&world.client(1), upload(method), body, LIMIT).await.unwrap())
                .await
                .unwrap();
            let last = world.fake.last();
            assert_eq!(last.body, "hello world");
            assert_eq!(last.header("x-trailer"), None);
        }
        let (body, _open) = client_body("content-length: 11", b"hello world", false).await;
        let mut asked = upload(Method::POST);
        asked.headers.insert("content-length", HeaderValue::from(11));
        whole(
            send(
                &world.client(1),
                asked,
                OutgoingBody::Stream {
                    body,
                    length: Some(11),
                    limit: 11,
                },
                LIMIT,
            )
            .await
            .unwrap(),
        )
        .await
        .unwrap();
        assert_eq!(world.fake.last().body, "hello world");
        assert_eq!(world.fake.last().header("content-length"), Some("11"));
    }
}

#[tokio::test]
async fn a_body_that_fails_aborts_the_upstream_request() {
    for world in [World::plain().await, World::tls().await] {
        for (sent, closes, deny) in [
            (
                &b"20\r\n0123456789abcdef0123456789abcdef\r\n"[..],
                false,
                Deny::BodyTooLarge { limit_bytes: 16 },
            ),
            (b"5\r\nhel", true, Deny::Malformed(Malformed::Body)),
            (b"5\r\nhello\r\nzz\r\n", false, Deny::Malformed(Malformed::Body)),
        ] {
            let (body, _open) = client_body("transfer-encoding: chunked", sent, closes).await;
            let body = OutgoingBody::Stream {
                body,
                length: None,
                limit: 16,
            };
            let error = send(&world.client(1), upload(Method::POST), body, LIMIT)
                .await
                .err()
                .unwrap();
            assert!(
                matches!(&error, ForwardError::RequestBody(reason) if *reason == deny),
                "{error:?}"
            );
        }
        assert_eq!(world.fake.count(), 0, "no whole request arrived");
    }
}

#[tokio::test]
async fn a_slow_upload_is_no_timeout_as_long_as_it_moves() {
    use tokio::io::AsyncWriteExt as _;
    let world = World::plain().await;
    let (body, mut open) = client_body("content-length: 6", b"", false).await;
    let mut asked = upload(Method::POST);
    asked.headers.insert("content-length", HeaderValue::from(6));
    let client = world.client(1);
    let sending = send(
        &client,
        asked,
        OutgoingBody::Stream {
            body,
            length: Some(6),
            limit: 6,
        },
        Duration::from_millis(750),
    );
    let writing = async {
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            open.write_all(b"x").await.unwrap();
        }
    };
    let (answer, ()) = tokio::join!(sending, writing);
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
}
