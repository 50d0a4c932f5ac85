//! Passwords of people, as Argon2id hashes in PHC strings.
//!
//! Everything here takes tens of milliseconds and about 19 MiB on purpose: call it from `spawn_blocking`, and bound how many run
//! at once. What a password must look like is not decided here.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::error::VaultError;
use crate::random;

/// Of the stored hash, what more than this is asked is not computed: whoever can write rows must not stop the machine.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 16;

/// 19 MiB, 2 passes, 1 lane: OWASP's minimum for Argon2id (Password Storage Cheat Sheet, 2024).
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

/// The hash of a password under a random salt, to be stored.
///
/// # Errors
///
/// `NoRandomness`; also for a password of more than 4 GiB.
pub fn hash(password: &str) -> Result<String, VaultError> {
    let salt: [u8; 16] = random::bytes()?;
    argon2()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|_| VaultError::NoRandomness)
}

/// Whether `password` is the one whose hash is `stored`. A damaged hash fits no password; neither does `None`, for an account
/// that does not exist or has no password, which takes as long as a wrong password does.
pub fn verify(password: &str, stored: Option<&str>) -> bool {
    let Some(stored) = stored else {
        return verify_nobody(password);
    };
    let Ok(stored) = PasswordHash::new(stored) else {
        return false;
    };
    let affordable = Params::try_from(&stored)
        .is_ok_and(|costs| costs.m_cost() <= MAX_MEMORY_KIB && costs.t_cost() <= MAX_PASSES);
    affordable && argon2().verify_password(password.as_bytes(), &stored).is_ok()
}

/// The hash is compared with nothing; only its computation counts.
fn verify_nobody(password: &str) -> bool {
    std::hint::black_box(&argon2().hash_password_with_salt(password.as_bytes(), b"nobody's account"));
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_password_fits_and_no_other() {
        let stored = hash("correct horse battery").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify("correct horse battery", Some(&stored)));
        assert!(!verify("correct horse batter", Some(&stored)));
        assert!(!verify("", Some(&stored)));
        assert_ne!(
            hash("correct horse battery").unwrap(),
            stored,
            "every hash has its own salt"
        );
        assert!(!verify("correct horse battery", None));
    }

    #[test]
    fn a_hash_of_today_is_understood_for_ever() {
        // The test vector of Argon2's reference implementation (test.c: 64 MiB, 2 passes, salt `somesalt`).
        let stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(verify("password", Some(stored)));
        assert!(!verify("passwore", Some(stored)));
    }

    #[test]
    fn a_damaged_or_unaffordable_hash_fits_nothing() {
        let stored = hash("x").unwrap();
        let costly = stored.replace("m=19456", "m=4194304");
        let other_kind = stored.replace("argon2id", "scrypt");
        for bad in [
            "",
            "x",
            "$argon2id$",
            &stored[..stored.len() / 2],
            &costly,
            &other_kind,
        ] {
            assert!(!verify("x", Some(bad)), "{bad}");
        }
    }
}
