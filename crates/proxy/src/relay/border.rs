//! Where one piece of an answer ends and the next one begins, wherever chunks end: an event, a line, a frame.

use crate::meter::Framing;

/// Knows of bytes that passed whether they end where a piece ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Border {
    /// Server-sent events: the last three bytes.
    Events([u8; 3]),
    /// Lines: the last byte.
    Lines(u8),
    /// Frames, each of which begins with its length, in four bytes: what passed of that, and how many bytes the frame has left.
    Frames { begun: u8, length: u32, left: u32 },
    /// Something else, which ends once.
    Never,
}

/// The bytes of a frame's length.
const LENGTH_BYTES: u8 = 4;

impl Border {
    /// Nothing has passed of an answer of this form.
    pub(super) const fn of(framing: Framing) -> Self {
        match framing {
            Framing::Events => Self::Events(*b"\n\n\n"),
            Framing::Lines => Self::Lines(b'\n'),
            Framing::Frames => Self::Frames {
                begun: 0,
                length: 0,
                left: 0,
            },
            Framing::Whole | Framing::Opaque => Self::Never,
        }
    }

    /// More bytes pass.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        match self {
            Self::Events(last) => {
                for byte in &bytes[bytes.len().saturating_sub(last.len())..] {
                    *last = [last[1], last[2], *byte];
                }
            }
            Self::Lines(last) => *last = bytes.last().copied().unwrap_or(*last),
            Self::Frames { begun, length, left } => {
                let mut rest = bytes;
                while let Some((first, after)) = rest.split_first() {
                    if *left > 0 {
                        let passed = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                        *left -= u32::try_from(passed).unwrap_or(*left);
                        rest = &rest[passed..];
                        continue;
                    }
                    *length = *length << 8 | u32::from(*first);
                    *begun += 1;
                    rest = after;
                    if *begun == LENGTH_BYTES {
                        // One that is too short for itself is none: what follows cannot be told apart.
                        *left = length.checked_sub(u32::from(LENGTH_BYTES)).unwrap_or(u32::MAX);
                        (*begun, *length) = (0, 0);
                    }
                }
            }
            Self::Never => {}
        }
    }

    /// Whether a piece ends with the last byte that passed. Lines of events end with CR LF, LF or CR, and events with a blank one.
    pub(super) const fn is_at(self) -> bool {
        match self {
            Self::Events(last) => matches!(
                &last,
                [_, b'\n', b'\n'] | [_, b'\r', b'\r'] | [b'\n', b'\r', b'\n'] | [_, b'\n', b'\r']
            ),
            Self::Lines(last) => last == b'\n',
            Self::Frames { begun, left, .. } => begun == 0 && left == 0,
            Self::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::event_stream;

    #[track_caller]
    fn ends(framing: Framing, bytes: &[u8], expected: bool) {
        for size in 1..=bytes.len().max(1) {
            let mut border = Border::of(framing);
            bytes.chunks(size).for_each(|chunk| border.pass(chunk));
            assert_eq!(border.is_at(), expected, "{} by {size}", bytes.escape_ascii());
        }
    }

    #[test]
    fn an_event_ends_with_a_blank_line() {
        for (text, expected) in [
            ("", true),
            ("data: 1", false),
            ("data: 1\n", false),
            ("data: 1\r\n", false),
            ("data: 1\n\n", true),
            ("data: 1\r\n\r\n", true),
            ("data: 1\r\r", true),
            ("data: 1\n\r\n", true),
            ("data: 1\n\nd", false),
        ] {
            ends(Framing::Events, text.as_bytes(), expected);
        }
    }

    #[test]
    fn a_line_ends_with_a_line_feed() {
        for (text, expected) in [
            ("", true),
            ("{}", false),
            ("{}\n", true),
            ("{}\r\n", true),
            ("{}\n{", false),
        ] {
            ends(Framing::Lines, text.as_bytes(), expected);
        }
    }

    #[test]
    fn a_frame_ends_where_its_length_says() {
        let frame = event_stream::encode(&[(":event-type", "x")], b"{}");
        let two = [&frame[..], &frame[..]].concat();
        for (bytes, expected) in [(&frame[..], true), (&two, true), (&[], true)] {
            ends(Framing::Frames, bytes, expected);
        }
        for cut in 1..frame.len() {
            ends(Framing::Frames, &two[..frame.len() + cut], false);
        }
        ends(Framing::Frames, &[0, 0, 0, 1, 0], false);
        ends(Framing::Whole, b"{}\n\n", false);
    }
}
