//! Long runs of letters in bytes, found without looking at most of them.
//!
//! Keys and what they are written as are long runs of few kinds of bytes, and answers are mostly words, which are short ones. So one looks
//! at the end of where a run could be: behind the last byte there that is no letter, the next one could begin.

use std::ops::Range;

/// Where the first run in `data` begins of at least `shortest` bytes (one or more) for which `is_letter` holds.
pub(super) fn first_run(data: &[u8], shortest: usize, is_letter: impl Fn(u8) -> bool) -> Option<usize> {
    // No letter stands before it.
    let mut begin = 0;
    loop {
        let run = data.get(begin..)?.get(..shortest)?;
        match run.iter().rposition(|byte| !is_letter(*byte)) {
            Some(at) => begin += at + 1,
            None => return Some(begin),
        }
    }
}

/// The run that `data` ends with; empty where its last byte is no letter.
pub(super) fn last_run(data: &[u8], is_letter: impl Fn(u8) -> bool) -> Range<usize> {
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
        fn long_runs_and_last_ones_are_found(text in "[a-c .]{0,60}", shortest in 1_usize..9) {
            let data = text.as_bytes();
            let first = data.windows(shortest).position(|run| run.iter().all(|byte| is_letter(*byte)));
            prop_assert_eq!(first_run(data, shortest, is_letter), first);
            let last = data.split(|byte| !is_letter(*byte)).next_back().unwrap_or_default();
            prop_assert_eq!(&data[last_run(data, is_letter)], last);
        }
    }
}
