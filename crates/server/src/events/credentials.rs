//! Hosts that fail, and keys that their vendors refuse. A credential that was deleted meanwhile has nothing to tell.

use keystore_proxy::notices::{CircuitNotice, RefusedKey};
use keystore_store::Tx;
use keystore_store::credentials::{self, Credential};
use keystore_wire::events::Kind;
use serde_json::{Value, json};

use super::New;
use crate::api::problem::ApiResult;
use crate::app::App;

/// The event of a host that fails, or answers again.
pub(super) async fn circuit(tx: &mut Tx, notice: &CircuitNotice) -> ApiResult<Option<New>> {
    let Some(row) = credentials::get(tx, notice.org, notice.credential).await? else {
        return Ok(None);
    };
    let kind = match notice.fails {
        true => Kind::CircuitOpened,
        false => Kind::CircuitClosed,
    };
    let mut data = facts(&row);
    data["host"] = notice.host.as_str().into();
    Ok(Some(event(kind, &row, data)))
}

/// Marks a key that its vendor refuses, for its owners to see; gives the event where that is news. A test that succeeds, or a rotation,
/// takes the mark away.
pub(super) async fn refused(app: &App, tx: &mut Tx, key: &RefusedKey) -> ApiResult<Option<New>> {
    let now = app.clock.now();
    if !credentials::refused(tx, key.org, key.credential, key.version, now).await? {
        return Ok(None);
    }
    let row = credentials::get(tx, key.org, key.credential).await?;
    Ok(row.map(|row| {
        let mut data = facts(&row);
        data["version"] = key.version.into();
        event(Kind::CredentialInvalid, &row, data)
    }))
}

fn facts(row: &Credential) -> Value {
    json!({"provider": row.provider, "name": row.name})
}

/// Each is news: what comes again and again is noticed once.
fn event(kind: Kind, row: &Credential, data: Value) -> New {
    New {
        org: row.org,
        project: Some(row.project),
        kind,
        subject: row.id.to_string(),
        data,
        once: None,
        mailed: true,
    }
}
