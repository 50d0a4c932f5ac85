//! Server-sent events (WHATWG HTML, 9.2 "Server-sent events") as bytes: a scanner over chunks with arbitrary borders.
//!
//! Each byte is looked at once. What an event says is given as a slice of the chunk; only what lies across a border between
//! chunks is copied. It does not interpret what events say, and it changes nothing.

mod hide;

use std::ops::Range;

pub use hide::{Forward, Hide};

/// An event that is larger is passed over: its data is not given to anybody.
const MAX_EVENT_BYTES: usize = 8 << 20;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// What ends with a blank line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event` field; empty without one.
    pub name: &'a [u8],
    /// The `data` field, its lines joined by line feeds; empty without one, and for an event that is too large.
    pub data: &'a [u8],
}

/// The state between chunks.
#[derive(Debug, Default)]
pub struct Scanner {
    /// The beginning of a line that has not ended.
    line: Vec<u8>,
    name: Vec<u8>,
    /// What was copied of the event's data.
    data: Vec<u8>,
    /// How many data lines there were before this chunk, or were copied since.
    copied_lines: usize,
    too_large: bool,
    /// The last byte of the last chunk was a carriage return: a line feed belongs to it.
    after_return: bool,
    /// A byte order mark can only be before this.
    begun: bool,
}

impl Scanner {
    /// Whether the chunk's first byte belongs to the line that the last chunk ended with.
    pub fn continues_line_end(&self, chunk: &[u8]) -> bool {
        self.after_return && chunk.first() == Some(&b'\n')
    }

    /// Looks at the next chunk. `on_event` is called at every blank line with what ended there, which may be nothing, and
    /// with the place in the chunk behind the blank line.
    pub fn push(&mut self, chunk: &[u8], mut on_event: impl FnMut(Event<'_>, usize)) {
        let mut from = usize::from(self.continues_line_end(chunk));
        if !chunk.is_empty() {
            self.after_return = false;
        }
        // The event's only data line, as long as it lies in this chunk.
        let mut data: Option<Range<usize>> = None;
        for end in memchr::memchr2_iter(b'\n', b'\r', chunk) {
            if end < from {
                continue;
            }
            let next = self.behind_line_end(chunk, end);
            if self.line.is_empty() {
                let line = from..end;
                if self.blank_line(&chunk[line.clone()]) {
                    let data = data.take().map(|place| &chunk[place]);
                    self.end_event(data, next, &mut on_event);
                } else {
                    self.line_in_chunk(chunk, line, &mut data);
                }
            } else {
                self.keep(&chunk[from..end]);
                self.copied_line();
            }
            from = next;
        }
        if let Some(place) = data {
            self.copy_data(&chunk[place]);
        }
        self.keep(&chunk[from.min(chunk.len())..]);
    }

    /// At the end of the stream: an event that no blank line ended. Browsers drop it; a meter need not.
    pub fn end(&mut self, mut on_event: impl FnMut(Event<'_>)) {
        if !self.line.is_empty() {
            self.copied_line();
        }
        self.end_event(None, 0, &mut |event, _| on_event(event));
    }

    fn behind_line_end(&mut self, chunk: &[u8], end: usize) -> usize {
        if chunk[end] == b'\n' {
            return end + 1;
        }
        match chunk.get(end + 1) {
            Some(b'\n') => end + 2,
            Some(_) => end + 1,
            None => {
                self.after_return = true;
                end + 1
            }
        }
    }

    fn blank_line(&mut self, line: &[u8]) -> bool {
        line.is_empty() || (!self.begun && line == BOM)
    }

    fn line_in_chunk(&mut self, chunk: &[u8], line: Range<usize>, data: &mut Option<Range<usize>>) {
        let Some((field, value)) = self.field(&chunk[line.clone()]) else {
            return;
        };
        let value = line.start + value..line.end;
        match field {
            Field::Name => self.set_name(&chunk[value]),
            Field::Data if data.is_none() && self.copied_lines == 0 => *data = Some(value),
            Field::Data => {
                if let Some(first) = data.take() {
                    self.copy_data(&chunk[first]);
                }
                self.copy_data(&chunk[value]);
            }
        }
    }

    /// A line that began in an earlier chunk has ended.
    fn copied_line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        if let Some((field, value)) = self.field(&line) {
            match field {
                Field::Name => self.set_name(&line[value..]),
                Field::Data => self.copy_data(&line[value..]),
            }
        }
        line.clear();
        self.line = line;
    }

    /// Which field a line sets, and where in it the value begins.
    fn field(&mut self, line: &[u8]) -> Option<(Field, usize)> {
        let skipped = if !self.begun && line.starts_with(BOM) {
            BOM.len()
        } else {
            0
        };
        self.begun = true;
        let line = &line[skipped..];
        let (field, length) = match line {
            [b'd', b'a', b't', b'a', ..] => (Field::Data, 4),
            [b'e', b'v', b'e', b'n', b't', ..] => (Field::Name, 5),
            _ => return None,
        };
        let value = match &line[length..] {
            [] => length,
            [b':', b' ', ..] => length + 2,
            [b':', ..] => length + 1,
            _ => return None,
        };
        Some((field, skipped + value))
    }

    fn set_name(&mut self, name: &[u8]) {
        self.name.clear();
        self.name.extend_from_slice(name);
    }

    fn copy_data(&mut self, value: &[u8]) {
        if self.copied_lines > 0 {
            self.data.push(b'\n');
        }
        self.copied_lines += 1;
        if self.data.len() + value.len() > MAX_EVENT_BYTES {
            self.too_large = true;
            self.data = Vec::new();
        }
        if !self.too_large {
            self.data.extend_from_slice(value);
        }
    }

    fn keep(&mut self, part: &[u8]) {
        if self.line.len() + part.len() > MAX_EVENT_BYTES {
            self.too_large = true;
            // Enough to know that the line is not blank, and which field it is not.
            self.line.truncate(1);
        } else {
            self.line.extend_from_slice(part);
        }
    }

    fn end_event(
        &mut self,
        in_chunk: Option<&[u8]>,
        next: usize,
        on_event: &mut impl FnMut(Event<'_>, usize),
    ) {
        self.begun = true;
        let data = match in_chunk {
            _ if self.too_large => &[],
            Some(data) => data,
            None => &self.data[..],
        };
        on_event(
            Event {
                name: &self.name,
                data,
            },
            next,
        );
        self.name.clear();
        self.data.clear();
        self.copied_lines = 0;
        self.too_large = false;
    }
}

enum Field {
    Name,
    Data,
}

#[cfg(test)]
mod tests;
