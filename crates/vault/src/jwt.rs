//! Signed assertions: a JSON Web Token (RFC 7519) with RS256 (RFC 7518, 3.3), by a private key that is a customer's or an operator's.
//!
//! Only signing: nothing here takes anybody's word for a token.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// Why nothing was signed. Holds nothing of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// The key is no RSA private key in PEM (PKCS #8 or PKCS #1), or shorter than 2,048 bits.
    #[error("the private key is not an RSA key of 2048 bits or more in PEM")]
    Key,
    /// The library refused.
    #[error("the assertion could not be signed")]
    Refused,
}

/// A token of `claims` (a JSON object as text), signed with `private_key` (PEM). `key_id` names the key to whoever checks it.
///
/// # Errors
///
/// See [`JwtError`].
pub fn rs256(claims: &str, key_id: Option<&str>, private_key: &str) -> Result<Zeroizing<String>, JwtError> {
    let key = key_pair(private_key)?;
    let header = match key_id {
        // What a key's id may hold needs no escaping; one that would is left out rather than written wrongly.
        Some(id)
            if id
                .bytes()
                .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') =>
        {
            format!(r#"{{"alg":"RS256","kid":"{id}","typ":"JWT"}}"#)
        }
        _ => r#"{"alg":"RS256","typ":"JWT"}"#.to_owned(),
    };
    let mut signature = vec![0; key.public_modulus_len()];
    let length = (header.len() + claims.len() + signature.len()) * 4 / 3 + 16;
    let mut token = Zeroizing::new(String::with_capacity(length));
    URL_SAFE_NO_PAD.encode_string(header, &mut token);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        token.as_bytes(),
        &mut signature,
    )
    .map_err(|_| JwtError::Refused)?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
    Ok(token)
}

/// Reads the forms in which vendors give keys out: `PRIVATE KEY` (RFC 5958) and `RSA PRIVATE KEY` (RFC 8017, A.1.2).
fn key_pair(pem: &str) -> Result<RsaKeyPair, JwtError> {
    let (label, rest) = pem
        .split_once("-----BEGIN ")
        .and_then(|(_, rest)| rest.split_once("-----"))
        .ok_or(JwtError::Key)?;
    let (body, _) = rest.split_once("-----END ").ok_or(JwtError::Key)?;
    let base64: Zeroizing<Vec<u8>> =
        Zeroizing::new(body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect());
    let der = Zeroizing::new(STANDARD.decode(&*base64).map_err(|_| JwtError::Key)?);
    let key = match label {
        "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&der),
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der),
        _ => return Err(JwtError::Key),
    };
    key.ok()
        .filter(|key| key.public_modulus_len() >= 256)
        .ok_or(JwtError::Key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    fn pem(label: &str, der: &[u8]) -> String {
        let base64 = STANDARD.encode(der);
        let lines: Vec<&str> = base64
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            lines.join("\n")
        )
    }

    #[test]
    fn a_token_is_what_the_public_key_takes() {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).unwrap();
        let token = rs256(
            r#"{"iss":"a"}"#,
            Some("kid-1"),
            &pem("PRIVATE KEY", pkcs8.as_ref()),
        )
        .unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
        assert!(public.verify(signed.as_bytes(), &signature).is_ok());
        let (header, claims) = signed.split_once('.').unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.decode(header).unwrap(),
            br#"{"alg":"RS256","kid":"kid-1","typ":"JWT"}"#
        );
        assert_eq!(URL_SAFE_NO_PAD.decode(claims).unwrap(), br#"{"iss":"a"}"#);
    }

    #[test]
    fn what_is_no_rsa_key_is_refused_without_a_word_of_it() {
        for bad in [
            "",
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----",
            "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        ] {
            assert_eq!(rs256("{}", None, bad).err(), Some(JwtError::Key), "{bad}");
        }
    }
}
