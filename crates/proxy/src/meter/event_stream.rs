//! `application/vnd.amazon.eventstream`: binary frames, over chunks with arbitrary borders.
//!
//! A frame is its length, the length of its headers, a CRC-32 of these two, headers, a payload, and a CRC-32 of all of it; numbers
//! are big-endian. A frame whose checksum is wrong ends the reading: what follows cannot be told apart.

/// A frame that is larger is passed over.
const MAX_FRAME_BYTES: usize = 8 << 20;
/// Length, length of the headers, checksum.
const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;
/// The kind of a header that is a text.
const TEXT: u8 = 7;

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    headers: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// The state between chunks.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// The beginning of a frame that has not ended.
    begun: Vec<u8>,
    /// Bytes of a frame that is too large, still to be passed over.
    passing: usize,
    broken: bool,
}

/// What the bytes begin with.
enum Next<'a> {
    Frame(Frame<'a>, usize),
    /// A frame of so many bytes, which is not kept.
    TooLarge(usize),
    /// Not enough bytes.
    More,
    Broken,
}

impl Frames {
    pub(crate) fn push(&mut self, chunk: &[u8], mut on_frame: impl FnMut(Frame<'_>)) {
        if self.broken {
            return;
        }
        let passed = self.passing.min(chunk.len());
        self.passing -= passed;
        let chunk = &chunk[passed..];
        if self.begun.is_empty() {
            let used = self.read(chunk, &mut on_frame);
            self.begun.extend_from_slice(&chunk[used..]);
            return;
        }
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(chunk);
        let used = self.read(&all, &mut on_frame);
        all.drain(..used);
        self.begun = all;
    }

    /// Reads what is complete, and says how many bytes that took.
    fn read(&mut self, bytes: &[u8], on_frame: &mut impl FnMut(Frame<'_>)) -> usize {
        let mut used = 0;
        loop {
            match next(&bytes[used..]) {
                Next::Frame(frame, length) => {
                    on_frame(frame);
                    used += length;
                }
                Next::TooLarge(length) => {
                    let here = length.min(bytes.len() - used);
                    self.passing = length - here;
                    used += here;
                }
                Next::More => return used,
                Next::Broken => {
                    self.broken = true;
                    return bytes.len();
                }
            }
        }
    }
}

fn next(bytes: &[u8]) -> Next<'_> {
    let Some(prelude) = bytes.get(..PRELUDE_BYTES) else {
        return Next::More;
    };
    let (length, headers) = (number(prelude, 0), number(prelude, 4));
    let fits = headers
        .checked_add(PRELUDE_BYTES + CHECKSUM_BYTES)
        .is_some_and(|least| least <= length);
    if !fits || crc32fast::hash(&prelude[..8]) as usize != number(prelude, 8) {
        return Next::Broken;
    }
    if length > MAX_FRAME_BYTES {
        return Next::TooLarge(length);
    }
    let Some(frame) = bytes.get(..length) else {
        return Next::More;
    };
    let (content, checksum) = frame.split_at(length - CHECKSUM_BYTES);
    if crc32fast::hash(content) as usize != number(checksum, 0) {
        return Next::Broken;
    }
    let (headers, payload) = content[PRELUDE_BYTES..].split_at(headers);
    Next::Frame(Frame { headers, payload }, length)
}

fn number(bytes: &[u8], at: usize) -> usize {
    bytes[at..at + 4]
        .iter()
        .fold(0, |number, byte| number << 8 | usize::from(*byte))
}

impl<'a> Frame<'a> {
    /// The text header of this name.
    pub(crate) fn header(&self, wanted: &str) -> Option<&'a [u8]> {
        let mut rest = self.headers;
        while let [length, after @ ..] = rest {
            let (name, after) = after.split_at_checked(usize::from(*length))?;
            let (kind, after) = after.split_first()?;
            let (value, after) = value(*kind, after)?;
            if name == wanted.as_bytes() {
                return Some(value);
            }
            rest = after;
        }
        None
    }
}

