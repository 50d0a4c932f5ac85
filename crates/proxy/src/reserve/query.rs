//! What a record keeps of a query: its names, and its values hashed under a key of the organization, so that they can be found again by who
//! knows them. Credential slots are gone from it before.

use form_urlencoded::{Serializer, parse};

use crate::Proxy;
use crate::authorize::Permit;

/// Parameters that are kept, and bytes of all of them.
const PARAMETERS: usize = 16;
const BYTES: usize = 1024;

impl Proxy {
    pub(super) fn recorded_query(&self, permit: &Permit) -> Option<String> {
        let query = permit.target.query().filter(|query| !query.is_empty())?;
        let hasher = self.policy_mac.value_hasher(permit.agent.policy.org);
        let mut kept = Serializer::new(String::new());
        for (name, value) in parse(query.as_bytes()).take(PARAMETERS) {
            kept.append_pair(&name, &hasher.hash(&value));
        }
        let mut kept = kept.finish();
        // What is written is ASCII, so any byte is a boundary.
        kept.truncate(BYTES);
        Some(kept)
    }
}
