//! A closed-loop load on loopback: each connection sends its next request when it has read the answer to the last one.
//!
//! It speaks just enough HTTP/1.1 to cost little itself: one prebuilt request, answers with a `content-length` or in chunks. It
//! checks every status and that every answer is as long as the first one, so that an error cannot pass for speed.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 1 << 20;
/// The longest that one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is sent, where to, and how often.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where to; must be loopback.
    pub addr: SocketAddr,
    /// The path of the request.
    pub path: String,
    /// The bearer token or key.
    pub bearer: String,
    /// Whether the answer is asked for as a stream.
    pub stream: bool,
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// Requests in all.
    pub requests: usize,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Requests answered.
    pub requests: usize,
    /// From the first request to the last answer, in seconds.
    pub seconds: f64,
    /// Answers a second.
    pub per_second: f64,
    /// From the first byte of the request to the last of the answer, in microseconds.
    pub p50_us: f64,
    /// The same.
    pub p99_us: f64,
    /// From the first byte of the request to the first of the answer's body, in microseconds.
    pub first_byte_p50_us: f64,
    /// The same.
    pub first_byte_p99_us: f64,
}

struct Sample {
    first_byte: Duration,
    whole: Duration,
}

impl Load {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// A connection fails, an answer is not 200 or differs in length from the others.
    pub async fn run(&self) -> anyhow::Result<Outcome> {
        ensure!(self.addr.ip().is_loopback(), "{} is not loopback", self.addr);
        ensure!(
            self.connections > 0 && self.requests >= self.connections,
            "at least one request a connection"
        );
        let request = self.request();
        let share = self.requests / self.connections;
        let begin = Instant::now();
        let tasks = TaskTracker::new();
        let clients: Vec<_> = (0..self.connections)
            .map(|_| tasks.spawn(client(self.addr, request.clone(), share)))
            .collect();
        let mut samples = Vec::with_capacity(self.requests);
        let mut length = None;
        for client in clients {
            let (of_client, length_of_client) = client.await??;
            ensure!(
                *length.get_or_insert(length_of_client) == length_of_client,
                "answers differ in length"
            );
            samples.extend(of_client);
        }
        Ok(outcome(&samples, begin.elapsed()))
    }

