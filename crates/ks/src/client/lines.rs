//! The lines of an answer that comes piece by piece.

use reqwest::Response;

/// More than this in one line is not from our server.
const LONGEST_BYTES: usize = 8 << 20;

/// The lines of one answer, without their ends.
pub(crate) struct Lines {
    response: Response,
    rest: Vec<u8>,
    /// Up to where no end of a line is in `rest`.
    seen: usize,
}

impl Lines {
    pub(super) fn new(response: Response) -> Self {
        Self {
            response,
            rest: Vec::new(),
            seen: 0,
        }
    }

    /// The next line; `None` at the end of the answer.
    ///
    /// # Errors
    /// The connection failed, or a line is too long or no text.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            if let Some(end) = self.rest[self.seen..].iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.rest.drain(..=self.seen + end).collect();
                self.seen = 0;
                line.pop();
                line.pop_if(|byte| *byte == b'\r');
                return Ok(Some(String::from_utf8(line)?));
            }
            self.seen = self.rest.len();
            anyhow::ensure!(self.seen <= LONGEST_BYTES, "a line of the answer is too long");
            match self.response.chunk().await? {
                Some(bytes) => self.rest.extend_from_slice(&bytes),
                None if self.rest.is_empty() => return Ok(None),
                None => {
                    self.seen = 0;
                    return Ok(Some(String::from_utf8(std::mem::take(&mut self.rest))?));
                }
            }
        }
    }
}
