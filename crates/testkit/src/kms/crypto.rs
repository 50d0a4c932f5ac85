//! The keys of the fakes, and what is done with them.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use keystore_core::hex;

use super::Service;
use crate::rsa::RsaKey;

/// What a fake has.
pub(super) struct Keys {
    symmetric: LessSafeKey,
    /// Of Azure's key alone: making one takes a while.
    rsa: Option<(OaepPrivateDecryptingKey, OaepPublicEncryptingKey)>,
    /// Of Google's service account alone.
    pub(super) account: Option<RsaKey>,
}

impl Keys {
    pub(super) fn generate(service: Service) -> Self {
        Self::try_generate(service).unwrap_or_else(|_| panic!("fake KMS: no keys"))
    }

    fn try_generate(service: Service) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key)?;
        let mut keys = Self {
            symmetric: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key)?),
            rsa: None,
            account: None,
        };
        match service {
            Service::Azure => {
                let private = PrivateDecryptingKey::generate(KeySize::Rsa2048)?;
                let public = OaepPublicEncryptingKey::new(private.public_key())?;
                keys.rsa = Some((OaepPrivateDecryptingKey::new(private)?, public));
            }
            Service::Gcp => keys.account = Some(RsaKey::generate()),
            Service::Aws | Service::Vault => {}
        }
        Ok(keys)
    }

    /// Nonce, ciphertext and tag.
    pub(super) fn encrypt(&self, plaintext: &[u8], aad: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        let mut text = plaintext.to_vec();
        let sealed = aws_lc_rs::rand::fill(&mut nonce).and_then(|()| {
            self.symmetric.seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad),
                &mut text,
            )
        });
        sealed.unwrap_or_else(|_| panic!("fake KMS: no randomness"));
        [&nonce[..], &text].concat()
    }

    pub(super) fn decrypt(&self, ciphertext: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = ciphertext.split_at_checked(NONCE_LEN)?;
        let mut text = text.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.symmetric.open_in_place(nonce, Aad::from(aad), &mut text);
        opened.ok().map(|plain| plain.to_vec())
    }

    pub(super) fn rsa_encrypt(&self, plaintext: &[u8]) -> Option<Vec<u8>> {
        let (_, public) = self.rsa.as_ref()?;
        let mut out = vec![0; public.ciphertext_size()];
        let sealed = public.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut out, None);
        sealed.ok().map(|sealed| sealed.to_vec())
    }

    pub(super) fn rsa_decrypt(&self, ciphertext: &[u8]) -> Option<Vec<u8>> {
        let (private, _) = self.rsa.as_ref()?;
        let mut out = vec![0; private.min_output_size()];
        let opened = private.decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut out, None);
        opened.ok().map(|opened| opened.to_vec())
    }
}

/// `key`, wrapped under a public key in PEM with RSAES-OAEP, SHA-256 and MGF1 with SHA-256.
///
/// # Panics
///
/// When it is no public key.
pub fn rsa_wrapped(pem: &str, key: &[u8]) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let wrapped = || {
        let public = PublicEncryptingKey::from_der(&STANDARD.decode(body).ok()?).ok()?;
        let public = OaepPublicEncryptingKey::new(public).ok()?;
        let mut out = vec![0; public.ciphertext_size()];
        let sealed = public.encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut out, None);
        sealed.ok().map(|sealed| sealed.to_vec())
    };
    wrapped().unwrap_or_else(|| panic!("no public key: {pem}"))
}

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

pub(super) fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    sign(&Key::new(HMAC_SHA256, key), text.as_bytes())
        .as_ref()
        .to_vec()
}

/// CRC-32C by the table of one byte, as another way than the one under test.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256_u32)
        .map(|byte| {
            (0..8).fold(byte, |crc, _| match crc & 1 {
                1 => (crc >> 1) ^ 0x82f6_3b78,
                _ => crc >> 1,
            })
        })
        .collect();
    let step = |crc: u32, byte: &u8| (crc >> 8) ^ table[((crc ^ u32::from(*byte)) & 0xff) as usize];
    !bytes.iter().fold(!0, step)
}
