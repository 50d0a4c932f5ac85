//! An entry of the audit log: who changed what of an organization, when, and from where.
//!
//! [`Entry::canonical`] is the leaf that a tree over the log is built from. It holds no names, addresses of people or contents: what a thing was
//! before and after stands in a payload beside it, to which the leaf commits, so that a payload can be erased without breaking
//! the log. Traffic is not recorded here; the journal has it.

use crate::ids::{OrgId, ProjectId, RequestId};
use crate::record::Record;
use crate::time::Micros;

/// One change, at its place in the log of its organization.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Entry {
    /// The organization.
    #[n(0)]
    pub org: OrgId,
    /// Its place: 1, 2, 3, … without gaps in each organization.
    #[n(1)]
    pub seq: u64,
    /// When it was committed.
    #[n(2)]
    pub at: Micros,
    /// What was done: the operation's name in the API, such as `create_agent`.
    #[n(3)]
    pub action: String,
    /// Who did it: the id of a person, a management key or an agent; `system` for the server itself, `anonymous` for who did not prove
    /// who they are.
    #[n(4)]
    pub actor: String,
    /// What it was done to: an id.
    #[n(5)]
    pub subject: String,
    /// The project that this belongs to, if it belongs to one.
    #[n(6)]
    pub project: Option<ProjectId>,
    /// The address that the request came from.
    #[n(7)]
    pub address: Option<String>,
    /// The request of the control plane.
    #[n(8)]
    pub request: Option<RequestId>,
    /// SHA-256 of the payload, which carries a salt.
    #[cbor(n(9), with = "minicbor::bytes")]
    pub payload_sha256: [u8; 32],
}

impl Entry {
    /// The bytes that a tree over the log commits to: CBOR with integer keys in ascending order (RFC 8949, 4.2.1).
    pub fn canonical(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }
}

/// What the bytes of a leaf say.
#[expect(
    clippy::large_enum_variant,
    reason = "it is read one at a time, and kept nowhere"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaf<'a> {
    /// A change of the control plane: a CBOR map.
    Change(Entry),
    /// A record of the journal: a CBOR array.
    Call(Record<'a>),
}

/// The bytes are no leaf that this version knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no record of the log that this version knows")]
pub struct NoLeaf;

/// The major type of a CBOR map, in the upper three bits.
const MAP: u8 = 5;

impl<'a> Leaf<'a> {
    /// Reads it. The two kinds are told apart by their first byte.
    ///
    /// # Errors
    ///
    /// [`NoLeaf`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, NoLeaf> {
        let is_map = bytes.first().is_some_and(|first| first >> 5 == MAP);
        let read = match is_map {
            true => minicbor::decode(bytes).map(Self::Change),
            false => minicbor::decode(bytes).map(Self::Call),
        };
        read.map_err(|_| NoLeaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn an_entry_comes_back_from_its_bytes_and_these_do_not_change_between_versions() {
        let entry = Entry {
            org: OrgId::new(Uuid::from_u128(1)),
            seq: 7,
            at: Micros(5),
            action: "create_agent".to_owned(),
            actor: "system".to_owned(),
            subject: "agt_x".to_owned(),
            project: None,
            address: None,
            request: None,
            payload_sha256: [9; 32],
        };
        let bytes = entry.canonical();
        assert_eq!(minicbor::decode::<Entry>(&bytes).unwrap(), entry);
        assert_eq!(Leaf::read(&bytes), Ok(Leaf::Change(entry)));
        assert_eq!(Leaf::read(&bytes[1..]), Err(NoLeaf));
        assert_eq!(Leaf::read(&[]), Err(NoLeaf));
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "a7005000000000000000000000000000000001010702050\
             36c6372656174655f6167656e74046673797374656d05656167745f78095820\
             0909090909090909090909090909090909090909090909090909090909090909"
        );
    }
}
