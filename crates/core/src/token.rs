//! The form of an agent's token: `ks_` and 64 lower-case hexadecimal digits (32 random bytes), 67 characters in all.

/// The length of a token in bytes.
pub const LENGTH: usize = 67;

/// What every agent token begins with.
pub const PREFIX: &str = "ks_";

/// The SHA-256 of a token's 67 characters: the only form in which a token is kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

/// Whether `value` has exactly the form of an agent token. Upper case, white space, another length: no.
pub fn is_token(value: &[u8]) -> bool {
    value.len() == LENGTH
        && value.starts_with(PREFIX.as_bytes())
        && value[PREFIX.len()..]
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::is_token;

    #[test]
    fn only_the_exact_form_is_a_token() {
        let good = format!("ks_{}", "0123456789abcdef".repeat(4));
        assert!(is_token(good.as_bytes()));
        for bad in [
            String::new(),
            "ks_".into(),
            good[..66].into(),
            format!("{good}0"),
            good.to_uppercase(),
            good.replace("ks_", "KS_"),
            good.replace('a', "A"),
            good.replace('a', "g"),
            good.replacen("ks_0", "ks_ ", 1),
            format!(" {}", &good[..66]),
        ] {
            assert!(!is_token(bad.as_bytes()), "{bad:?}");
        }
    }
}
