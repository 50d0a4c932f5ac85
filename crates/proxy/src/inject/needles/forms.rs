//! The forms in which a secret could come back: as it is, percent-encoded (as far as needed, or whole), escaped in JSON, in hexadecimal
//! digits, in base64 wherever it stands in what was encoded, and as it was written into Basic credentials.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::{memchr, memchr_iter, memchr2};
use zeroize::Zeroizing;

use super::MIN_LENGTH;
use crate::inject::{is_unreserved, percent_encode};

/// How rare a byte is in answers, roughly: text is mostly lower case, and JSON is full of digits and punctuation.
const RARITY: [u8; 256] = {
    let commonest_first = b"etaoinsrhldcumf0123456789pgwybvkxjzqABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut rarity = [0; 256];
    rarity[b'%' as usize] = u8::MAX;
    let mut at = 0;
    while at < commonest_first.len() {
        rarity[commonest_first[at] as usize] = at as u8 + 1;
        at += 1;
    }
    rarity
};
/// The digits of hexadecimal numbers.
const HEX: [&[u8; 16]; 2] = [b"0123456789abcdef", b"0123456789ABCDEF"];
/// How many letters of base64 also hold bits of what stands before the secret, by how many bytes of it stand in the secret's first group of
/// three.
const SHARED_LETTERS: [usize; 3] = [0, 2, 3];
/// The byte that is searched for is one of so many at the begin of a needle: enough for one that is rare.
const LOOKED_AT: usize = 32;

/// All needles. No Debug, no Clone; wiped when dropped.
#[derive(Default)]
pub(super) struct Forms {
    /// All of them, one after the other.
    bytes: Zeroizing<Vec<u8>>,
    needles: Vec<Place>,
}

/// Where a needle stands in the bytes of all.
struct Place {
    range: Range<usize>,
    /// Where its rarest byte stands: the one that is searched for.
    rarest: usize,
}

impl Forms {
    /// Adds a secret and the forms in which it can be written.
    pub(super) fn add_secret(&mut self, secret: &str) {
        // At once, so that what follows grows nothing.
        self.make_room(secret.len() * 20 + 32);
        self.needles.reserve(16);
        self.add(secret.as_bytes());
        self.add_numbers(secret.as_bytes());
        if secret.bytes().all(is_unreserved) {
            // Most keys: every other form is the secret itself.
            return;
        }
        let mut encoded = Zeroizing::new(String::with_capacity(secret.len() * 3));
        percent_encode(secret, b"", &mut encoded);
        let lower = Zeroizing::new(lower_percent(&encoded));
        self.add(lower.as_bytes());
        self.add(encoded.as_bytes());
        if let Ok(escaped) = serde_json::to_string(secret).map(Zeroizing::new) {
            let escaped = &escaped[1..escaped.len() - 1];
            self.add(escaped.as_bytes());
            self.add(Zeroizing::new(escaped.replace('/', "\\/")).as_bytes());
        }
    }

    /// Adds this form alone.
    pub(super) fn add(&mut self, needle: &[u8]) {
        self.write(needle.len(), |room| {
            room.copy_from_slice(needle);
            0..needle.len()
        });
    }

