//! Taking single events out of a stream that is otherwise passed on as it comes.
//!
//! A byte is held back only while the event it belongs to has not ended and may still be one to hide; all bytes of an
//! ended event, and of one that cannot be hidden any more, are forwarded in the call that brought them. Only OpenAI's extra
//! usage chunk is ever hidden, and its `choices` are empty: an event stops being a candidate when its choices turn out not
//! to be, or when it is larger than such a chunk can be.

use bytes::Bytes;
use memchr::memmem;

use super::{Event, Scanner};

/// No usage chunk is larger.
const MAX_HELD_BYTES: usize = 64 << 10;

/// What to forward, in order: mostly the very chunk that came.
#[derive(Debug, Default)]
pub struct Forward {
    first: Option<Bytes>,
    rest: std::vec::IntoIter<Bytes>,
}

impl From<Bytes> for Forward {
    fn from(chunk: Bytes) -> Self {
        Self {
            first: Some(chunk),
            rest: Vec::new().into_iter(),
        }
    }
}

impl From<Vec<Bytes>> for Forward {
    fn from(pieces: Vec<Bytes>) -> Self {
        Self {
            first: None,
            rest: pieces.into_iter(),
        }
    }
}

impl Iterator for Forward {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.first.take().or_else(|| self.rest.next())
    }
}

/// A stream's scanner, with what it holds back.
#[derive(Debug, Default)]
pub struct Hide {
    scanner: Scanner,
    /// The beginning of an event that has not ended.
    held: Vec<Bytes>,
    choices: Choices,
    /// The event that has not ended is being forwarded already.
    released: bool,
    /// The hidden event's last byte was a carriage return: a line feed is hidden too.
    after_hidden_return: bool,
}

impl Hide {
    /// Takes a chunk and says what to forward now. `hidden` sees every event and says whether it is to be hidden.
    pub fn push(&mut self, chunk: &Bytes, mut hidden: impl FnMut(Event<'_>) -> bool) -> Forward {
        let line_end = usize::from(self.scanner.continues_line_end(chunk));
        let mut pieces = Vec::new();
        let mut forward_from = if self.after_hidden_return { line_end } else { 0 };
        let between_events = self.held.is_empty() && !self.released;
        let mut event_from = if between_events { line_end } else { 0 };
        if !chunk.is_empty() {
            self.after_hidden_return = false;
        }
        let Self {
            scanner,
            held,
            released,
            after_hidden_return,
            ..
        } = self;
        scanner.push(chunk, |event, end| {
            let hide = hidden(event) && !*released;
            *released = false;
            if hide {
                held.clear();
                pieces.push(chunk.slice(forward_from..event_from));
                forward_from = end;
                *after_hidden_return = end == chunk.len() && chunk[end - 1] == b'\r';
            } else {
                pieces.append(held);
            }
            event_from = end;
        });
        if pieces.is_empty() && self.held.is_empty() && event_from == chunk.len() && forward_from == 0 {
            return Forward::from(chunk.clone());
        }
        pieces.push(chunk.slice(forward_from..event_from.max(forward_from)));
        self.hold(chunk.slice(event_from..), &mut pieces);
        pieces.retain(|piece| !piece.is_empty());
        Forward::from(pieces)
    }

    /// At the end of the stream: what is still held, if it is not hidden.
    pub fn end(&mut self, mut hidden: impl FnMut(Event<'_>) -> bool) -> Option<Bytes> {
        let mut hide = false;
        self.scanner.end(|event| hide = hidden(event));
        let held = std::mem::take(&mut self.held).concat();
        (!hide && !held.is_empty()).then(|| Bytes::from(held))
    }

    /// Keeps the beginning of an event, or lets it go if it cannot be hidden.
    fn hold(&mut self, tail: Bytes, pieces: &mut Vec<Bytes>) {
        if tail.is_empty() {
            return;
        }
        if self.released {
            pieces.push(tail);
            return;
        }
        if self.held.is_empty() {
            self.choices = Choices::default();
        }
        self.choices.read(&tail);
        self.held.push(tail);
        if self.choices.text.len() > MAX_HELD_BYTES || self.choices.are_there() {
            self.released = true;
            pieces.append(&mut self.held);
        }
    }
}

/// Looks for choices in the beginning of an event, as it comes, and no byte twice.
#[derive(Debug, Default)]
struct Choices {
    text: Vec<u8>,
    /// The member does not begin before this; once it was found, nothing but white space stands between it and this.
    from: usize,
    found: bool,
}

impl Choices {
    const MEMBER: &[u8] = b"\"choices\":[";

    fn read(&mut self, more: &[u8]) {
        self.text.extend_from_slice(more);
        if !self.found {
            let rest = &self.text[self.from..];
            match memmem::find(rest, Self::MEMBER) {
                Some(at) => {
                    self.from += at + Self::MEMBER.len();
                    self.found = true;
                }
                // It may have begun with the last bytes.
                None => self.from += (rest.len() + 1).saturating_sub(Self::MEMBER.len()),
            }
        }
        if self.found {
            let rest = self.text[self.from..].iter();
            self.from += rest.take_while(|byte| byte.is_ascii_whitespace()).count();
        }
    }

    /// Whether they are there, and not empty.
    fn are_there(&self) -> bool {
        self.found && self.text.get(self.from).is_some_and(|byte| *byte != b']')
    }
}
