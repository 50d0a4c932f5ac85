//! Idempotency keys at accounts that many customers share.
//!
//! A vendor remembers an `Idempotency-Key` for its account. At a pooled credential that is the operator's, so that two customers who write
//! the same one, such as `welcome/1`, would be given each other's answers or refused for them. There each agent's keys are made its own. At a customer's
//! own credential they go out as they came: who called the vendor directly before repeats a call through us as the same call.

use http::{HeaderMap, HeaderName, HeaderValue};
use keystore_core::ids::AgentId;
use keystore_vault::ValueHasher;

/// What vendors read such a key from.
const NAMES: [HeaderName; 2] = [
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("x-idempotency-key"),
];

/// Puts in the place of each key one that no other agent's call has: the same for the same key, so that a repeat stays one.
pub(crate) fn make_own(headers: &mut HeaderMap, hasher: &ValueHasher, agent: AgentId) {
    for name in NAMES {
        let Some(value) = headers.get(&name) else { continue };
        let text = format!("{name}/{agent}/{}", String::from_utf8_lossy(value.as_bytes()));
        // Of several, which no vendor expects, the first stands.
        match HeaderValue::try_from(hasher.hash(&text)) {
            Ok(own) => headers.insert(name, own),
            Err(_) => headers.remove(name),
        };
    }
}

#[cfg(test)]
mod tests {
    use keystore_core::ids::OrgId;
    use keystore_vault::DeploymentKey;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_key_is_one_agents_and_stays_the_same() {
        let mac = DeploymentKey::generate().unwrap().policy_mac().unwrap();
        let hasher = mac.value_hasher(OrgId::new(Uuid::from_u128(1)));
        let sent = |agent: u128, key: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append("idempotency-key", HeaderValue::from_static(key));
            headers.append("idempotency-key", HeaderValue::from_static("another"));
            headers.insert("accept", HeaderValue::from_static("*/*"));
            make_own(&mut headers, &hasher, AgentId::new(Uuid::from_u128(agent)));
            assert_eq!(headers.get_all("idempotency-key").iter().count(), 1);
            assert_eq!(headers["accept"], "*/*");
            headers["idempotency-key"].to_str().unwrap().to_owned()
        };
        assert_eq!(sent(1, "welcome/1"), sent(1, "welcome/1"));
        assert_ne!(sent(1, "welcome/1"), sent(2, "welcome/1"));
        assert_ne!(sent(1, "welcome/1"), sent(1, "welcome/2"));
        assert!(!sent(1, "welcome/1").contains("welcome"));
        let mut none = HeaderMap::new();
        make_own(&mut none, &hasher, AgentId::new(Uuid::from_u128(1)));
        assert!(none.is_empty());
    }
}
