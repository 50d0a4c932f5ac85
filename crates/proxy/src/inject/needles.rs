//! The forms in which a secret could come back, to be searched for without being seen.
//!
//! A needle leaves this file only as positions in somebody else's bytes. The forms are: the secret as it is, percent-encoded,
//! escaped in JSON, and as it was written into Basic credentials. Anything shorter than [`MIN_LENGTH`] would be found by chance.

use std::ops::Range;

use memchr::{memchr, memchr_iter};
use zeroize::Zeroizing;

use super::{is_unreserved, percent_encode};

/// The shortest secret that is searched for, in bytes.
const MIN_LENGTH: usize = 8;
/// How rare a byte is in answers, roughly: text is mostly lower case, and JSON is full of digits and punctuation.
const RARITY: [u8; 256] = {
    let commonest_first = b"etaoinsrhldcumf0123456789pgwybvkxjzqABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut rarity = [0; 256];
    let mut at = 0;
    while at < commonest_first.len() {
        rarity[commonest_first[at] as usize] = at as u8 + 1;
        at += 1;
    }
    rarity
};
/// The fewest characters at the begin or end of a secret that a masked echo must show to be taken for one.
const MIN_SHOWN: usize = 2;

/// What must not come back. No Debug, no Clone; wiped when dropped.
#[derive(Default)]
pub(crate) struct Needles {
    needles: Vec<Needle>,
}

struct Needle {
    bytes: Zeroizing<Vec<u8>>,
    /// Whether it is the secret itself, and not one of its forms.
    plain: bool,
    /// Where its rarest byte stands: the one that is searched for.
    rarest: usize,
}

impl Needles {
    /// Adds a secret and the forms in which it can be written.
    pub(super) fn add_secret(&mut self, secret: &str) {
        self.add(Zeroizing::new(secret.as_bytes().to_vec()), true);
        if secret.bytes().all(is_unreserved) {
            // Most keys: every form is the secret itself.
            return;
        }
        let mut encoded = Zeroizing::new(String::with_capacity(secret.len() * 3));
        percent_encode(secret, b"", &mut encoded);
        let lower = Zeroizing::new(lower_percent(&encoded));
        self.add(Zeroizing::new(lower.as_bytes().to_vec()), false);
        self.add(Zeroizing::new(encoded.as_bytes().to_vec()), false);
        if let Ok(escaped) = serde_json::to_string(secret).map(Zeroizing::new) {
            let escaped = &escaped[1..escaped.len() - 1];
            self.add(Zeroizing::new(escaped.as_bytes().to_vec()), false);
            self.add(Zeroizing::new(escaped.replace('/', "\\/").into_bytes()), false);
        }
    }

    /// Adds a form as it was written into the request.
    pub(super) fn add_written(&mut self, written: &str) {
        self.add(Zeroizing::new(written.as_bytes().to_vec()), false);
    }

    fn add(&mut self, bytes: Zeroizing<Vec<u8>>, plain: bool) {
        if bytes.len() >= MIN_LENGTH && !self.needles.iter().any(|needle| *needle.bytes == *bytes) {
            let rarest = (0..bytes.len()).max_by_key(|at| RARITY[usize::from(bytes[*at])]);
            self.needles.push(Needle {
                rarest: rarest.unwrap_or(0),
                bytes,
                plain,
            });
        }
    }

    /// Whether there is nothing to search for.
    pub(crate) fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// Whether `data` holds a needle.
    pub(crate) fn occur_in(&self, data: &[u8]) -> bool {
        self.needles.iter().any(|needle| needle.find(data, 0).is_some())
    }

    /// Every needle in `data` in order, without overlaps: of two that overlap, the one that begins first, then the longer.
    pub(crate) fn matches<'a>(&'a self, data: &'a [u8]) -> Matches<'a> {
        let next = self.needles.iter().map(|needle| needle.find(data, 0)).collect();
        Matches {
            needles: &self.needles,
            data,
            next,
        }
    }

    /// The first position at or after `from` where `data` ends within what may become a needle.
    pub(crate) fn pending(&self, data: &[u8], from: usize) -> Option<usize> {
        self.needles
            .iter()
            .filter_map(|needle| needle.pending(data, from))
            .min()
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
        self.needles.iter().filter(|needle| needle.plain).any(|needle| {
            (before.len() >= MIN_SHOWN && needle.bytes.starts_with(before))
                || (after.len() >= MIN_SHOWN && needle.bytes.ends_with(after))
        })
    }
}

impl Needle {
    /// The first whole occurrence at or after `from`.
    fn find(&self, data: &[u8], from: usize) -> Option<Range<usize>> {
        let rarest = self.bytes.get(self.rarest)?;
        let mut at = from + self.rarest;
        while let Some(offset) = memchr(*rarest, data.get(at..)?) {
            let start = at + offset - self.rarest;
            if data[start..].starts_with(&self.bytes) {
                return Some(start..start + self.bytes.len());
            }
            at += offset + 1;
        }
        None
    }

    /// The first position at or after `from` at which all of the rest of `data` is the begin of this needle, and less than
    /// the whole.
    fn pending(&self, data: &[u8], from: usize) -> Option<usize> {
        let first = *self.bytes.first()?;
        let start = from.max(data.len().saturating_sub(self.bytes.len() - 1));
        let tail = data.get(start..)?;
        memchr_iter(first, tail)
            .find(|offset| self.bytes.starts_with(&tail[*offset..]))
            .map(|offset| start + offset)
    }
}

/// See [`Needles::matches`].
pub(crate) struct Matches<'a> {
    needles: &'a [Needle],
    data: &'a [u8],
    next: Vec<Option<Range<usize>>>,
}

impl Matches<'_> {
    /// The next one that begins at or after `from`, which never goes back.
    pub(crate) fn next_from(&mut self, from: usize) -> Option<Range<usize>> {
        for (needle, next) in self.needles.iter().zip(&mut self.next) {
            if next.as_ref().is_some_and(|found| found.start < from) {
                *next = needle.find(self.data, from);
            }
        }
        self.next
            .iter()
            .flatten()
            .min_by_key(|found| (found.start, std::cmp::Reverse(found.end)))
            .cloned()
    }
}

/// The same percent-encoding with lower-case digits.
fn lower_percent(encoded: &str) -> String {
    let mut lower = String::with_capacity(encoded.len());
    let mut digits = 0;
    for character in encoded.chars() {
        if digits > 0 {
            digits -= 1;
            lower.push(character.to_ascii_lowercase());
        } else {
            if character == '%' {
                digits = 2;
            }
            lower.push(character);
        }
    }
    lower
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
        self.needles.len()
    }
}
