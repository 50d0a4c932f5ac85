//! Passkeys: what a relying party checks of WebAuthn (Level 3, <https://www.w3.org/TR/webauthn-3/>), strictly and no more than is used.
//!
//! Taken are ES256, EdDSA (Ed25519) and RS256, and no attestation: which make of authenticator somebody has is not asked. Not here are
//! extensions, token binding, and anything that is kept: whoever calls keeps the keys and counters, and sees to it that a challenge is
//! used once ([`Challenge`] says for what and until when one holds, without being kept).

mod authenticator;
mod challenge;
mod client_data;
mod key;
#[cfg(test)]
mod tests;

pub use challenge::{Ceremony, Challenge};
pub use key::{ALGORITHMS, PasskeyKey};

use authenticator::{Attested, AuthenticatorData};
use client_data::ClientData;

use crate::commitment::sha256;

/// The longest id of a credential, in bytes (7.1, step 25).
pub const MOST_ID_BYTES: usize = 1023;

/// Why a passkey is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyError {
    /// Something has not the form that it should have.
    #[error("it has not the form that the standard gives it")]
    Form,
    /// It is for another ceremony.
    #[error("it was made for something else")]
    Ceremony,
    /// Not our challenge, one for somebody or something else, or too old.
    #[error("its challenge is not one of ours, or is older than five minutes")]
    Challenge,
    /// It was made on a page of another origin, or in a frame of one.
    #[error("it was made on a page of another address")]
    Origin,
    /// It is for another relying party.
    #[error("it is for another address")]
    Party,
    /// Nobody was there.
    #[error("the authenticator did not ask for anybody to be there")]
    Presence,
    /// It was not verified who was there.
    #[error("the authenticator did not verify who it was, by a PIN or a finger or the like")]
    Verification,
    /// Its flags on backups contradict each other, or what was said when it was registered.
    #[error("what it says of backups contradicts itself")]
    Backup,
    /// It comes with an attestation.
    #[error("it comes with an attestation, which was not asked for")]
    Attestation,
    /// Its algorithm is not among those that are taken.
    #[error("its algorithm is not one that is taken")]
    Algorithm,
    /// The signature is wrong.
    #[error("its signature is wrong")]
    Signature,
    /// The counter did not grow: there may be a copy of the passkey.
    #[error("its counter did not grow, so that there may be a copy of it")]
    Counter,
}

/// Whom a passkey is for: the page's origin, and the domain in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// The domain, without a port.
    pub id: String,
    /// The origin: scheme, domain and port.
    pub origin: String,
}

/// A passkey as it was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its id, which the authenticator chose.
    pub id: Vec<u8>,
    /// Its public key.
    pub key: PasskeyKey,
    /// How often it was used, as it says; 0 for those that do not count.
    pub count: u32,
    /// Whether it can be on several devices.
    pub backup_eligible: bool,
    /// Whether it is.
    pub backed_up: bool,
}

/// A passkey as it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// Its public key.
    pub key: &'a PasskeyKey,
    /// Its counter.
    pub count: u32,
    /// Whether it can be on several devices: that does not change.
    pub backup_eligible: bool,
}

/// What an authenticator answers when it is asked to sign.
#[derive(Debug, Clone, Copy)]
pub struct Assertion<'a> {
    /// The client data, as JSON.
    pub client_data: &'a [u8],
    /// The authenticator data.
    pub authenticator_data: &'a [u8],
    /// The signature over both.
    pub signature: &'a [u8],
}

/// What a use of a passkey proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proven {
    /// Its counter now.
    pub count: u32,
    /// Whether it is on several devices now.
    pub backed_up: bool,
}

/// The challenge that this client data answers; whether it holds is asked of [`Challenge::open`].
///
/// # Errors
///
/// `Form`.
pub fn challenge_of(client_data: &[u8]) -> Result<Vec<u8>, PasskeyError> {
    ClientData::parse(client_data)?.challenge()
}

/// Checks a registration (7.1). The challenge has been checked. It must have been verified who was there: such a passkey alone can sign
/// somebody in.
///
/// # Errors
///
/// Why it is refused.
pub fn register(party: &Party, client_data: &[u8], attestation: &[u8]) -> Result<Registered, PasskeyError> {
    ClientData::parse(client_data)?.check("webauthn.create", party)?;
    let data = authenticator::without_attestation(attestation)?;
    let data = AuthenticatorData::parse(data)?;
    data.check(party, true)?;
    let Attested { id, key } = data.attested.ok_or(PasskeyError::Form)?;
    Ok(Registered {
        id: id.to_vec(),
        key,
        count: data.count,
        backup_eligible: data.backup_eligible,
        backed_up: data.backed_up,
    })
}

/// Checks a use (7.2). The challenge has been checked, and whose passkey it is. `verified` asks that it was verified who was there.
///
/// # Errors
///
/// Why it is refused.
pub fn assert(
    party: &Party,
    kept: Kept<'_>,
    assertion: Assertion<'_>,
    verified: bool,
) -> Result<Proven, PasskeyError> {
    ClientData::parse(assertion.client_data)?.check("webauthn.get", party)?;
    let data = AuthenticatorData::parse(assertion.authenticator_data)?;
    data.check(party, verified)?;
    if data.backup_eligible != kept.backup_eligible {
        return Err(PasskeyError::Backup);
    }
    let hash = sha256(&[assertion.client_data]);
    let signed = [assertion.authenticator_data, &hash].concat();
    kept.key.verify(&signed, assertion.signature)?;
    // 7.2, step 22: after the signature, so that nobody learns of counters who has no key.
    if (data.count > 0 || kept.count > 0) && data.count <= kept.count {
        return Err(PasskeyError::Counter);
    }
    Ok(Proven {
        count: data.count,
        backed_up: data.backed_up,
    })
}
