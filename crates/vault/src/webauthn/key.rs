//! Public keys of passkeys: COSE keys (RFC 9052, 7) of the algorithms that are taken, in the form in which they came and are kept.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use minicbor::Decoder;

use super::PasskeyError;

/// ECDSA with P-256 and SHA-256, Ed25519, and RSASSA-PKCS1-v1_5 with SHA-256, in the order in which they are preferred (IANA, COSE
/// algorithms).
pub const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];

const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

/// A public key, as a COSE key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyKey(Vec<u8>);

/// What is in one.
enum Parts<'a> {
    Es256 { x: &'a [u8; 32], y: &'a [u8; 32] },
    EdDsa { x: &'a [u8; 32] },
    Rs256 { n: &'a [u8], e: &'a [u8] },
}

impl PasskeyKey {
    /// The key that is written so.
    ///
    /// # Errors
    ///
    /// `Form`, `Algorithm`.
    pub fn of_cose(bytes: &[u8]) -> Result<Self, PasskeyError> {
        parts(bytes)?;
        Ok(Self(bytes.to_vec()))
    }

    /// How it is written.
    pub fn cose(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), PasskeyError> {
        let verified = match parts(&self.0)? {
            Parts::Es256 { x, y } => {
                let point = [&[4][..], x, y].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            Parts::EdDsa { x } => UnparsedPublicKey::new(&ED25519, x).verify(message, signature),
            Parts::Rs256 { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
        };
        verified.map_err(|_| PasskeyError::Signature)
    }
}

/// The members of a COSE key, by their labels: each at most once, and none that is not known.
#[derive(Default)]
struct Members<'a> {
    kind: Option<i64>,
    algorithm: Option<i64>,
    // -1: the curve, or n.
    curve: Option<i64>,
    first: Option<&'a [u8]>,
    // -2: x, or e.
    second: Option<&'a [u8]>,
    // -3: y.
    third: Option<&'a [u8]>,
}

fn parts(bytes: &[u8]) -> Result<Parts<'_>, PasskeyError> {
    let members = members(bytes)?;
    match (members.kind, members.algorithm, members.curve) {
        (Some(2), Some(ES256), Some(1)) => match (coordinate(members.second), coordinate(members.third)) {
            (Some(x), Some(y)) => Ok(Parts::Es256 { x, y }),
            _ => Err(PasskeyError::Form),
        },
        (Some(1), Some(EDDSA), Some(6)) => match (coordinate(members.second), members.third) {
            (Some(x), None) => Ok(Parts::EdDsa { x }),
            _ => Err(PasskeyError::Form),
        },
        (Some(3), Some(RS256), None) => match (members.first, members.second, members.third) {
            (Some(n), Some(e), None) if n.len() >= 256 => Ok(Parts::Rs256 { n, e }),
            _ => Err(PasskeyError::Form),
        },
        _ => Err(PasskeyError::Algorithm),
    }
}

/// One coordinate of a point.
fn coordinate(bytes: Option<&[u8]>) -> Option<&[u8; 32]> {
    bytes?.try_into().ok()
}

fn members(bytes: &[u8]) -> Result<Members<'_>, PasskeyError> {
    let form = |_| PasskeyError::Form;
    let mut decoder = Decoder::new(bytes);
    let mut members = Members::default();
    let count = decoder.map().map_err(form)?.ok_or(PasskeyError::Form)?;
    let mut seen = Vec::new();
    for _ in 0..count {
        let label = decoder.i64().map_err(form)?;
        if seen.contains(&label) {
            return Err(PasskeyError::Form);
        }
        seen.push(label);
        let is_text = matches!(decoder.datatype(), Ok(minicbor::data::Type::Bytes));
        match label {
            1 => members.kind = Some(decoder.i64().map_err(form)?),
            3 => members.algorithm = Some(decoder.i64().map_err(form)?),
            -1 if is_text => members.first = Some(decoder.bytes().map_err(form)?),
            -1 => members.curve = Some(decoder.i64().map_err(form)?),
            -2 => members.second = Some(decoder.bytes().map_err(form)?),
            -3 => members.third = Some(decoder.bytes().map_err(form)?),
            _ => return Err(PasskeyError::Form),
        }
    }
    match decoder.position() == bytes.len() {
        true => Ok(members),
        false => Err(PasskeyError::Form),
    }
}
