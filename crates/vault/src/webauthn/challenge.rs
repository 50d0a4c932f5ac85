//! Challenges that say themselves what they are for and until when they hold, under a MAC: nothing is kept of one that nobody answers.

use std::time::Duration;

use keystore_core::Micros;
use keystore_core::ids::UserId;

use super::PasskeyError;
use crate::deployment::PolicyMac;
use crate::error::VaultError;
use crate::random;

/// What the MAC is for.
const PURPOSE: &str = "passkey-challenge";

/// How long a challenge holds.
const LIFE: Duration = Duration::from_secs(300);

const NONCE: usize = 16;
const TIME: usize = 8;
const MAC: usize = 32;

/// What a challenge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ceremony {
    /// A person registers a passkey.
    Register(UserId),
    /// A person proves a second factor.
    Prove(UserId),
    /// Somebody signs in with a passkey alone.
    SignIn,
}

impl Ceremony {
    fn bytes(self) -> [u8; 17] {
        let (tag, user) = match self {
            Self::Register(user) => (1, user.uuid().into_bytes()),
            Self::Prove(user) => (2, user.uuid().into_bytes()),
            Self::SignIn => (3, [0; 16]),
        };
        let mut bytes = [tag; 17];
        bytes[1..].copy_from_slice(&user);
        bytes
    }
}

/// A challenge.
pub struct Challenge;

impl Challenge {
    /// A new one.
    ///
    /// # Errors
    ///
    /// `NoRandomness`.
    pub fn generate(mac: &PolicyMac, ceremony: Ceremony, now: Micros) -> Result<Vec<u8>, VaultError> {
        let nonce: [u8; NONCE] = random::bytes()?;
        let until = now.plus(LIFE);
        let head = [&nonce[..], &until.0.to_be_bytes()].concat();
        let tag = mac.tag(PURPOSE, &[&head[..], &ceremony.bytes()].concat());
        Ok([&head[..], &tag].concat())
    }

    /// Until when this challenge holds, if it is one of ours for this, and does.
    ///
    /// # Errors
    ///
    /// `Challenge`.
    pub fn open(
        mac: &PolicyMac,
        ceremony: Ceremony,
        challenge: &[u8],
        now: Micros,
    ) -> Result<Micros, PasskeyError> {
        if challenge.len() != NONCE + TIME + MAC {
            return Err(PasskeyError::Challenge);
        }
        let (head, tag) = challenge.split_at(NONCE + TIME);
        let mut until = [0; TIME];
        until.copy_from_slice(&head[NONCE..]);
        let until = Micros(i64::from_be_bytes(until));
        let is_ours = mac.verify(PURPOSE, &[head, &ceremony.bytes()].concat(), tag);
        match is_ours && until > now {
            true => Ok(until),
            false => Err(PasskeyError::Challenge),
        }
    }
}
