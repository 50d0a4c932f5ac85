//! Bearer secrets that Keystore itself hands out. Only their SHA-256 is kept: 256 random bits need no salt and no stretching.

use aws_lc_rs::digest::{SHA256, digest};
use keystore_core::token::TokenHash;
use zeroize::Zeroizing;

use crate::aead;
use crate::error::VaultError;
use crate::random;

/// What a bearer secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// `ks_`: an agent calls the proxy.
    Agent,
    /// `ksm_`: a management key calls the control plane.
    ApiKey,
    /// `kss_`: a signed-in session of the control plane.
    Session,
    /// `ksc_`: the one-time code of a sign-in, reset or verification link.
    SignInCode,
}

impl TokenKind {
    /// What its secrets begin with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Agent => keystore_core::token::PREFIX,
            Self::ApiKey => "ksm_",
            Self::Session => "kss_",
            Self::SignInCode => "ksc_",
        }
    }
}

/// A new bearer secret: the prefix and 64 lower-case hexadecimal digits. Its text is told once and wiped on drop.
pub struct NewToken(Zeroizing<String>);

impl NewToken {
    /// 32 bytes from the operating system.
    ///
    /// # Errors
    ///
    /// `NoRandomness`.
    pub fn generate(kind: TokenKind) -> Result<Self, VaultError> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let prefix = kind.prefix();
        let mut text = Zeroizing::new(String::with_capacity(prefix.len() + 64));
        text.push_str(prefix);
        for byte in random::key()?.expose() {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        Ok(Self(text))
    }

    /// What is kept of it.
    pub fn hash(&self) -> TokenHash {
        hash_token(self.0.as_bytes())
    }

    /// The text, for its owner.
    pub fn into_text(self) -> Zeroizing<String> {
        self.0
    }
}

/// SHA-256 of a bearer secret as it was presented.
pub fn hash_token(text: &[u8]) -> TokenHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text).as_ref());
    TokenHash(hash)
}

/// Whether two hashes are equal, in a time that does not tell where they differ.
pub fn same_token(a: &TokenHash, b: &TokenHash) -> bool {
    aead::same(&a.0, &b.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_form_that_the_proxy_accepts() {
        let token = NewToken::generate(TokenKind::Agent).unwrap();
        let hash = token.hash();
        let text = token.into_text();
        assert!(keystore_core::token::is_token(text.as_bytes()));
        assert!(same_token(&hash_token(text.as_bytes()), &hash));
        assert!(!same_token(&hash_token(&text.as_bytes()[1..]), &hash));
        let other = NewToken::generate(TokenKind::Agent).unwrap();
        assert!(!same_token(&other.hash(), &hash));
    }

    #[test]
    fn each_kind_has_its_prefix_and_none_is_another() {
        for (kind, prefix) in [
            (TokenKind::ApiKey, "ksm_"),
            (TokenKind::Session, "kss_"),
            (TokenKind::SignInCode, "ksc_"),
        ] {
            let text = NewToken::generate(kind).unwrap().into_text();
            let digits = text.strip_prefix(prefix).unwrap();
            assert_eq!(digits.len(), 64);
            assert!(
                digits
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            );
            assert!(!keystore_core::token::is_token(text.as_bytes()));
        }
    }

    #[test]
    fn the_hash_is_sha_256() {
        // FIPS 180-4, "abc".
        let hash: String = hash_token(b"abc")
            .0
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hash,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
