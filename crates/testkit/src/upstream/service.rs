//! One request at a fake upstream: read, judged, logged, then answered as its behaviour says.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::json;

use super::answer::Answer;
use super::behaviour::{self, Behaviour};
use super::credential::{self, Credential};
use super::log::{Received, Sent};
use super::socket::Lever;
use super::vendors::{self, Call, Reply};
use super::{Shared, fixed, leak};

/// Headers that a proxy must not pass on, or must not believe.
const HOSTILE: [(&str, &str); 12] = [
    ("set-cookie", "session=hostile; Path=/"),
    ("set-cookie2", "session=hostile"),
    ("alt-svc", "h3=\"evil.example:443\"; ma=86400"),
    ("nel", "{\"report_to\":\"x\",\"max_age\":1}"),
    ("report-to", "{\"group\":\"x\",\"endpoints\":[]}"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ("access-control-allow-origin", "*"),
    ("access-control-allow-credentials", "true"),
    ("x-keystore-request-id", "req_forged"),
    ("x-keystore-error", "forged"),
    ("openai-organization", "org-real"),
    ("x-hop", "named by connection"),
];

pub(super) async fn serve(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    lever: Arc<Lever>,
    connection: u64,
) -> io::Result<Response<Answer>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    if shared.fixed {
        return Ok(fixed::answer(&body));
    }
    let chosen = behaviour_of(&head.headers, &shared);
    let behaviour = chosen.as_ref().cloned().unwrap_or_default();
    let credentials = credential::find(&head.headers, head.uri.query());
    let call = Call {
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        body: &body,
        key: credentials
            .first()
            .map_or("", |credential| credential.value.as_str()),
        behaviour: &behaviour,
        dialect: shared.dialect,
        index: shared.answers.fetch_add(1, Ordering::AcqRel),
    };
    let tells = matches!(&chosen, Ok(told) if told.status.is_none());
    let token = tells.then(|| shared.answer_with_token(&head, &body)).flatten();
    let reply = match chosen {
        Err(directive) => refuse_directive(&directive),
        Ok(_) if token.is_some() => token.unwrap_or_else(|| plain_or_told(&head, &call)),
        Ok(_) if !shared.gives_tokens_at(call.path) && !is_expected(&credentials, &shared) => {
            let behaviour = Behaviour {
                status: Some(401),
                ..Behaviour::default()
            };
            vendors::answer(&Call {
                behaviour: &behaviour,
                ..call
            })
        }
        Ok(told) => {
            let kept = told.status.is_none().then(|| {
                let keys = shared.answer_of_keys(&call);
                keys.or_else(|| shared.payments().answer(&head.headers, &call))
            });
            kept.flatten().unwrap_or_else(|| plain_or_told(&head, &call))
        }
    };
    let version = head.version;
    let received = received(head, body.clone(), credentials, reply.tokens, connection, &shared);
    let index = shared.log.arrived(received);
    let gate = shared.gate().clone();
    if let Some(gate) = gate
        && let Ok(permit) = gate.acquire().await
    {
        permit.forget();
    }
    if !behaviour.head_delay.is_zero() {
        tokio::time::sleep(behaviour.head_delay).await;
    }
    if behaviour.no_head {
        shared.log.answered(index, |entry| entry.sent.ended = true);
        lever.cut();
        return Err(io::Error::other("told to give no answer"));
    }
    let response = respond(reply, &behaviour, &lever, version);
    shared
        .log
        .answered(index, |entry| entry.sent.status = response.status().as_u16());
    Ok(response.map(|body| body.recorded(&shared.log, index)))
}

/// What `x-fake` says, else the next of the script, else nothing.
fn behaviour_of(headers: &HeaderMap, shared: &Shared) -> Result<Behaviour, String> {
    match headers.get(behaviour::HEADER) {
        Some(value) => Behaviour::parse(&String::from_utf8_lossy(value.as_bytes())),
        None => Ok(shared.next_scripted().unwrap_or_default()),
    }
}

fn refuse_directive(directive: &str) -> Reply {
    let call_for_help = json!({"fake": format!("unknown directive `{directive}` in x-fake")});
    Reply {
        status: StatusCode::NOT_IMPLEMENTED,
        headers: HeaderMap::new(),
        pieces: [Bytes::from(call_for_help.to_string())].into(),
        streamed: false,
        tokens: (0, 0),
    }
}

/// With expectations: one of them, and nothing else in any slot. An empty Basic password is nothing.
fn is_expected(credentials: &[Credential], shared: &Shared) -> bool {
    let expected = shared.expected();
    let mut found = credentials
        .iter()
        .filter(|credential| !credential.value.is_empty());
    expected.is_empty()
        || (found.next().is_some_and(|first| expected.contains(first))
            && found.all(|other| expected.contains(other)))
}

