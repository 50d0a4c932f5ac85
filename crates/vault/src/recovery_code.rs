//! Codes for who lost their second factor: 80 random bits each, shown once as sixteen letters and digits, kept as a hash that is bound
//! to the person. As many random bits need no salt and no stretching.

use keystore_core::ids::UserId;
use zeroize::Zeroizing;

use crate::commitment::sha256;
use crate::error::VaultError;
use crate::random;

/// How many codes a set has.
const SET: usize = 10;

/// Crockford's base32: no letter that is read as another.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A code: told once, wiped on drop.
pub struct RecoveryCode(Zeroizing<String>);

impl RecoveryCode {
    /// A new set.
    ///
    /// # Errors
    ///
    /// `NoRandomness`.
    pub fn set() -> Result<Vec<Self>, VaultError> {
        (0..SET).map(|_| Self::generate()).collect()
    }

    fn generate() -> Result<Self, VaultError> {
        let bits: [u8; 10] = random::bytes()?;
        let mut text = Zeroizing::new(String::with_capacity(19));
        let mut number = bits
            .iter()
            .fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        for at in 0..16 {
            if at % 4 == 0 && at > 0 {
                text.push('-');
            }
            text.push(char::from(LETTERS[(number & 31) as usize]));
            number >>= 5;
        }
        Ok(Self(text))
    }

    /// What is kept of it.
    pub fn hash(&self, user: UserId) -> [u8; 32] {
        hash_recovery_code(user, &self.0)
    }

    /// The text, for its owner.
    pub fn into_text(self) -> Zeroizing<String> {
        self.0
    }
}

/// What is kept of the code that somebody typed so: the case, spaces and dashes do not matter, nor does O for 0 or I and L for 1.
pub fn hash_recovery_code(user: UserId, typed: &str) -> [u8; 32] {
    let mut text = Zeroizing::new(Vec::with_capacity(64 + typed.len()));
    text.extend_from_slice(b"keystore/recovery-code/v1");
    text.extend_from_slice(user.uuid().as_bytes());
    let letters = typed.bytes().filter(|byte| !matches!(byte, b'-' | b' '));
    text.extend(letters.map(|byte| match byte.to_ascii_lowercase() {
        b'o' => b'0',
        b'i' | b'l' => b'1',
        other => other,
    }));
    sha256(&[&text])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_code_is_found_however_it_is_typed_and_for_its_person_alone() {
        let (ada, grace) = (UserId::new(Uuid::from_u128(1)), UserId::new(Uuid::from_u128(2)));
        let set = RecoveryCode::set().unwrap();
        let hashes: BTreeSet<_> = set.iter().map(|code| code.hash(ada)).collect();
        assert_eq!(hashes.len(), SET);
        for code in set {
            let hash = code.hash(ada);
            assert_ne!(hash, code.hash(grace));
            let text = code.into_text();
            assert_eq!((text.len(), text.matches('-').count()), (19, 3), "{}", *text);
            let typed = text
                .to_uppercase()
                .replace('-', " ")
                .replace('0', "o")
                .replace('1', "L");
            assert_eq!(hash_recovery_code(ada, &typed), hash);
            assert_ne!(hash_recovery_code(ada, &text[1..]), hash);
        }
    }
}
