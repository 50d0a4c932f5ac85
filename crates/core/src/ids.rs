//! Typed ids.
//!
//! Inside, an id is a UUIDv7 (RFC 9562, time ordered). Outside it is a TypeID: a prefix, `_`, and 26 characters of
//! Crockford base32 in lower case (the TypeID 0.3 encoding), for example `agt_01jd3w8f0qe7ys4c9p2m5n6r7t`.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Where new ids come from. Production draws UUIDv7 from the clock and the operating system; tests draw from a seed.
pub trait IdSource: Send + Sync {
    /// A new id, unique within the deployment and ordered by time as far as the source allows.
    fn next(&self) -> Uuid;
}

/// A text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an id of the form `{prefix}_` followed by 26 characters")]
pub struct InvalidId {
    /// The prefix that the wanted kind of id has.
    pub prefix: &'static str,
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

fn encode(id: Uuid) -> [u8; LENGTH] {
    let mut rest = id.as_u128();
    let mut text = [0; LENGTH];
    for slot in text.iter_mut().rev() {
        *slot = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    text
}

fn decode(text: &[u8]) -> Option<Uuid> {
    if text.len() != LENGTH || text[0] > b'7' {
        return None;
    }
    let mut value: u128 = 0;
    for byte in text {
        let digit = ALPHABET.iter().position(|letter| letter == byte)?;
        value = (value << 5) | digit as u128;
    }
    Some(Uuid::from_u128(value))
}

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The text before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// The id around `uuid`.
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = encode(self.0);
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(|rest| decode(rest.as_bytes()))
                    .map(Self)
                    .ok_or(InvalidId { prefix: $prefix })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(self.0.as_bytes())?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Uuid::from_slice(d.bytes()?)
                    .map(Self)
                    .map_err(|_| minicbor::decode::Error::message("an id has 16 bytes"))
            }
        }
    )*};
}

typed_ids! {
    /// An organization: the tenant.
    OrgId = "org";
    /// A project inside an organization.
    ProjectId = "prj";
    /// A person with a login.
    UserId = "usr";
    /// A signed-in session of the control plane.
    SessionId = "ses";
    /// A passkey of a person.
    PasskeyId = "psk";
    /// A management key of the control plane (its secret is the `ksm_` value).
    ApiKeyId = "key";
    /// An invitation to join an organization.
    InvitationId = "ivt";
    /// A stored credential (a provider's secret, in versions).
    CredentialId = "crd";
    /// A provider that an organization defined for itself.
    ProviderId = "prv";
    /// An agent: the identity that carries grants and limits.
    AgentId = "agt";
    /// An agent's token (its secret is the `ks_` value).
    TokenId = "tok";
    /// A budget.
    BudgetId = "bud";
    /// Something that happened.
    EventId = "evt";
    /// One proxied request, as its caller sees it.
    RequestId = "req";
    /// One physical attempt at an upstream: the billing identity, never chosen by a caller.
    AttemptId = "att";
    /// What an agent asks for and has not.
    AccessRequestId = "acr";
    /// Something that an organization has stopped.
    RevocationId = "rvk";
    /// A transaction of the ledger. That of a call has the UUID of its attempt.
    TransactionId = "txn";
    /// A payment that a customer began.
    PaymentId = "pay";
    /// A move of grants between the customer's own credentials and the pool.
    MoveId = "mov";
    /// A key-encryption key of an organization.
    KekId = "kek";
    /// A rotation of a pooled credential's key.
    RotationId = "rot";
    /// The taking in of a key that a customer made.
    ImportId = "imp";
    /// An address that an organization's events are told to.
    WebhookId = "whk";
    /// An event on its way to a webhook.
    DeliveryId = "dlv";
    /// A deployment: drawn once when a database is made, bound into everything that is sealed.
    DeploymentId = "dep";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_edges_of_the_encoding() {
        assert_eq!(
            OrgId::new(Uuid::nil()).to_string(),
            "org_00000000000000000000000000"
        );
        assert_eq!(
            OrgId::new(Uuid::max()).to_string(),
            "org_7zzzzzzzzzzzzzzzzzzzzzzzzz"
        );
        // The example of the TypeID specification.
        let uuid: Uuid = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(RequestId::new(uuid).to_string(), "req_01h455vb4pex5vsknk084sn02q");
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in [
            "",
            "org_",
            "agt_00000000000000000000000000",
            "org_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "org_0000000000000000000000000O",
            "org_0000000000000000000000000",
            "ORG_00000000000000000000000000",
        ] {
            assert_eq!(text.parse::<OrgId>(), Err(InvalidId { prefix: "org" }), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_and_bytes_go_round(value: u128) {
            let id = CredentialId::new(Uuid::from_u128(value));
            prop_assert_eq!(id.to_string().parse::<CredentialId>(), Ok(id));
            let bytes = minicbor::to_vec(id).unwrap();
            prop_assert_eq!(minicbor::decode::<CredentialId>(&bytes).unwrap(), id);
        }
    }
}
