//! New tokens and keys, and how they are found again.

use aws_lc_rs::digest::{SHA256, digest};
use keystore_core::token::TokenHash;
use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::random;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// An agent's token, for the proxy: `ks_`.
    Agent,
    /// A management key, for the control plane: `ksm_`.
    ApiKey,
    /// A session of the control plane: `kss_`.
    Session,
    /// A sign-in link, for one use: `ksc_`.
    SignInCode,
}

impl TokenKind {
    /// What its tokens begin with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Agent => "ks_",
            Self::ApiKey => "ksm_",
            Self::Session => "kss_",
            Self::SignInCode => "ksc_",
        }
    }

    /// Whether `text` has exactly the form of such a token: the prefix and 64 lower-case hexadecimal digits.
    pub fn matches(self, text: &[u8]) -> bool {
        text.strip_prefix(self.prefix().as_bytes()).is_some_and(|digits| {
            digits.len() == 64
                && digits
                    .iter()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    }
}

/// A token that was just made. It can be shown once; what is kept is its hash.
pub struct NewToken {
    text: Zeroizing<String>,
    hash: TokenHash,
}

impl NewToken {
    /// A new token of this kind: 256 bits from the operating system.
    ///
    /// # Errors
    ///
    /// `NoRandomness`.
    pub fn generate(kind: TokenKind) -> Result<Self, VaultError> {
        let bytes = Zeroizing::new(random::bytes::<32>()?);
        let mut text = Zeroizing::new(String::with_capacity(kind.prefix().len() + 64));
        text.push_str(kind.prefix());
        for byte in bytes.iter() {
            for half in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(half), 16).unwrap_or_default());
            }
        }
        let hash = hash_token(text.as_bytes());
        Ok(Self { text, hash })
    }

    /// What is kept of it.
    pub const fn hash(&self) -> TokenHash {
        self.hash
    }

    /// The token, to be shown to its owner, who has the only copy from then on.
    pub fn into_text(mut self) -> String {
        std::mem::take(&mut *self.text)
    }
}

/// SHA-256 of a token of any kind. 256 random bits need neither salt nor stretching.
pub fn hash_token(text: &[u8]) -> TokenHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text).as_ref());
    TokenHash(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_has_its_form_and_is_found_by_its_hash() {
        for kind in [
            TokenKind::Agent,
            TokenKind::ApiKey,
            TokenKind::Session,
            TokenKind::SignInCode,
        ] {
            let token = NewToken::generate(kind).unwrap();
            let hash = token.hash();
            let text = token.into_text();
            assert!(kind.matches(text.as_bytes()), "{text}");
            assert!(hash_token(text.as_bytes()) == hash);
            assert!(!kind.matches(text.to_uppercase().as_bytes()) && !kind.matches(&text.as_bytes()[1..]));
        }
        let token = NewToken::generate(TokenKind::Agent).unwrap().into_text();
        assert!(keystore_core::token::is_token(token.as_bytes()));
        assert!(token != NewToken::generate(TokenKind::Agent).unwrap().into_text());
    }
}
