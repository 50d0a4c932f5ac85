//! Letters that act on what is around them instead of being seen: in text that somebody hostile wrote, they move a cursor, turn words
//! around, or hide some.

/// Whether a letter is such a one: a control (Cc), or one of the format characters, separators and tags (Cf, Zl, Zp) of Unicode 16.
pub fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::is_unseen;

    #[test]
    fn letters_are_seen_and_what_turns_them_around_is_not() {
        assert!("aß漢字 é😀\u{fe0f}".chars().all(|letter| !is_unseen(letter)));
        for letter in [
            '\0',
            '\n',
            '\x1b',
            '\x7f',
            '\u{9b}',
            '\u{202e}',
            '\u{200b}',
            '\u{2066}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            assert!(is_unseen(letter), "{letter:?}");
        }
    }
}
