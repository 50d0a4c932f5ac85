//! Keys that customers made: wrapped under a public key of one use, whose private half is in memory for half an hour and gone with
//! the process.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keystore_core::ids::{ImportId, OrgId};
use keystore_vault::ImportKey;
use keystore_wire::keks::{FinishImport, KekImport};
use keystore_wire::problem::Code;
use tokio::sync::Mutex;

use super::rotate;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;

/// How long an import key waits.
const WAITS: Duration = Duration::from_secs(1800);

/// How the customer wraps.
const ALGORITHM: &str = "RSAES_OAEP_SHA_256";

/// Import keys that wait: one of an organization.
#[derive(Default)]
pub(crate) struct Imports(Mutex<HashMap<OrgId, Waiting>>);

struct Waiting {
    id: ImportId,
    key: ImportKey,
    /// By boot time.
    until: Duration,
}

/// Makes a key pair for one import; one that waited is forgotten.
///
/// # Errors
/// The vault's.
pub(crate) async fn begin(app: &App, caller: &Caller) -> ApiResult<KekImport> {
    let org = caller.whole_org()?;
    let made = tokio::task::spawn_blocking(ImportKey::generate).await;
    let key = made.map_err(ApiError::internal)??;
    let id = ImportId::new(app.ids.next());
    let import = KekImport {
        id,
        public_key: key.public_pem().to_owned(),
        algorithm: ALGORITHM.to_owned(),
        expires_at: app.clock.now().plus(WAITS).into(),
    };
    let mut tx = app.store.begin().await?;
    Event::new("begin_kek_import", &id)
        .after(&import)?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    let until = app.clock.boottime().saturating_add(WAITS);
    app.imports.0.lock().await.insert(org, Waiting { id, key, until });
    Ok(import)
}

/// Takes the wrapped key in as another generation.
///
/// # Errors
/// `not_found` for an import that does not wait; `invalid_request` for what is no wrapped key; those of a rotation.
pub(crate) async fn finish(app: &App, caller: &Caller, body: &FinishImport) -> ApiResult<()> {
    let org = caller.whole_org()?;
    let wrapped = STANDARD
        .decode(body.wrapped_key.trim())
        .map_err(|_| ApiError::field("/wrappedKey", "expected base64"))?;
    let key = {
        let mut waiting = app.imports.0.lock().await;
        let now = app.clock.boottime();
        waiting.retain(|_, import| now < import.until);
        let import = waiting.get(&org).filter(|import| import.id == body.id);
        let import = import.ok_or_else(|| {
            ApiError::new(
                Code::NotFound,
                "there is no such import: it was finished, took longer than half an hour, or the server was restarted",
            )
            .remedy("begin anew: `ks kek import begin`")
        })?;
        let key = import.key.unwrap(&wrapped);
        let key = key.map_err(|error| ApiError::field("/wrappedKey", error.to_string()))?;
        // One use: the private half is gone whatever comes of the rest.
        waiting.remove(&org);
        key
    };
    rotate(app, Some(caller), org, Some(key)).await
}
