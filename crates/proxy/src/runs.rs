//! Long runs of letters in bytes, found without looking at most of them.
//!
//! Keys and what they are written as are long runs of few kinds of bytes, and answers are mostly words, which are short ones. A run that is
//! as long as the shortest key covers one of the places that lie so far apart, so that only these are looked at.

use std::ops::Range;

/// Every longest run in `data` of at least `shortest` bytes (one or more) for which `is_letter` holds, in order.
pub(crate) fn runs(
    data: &[u8],
    shortest: usize,
    is_letter: impl Fn(u8) -> bool,
) -> impl Iterator<Item = Range<usize>> {
    // Before it, no run is left that is long enough.
    let mut from = 0;
    std::iter::from_fn(move || {
        let mut at = from + shortest - 1;
        while let Some(byte) = data.get(at) {
            if is_letter(*byte) {
                let before = &data[from..at];
                let begin = at - before.iter().rev().take_while(|byte| is_letter(**byte)).count();
                let after = &data[at + 1..];
                let end = at + 1 + after.iter().take_while(|byte| is_letter(**byte)).count();
                from = (end + 1).min(data.len());
                if end - begin >= shortest {
                    return Some(begin..end);
                }
            } else {
                from = at + 1;
            }
            at = from + shortest - 1;
        }
        None
    })
}

/// The run that `data` ends with; empty where its last byte is no letter.
pub(crate) fn last_run(data: &[u8], is_letter: impl Fn(u8) -> bool) -> Range<usize> {
    let length = data.iter().rev().take_while(|byte| is_letter(**byte)).count();
    data.len() - length..data.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_letter(byte: u8) -> bool {
        byte.is_ascii_alphabetic()
    }

    proptest! {
        #[test]
        fn every_long_run_is_found(text in "[a-c .]{0,60}", shortest in 1_usize..9) {
            let data = text.as_bytes();
            let mut expected = Vec::new();
            let mut at = 0;
            for word in data.split(|byte| !is_letter(*byte)) {
                if word.len() >= shortest {
                    expected.push(at..at + word.len());
                }
                at += word.len() + 1;
            }
            prop_assert_eq!(runs(data, shortest, is_letter).collect::<Vec<_>>(), expected);
            let last = data.split(|byte| !is_letter(*byte)).next_back().unwrap_or_default();
            prop_assert_eq!(&data[last_run(data, is_letter)], last);
        }
    }
}