fn received(
    head: Parts,
    body: Bytes,
    credentials: Vec<Credential>,
    tokens: (u64, u64),
    connection: u64,
    shared: &Shared,
) -> Received {
    let target = head
        .uri
        .path_and_query()
        .map_or("*", |target| target.as_str())
        .to_owned();
    let mut headers = head.headers;
    if let Some(authority) = head.uri.authority()
        && !headers.contains_key(HOST)
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        headers.insert(HOST, host);
    }
    Received {
        index: 0,
        at: shared.log.elapsed(),
        connection,
        version: head.version,
        method: head.method,
        target,
        headers,
        body,
        credentials,
        tokens,
        sent: Sent::default(),
    }
}

/// The vendor's answer, or one of the answers that a behaviour puts in its place.
fn plain_or_told(head: &Parts, call: &Call<'_>) -> Reply {
    let behaviour = call.behaviour;
    let told = |status: StatusCode, kind: &str, body: String| {
        let mut reply = Reply {
            status,
            headers: HeaderMap::new(),
            pieces: [Bytes::from(body)].into(),
            streamed: false,
            tokens: (0, 0),
        };
        reply.header("content-type", kind);
        reply
    };
    if let Some(place) = &behaviour.redirect {
        let mut reply = told(StatusCode::TEMPORARY_REDIRECT, "text/plain", String::new());
        if let Ok(place) = HeaderValue::from_str(place) {
            reply.headers.insert(LOCATION, place);
        }
        return reply;
    }
    if behaviour.html {
        let page = "<!doctype html><script>alert(document.domain)</script>".to_owned();
        return told(StatusCode::OK, "text/html; charset=utf-8", page);
    }
    if behaviour.echo {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers: Vec<_> = head
            .headers
            .iter()
            .map(|(name, value)| json!([name.as_str(), text(value)]))
            .collect();
        let body = json!({"target": head.uri.to_string(), "headers": headers});
        return told(StatusCode::OK, "application/json", body.to_string());
    }
    if let Some(length) = behaviour.leak_bytes {
        let mut reply = told(StatusCode::OK, "application/octet-stream", String::new());
        reply.pieces = leak::body(call.key, length);
        reply.streamed = true;
        return reply;
    }
    vendors::answer(call)
}

fn respond(
    mut reply: Reply,
    behaviour: &Behaviour,
    lever: &Arc<Lever>,
    version: Version,
) -> Response<Answer> {
    if behaviour.gzip {
        let whole: Vec<u8> = reply.pieces.iter().flatten().copied().collect();
        reply.pieces = VecDeque::from([Bytes::from(gzip(&whole))]);
        reply
            .headers
            .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if behaviour.hostile {
        for (name, value) in HOSTILE {
            reply
                .headers
                .append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        reply
            .headers
            .append(CONNECTION, HeaderValue::from_static("x-hop"));
    }
    if behaviour.close {
        reply
            .headers
            .append(CONNECTION, HeaderValue::from_static("close"));
    }
    if version != Version::HTTP_2 {
        for _ in 0..behaviour.informational {
            lever.write_ahead(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n");
        }
        if behaviour.garbage {
            lever.write_ahead(b"\x15\x03\x01\x00\x02 this is not HTTP\r\n\r\n");
            lever.cut();
        }
    }
    let body = match behaviour.body_bytes {
        Some(bytes) => Answer::filler(bytes),
        None => Answer::pieces(reply.pieces, reply.streamed),
    };
    let mut response = Response::new(body.behave(behaviour, lever));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    if behaviour.body_bytes.is_some() {
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    }
    response
}

/// A gzip member (RFC 1952) of stored blocks (RFC 1951, 3.2.4): right, and in need of no library.
fn gzip(data: &[u8]) -> Vec<u8> {
    const MOST: usize = 0xffff;
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let blocks = data.len().div_ceil(MOST).max(1);
    for number in 0..blocks {
        let block = &data[number * MOST..data.len().min((number + 1) * MOST)];
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(number + 1 == blocks));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&crc32(data).to_le_bytes());
    out.extend_from_slice(&u32::try_from(data.len() & 0xffff_ffff).unwrap_or(0).to_le_bytes());
    out
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32_is_the_one_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn gzip_has_its_frame() {
        let data = vec![b'a'; 70_000];
        let packed = gzip(&data);
        assert_eq!(packed[..3], [0x1f, 0x8b, 8]);
        assert_eq!(packed.len(), 10 + 2 * 5 + 70_000 + 8);
        assert_eq!(packed[10], 0);
        assert_eq!(packed[10 + 5 + 0xffff], 1);
        assert_eq!(packed[packed.len() - 4..], 70_000_u32.to_le_bytes());
    }
}
