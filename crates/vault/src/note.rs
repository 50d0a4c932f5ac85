//! Signed notes (C2SP signed-note) with the checkpoints of the audit log (C2SP tlog-checkpoint) and what its retention removed: Ed25519.
//!
//! A [`Verifier`] is all that who checks a checkpoint needs. The signing key is made once, sealed under the deployment key, which the KMS
//! wraps, and never leaves this crate.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use keystore_core::ids::{DeploymentId, OrgId};
use keystore_core::merkle::Hash;
use keystore_core::{Micros, hex};

use crate::aead::{Key, NONCE};
use crate::commitment::sha256;
use crate::deployment::PolicyMac;
use crate::error::VaultError;
use crate::random;
use crate::secret::Secret;

/// What the key that seals the signing key is for.
const PURPOSE: &str = "audit-signer";

/// The signature type Ed25519 of signed notes.
const ED25519_TYPE: u8 = 1;

/// Where the signatures of a note begin.
const SIGNATURE: &str = "\u{2014} ";

/// Signs the checkpoints of one deployment.
pub struct NoteSigner {
    pair: Ed25519KeyPair,
    verifier: Verifier,
}

impl NoteSigner {
    /// A new signer, and its key as it is sealed under the deployment key, to be stored.
    ///
    /// # Errors
    ///
    /// `NoRandomness`.
    pub fn generate(mac: &PolicyMac, deployment: DeploymentId) -> Result<(Self, Vec<u8>), VaultError> {
        let seed = random::key()?;
        let nonce: [u8; NONCE] = random::bytes()?;
        let sealed = sealing_key(mac)?.seal(nonce, deployment.uuid().as_bytes(), seed.expose())?;
        Ok((Self::of(&seed, deployment)?, [&nonce[..], &sealed].concat()))
    }

    /// The signer whose key this is.
    ///
    /// # Errors
    ///
    /// `BadFormat`; `Corrupt` when it was sealed under another deployment key or for another deployment.
    pub fn open(mac: &PolicyMac, deployment: DeploymentId, sealed: &[u8]) -> Result<Self, VaultError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(VaultError::BadFormat)?;
        let seed = sealing_key(mac)?.open(*nonce, deployment.uuid().as_bytes(), sealed)?;
        Self::of(&seed, deployment)
    }

    fn of(seed: &Secret, deployment: DeploymentId) -> Result<Self, VaultError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| VaultError::Corrupt)?;
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        let verifier = Verifier::new(format!("keystore/{deployment}"), public);
        Ok(Self { pair, verifier })
    }

    /// What its signatures are checked with.
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The note that says that the log has this size and root.
    pub fn checkpoint(&self, size: u64, root: &Hash, at: Micros) -> String {
        self.sign(&format!("{size}\n{}\ntime {}\n", BASE64.encode(root), at.0))
    }

    /// The note that says that the retention removed the entries of an organization up to this number.
    pub fn removal(&self, org: OrgId, to: i64) -> String {
        self.sign(&Removal { org, to }.to_string())
    }

    /// The note with these lines after the origin.
    fn sign(&self, lines: &str) -> String {
        let origin = &self.verifier.name;
        let text = format!("{origin}\n{lines}");
        let mut signature = self.verifier.id.to_vec();
        signature.extend_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        format!("{text}\n{SIGNATURE}{origin} {}\n", BASE64.encode(signature))
    }
}

/// What the signing key is sealed with.
fn sealing_key(mac: &PolicyMac) -> Result<Key, VaultError> {
    Key::new(&Secret::new(mac.tag(PURPOSE, &[]).to_vec()))
}

/// The public half of a signer, as it is pinned by who checks: `name+id+key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    id: [u8; 4],
    public: [u8; 32],
}

