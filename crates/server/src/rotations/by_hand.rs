//! What the operator has to do with a rotation: give a key, say that one is revoked, undo it.

use keystore_core::ids::RotationId;
use keystore_core::rotation::{Act, Change, Driver, Seen, Step};
use keystore_store::Conn;
use keystore_store::rotations::{self as stored, Rotation};
use keystore_vault::intake::Given;
use keystore_wire::SecretFields;
use keystore_wire::problem::Code;

use super::{minted, write};
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::auth::caller::Caller;
use crate::auth::require::Resource;

impl Resource for Rotation {
    type Key = RotationId;
    const NOUN: &'static str = "rotation";

    async fn find(_: &App, conn: &mut Conn, caller: &Caller, key: &RotationId) -> ApiResult<Self> {
        let found = stored::get(conn, caller.org, *key).await?;
        found.ok_or_else(|| ApiError::not_found(Self::NOUN))
    }
}

/// Takes the key that a rotation waits for.
///
/// # Errors
/// `conflict`: it waits for none. `invalid_request`.
pub(crate) async fn give(
    app: &App,
    caller: &Caller,
    rotation: Rotation,
    secret: SecretFields,
) -> ApiResult<Rotation> {
    if (rotation.driver, rotation.step) != (Driver::Manual, Step::Mint) {
        return Err(not_now("waits for no key"));
    }
    minted(
        app,
        rotation,
        None,
        Given::Fields(secret.into_fields()),
        Some((caller, "give_rotation_key")),
    )
    .await
}

/// Takes the operator's word that the old key is revoked at the vendor.
///
/// # Errors
/// `conflict`: that is not what the rotation waits for.
pub(crate) async fn revoked(app: &App, caller: &Caller, rotation: Rotation) -> ApiResult<Rotation> {
    let seen = Seen {
        now: app.clock.now(),
        keys: rotation.admin.map(|_| [].as_slice()),
        new: None,
        running: 0,
    };
    if rotation.state().next(&seen) != Act::AskToRevoke {
        return Err(not_now("does not wait for the old key to be revoked"));
    }
    write(
        app,
        rotation,
        Change::Revoked,
        Some((caller, "confirm_rotation_revoked")),
    )
    .await?
    .ok_or_else(|| not_now("was moved on just now"))
}

/// Has a rotation undone, while the old key still serves.
///
/// # Errors
/// `conflict`: it is too late.
pub(crate) async fn undo(app: &App, caller: &Caller, rotation: Rotation) -> ApiResult<Rotation> {
    if !rotation.step.can_be_undone() {
        return Err(not_now("cannot be undone any more").remedy("begin another one: `ks pool rotate`"));
    }
    write(app, rotation, Change::Undo, Some((caller, "undo_rotation")))
        .await?
        .ok_or_else(|| not_now("was moved on just now"))
}

fn not_now(what: &str) -> ApiError {
    ApiError::new(Code::Conflict, format!("the rotation {what}"))
}
