//! Values that may be secrets or names, in a form in which they can be found again and not read: HMAC-SHA256 under a key of their
//! organization, which is derived and stored nowhere.

use aws_lc_rs::hmac;
use keystore_core::hex;
use keystore_core::ids::OrgId;

use crate::aead::{mac, mac_key};
use crate::deployment::PolicyMac;
use crate::secret::Secret;

/// What is written before a hash.
const PREFIX: &str = "hmac-";

/// Bytes of a hash that are kept.
const KEPT: usize = 16;

/// Hashes values of one organization.
pub struct ValueHasher(hmac::Key);

impl PolicyMac {
    /// What hashes values of an organization.
    pub fn value_hasher(&self, org: OrgId) -> ValueHasher {
        let key = self.tag("audit-value", org.uuid().as_bytes());
        ValueHasher(mac_key(&Secret::new(key.to_vec())))
    }
}

impl ValueHasher {
    /// `hmac-` and 32 hexadecimal digits. The same value of the same organization gives the same ones.
    pub fn hash(&self, value: &str) -> String {
        let tag = mac(&self.0, &[value.as_bytes()]);
        format!("{PREFIX}{}", hex(&tag[..KEPT]))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::deployment::DeploymentKey;

    #[test]
    fn a_hash_is_of_one_value_and_one_organization() {
        let key = DeploymentKey::generate().unwrap();
        let mac = key.policy_mac().unwrap();
        let of = |org, value: &str| mac.value_hasher(OrgId::new(Uuid::from_u128(org))).hash(value);
        assert_eq!(of(1, "cursor"), of(1, "cursor"));
        assert_ne!(of(1, "cursor"), of(2, "cursor"));
        assert_ne!(of(1, "cursor"), of(1, "cursos"));
        assert_eq!(of(1, "").len(), PREFIX.len() + 2 * KEPT);
    }
}
