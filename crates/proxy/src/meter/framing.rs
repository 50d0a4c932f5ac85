//! How an answer's bytes fall into pieces.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// The form of an answer, by its `content-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// One document.
    Whole,
    /// Server-sent events.
    Events,
    /// One JSON document a line: Ollama, Cohere's first version.
    Lines,
    /// `application/vnd.amazon.eventstream`: Bedrock.
    Frames,
    /// Audio, images and the like, which say nothing of usage.
    Opaque,
}

impl Framing {
    /// The form of the answer with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let value = headers
            .get(CONTENT_TYPE)
            .map_or(&b""[..], |value| value.as_bytes());
        let kind = value.split(|byte| *byte == b';').next().unwrap_or_default();
        let is = |name: &str| kind.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
        let begins = |name: &str| {
            kind.get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
        };
        match () {
            () if is("application/json") => Self::Whole,
            () if is("text/event-stream") => Self::Events,
            () if is("application/x-ndjson") || is("application/stream+json") || is("application/jsonl") => {
                Self::Lines
            }
            () if is("application/vnd.amazon.eventstream") => Self::Frames,
            () if begins("audio/") || begins("image/") || begins("video/") => Self::Opaque,
            () if is("application/octet-stream") => Self::Opaque,
            () => Self::Whole,
        }
    }

    /// Whether the answer is for the client to read while it arrives.
    pub(crate) fn is_stream(self) -> bool {
        self != Self::Whole
    }
}

/// A buffered answer that is larger is not kept whole: only its end is searched for usage.
const MAX_KEPT_BYTES: usize = 8 << 20;
/// How much of the end that is. Vendors state usage behind the content.
const TAIL_BYTES: usize = 64 << 10;

/// A chunk that is smaller is copied: a handle to it, and the buffer that it came in, would take more room than it does.
const MIN_CHUNK_BYTES: usize = 1 << 10;

/// A buffered answer: its chunks, as long as they are not too many, and then its end.
#[derive(Debug, Default)]
pub(super) struct Kept {
    chunks: Vec<Bytes>,
    /// Small chunks, after the others.
    small: Vec<u8>,
    bytes: usize,
}

impl Kept {
    pub(super) fn push(&mut self, chunk: &Bytes) {
        self.bytes += chunk.len();
        if chunk.len() < MIN_CHUNK_BYTES && !self.chunks.is_empty() {
            self.small.extend_from_slice(chunk);
        } else {
            self.join();
            self.chunks.push(chunk.clone());
        }
        if self.small.len() >= TAIL_BYTES {
            self.join();
        }
        if self.bytes > MAX_KEPT_BYTES {
            self.join();
            let all = self.chunks.concat();
            let tail = Bytes::copy_from_slice(&all[all.len().saturating_sub(TAIL_BYTES)..]);
            self.bytes = tail.len();
            self.chunks = vec![tail];
        }
    }

    /// Puts the small chunks behind the others, as one.
    fn join(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push(std::mem::take(&mut self.small).into());
        }
    }

    /// Gives what is kept, in one piece.
    pub(super) fn with(mut self, read: impl FnOnce(&[u8])) {
        self.join();
        match &self.chunks[..] {
            [only] => read(only),
            chunks => read(&chunks.concat()),
        }
    }
}

/// A line that is longer is passed over.
const MAX_LINE_BYTES: usize = 8 << 20;

/// Lines over chunks with arbitrary borders.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line that has not ended.
    begun: Vec<u8>,
    too_long: bool,
}

impl Lines {
    pub(super) fn push(&mut self, chunk: &[u8], mut on_line: impl FnMut(&[u8])) {
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', chunk) {
            let part = &chunk[from..end];
            from = end + 1;
            if self.begun.is_empty() && !self.too_long {
                on_line(part);
                continue;
            }
            self.keep(part);
            self.end(&mut on_line);
        }
        self.keep(&chunk[from..]);
    }

    /// At the end of the stream: the line that nothing ended.
    pub(super) fn end(&mut self, mut on_line: impl FnMut(&[u8])) {
        if !self.begun.is_empty() {
            on_line(&self.begun);
        }
        self.begun.clear();
        self.too_long = false;
    }

    fn keep(&mut self, part: &[u8]) {
        if self.begun.len() + part.len() > MAX_LINE_BYTES {
            self.too_long = true;
            self.begun = Vec::new();
        }
        if !self.too_long {
            self.begun.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_by_content_type() {
        for (value, expected) in [
            (None, Framing::Whole),
            (Some("application/json; charset=utf-8"), Framing::Whole),
            (Some("Text/Event-Stream;charset=utf-8"), Framing::Events),
            (Some("application/x-ndjson"), Framing::Lines),
            (Some("application/stream+json"), Framing::Lines),
            (Some("application/vnd.amazon.eventstream"), Framing::Frames),
            (Some("audio/mpeg"), Framing::Opaque),
            (Some("application/octet-stream"), Framing::Opaque),
            (Some("text/plain"), Framing::Whole),
            (Some(";"), Framing::Whole),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(CONTENT_TYPE, value.parse().unwrap());
            }
            assert_eq!(Framing::of(&headers), expected, "{value:?}");
        }
    }

    #[test]
    fn an_answer_in_chunks_of_any_size_is_kept_whole_and_small() {
        let text: Vec<u8> = (0..200_000_u32).map(|at| at.to_le_bytes()[0]).collect();
        for sizes in [&[1][..], &[1, 2_000], &[3_000, 7, 7], &[200_000]] {
            let (mut kept, mut rest, mut at) = (Kept::default(), &text[..], 0);
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(sizes[at % sizes.len()].min(rest.len()));
                kept.push(&Bytes::copy_from_slice(chunk));
                (rest, at) = (after, at + 1);
            }
            assert!(
                kept.chunks.len() <= 1 + 2 * text.len() / MIN_CHUNK_BYTES,
                "{sizes:?}"
            );
            kept.with(|whole| assert!(whole == text, "{sizes:?}"));
        }
    }

    fn lines(text: &[u8], size: usize) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for chunk in text.chunks(size) {
            lines.push(chunk, |line| found.push(line.to_vec()));
        }
        lines.end(|line| found.push(line.to_vec()));
        found
    }

    #[test]
    fn lines_wherever_chunks_end() {
        let text = b"one\n\ntwo\r\nthree";
        let expected = [&b"one"[..], b"", b"two\r", b"three"].map(<[u8]>::to_vec);
        for size in 1..=text.len() {
            let mut found = lines(text, size);
            // An empty line says nothing, wherever it is seen.
            found.retain(|line| !line.is_empty());
            let mut expected = expected.to_vec();
            expected.retain(|line| !line.is_empty());
            assert_eq!(found, expected, "by {size}");
        }
    }

    #[test]
    fn a_line_without_end_costs_no_memory() {
        let mut text = vec![b'a'; 9 << 20];
        text.extend_from_slice(b"\nshort\n");
        assert_eq!(lines(&text, 100_000), [b"short".to_vec()]);
        let mut kept = Lines::default();
        kept.push(&vec![b'a'; 9 << 20], |_| {});
        assert_eq!(kept.begun.capacity(), 0);
    }
}
