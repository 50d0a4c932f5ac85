//! Long runs of letters in bytes, found without looking at most of them.
//!
//! Keys and what they are written as are long runs of few kinds of bytes, and answers are mostly words, which are short ones. So one looks
//! at the end of where a run could be: behind the last byte there that is no letter, the next one could begin.

use std::ops::Range;

/// Every longest run in `data` of at least `shortest` bytes (one or more) for which `is_letter` holds, in order.
pub(crate) fn runs(
    data: &[u8],
    shortest: usize,
    is_letter: impl Fn(u8) -> bool,
) -> impl Iterator<Item = Range<usize>> {
    // No letter stands before it.
    let mut begin = 0;
    std::iter::from_fn(move || {
        loop {
            let (run, rest) = data.get(begin..)?.split_at_checked(shortest)?;
            if let Some(at) = run.iter().rposition(|byte| !is_letter(*byte)) {
                begin += at + 1;
                continue;
            }
            let more = rest.iter().take_while(|byte| is_letter(**byte)).count();
            let found = begin..begin + shortest + more;
            begin = found.end;
            return Some(found);
        }
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
