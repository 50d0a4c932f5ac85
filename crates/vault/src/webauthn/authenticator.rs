//! Authenticator data (6.1) and the attestation object around it (6.5.4). Every byte is accounted for.

use minicbor::Decoder;

use super::{MOST_ID_BYTES, Party, PasskeyError, PasskeyKey};
use crate::aead::same;
use crate::commitment::sha256;

const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;
const EXTENDED: u8 = 1 << 7;

/// Bytes of the model's name, which is not looked at.
const AAGUID: usize = 16;

/// What the authenticator says.
pub(super) struct AuthenticatorData<'a> {
    party: &'a [u8; 32],
    present: bool,
    verified: bool,
    pub(super) backup_eligible: bool,
    pub(super) backed_up: bool,
    pub(super) count: u32,
    pub(super) attested: Option<Attested<'a>>,
}

/// The passkey that was made.
pub(super) struct Attested<'a> {
    pub(super) id: &'a [u8],
    pub(super) key: PasskeyKey,
}

impl<'a> AuthenticatorData<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, PasskeyError> {
        let (party, rest) = bytes.split_first_chunk::<32>().ok_or(PasskeyError::Form)?;
        let (&[flags], rest) = rest.split_first_chunk::<1>().ok_or(PasskeyError::Form)?;
        let (count, mut rest) = rest.split_first_chunk::<4>().ok_or(PasskeyError::Form)?;
        let has = |flag| flags & flag != 0;
        let attested = match has(ATTESTED) {
            true => Some(attested(&mut rest)?),
            false => None,
        };
        if has(EXTENDED) {
            rest = behind_map(rest)?;
        }
        if !rest.is_empty() {
            return Err(PasskeyError::Form);
        }
        Ok(Self {
            party,
            present: has(PRESENT),
            verified: has(VERIFIED),
            backup_eligible: has(BACKUP_ELIGIBLE),
            backed_up: has(BACKED_UP),
            count: u32::from_be_bytes(*count),
            attested,
        })
    }

    /// That it is for us, and that somebody was there, whom it verified where that is asked for.
    pub(super) fn check(&self, party: &Party, verified: bool) -> Result<(), PasskeyError> {
        if !same(self.party, &sha256(&[party.id.as_bytes()])) {
            return Err(PasskeyError::Party);
        }
        if !self.present {
            return Err(PasskeyError::Presence);
        }
        if verified && !self.verified {
            return Err(PasskeyError::Verification);
        }
        match self.backed_up && !self.backup_eligible {
            true => Err(PasskeyError::Backup),
            false => Ok(()),
        }
    }
}

/// Attested credential data (6.5.1), taken from the beginning of `rest`.
fn attested<'a>(rest: &mut &'a [u8]) -> Result<Attested<'a>, PasskeyError> {
    let (_, more) = rest.split_first_chunk::<AAGUID>().ok_or(PasskeyError::Form)?;
    let (length, more) = more.split_first_chunk::<2>().ok_or(PasskeyError::Form)?;
    let length = usize::from(u16::from_be_bytes(*length));
    if length == 0 || length > MOST_ID_BYTES {
        return Err(PasskeyError::Form);
    }
    let (id, more) = more.split_at_checked(length).ok_or(PasskeyError::Form)?;
    let behind = behind_map(more)?;
    let key = PasskeyKey::of_cose(&more[..more.len() - behind.len()])?;
    *rest = behind;
    Ok(Attested { id, key })
}

/// What follows the map at the beginning.
fn behind_map(bytes: &[u8]) -> Result<&[u8], PasskeyError> {
    let mut decoder = Decoder::new(bytes);
    match decoder.datatype() {
        Ok(minicbor::data::Type::Map) => {}
        _ => return Err(PasskeyError::Form),
    }
    decoder.skip().map_err(|_| PasskeyError::Form)?;
    Ok(&bytes[decoder.position()..])
}

/// The authenticator data in an attestation object of the format `none`, which has nothing else in it.
pub(super) fn without_attestation(object: &[u8]) -> Result<&[u8], PasskeyError> {
    let form = |_| PasskeyError::Form;
    let mut decoder = Decoder::new(object);
    if decoder.map().map_err(form)? != Some(3) {
        return Err(PasskeyError::Form);
    }
    let (mut format, mut statement, mut data) = (None, None, None);
    for _ in 0..3 {
        match decoder.str().map_err(form)? {
            "fmt" => format = Some(decoder.str().map_err(form)?),
            "attStmt" => {
                statement = Some(decoder.map().map_err(form)?);
                if statement != Some(Some(0)) {
                    return Err(PasskeyError::Attestation);
                }
            }
            "authData" => data = Some(decoder.bytes().map_err(form)?),
            _ => return Err(PasskeyError::Form),
        }
    }
    match (format, statement, data) {
        _ if decoder.position() != object.len() => Err(PasskeyError::Form),
        (Some("none"), Some(_), Some(data)) => Ok(data),
        (Some(_), Some(_), Some(_)) => Err(PasskeyError::Attestation),
        _ => Err(PasskeyError::Form),
    }
}