    /// About 1 KB of a chat completion, as an SDK sends it.
    fn request(&self) -> Vec<u8> {
        let body = body(self.stream);
        let Self {
            addr, path, bearer, ..
        } = self;
        format!(
            "POST {path} HTTP/1.1\r\nhost: {addr}\r\naccept: application/json\r\ncontent-type: application/json\r\nuser-agent: \
             OpenAI/Python 2.7.1\r\nx-stainless-lang: python\r\nx-stainless-package-version: 2.7.1\r\nauthorization: Bearer \
             {bearer}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

/// The body of the request.
pub fn body(stream: bool) -> String {
    let text = "Summarise the following paragraph in one sentence, and name its author. ".repeat(11);
    let options = if stream {
        r#""stream":true,"stream_options":{"include_usage":true},"#
    } else {
        ""
    };
    format!(
        r#"{{"model":"gpt-4o-mini",{options}"temperature":0.2,"max_tokens":256,"messages":[{{"role":"system","content":"You are terse."}},{{"role":"user","content":"{text}"}}]}}"#
    )
}

async fn client(addr: SocketAddr, request: Vec<u8>, share: usize) -> anyhow::Result<(Vec<Sample>, usize)> {
    let mut socket = TcpStream::connect(addr).await?;
    socket.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(64 << 10);
    let mut samples = Vec::with_capacity(share);
    let mut length = None;
    for _ in 0..share {
        let exchange = exchange(&mut socket, &request, &mut buffer);
        let (sample, of_body) = tokio::time::timeout(PATIENCE, exchange)
            .await
            .context("no answer in time")??;
        ensure!(
            *length.get_or_insert(of_body) == of_body,
            "answers differ in length"
        );
        samples.push(sample);
    }
    Ok((samples, length.unwrap_or(0)))
}

/// One request and its answer; gives the length of the body without the framing of chunks.
async fn exchange(
    socket: &mut TcpStream,
    request: &[u8],
    buffer: &mut Vec<u8>,
) -> anyhow::Result<(Sample, usize)> {
    buffer.clear();
    let sent = Instant::now();
    socket.write_all(request).await?;
    let mut head = None;
    let mut first_byte = None;
    loop {
        if socket.read_buf(buffer).await? == 0 {
            bail!("the connection was closed within an answer");
        }
        ensure!(buffer.len() <= MAX_ANSWER, "an endless answer");
        let Some(head) = (match head {
            Some(head) => Some(head),
            None => {
                head = Head::parse(buffer)?;
                head
            }
        }) else {
            continue;
        };
        if buffer.len() > head.end && first_byte.is_none() {
            first_byte = Some(sent.elapsed());
        }
        if let Some(body) = head.body(buffer) {
            let whole = sent.elapsed();
            let first_byte = first_byte.unwrap_or(whole);
            return Ok((Sample { first_byte, whole }, body));
        }
    }
}

#[derive(Clone, Copy)]
struct Head {
    end: usize,
    /// `None` for a body in chunks.
    length: Option<usize>,
}

impl Head {
    /// The head at the begin of `buffer`, once it is whole.
    fn parse(buffer: &[u8]) -> anyhow::Result<Option<Self>> {
        let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&buffer[..end])?;
        ensure!(
            text.get(9..12) == Some("200"),
            "not 200: {}",
            String::from_utf8_lossy(buffer)
        );
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse())
        });
        Ok(Some(Self {
            end: end + 4,
            length: length.transpose()?,
        }))
    }

    /// The length of the body, once it is whole.
    fn body(&self, buffer: &[u8]) -> Option<usize> {
        let body = &buffer[self.end..];
        match self.length {
            Some(length) => (body.len() >= length).then_some(length),
            None => body.ends_with(b"\r\n0\r\n\r\n").then(|| unchunked(body)),
        }
    }
}

/// The bytes in the chunks of a whole body.
fn unchunked(mut body: &[u8]) -> usize {
    let mut length = 0;
    while let Some(line) = memchr::memmem::find(body, b"\r\n") {
        let size = std::str::from_utf8(&body[..line])
            .ok()
            .and_then(|size| usize::from_str_radix(size, 16).ok())
            .unwrap_or(0);
        length += size;
        body = body.get(line + 2 + size + 2..).unwrap_or_default();
    }
    length
}

fn outcome(samples: &[Sample], elapsed: Duration) -> Outcome {
    let quantiles = |of: fn(&Sample) -> Duration| {
        let mut micros: Vec<f64> = samples
            .iter()
            .map(|sample| of(sample).as_secs_f64() * 1e6)
            .collect();
        micros.sort_by(f64::total_cmp);
        let at = |share: usize| micros[(micros.len() * share / 100).min(micros.len() - 1)];
        (at(50), at(99))
    };
    let (p50_us, p99_us) = quantiles(|sample| sample.whole);
    let (first_byte_p50_us, first_byte_p99_us) = quantiles(|sample| sample.first_byte);
    Outcome {
        requests: samples.len(),
        seconds: elapsed.as_secs_f64(),
        per_second: samples.len() as f64 / elapsed.as_secs_f64(),
        p50_us,
        p99_us,
        first_byte_p50_us,
        first_byte_p99_us,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_framing_says() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        let head = Head::parse(whole).unwrap().unwrap();
        assert_eq!(head.body(whole), Some(3));
        assert_eq!(head.body(&whole[..whole.len() - 1]), None);
        let chunks =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n";
        let head = Head::parse(chunks).unwrap().unwrap();
        assert_eq!(head.body(chunks), Some(13));
        assert_eq!(head.body(&chunks[..chunks.len() - 2]), None);
        assert!(Head::parse(b"HTTP/1.1 402 No\r\n\r\n").is_err());
    }

    #[test]
    fn the_request_is_about_one_kilobyte_of_json() {
        for stream in [false, true] {
            let body = body(stream);
            assert!((900..1_100).contains(&body.len()), "{}", body.len());
            assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok());
        }
    }
}
