//! What a KMS authenticates with a key: what it is for, and whose it is.

use keystore_core::ids::{DeploymentId, KekId, OrgId};

use crate::format::field;

/// What a wrapped key is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    purpose: &'static str,
    deployment: DeploymentId,
    kek: Option<(OrgId, KekId, u32)>,
    /// The key that the organization names, where it wraps, too.
    customer: Option<String>,
}

impl Context {
    /// For a key of the whole deployment.
    pub fn deployment(purpose: &'static str, deployment: DeploymentId) -> Self {
        Self {
            purpose,
            deployment,
            kek: None,
            customer: None,
        }
    }

    /// For a KEK of an organization. `customer` is the name of the organization's own key that wraps it, too.
    pub fn kek(
        deployment: DeploymentId,
        (org, kek, generation): (OrgId, KekId, u32),
        customer: Option<&str>,
    ) -> Self {
        Self {
            purpose: "kek",
            deployment,
            kek: Some((org, kek, generation)),
            customer: customer.map(str::to_owned),
        }
    }

    /// As bytes, for a KMS that takes any: no two contexts have the same.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        field(&mut bytes, format!("keystore/{}/v1", self.purpose).as_bytes());
        field(&mut bytes, self.deployment.uuid().as_bytes());
        if let Some((org, kek, generation)) = self.kek {
            field(&mut bytes, org.uuid().as_bytes());
            field(&mut bytes, kek.uuid().as_bytes());
            field(&mut bytes, &generation.to_be_bytes());
        }
        if let Some(customer) = &self.customer {
            field(&mut bytes, customer.as_bytes());
        }
        bytes
    }

    /// As names and values, for a KMS that shows them in its log and lets policies ask for them.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![
            ("keystore-purpose", self.purpose.to_owned()),
            ("keystore-deployment", self.deployment.to_string()),
        ];
        if let Some((org, kek, generation)) = self.kek {
            pairs.push(("keystore-org", org.to_string()));
            pairs.push(("keystore-kek", kek.to_string()));
            pairs.push(("keystore-generation", generation.to_string()));
        }
        if let Some(customer) = &self.customer {
            pairs.push(("keystore-customer-key", customer.clone()));
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn no_two_contexts_have_the_same_bytes_or_pairs() {
        let deployment = |number| DeploymentId::new(Uuid::from_u128(number));
        let (org, kek) = (
            |number| OrgId::new(Uuid::from_u128(number)),
            |number| KekId::new(Uuid::from_u128(number)),
        );
        let all = [
            Context::deployment("deployment-key", deployment(1)),
            Context::deployment("probe", deployment(1)),
            Context::deployment("probe", deployment(2)),
            Context::kek(deployment(1), (org(1), kek(1), 1), None),
            Context::kek(deployment(1), (org(2), kek(1), 1), None),
            Context::kek(deployment(1), (org(1), kek(2), 1), None),
            Context::kek(deployment(1), (org(1), kek(1), 2), None),
            Context::kek(deployment(1), (org(1), kek(1), 1), Some("gcp:a")),
            Context::kek(deployment(1), (org(1), kek(1), 1), Some("gcp:b")),
        ];
        for (at, one) in all.iter().enumerate() {
            for other in &all[..at] {
                assert_ne!(one.bytes(), other.bytes());
                assert_ne!(one.pairs(), other.pairs());
            }
        }
    }
}
