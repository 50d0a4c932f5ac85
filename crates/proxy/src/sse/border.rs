//! Where one event ends and the next one begins, wherever chunks end.

/// Knows of bytes that passed whether they end where an event ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Border {
    /// The last three bytes.
    last: [u8; 3],
}

impl Default for Border {
    /// Nothing has passed: an event may begin.
    fn default() -> Self {
        Self { last: *b"\n\n\n" }
    }
}

impl Border {
    /// More bytes pass.
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        for byte in &bytes[bytes.len().saturating_sub(self.last.len())..] {
            self.last = [self.last[1], self.last[2], *byte];
        }
    }

    /// Whether a blank line is the last that passed. Lines end with CR LF, LF or CR.
    pub(crate) fn is_at(self) -> bool {
        matches!(
            &self.last,
            [_, b'\n', b'\n'] | [_, b'\r', b'\r'] | [b'\n', b'\r', b'\n'] | [_, b'\n', b'\r']
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            for size in 1..=text.len().max(1) {
                let mut border = Border::default();
                text.as_bytes().chunks(size).for_each(|chunk| border.pass(chunk));
                assert_eq!(border.is_at(), expected, "{text:?} by {size}");
            }
        }
    }
}
