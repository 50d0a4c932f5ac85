//! Bytes to a socket and answers back, without an HTTP library between: for requests that no library would send.
//!
//! It reads answers as a strict client does, and says what was left over. It knows nothing of HEAD.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case, values trimmed.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `Null` when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What came back on one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Final answers, in order; 1xx heads are left out.
    pub answers: Vec<Answer>,
    /// Bytes after them that are no whole answer.
    pub rest: Vec<u8>,
    /// The server closed the connection.
    pub closed: bool,
}

/// Sends `bytes` in one write and reads until the server closes or has been silent for `silence`.
///
/// # Panics
///
/// When `addr` does not accept connections.
pub async fn exchange(addr: SocketAddr, bytes: &[u8], silence: Duration) -> Exchange {
    let mut socket = TcpStream::connect(addr)
        .await
        .unwrap_or_else(|error| panic!("{addr}: {error}"));
    // The server may answer and close before it has read everything; what it answered still counts.
    let _ = socket.write_all(bytes).await;
    read(&mut socket, silence).await
}

/// Reads answers from `socket` until the server closes or has been silent for `silence`.
pub async fn read(socket: &mut TcpStream, silence: Duration) -> Exchange {
    read_answers(socket, usize::MAX, silence).await
}

/// As [`read`], and no further than `count` answers: for a connection that stays open.
pub async fn read_answers(socket: &mut TcpStream, count: usize, silence: Duration) -> Exchange {
    let mut received = Vec::new();
    let mut closed = false;
    while !closed && answers(&received).0.len() < count {
        match tokio::time::timeout(silence, socket.read_buf(&mut received)).await {
            Ok(Ok(0) | Err(_)) => closed = true,
            Ok(Ok(_)) => {}
            Err(_) => break,
        }
    }
    let (answers, rest) = answers(&received);
    Exchange {
        answers,
        rest: rest.to_vec(),
        closed,
    }
}

/// The final answers in `bytes`, and what comes after the last whole one.
fn answers(mut bytes: &[u8]) -> (Vec<Answer>, &[u8]) {
    let mut answers = Vec::new();
    while let Some((answer, after)) = split(bytes) {
        if answer.status >= 200 {
            answers.push(answer);
        }
        bytes = after;
    }
    (answers, bytes)
}

/// The first answer in `bytes` and what comes after it; `None` when there is no whole one.
fn split(bytes: &[u8]) -> Option<(Answer, &[u8])> {
    let head_end = memchr::memmem::find(bytes, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..head_end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()?
        .strip_prefix("HTTP/1.")?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    let after = &bytes[head_end + 4..];
    if status < 200 || status == 204 || status == 304 {
        return Some((answer, after));
    }
    if answer.header("transfer-encoding") == Some("chunked") {
        let (body, after) = chunked(after)?;
        answer.body = body;
        return Some((answer, after));
    }
    let length = answer.header("content-length")?.parse().ok()?;
    let (body, after) = after.split_at_checked(length)?;
    answer.body = body.to_vec();
    Some((answer, after))
}

fn chunked(mut bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let line_end = memchr::memmem::find(bytes, b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line_end]).ok()?, 16).ok()?;
        let (chunk, after) = bytes[line_end + 2..].split_at_checked(size)?;
        bytes = after.strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some((body, bytes));
        }
        body.extend_from_slice(chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_split_as_framed() {
        let bytes = b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y \r\n\r\nabHTTP/1.1 404 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nHTTP/1.1 2";
        let (first, rest) = split(bytes).unwrap();
        assert_eq!(first.status, 103);
        let (second, rest) = split(rest).unwrap();
        assert_eq!(
            (second.status, second.body.as_slice(), second.header("x")),
            (200, &b"ab"[..], Some("y"))
        );
        let (third, rest) = split(rest).unwrap();
        assert_eq!((third.status, third.body.as_slice()), (404, &b"abc"[..]));
        assert_eq!(rest, b"HTTP/1.1 2");
        assert!(split(rest).is_none());
    }
}
