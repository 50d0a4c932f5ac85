//! One-time codes by time (TOTP, RFC 6238): HMAC-SHA1, six digits, steps of 30 seconds, which is what every app for them does.
//!
//! The key is shared with its owner once and kept sealed under the deployment key, bound to the person. Which steps were used before
//! is not known here: whoever checks a code keeps the step that it was of, and refuses it and those before it from then on.

use aws_lc_rs::hmac;
use keystore_core::Micros;
use keystore_core::ids::UserId;
use zeroize::Zeroizing;

use crate::aead::{Key, NONCE, same};
use crate::deployment::PolicyMac;
use crate::error::VaultError;
use crate::random;
use crate::secret::Secret;

/// What the key that seals keys of people is for.
const PURPOSE: &str = "totp";

/// Bytes of a key: as many as HMAC-SHA1 makes (RFC 4226, 4, R6).
const KEY: usize = 20;

/// How long a code is shown.
const STEP_MICROS: i64 = 30_000_000;

/// Digits of a code.
const DIGITS: usize = 6;

/// How many steps the clocks may be apart, in either direction (RFC 6238, 5.2).
const WINDOW: i64 = 1;

/// A person's key. Cannot be printed, serialised or copied.
pub struct TotpKey(Secret);

impl TotpKey {
    /// A new one.
    ///
    /// # Errors
    ///
    /// `NoRandomness`.
    pub fn generate() -> Result<Self, VaultError> {
        let bytes: [u8; KEY] = random::bytes()?;
        Ok(Self(Secret::new(bytes.to_vec())))
    }

    /// Its form as it is stored.
    ///
    /// # Errors
    ///
    /// `NoRandomness`.
    pub fn seal(&self, mac: &PolicyMac, user: UserId) -> Result<Vec<u8>, VaultError> {
        let nonce: [u8; NONCE] = random::bytes()?;
        let sealed = sealing_key(mac)?.seal(nonce, user.uuid().as_bytes(), self.0.expose())?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// The key from how it is stored.
    ///
    /// # Errors
    ///
    /// `BadFormat`; `Corrupt` when it was sealed under another deployment key or for somebody else.
    pub fn open(mac: &PolicyMac, user: UserId, sealed: &[u8]) -> Result<Self, VaultError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(VaultError::BadFormat)?;
        let key = sealing_key(mac)?.open(*nonce, user.uuid().as_bytes(), sealed)?;
        Ok(Self(key))
    }

    /// The key in base32, for its owner to type. Told once.
    pub fn text(&self) -> Zeroizing<String> {
        base32(self.0.expose())
    }

    /// What an app reads from a picture: the key, whose it is and what it is for. Told once.
    pub fn uri(&self, account: &str) -> Zeroizing<String> {
        let account: String = form_urlencoded::byte_serialize(account.as_bytes()).collect();
        Zeroizing::new(format!(
            "otpauth://totp/Keystore:{account}?secret={}&issuer=Keystore&algorithm=SHA1&digits={DIGITS}&period=30",
            *self.text()
        ))
    }

    /// The step that `code` is of, if it is of one near `now` and after `last`. Takes as long whichever it is.
    pub fn step(&self, code: &str, now: Micros, last: i64) -> Option<i64> {
        let here = now.0.div_euclid(STEP_MICROS);
        let mut found = None;
        for step in here - WINDOW..=here + WINDOW {
            let is_this = same(self.code(step).as_bytes(), code.as_bytes());
            found = if is_this && step > last { Some(step) } else { found };
        }
        found
    }

    /// The code of a step (RFC 4226, 5.3).
    fn code(&self, step: i64) -> Zeroizing<String> {
        let number = truncated(self.0.expose(), step) % 10_u32.pow(6);
        Zeroizing::new(format!("{number:0DIGITS$}"))
    }
}

/// Whether a text has the form of a code.
pub fn is_code(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Dynamic truncation (RFC 4226, 5.3): 31 bits of the MAC of the step.
fn truncated(key: &[u8], step: i64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[tag.len() - 1] & 15);
    let word = [tag[at], tag[at + 1], tag[at + 2], tag[at + 3]];
    u32::from_be_bytes(word) & 0x7fff_ffff
}

/// What keys of people are sealed with.
fn sealing_key(mac: &PolicyMac) -> Result<Key, VaultError> {
    Key::new(&Secret::new(mac.tag(PURPOSE, &[]).to_vec()))
}

/// Base32 (RFC 4648, 6) of whole groups of five bytes.
fn base32(bytes: &[u8]) -> Zeroizing<String> {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(5) * 8));
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(LETTERS[(held >> bits) as usize & 31]));
        }
        held &= (1 << bits) - 1;
    }
    text
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::DeploymentKey;

    const SECOND: i64 = 1_000_000;

    fn key() -> TotpKey {
        TotpKey(Secret::new(b"12345678901234567890".to_vec()))
    }

    #[test]
    fn the_vectors_of_rfc_6238() {
        // Appendix B, SHA1. Its codes have eight digits, ours are the last six of them.
        for (seconds, code) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            let step = seconds / 30;
            assert_eq!(
                truncated(b"12345678901234567890", step) % 100_000_000,
                code,
                "{seconds}"
            );
            let code = format!("{:06}", code % 1_000_000);
            assert_eq!(
                key().step(&code, Micros(seconds * SECOND), 0),
                Some(step),
                "{seconds}"
            );
        }
    }

    #[test]
    fn a_code_counts_one_step_around_and_never_before_the_last() {
        let (key, now) = (key(), Micros(1_000_000_000 * SECOND));
        let here = 1_000_000_000 / 30;
        for (step, expected) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let found = key.step(&key.code(here + step), now, 0);
            assert_eq!(found, expected.then_some(here + step), "{step}");
        }
        assert_eq!(key.step(&key.code(here), now, here), None, "it was used");
        assert_eq!(
            key.step(&key.code(here - 1), now, here),
            None,
            "it is older than one that was used"
        );
        assert_eq!(key.step(&key.code(here + 1), now, here), Some(here + 1));
        for wrong in ["", "12345", "1234567", "abcdef"] {
            assert_eq!(key.step(wrong, now, 0), None);
            assert!(!is_code(wrong));
        }
        assert!(is_code("000000"));
    }

    #[test]
    fn a_key_opens_for_its_person_alone() {
        let mac = DeploymentKey::generate().unwrap().policy_mac().unwrap();
        let other = DeploymentKey::generate().unwrap().policy_mac().unwrap();
        let (ada, grace) = (UserId::new(Uuid::from_u128(1)), UserId::new(Uuid::from_u128(2)));
        let key = TotpKey::generate().unwrap();
        let sealed = key.seal(&mac, ada).unwrap();
        assert!(TotpKey::open(&mac, ada, &sealed).unwrap().text() == key.text());
        assert!(TotpKey::open(&mac, grace, &sealed).is_err());
        assert!(TotpKey::open(&other, ada, &sealed).is_err());
        assert!(TotpKey::open(&mac, ada, &sealed[..11]).is_err());
        assert_ne!(sealed, key.seal(&mac, ada).unwrap());
    }

    #[test]
    fn what_an_app_is_told() {
        // RFC 4648, 10, and the key of RFC 6238.
        assert_eq!(*base32(b"fooba"), "MZXW6YTB");
        assert_eq!(*key().text(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            *key().uri("ada+x@example.com"),
            "otpauth://totp/Keystore:ada%2Bx%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Keystore&algorithm=SHA1&digits=6&period=30"
        );
    }
}
