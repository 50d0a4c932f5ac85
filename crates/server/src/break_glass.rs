//! The way back in for who lost their second factor and their recovery codes: whoever runs the machine takes the factors away. No
//! operation of the API does it, and no mail.
//!
//! It needs the database to itself, and opens it as a server's start does, with the spool of that server. It touches neither the
//! password nor any key.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use keystore_core::Clock;
use keystore_store::audit::NewEntry;
use keystore_store::{Options, Store, factors, members, sessions, users};
use keystore_vault::SystemIds;
use keystore_vault::commitment::{commitment, salt};
use serde_json::json;

use crate::clock::SystemClock;
use crate::run::store_options;

/// Takes the second factors of the person with this address away, and ends their sessions. It is recorded, as done by `system`, in the
/// audit log of each of their organizations. `data_dir` is the server's; without one, the spool is beside the SQLite file.
///
/// # Errors
/// In words for the operator: a server runs on the database, or there is no such person, or they have no factor.
pub async fn reset_factors(url: &str, data_dir: Option<&Path>, email: &str) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids = Arc::new(SystemIds::new(Arc::clone(&clock)));
    let options = match data_dir {
        Some(data_dir) => store_options(data_dir)?,
        None => Options::default(),
    };
    let (store, _) = Store::open(url, options, clock, ids).await?;
    let done = reset(&store, &email.trim().to_lowercase()).await;
    store.close().await;
    done
}

/// As [`reset_factors`], on a database that is open. The address in lower case.
///
/// # Errors
/// As [`reset_factors`].
pub async fn reset(store: &Store, email: &str) -> anyhow::Result<()> {
    let mut tx = store.begin().await?;
    let user = users::by_email(&mut tx, email).await?;
    let user = user.with_context(|| format!("nobody has the address {email}"))?;
    let had = factors::delete_all(&mut tx, user.id).await?;
    ensure!(had, "{email} has no second factor");
    let ended = sessions::revoke_all(&mut tx, user.id, None).await?;
    for member in members::of_user(&mut tx, user.id).await? {
        let payload = json!({"before": null, "after": {"endedSessions": ended}, "salt": salt()?}).to_string();
        tx.audit(NewEntry {
            org: member.org,
            action: "reset_factors",
            actor: "system".to_owned(),
            subject: user.id.to_string(),
            project: None,
            request: None,
            payload_sha256: commitment(payload.as_bytes()),
            payload,
        });
    }
    Ok(tx.commit().await?)
}
