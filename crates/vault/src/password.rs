//! People's passwords: Argon2id, as PHC strings. Every call takes tens of milliseconds: make it where blocking is allowed.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::error::VaultError;
use crate::random;

/// 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet).
const MEMORY_KIB: u32 = 19 << 10;
const PASSES: u32 = 2;

fn argon() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The PHC string of `password` with a new salt.
///
/// # Errors
///
/// `NoRandomness`.
pub fn hash(password: &str) -> Result<String, VaultError> {
    let salt = random::bytes::<16>()?;
    let hash = argon()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|_| VaultError::NoRandomness)?;
    Ok(hash.to_string())
}

/// Whether `password` is the one of `stored`. Without a `stored` one (no such account) it takes as long and says no.
pub fn verify(password: &str, stored: Option<&str>) -> bool {
    // The hash of nothing that anybody has: the cost parameters are what matters.
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let Ok(parsed) = PasswordHash::new(stored.unwrap_or(NOBODY)) else {
        return false;
    };
    let same = argon().verify_password(password.as_bytes(), &parsed).is_ok();
    same && stored.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_itself_is_taken() {
        let stored = hash("correct horse").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify("correct horse", Some(&stored)));
        assert!(!verify("correct horsf", Some(&stored)));
        assert!(
            !verify("", Some(&stored)) && !verify("correct horse", None) && !verify("x", Some("not a hash"))
        );
        assert_ne!(stored, hash("correct horse").unwrap(), "each with its own salt");
    }
}
