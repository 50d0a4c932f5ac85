//! RSA keys whose private half a test hands out, and what was signed with it.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// A key that signs assertions.
#[derive(Debug, Clone)]
pub struct RsaKey {
    /// The private key in PEM (PKCS #8).
    pub pem: String,
    public: Vec<u8>,
}

impl RsaKey {
    /// A new key of 2,048 bits.
    ///
    /// # Panics
    ///
    /// When there is no randomness.
    pub fn generate() -> Self {
        Self::try_generate().unwrap_or_else(|_| panic!("no key can be made"))
    }

    fn try_generate() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let key = KeyPair::generate(KeySize::Rsa2048)?;
        let der: Pkcs8V1Der<'_> = key.as_der()?;
        Ok(Self {
            pem: pem(der.as_ref()),
            public: key.public_key().as_ref().to_vec(),
        })
    }

    /// Header and claims of a JWT (RFC 7519) that this key has signed.
    pub(crate) fn read(&self, token: &str) -> Option<(Value, Value)> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let part = |text: &str| -> Option<Value> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
        };
        let (header, claims) = (part(header)?, part(claims)?);
        let is_signed = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public)
            .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?)
            .is_ok();
        (header["alg"] == "RS256" && is_signed).then_some((header, claims))
    }
}

/// A private key (PKCS #8) in PEM.
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        lines.join("\n")
    )
}
