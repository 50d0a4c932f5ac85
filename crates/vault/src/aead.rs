//! AES-256-GCM and HKDF/HMAC-SHA256, as the rest of the crate uses them.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;

use crate::error::VaultError;
use crate::secret::Secret;

/// Bytes of a key.
pub(crate) const KEY: usize = 32;
/// Bytes of an IV (SP 800-38D, 8.2: 96 bits).
pub(crate) const NONCE: usize = 12;
/// Bytes of an authentication tag.
pub(crate) const TAG: usize = 16;

/// An AES-256-GCM key, ready to be used.
pub(crate) struct Key(LessSafeKey);

impl Key {
    pub(crate) fn new(key: &Secret) -> Result<Self, VaultError> {
        let unbound = UnboundKey::new(&AES_256_GCM, key.expose()).map_err(|_| VaultError::Corrupt)?;
        Ok(Self(LessSafeKey::new(unbound)))
    }

    /// `plaintext`, encrypted in place of a copy of it, with its tag at the end.
    pub(crate) fn seal(
        &self,
        nonce: [u8; NONCE],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let mut text = Vec::with_capacity(plaintext.len() + TAG);
        text.extend_from_slice(plaintext);
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut text)
            .map_err(|_| VaultError::Corrupt)?;
        Ok(text)
    }

    /// What `sealed` (ciphertext and tag) holds.
    pub(crate) fn open(&self, nonce: [u8; NONCE], aad: &[u8], sealed: &[u8]) -> Result<Secret, VaultError> {
        let mut text = Secret::new(sealed.to_vec());
        let length = self
            .0
            .open_in_place(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad),
                text.expose_mut(),
            )
            .map_err(|_| VaultError::Corrupt)?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        KEY
    }
}

/// HKDF-SHA256 (RFC 5869) without a salt: one 32-byte key per purpose.
pub(crate) fn derive(key: &Secret, purpose: &str) -> Result<Secret, VaultError> {
    let mut derived = vec![0; KEY];
    Salt::new(HKDF_SHA256, &[])
        .extract(key.expose())
        .expand(&[purpose.as_bytes()], Length)
        .and_then(|okm| okm.fill(&mut derived))
        .map_err(|_| VaultError::Corrupt)?;
    Ok(Secret::new(derived))
}

/// An HMAC-SHA256 key.
pub(crate) fn mac_key(key: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key.expose())
}

/// HMAC-SHA256 over the parts, one after the other.
pub(crate) fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    parts.iter().for_each(|part| context.update(part));
    let mut tag = [0; 32];
    tag.copy_from_slice(context.sign().as_ref());
    tag
}

/// Whether two tags are equal, in a time that does not tell where they differ.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn the_known_answer_of_aes_256_gcm() {
        // Test case 16 of "The Galois/Counter Mode of Operation" (McGrew and Viega).
        let key = Secret::new(hex(
            "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        ));
        let nonce: [u8; NONCE] = hex("cafebabefacedbaddecaf888").try_into().unwrap();
        let aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let plaintext = hex(concat!(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
        ));
        let sealed = Key::new(&key).unwrap().seal(nonce, &aad, &plaintext).unwrap();
        assert_eq!(
            sealed,
            hex(concat!(
                "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa",
                "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
                "76fc6ece0f4e1768cddf8853bb2d551b"
            ))
        );
        let opened = Key::new(&key).unwrap().open(nonce, &aad, &sealed).unwrap();
        assert!(opened.expose() == plaintext);
    }

    #[test]
    fn the_known_answer_of_hmac_sha256() {
        // RFC 4231, test case 2.
        let key = mac_key(&Secret::new(b"Jefe".to_vec()));
        let expected = hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(
            mac(&key, &[b"what do ya want ", b"for nothing?"]).to_vec(),
            expected
        );
    }

    #[test]
    fn the_known_answer_of_hkdf_sha256() {
        // RFC 5869, test case 3, shortened to the first 32 bytes: no salt, no info.
        let derived = derive(&Secret::new(vec![0x0b; 22]), "").unwrap();
        let expected = hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
        assert!(derived.expose() == expected);
    }
}
