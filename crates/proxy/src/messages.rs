//! Messages of the control plane to addresses that customers name: webhooks.
//!
//! They pass the same guard as calls of providers: every address of the name is checked, one of those is dialled, no redirect is
//! followed, and no proxy of the environment is used. They carry no credential, are no attempts, and share no connection: each has its
//! own, and of the answer little is read.

use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, Response};
use http_body_util::BodyExt as _;
use keystore_core::destination::Destination;
use tokio::time::{Instant, timeout, timeout_at};

use crate::Proxy;
use crate::answer::AnswerBody;
use crate::forward::{self, ForwardError, OutgoingBody};
use crate::inject::Outgoing;
use crate::upstream::Upstreams;

/// How long the body of an answer is read once its head is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// A message.
#[derive(Debug, Clone)]
pub struct Message {
    /// The host.
    pub to: Destination,
    /// Where there.
    pub path_and_query: PathAndQuery,
    /// Every header but `host`.
    pub headers: HeaderMap,
    /// What is posted.
    pub body: Bytes,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The status.
    pub status: u16,
    /// When it wants to be asked again, as it says so (`retry-after`).
    pub retry_after: Option<String>,
    /// How the answer began.
    pub excerpt: Vec<u8>,
}

impl Proxy {
    /// Posts a message, once, and gives what came back, if its head came within `limit`: of the answer at most `most` bytes are read, for
    /// a moment.
    ///
    /// # Errors
    ///
    /// Why there is no answer, in words that are safe to show. The message may have been taken all the same.
    pub async fn post(&self, message: Message, most: usize, limit: Duration) -> Result<Receipt, String> {
        let answer = send(&self.upstreams, message, limit).await?;
        Ok(Receipt {
            status: answer.status().as_u16(),
            retry_after: text_of(answer.headers(), &RETRY_AFTER),
            excerpt: excerpt(answer.into_body(), most).await,
        })
    }
}

fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

async fn send(
    upstreams: &Upstreams,
    message: Message,
    limit: Duration,
) -> Result<Response<AnswerBody>, String> {
    let client = upstreams.client_once(&message.to);
    let request = Outgoing {
        method: Method::POST,
        path_and_query: message.path_and_query,
        headers: message.headers,
    };
    let body = OutgoingBody::Full(message.body);
    match timeout(limit, forward::message(&client, request, body, limit)).await {
        Ok(answer) => answer.map_err(|error| reason(&error)),
        Err(_) => Err(reason(&ForwardError::Timeout)),
    }
}

fn reason(error: &ForwardError) -> String {
    match error {
        ForwardError::NotSent { reason, .. } | ForwardError::Broken { reason } => reason.clone(),
        ForwardError::Timeout => "no answer in time".to_owned(),
        ForwardError::RequestBody(_) | ForwardError::Stale => error.to_string(),
    }
}

/// The first bytes of a body. What breaks off, or is slow, has said enough with its status.
async fn excerpt(mut body: AnswerBody, most: usize) -> Vec<u8> {
    let (mut read, until) = (Vec::new(), Instant::now() + PATIENCE);
    while read.len() < most {
        let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await else {
            break;
        };
        if let Some(data) = frame.data_ref() {
            read.extend_from_slice(&data[..data.len().min(most - read.len())]);
        }
    }
    read
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a server that ends with its test")]
mod tests {
    use std::collections::BTreeSet;

    use keystore_core::destination::Scheme;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::ProxyConfig;

    const LIMIT: Duration = Duration::from_secs(5);

    async fn post(
        allowed: &[&str],
        (host, port): (&str, u16),
        limit: Duration,
    ) -> Result<Response<AnswerBody>, String> {
        let allowed: BTreeSet<String> = allowed.iter().map(|entry| format!("{entry}:{port}")).collect();
        let config = ProxyConfig {
            allow_private: allowed,
            ..ProxyConfig::default()
        };
        let upstreams = Upstreams::new(&config).unwrap();
        let to = Destination {
            alias: String::new(),
            scheme: Scheme::Http,
            host: host.to_owned(),
            port,
            base_path: String::new(),
        };
        let message = Message {
            to,
            path_and_query: PathAndQuery::from_static("/hook"),
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"{}"),
        };
        send(&upstreams, message, limit).await
    }

    /// A server that says this, in these pieces, and then nothing more.
    async fn server(pieces: Vec<&'static str>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = socket.read(&mut request).await.unwrap();
            for piece in pieces {
                socket.write_all(piece.as_bytes()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            std::future::pending::<()>().await;
        });
        port
    }

    #[tokio::test]
    async fn a_private_address_is_dialled_only_where_it_is_listed_under_any_name() {
        let port = server(vec!["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]).await;
        for host in ["127.0.0.1", "localhost", "169.254.169.254", "::1", "0.0.0.0"] {
            let refused = post(&[], (host, port), LIMIT).await.err().unwrap();
            assert_eq!(
                refused,
                format!("{host} is at an address that may not be dialled")
            );
        }
        let refused = post(&["127.0.0.1"], ("localhost", port), LIMIT).await;
        assert!(refused.is_err(), "the name is not listed");
        let answer = post(&["127.0.0.1"], ("127.0.0.1", port), LIMIT).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(excerpt(answer.into_body(), 1).await, b"o");
    }

    #[tokio::test]
    async fn a_server_that_is_silent_has_its_time_and_one_that_dawdles_has_said_enough() {
        let port = server(vec![]).await;
        let silent = post(&["127.0.0.1"], ("127.0.0.1", port), Duration::from_millis(100));
        assert_eq!(silent.await.err().unwrap(), "no answer in time");
        let port = server(vec!["HTTP/1.1 202 OK\r\ncontent-length: 20\r\n\r\nbe", "gun"]).await;
        let answer = post(&["127.0.0.1"], ("127.0.0.1", port), LIMIT).await.unwrap();
        assert_eq!(answer.status(), 202);
        assert_eq!(excerpt(answer.into_body(), 1_000).await, b"begun");
    }
}