/// The value of a header and what follows it.
fn value(kind: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let fixed = match kind {
        // True, false; byte, short, integer, long; bytes and text have a length; time, UUID.
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        9 => 16,
        6 | 7 => {
            let (length, bytes) = bytes.split_at_checked(2)?;
            let length = usize::from(length[0]) << 8 | usize::from(length[1]);
            return bytes.split_at_checked(length);
        }
        _ => return None,
    };
    bytes.split_at_checked(fixed)
}

/// Writes a frame with these text headers, of which no name has more than 255 bytes and no value more than 65,535.
pub(crate) fn encode(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        head.extend_from_slice(name.as_bytes());
        head.push(TEXT);
        head.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let big_endian = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = Vec::new();
    let length = PRELUDE_BYTES + head.len() + payload.len() + CHECKSUM_BYTES;
    frame.extend_from_slice(&big_endian(length));
    frame.extend_from_slice(&big_endian(head.len()));
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(&head);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8], size: usize) -> Vec<(Option<String>, Vec<u8>)> {
        let mut found = Vec::new();
        let mut frames = Frames::default();
        for chunk in bytes.chunks(size) {
            frames.push(chunk, |frame| {
                let event = frame.header(":event-type");
                found.push((
                    event.map(|event| String::from_utf8_lossy(event).into_owned()),
                    frame.payload.to_vec(),
                ));
            });
        }
        found
    }

    /// The smallest frame there is, as AWS's SDKs test it.
    #[test]
    fn the_empty_message_of_the_specification() {
        let empty = [
            0, 0, 0, 0x10, 0, 0, 0, 0, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff,
        ];
        assert_eq!(read(&empty, 16), [(None, Vec::new())]);
        assert_eq!(encode(&[], b""), empty);
    }

    #[test]
    fn headers_of_every_kind_are_passed_over() {
        let mut headers = Vec::new();
        for (kind, bytes) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (8, 8), (9, 16)] {
            headers.extend_from_slice(&[1, b'h', kind]);
            headers.extend(std::iter::repeat_n(7, bytes));
        }
        headers.extend_from_slice(&[1, b'b', 6, 0, 2, 1, 2]);
        headers.extend_from_slice(&[1, b't', 7, 0, 3, b'y', b'e', b's']);
        let frame = Frame {
            headers: &headers,
            payload: b"",
        };
        assert_eq!(frame.header("t"), Some(&b"yes"[..]));
        assert_eq!(frame.header("u"), None);
        for cut in 1..headers.len() {
            let _ = Frame {
                headers: &headers[..cut],
                payload: b"",
            }
            .header("t");
        }
    }

    #[test]
    fn frames_wherever_chunks_end() {
        let mut bytes = encode(&[(":message-type", "event"), (":event-type", "a")], b"{}");
        bytes.extend(encode(&[(":event-type", "b")], &[9; 300]));
        for size in 1..=bytes.len() {
            let expected = [
                (Some("a".to_owned()), b"{}".to_vec()),
                (Some("b".to_owned()), vec![9; 300]),
            ];
            assert_eq!(read(&bytes, size), expected, "by {size}");
        }
    }

    #[test]
    fn a_damaged_frame_ends_the_reading() {
        let good = encode(&[(":event-type", "a")], b"{}");
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            bytes.extend(&good);
            assert_eq!(read(&bytes, 7), [], "byte {at}");
        }
    }

    #[test]
    fn a_frame_that_is_too_large_is_passed_over() {
        let mut bytes = encode(&[], &vec![0; 9 << 20]);
        bytes.extend(encode(&[(":event-type", "a")], b"{}"));
        assert_eq!(read(&bytes, 100_000), [(Some("a".to_owned()), b"{}".to_vec())]);
        let mut frames = Frames::default();
        frames.push(&bytes[..1 << 20], |_| {});
        assert!(frames.begun.capacity() < 1 << 20);
    }

    proptest! {
        #[test]
        fn any_bytes_at_all(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1_usize..50) {
            let _ = read(&bytes, size);
        }
    }
}