/// Why a key or a note is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is no verifier key.
    #[error("this is no verifier key; it reads NAME+8 hex digits+base64, as `ks audit key` prints it")]
    Key,
    /// The text is no checkpoint.
    #[error("this is no checkpoint in a signed note")]
    Form,
    /// It carries no signature by this key.
    #[error("it is not signed by this key")]
    OtherKey,
    /// The signature is not one of this text.
    #[error("the signature is wrong")]
    Signature,
}

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Leaves of the log.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// When it was signed.
    pub at: Micros,
}

/// What a note says of entries that were removed: those of an organization up to this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// The organization.
    pub org: OrgId,
    /// The number of the last of them.
    pub to: i64,
}

impl std::fmt::Display for Removal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "removed\n{}\n{}", self.org, self.to)
    }
}

impl Verifier {
    fn new(name: String, public: [u8; 32]) -> Self {
        let hash = sha256(&[name.as_bytes(), b"\n", &[ED25519_TYPE], &public]);
        let mut id = [0; 4];
        id.copy_from_slice(&hash[..4]);
        Self { name, id, public }
    }

    /// The key in its text form.
    ///
    /// # Errors
    ///
    /// `Key`.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key);
        };
        let key = BASE64.decode(key).map_err(|_| NoteError::Key)?;
        let Some((&ED25519_TYPE, public)) = key.split_first() else {
            return Err(NoteError::Key);
        };
        let public = <[u8; 32]>::try_from(public).map_err(|_| NoteError::Key)?;
        let verifier = Self::new(name.to_owned(), public);
        let is_named = !name.is_empty() && !name.contains(char::is_whitespace) && hex(&verifier.id) == id;
        if is_named {
            Ok(verifier)
        } else {
            Err(NoteError::Key)
        }
    }

    /// What a checkpoint says, if it is signed by this key.
    ///
    /// # Errors
    ///
    /// `Form`, `OtherKey`, `Signature`.
    pub fn open(&self, note: &str) -> Result<Checkpoint, NoteError> {
        let text = self.verified(note)?;
        let mut lines = text.lines();
        if lines.next() != Some(self.name.as_str()) {
            return Err(NoteError::Form);
        }
        Checkpoint::read(lines)
    }

    /// Whether a note says that these entries were removed, and is signed by this key.
    pub fn says(&self, removal: Removal, note: &str) -> bool {
        self.verified(note)
            .is_ok_and(|text| text == format!("{}\n{removal}", self.name))
    }

    /// The text of a note that is signed by this key.
    fn verified(&self, note: &str) -> Result<String, NoteError> {
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(NoteError::Form)?;
        let text = format!("{text}\n");
        let mut found = NoteError::OtherKey;
        for line in signatures.lines() {
            let (name, signature) = line
                .strip_prefix(SIGNATURE)
                .and_then(|line| line.split_once(' '))
                .ok_or(NoteError::Form)?;
            let signature = BASE64.decode(signature).map_err(|_| NoteError::Form)?;
            let Some((id, signature)) = signature.split_at_checked(4) else {
                return Err(NoteError::Form);
            };
            if name != self.name || id != self.id {
                continue;
            }
            let key = UnparsedPublicKey::new(&ED25519, &self.public);
            match key.verify(text.as_bytes(), signature) {
                Ok(()) => return Ok(text),
                Err(_) => found = NoteError::Signature,
            }
        }
        Err(found)
    }
}

impl Checkpoint {
    /// What a note says, whoever signed it.
    ///
    /// # Errors
    ///
    /// `Form`.
    pub fn unverified(note: &str) -> Result<Self, NoteError> {
        let (text, _) = note.rsplit_once("\n\n").ok_or(NoteError::Form)?;
        let mut lines = text.lines();
        lines.next().ok_or(NoteError::Form)?;
        Self::read(lines)
    }

