//! Server-sent events (WHATWG HTML, section 9.2), as far as our own server sends them.

use reqwest::Response;

/// More than this in one event is not from our server.
const LARGEST_EVENT_BYTES: usize = 1 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name.
    pub(crate) name: String,
    /// Its data, lines joined.
    pub(crate) data: String,
    /// What to resume after.
    pub(crate) id: Option<String>,
}

/// The events of one answer.
pub(crate) struct Events {
    response: Response,
    scanner: Scanner,
}

impl Events {
    pub(super) fn new(response: Response) -> Self {
        Self {
            response,
            scanner: Scanner::default(),
        }
    }

    /// The next event; `None` when the stream ended.
    ///
    /// # Errors
    /// The connection failed, or an event is too large.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            if let Some(event) = self.scanner.take() {
                return Ok(Some(event));
            }
            match self.response.chunk().await? {
                Some(bytes) => self.scanner.push(&bytes),
                None => return Ok(None),
            }
            anyhow::ensure!(
                self.scanner.rest.len() <= LARGEST_EVENT_BYTES,
                "an event of the stream is too large"
            );
        }
    }
}

/// Finds events in bytes as they come.
#[derive(Default)]
struct Scanner {
    rest: Vec<u8>,
}

impl Scanner {
    fn push(&mut self, bytes: &[u8]) {
        self.rest.extend(bytes.iter().filter(|byte| **byte != b'\r'));
    }

    /// The next whole event that carries data; comments and heartbeats are passed over.
    fn take(&mut self) -> Option<Event> {
        loop {
            let end = self.rest.windows(2).position(|pair| pair == b"\n\n")?;
            let block: Vec<u8> = self.rest.drain(..end + 2).collect();
            let event = parse(&String::from_utf8_lossy(&block));
            if !event.data.is_empty() {
                return Some(event);
            }
        }
    }
}

fn parse(block: &str) -> Event {
    let mut event = Event::default();
    let mut data = Vec::new();
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => event.name = value.to_owned(),
            "data" => data.push(value),
            "id" => event.id = Some(value.to_owned()),
            _ => {}
        }
    }
    event.data = data.join("\n");
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_however_the_bytes_are_cut() {
        let text = ": hello\n\nevent: request\nid: 7\ndata: {\"a\":1}\n\ndata: x\r\ndata: y\r\n\r\nevent: request\nda";
        for size in 1..text.len() {
            let mut scanner = Scanner::default();
            let mut found = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                scanner.push(piece);
                found.extend(std::iter::from_fn(|| scanner.take()));
            }
            assert_eq!(
                found,
                [
                    Event {
                        name: "request".into(),
                        data: "{\"a\":1}".into(),
                        id: Some("7".into())
                    },
                    Event {
                        name: String::new(),
                        data: "x\ny".into(),
                        id: None
                    },
                ],
                "{size}"
            );
        }
    }
}
