//! Beside the request path: credentials that their vendors refuse are marked in the store, once, for their owners to see. A test
//! that succeeds, or a rotation, takes the mark away.

use std::sync::Arc;

use keystore_core::Micros;
use keystore_core::ids::OrgId;
use keystore_store::credentials::{self, CredentialStatus};
use keystore_store::{Store, StoreError};

use crate::Proxy;
use crate::authorize::Permit;
use crate::cache::ReadyCredential;

/// How many are marked at the same time. Of those beyond, the next refusal tells again.
pub(crate) const AT_A_TIME: usize = 4;

impl Proxy {
    /// The vendor refused `credential`. Waits for nothing: a task marks it, for which a drain waits.
    pub(crate) fn note_bad_key(&self, permit: &Permit, credential: &Arc<ReadyCredential>) {
        if permit.grant().is_known_bad() {
            return;
        }
        let Ok(place) = Arc::clone(&self.bad_keys).try_acquire_owned() else {
            return;
        };
        let (store, credential, org) = (
            self.store.clone(),
            Arc::clone(credential),
            permit.agent.policy.org,
        );
        let now = self.clock.now();
        let marking = async move {
            if let Err(error) = mark(&store, org, &credential, now).await {
                tracing::warn!(credential = %credential.id, %error, "a credential that its vendor refuses cannot be marked; the next refusal tries again");
            }
            drop(place);
        };
        self.afterlife.tasks.spawn_on(marking, &self.afterlife.runtime);
    }
}

/// Calls that ran at the same time tell the same: one of them writes.
async fn mark(store: &Store, org: OrgId, refused: &ReadyCredential, now: Micros) -> Result<(), StoreError> {
    let known = {
        let mut conn = store.read().await?;
        credentials::get(&mut conn, org, refused.id).await?
    };
    let Some(known) = known.filter(|known| known.status != CredentialStatus::Invalid) else {
        return Ok(());
    };
    let mut tx = store.begin().await?;
    if credentials::refused(&mut tx, org, refused.id, refused.version, now).await? {
        tx.commit().await?;
        let remedy = format!("ks provider rotate {}/{}", known.provider, known.name);
        tracing::warn!(
            %org,
            credential = %refused.id,
            version = refused.version,
            remedy,
            "the vendor refuses a credential: it is marked invalid"
        );
    }
    Ok(())
}
