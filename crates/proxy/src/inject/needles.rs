//! What must not come back of a request's secrets, to be searched for without being seen.
//!
//! A secret leaves these files only as positions in somebody else's bytes. The forms in which it could come back are written when an answer
//! has something that may be one: a run of letters that is long enough. Most answers have none, so that most calls write none.

mod forms;
mod runs;

use std::sync::OnceLock;

use zeroize::Zeroizing;

use forms::{Forms, Matches};
use runs::{first_run, last_run};

/// The shortest needle that is searched for, in bytes: a shorter one would be found by chance.
const MIN_LENGTH: usize = 8;
/// The fewest characters at the begin or end of a secret that a masked echo must show to be taken for one.
const MIN_SHOWN: usize = 2;

/// What must not come back. No Debug, no Clone; wiped when dropped.
#[derive(Default)]
pub(crate) struct Needles {
    given: Vec<Given>,
    letters: Letters,
    forms: OnceLock<Forms>,
}

struct Given {
    text: Zeroizing<String>,
    /// Whether it is a secret itself, and not one of its forms.
    plain: bool,
}

impl Needles {
    /// Adds a secret, which can come back in many forms.
    pub(super) fn add_secret(&mut self, secret: &str) {
        self.give(secret, true);
    }

    /// Adds a form as it was written into the request.
    pub(super) fn add_written(&mut self, written: &str) {
        self.give(written, false);
    }

    fn give(&mut self, text: &str, plain: bool) {
        // Too short to be found, and so is every form of it, unless there is something to escape.
        if text.len() < MIN_LENGTH && (!plain || text.bytes().all(super::is_unreserved)) {
            return;
        }
        self.letters.add(text.as_bytes());
        self.given.push(Given {
            text: Zeroizing::new(text.to_owned()),
            plain,
        });
        self.forms.take();
    }

    fn forms(&self) -> &Forms {
        self.forms.get_or_init(|| {
            let mut forms = Forms::default();
            for Given { text, plain } in &self.given {
                match plain {
                    true => forms.add_secret(text),
                    false => forms.add(text.as_bytes()),
                }
            }
            forms
        })
    }

    /// How short a needle can be: no form is shorter than what it is a form of.
    fn shortest(&self) -> Option<usize> {
        let shortest = self.given.iter().map(|given| given.text.len()).min();
        shortest.map(|length| length.max(MIN_LENGTH))
    }

    /// Whether there is nothing to search for.
    pub(crate) fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// Whether `data` holds a needle.
    pub(crate) fn occur_in(&self, data: &[u8]) -> bool {
        let first = self
            .shortest()
            .and_then(|shortest| first_run(data, shortest, |byte| self.letters.has(byte)));
        first.is_some_and(|first| self.forms().occur_in(&data[first..]))
    }

    /// Every needle in `data` in order, without overlaps: of two that overlap, the one that begins first, then the longer.
    pub(crate) fn matches<'a>(&'a self, data: &'a [u8]) -> Matches<'a> {
        self.forms().matches(data)
    }

    /// The first position at or after `from` where `data` ends within what may become a needle.
    pub(crate) fn pending(&self, data: &[u8], from: usize) -> Option<usize> {
        let longest = self.given.iter().map(|given| given.text.len()).max()?;
        // No byte is written in more than the six of an escape of JSON (`\u001b`).
        let looked_at = data.len().saturating_sub(6 * longest);
        let run = last_run(&data[looked_at..], |byte| self.letters.has(byte));
        if run.is_empty() {
            return None;
        }
        self.forms().pending(data, from.max(looked_at + run.start))
    }

    /// `data` with every needle replaced by as many asterisks; `None` when there is none.
    pub(crate) fn mask(&self, data: &[u8]) -> Option<Vec<u8>> {
        if !self.occur_in(data) {
            return None;
        }
        let mut masked = data.to_vec();
        let mut matches = self.matches(data);
        let mut from = 0;
        while let Some(found) = matches.next_from(from) {
            masked[found.clone()].fill(b'*');
            from = found.end;
        }
        Some(masked)
    }

    /// Whether text that stands before and after a mask (`sk-ab****yz`) is the begin or the end of a secret.
    pub(crate) fn show_through(&self, before: &[u8], after: &[u8]) -> bool {
        let secrets = self.given.iter().filter(|given| given.plain);
        let secrets = secrets.map(|given| given.text.as_bytes());
        secrets.filter(|secret| secret.len() >= MIN_LENGTH).any(|secret| {
            (before.len() >= MIN_SHOWN && secret.starts_with(before))
                || (after.len() >= MIN_SHOWN && secret.ends_with(after))
        })
    }
}

/// The bytes of which needles are made, a bit each.
struct Letters([u64; 4]);

impl Letters {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
        }
    }

    fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }
}

impl Default for Letters {
    /// Those in which bytes are written: hexadecimal digits, base64, and escapes of URLs and JSON.
    fn default() -> Self {
        let mut letters = Self([0; 4]);
        letters.add(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_%\\");
        letters
    }
}

#[cfg(test)]
impl Needles {
    /// Needles for tests.
    pub(crate) fn of(secrets: &[&str]) -> Self {
        let mut needles = Self::default();
        for secret in secrets {
            needles.add_secret(secret);
        }
        needles
    }

    pub(crate) fn count(&self) -> usize {
        self.forms().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_answer_of_words_writes_no_forms() {
        let needles = Needles::of(&["sk-proj-aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY"]);
        let answer = r#"{"id":"chatcmpl-9xKqFh2ZbT7LmNwVrCsYdPaE","choices":[{"message":{"content":"All is well."}}]}"#;
        assert!(!needles.occur_in(answer.as_bytes()) && needles.pending(answer.as_bytes(), 0).is_none());
        assert!(needles.forms.get().is_none());
    }

    proptest! {
        #[test]
        fn every_form_is_a_run_that_is_looked_at(secret in "[ -~\u{0}-\u{1f}é]{0,40}", before in "[a-c .]{0,9}", after in "[a-c .]{0,9}") {
            let needles = Needles::of(&[&secret]);
            for form in needles.forms().all() {
                let text = [before.as_bytes(), form, after.as_bytes()].concat();
                prop_assert!(needles.occur_in(&text));
                for cut in 1..form.len() {
                    let begun = [before.as_bytes(), &form[..cut]].concat();
                    prop_assert!(needles.pending(&begun, 0).is_some_and(|at| at <= before.len()));
                }
            }
        }
    }
}