    /// Adds the forms that write a secret's bits as digits or letters.
    fn add_numbers(&mut self, secret: &[u8]) {
        if secret.len() < MIN_LENGTH {
            return;
        }
        for digits in HEX {
            let pair = |byte: u8| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]];
            self.write(secret.len() * 2, |room| {
                for (room, byte) in room.chunks_exact_mut(2).zip(secret) {
                    room.copy_from_slice(&pair(*byte));
                }
                0..room.len()
            });
            // Percent-encoded whole, also where that is not necessary.
            self.write(secret.len() * 3, |room| {
                for (room, byte) in room.chunks_exact_mut(3).zip(secret) {
                    room[0] = b'%';
                    room[1..].copy_from_slice(&pair(*byte));
                }
                0..room.len()
            });
        }
        let mut preceded = Zeroizing::new(Vec::with_capacity(2 + secret.len()));
        preceded.extend_from_slice(&[0; 2]);
        preceded.extend_from_slice(secret);
        for (bytes_before, shared) in SHARED_LETTERS.into_iter().enumerate() {
            let encoded = &preceded[2 - bytes_before..];
            let own = shared..encoded.len() * 8 / 6;
            let mut differs = false;
            self.write(letters(encoded), |room| {
                encode_base64(&STANDARD_NO_PAD, encoded, room);
                differs = memchr2(b'+', b'/', &room[own.clone()]).is_some();
                own.clone()
            });
            // The alphabet for URLs is another in the last two letters (RFC 4648, 5).
            if differs {
                self.write(letters(encoded), |room| {
                    encode_base64(&URL_SAFE_NO_PAD, encoded, room);
                    own
                });
            }
        }
    }

    /// Writes a form of so many bytes, of which `write` says where the needle stands in them.
    fn write(&mut self, bytes: usize, write: impl FnOnce(&mut [u8]) -> Range<usize>) {
        self.make_room(bytes);
        let start = self.bytes.len();
        self.bytes.resize(start + bytes, 0);
        let (before, room) = self.bytes.split_at_mut(start);
        let own = write(room);
        let needle = &room[own.clone()];
        let known = |place: &Place| before[place.range.clone()] == *needle;
        if needle.len() < MIN_LENGTH || self.needles.iter().any(known) {
            room.fill(0);
            self.bytes.truncate(start);
            return;
        }
        let looked_at = needle.iter().take(LOOKED_AT).enumerate();
        let rarest = looked_at.max_by_key(|(_, byte)| RARITY[usize::from(**byte)]);
        self.needles.push(Place {
            range: start + own.start..start + own.end,
            rarest: rarest.map_or(0, |(at, _)| at),
        });
    }

    /// Room for so many bytes more. What grew by itself would leave a copy behind in freed memory.
    fn make_room(&mut self, bytes: usize) {
        if self.bytes.capacity() - self.bytes.len() < bytes {
            let mut larger = Zeroizing::new(Vec::with_capacity(self.bytes.len() + bytes));
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
        }
    }

    fn all_needles(&self) -> impl Iterator<Item = Needle<'_>> {
        self.needles.iter().map(|place| self.at(place))
    }

    fn at(&self, place: &Place) -> Needle<'_> {
        Needle {
            bytes: &self.bytes[place.range.clone()],
            rarest: place.rarest,
        }
    }

    /// Whether `data` holds a needle.
    pub(super) fn occur_in(&self, data: &[u8]) -> bool {
        self.all_needles().any(|needle| needle.find(data, 0).is_some())
    }

    /// Every needle in `data` in order, without overlaps: of two that overlap, the one that begins first, then the longer.
    pub(super) fn matches<'a>(&'a self, data: &'a [u8]) -> Matches<'a> {
        let next = self.all_needles().map(|needle| needle.find(data, 0)).collect();
        Matches {
            forms: self,
            data,
            next,
        }
    }

    /// The first position at or after `from` where `data` ends within what may become a needle.
    pub(super) fn pending(&self, data: &[u8], from: usize) -> Option<usize> {
        self.all_needles()
            .filter_map(|needle| needle.pending(data, from))
            .min()
    }
}

/// One form of one secret.
#[derive(Clone, Copy)]
struct Needle<'n> {
    bytes: &'n [u8],
    rarest: usize,
}

impl Needle<'_> {
    /// The first whole occurrence at or after `from`.
    fn find(&self, data: &[u8], from: usize) -> Option<Range<usize>> {
        let rarest = self.bytes.get(self.rarest)?;
        let mut at = from + self.rarest;
        while let Some(offset) = memchr(*rarest, data.get(at..)?) {
            let start = at + offset - self.rarest;
            if data[start..].starts_with(self.bytes) {
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

/// See [`Forms::matches`].
pub(crate) struct Matches<'a> {
    forms: &'a Forms,
    data: &'a [u8],
    next: Vec<Option<Range<usize>>>,
}

impl Matches<'_> {
    /// The next one that begins at or after `from`, which never goes back.
    pub(crate) fn next_from(&mut self, from: usize) -> Option<Range<usize>> {
        for (needle, next) in self.forms.all_needles().zip(&mut self.next) {
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

/// How many letters of base64 so many bytes are, the last one filled up with zeros.
const fn letters(bytes: &[u8]) -> usize {
    (bytes.len() * 8).div_ceil(6)
}

fn encode_base64(alphabet: &impl Engine, bytes: &[u8], letters: &mut [u8]) {
    if alphabet.encode_slice(bytes, letters).is_err() {
        unreachable!("there is room for every letter");
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
impl Forms {
    pub(super) fn count(&self) -> usize {
        self.needles.len()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &[u8]> {
        self.all_needles().map(|needle| needle.bytes)
    }
}