    /// The lines after the origin.
    fn read(mut lines: std::str::Lines<'_>) -> Result<Self, NoteError> {
        let mut next = || lines.next().ok_or(NoteError::Form);
        let size = next()?.parse().map_err(|_| NoteError::Form)?;
        let root = BASE64.decode(next()?).map_err(|_| NoteError::Form)?;
        let root = root.try_into().map_err(|_| NoteError::Form)?;
        let at = next()?.strip_prefix("time ").ok_or(NoteError::Form)?;
        let at = Micros(at.parse().map_err(|_| NoteError::Form)?);
        Ok(Self { size, root, at })
    }
}

impl std::fmt::Display for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = [&[ED25519_TYPE], &self.public[..]].concat();
        write!(f, "{}+{}+{}", self.name, hex(&self.id), BASE64.encode(key))
    }
}

#[cfg(test)]
mod tests {
    use keystore_core::IdSource as _;

    use super::*;
    use crate::deployment::DeploymentKey;

    #[test]
    fn a_key_of_the_specification_is_read_and_written_as_it_stands() {
        // C2SP signed-note, "Verifier keys"; Go's golang.org/x/mod/sumdb/note uses the same one.
        let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key = Verifier::parse(text).unwrap();
        assert_eq!(key.to_string(), text);
        for wrong in [
            "",
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+AhpcX2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",
            "PeterNeumann+c74f20a3",
        ] {
            assert_eq!(Verifier::parse(wrong), Err(NoteError::Key), "{wrong}");
        }
    }

    #[test]
    fn a_signature_of_the_specification_is_right() {
        // golang.org/x/mod/sumdb/note, the text that its documentation signs.
        let key =
            Verifier::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        let note = "If you think cryptography is the answer to your problem,\n\
            then you don't know what your problem is.\n\n\
            \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        // It is signed by the key; it is no checkpoint.
        assert_eq!(key.open(note), Err(NoteError::Form));
        assert_eq!(
            key.open(&note.replace("your problem is", "your problem was")),
            Err(NoteError::Signature)
        );
    }

    #[test]
    fn a_checkpoint_comes_back_and_no_changed_one_does() {
        let clock = std::sync::Arc::new(crate::vault::tests::TestClock::default());
        let deployment = DeploymentId::new(crate::SystemIds::new(clock).next());
        let mac = DeploymentKey::generate().unwrap().policy_mac().unwrap();
        let (signer, sealed) = NoteSigner::generate(&mac, deployment).unwrap();
        let again = NoteSigner::open(&mac, deployment, &sealed).unwrap();
        let elsewhere = DeploymentId::new(uuid::Uuid::from_u128(1));
        assert!(NoteSigner::open(&mac, elsewhere, &sealed).is_err());
        let other_key = DeploymentKey::generate().unwrap();
        assert!(NoteSigner::open(&other_key.policy_mac().unwrap(), deployment, &sealed).is_err());
        let key = again.verifier();
        let note = signer.checkpoint(7, &[9; 32], Micros(5));
        let said = Checkpoint {
            size: 7,
            root: [9; 32],
            at: Micros(5),
        };
        assert_eq!(key.open(&note), Ok(said.clone()));
        assert_eq!(Verifier::parse(&key.to_string()).as_ref(), Ok(key));
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert_ne!(key.open(&changed), Ok(said.clone()), "byte {at}");
            }
        }
        let removal = Removal {
            org: OrgId::new(uuid::Uuid::from_u128(1)),
            to: 42,
        };
        let removed = signer.removal(removal.org, removal.to);
        assert!(key.says(removal, &removed));
        assert_eq!(key.open(&removed), Err(NoteError::Form), "it is no checkpoint");
        assert!(!key.says(removal, &note));
        assert!(!key.says(Removal { to: 43, ..removal }, &removed));
        assert!(!key.says(removal, &removed.replace("\n42\n", "\n43\n")));
        let (other, _) = NoteSigner::generate(&mac, deployment).unwrap();
        assert!(!other.verifier().says(removal, &removed));
        assert_eq!(other.verifier().open(&note), Err(NoteError::OtherKey));
    }
}
