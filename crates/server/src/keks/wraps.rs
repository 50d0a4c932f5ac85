//! How often a key-encryption key wraps: counted in the database before it does, in blocks, so that a crash counts too much and
//! never too little (SP 800-38D caps the random IVs under one AES-GCM key at 2^32).

use std::collections::HashMap;

use keystore_core::ids::KekId;
use keystore_store::keks;
use keystore_vault::WrappedKek;
use tokio::sync::Mutex;

use crate::api::problem::ApiResult;
use crate::app::App;

/// How many wraps are counted at once; fewer where there may be few.
const BLOCK: u64 = 64;

/// What is counted and not used yet.
#[derive(Default)]
pub(crate) struct Wraps(Mutex<HashMap<KekId, u64>>);

impl App {
    /// Counts wraps that `kek` is about to make. Not inside of a transaction.
    ///
    /// # Errors
    /// The store's: then nothing may be wrapped.
    pub(crate) async fn count_wraps(&self, kek: &WrappedKek, wraps: u64) -> ApiResult<()> {
        let mut left = self.wraps.0.lock().await;
        let have = left.get(&kek.id).copied().unwrap_or(0);
        let have = match have >= wraps {
            true => have,
            false => {
                let block = BLOCK.min(self.custody.max_wraps / 16).max(1);
                let more = (wraps - have).max(block);
                let mut tx = self.store.begin().await?;
                keks::count_wraps(&mut tx, kek.org, kek.id, more).await?;
                tx.commit().await?;
                have + more
            }
        };
        left.insert(kek.id, have - wraps);
        Ok(())
    }
}
