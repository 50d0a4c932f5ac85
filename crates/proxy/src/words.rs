//! Looking for bytes in eight at once. Most strings are names, which end before a search by vectors has begun.
//!
//! What is found in a word is marked by the high bit of its byte. The lowest mark is right; those above it need not be.

/// A word of eight ones.
const ONES: u64 = 0x0101_0101_0101_0101;

/// Marks the bytes that are `byte`.
pub(crate) fn equal(word: u64, byte: u8) -> u64 {
    zero(word ^ (ONES * u64::from(byte)))
}

/// Marks control characters.
pub(crate) fn control(word: u64) -> u64 {
    zero(word & (ONES * 0xE0))
}

/// Marks the bytes that are zero, and perhaps some above the first one, from which a subtraction borrowed.
fn zero(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// How many bytes there are before the first one that `special` marks.
pub(crate) fn run_before(bytes: &[u8], special: impl Fn(u64) -> u64) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let marks = special(u64::from_le_bytes(*word));
        if marks != 0 {
            return index * 8 + first(marks);
        }
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let found = first(special(u64::from_le_bytes(last)));
    bytes.len() - rest.len() + found.min(rest.len())
}

/// Which byte is marked first; the eighth, which there is not, if none is.
fn first(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plainly(bytes: &[u8], special: impl Fn(u8) -> bool) -> usize {
        let found = bytes.iter().position(|byte| special(*byte));
        found.unwrap_or(bytes.len())
    }

    proptest! {
        #[test]
        fn runs_end_where_they_end_byte_by_byte(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'a'), Just(b'"' - 1), Just(b'"' + 1)], 0..40),
            byte in prop_oneof![Just(b'"'), Just(0), any::<u8>()],
        ) {
            let same = |word| equal(word, byte);
            prop_assert_eq!(run_before(&bytes, same), plainly(&bytes, |other| other == byte));
            prop_assert_eq!(run_before(&bytes, control), plainly(&bytes, |byte| byte < 0x20));
            let any = |word| equal(word, byte) | control(word);
            let expected = plainly(&bytes, |other| other == byte || other < 0x20);
            prop_assert_eq!(run_before(&bytes, any), expected);
        }
    }
}
