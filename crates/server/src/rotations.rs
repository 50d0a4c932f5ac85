//! Rotations of the operator's pooled keys, carried on by one loop until they are over, across restarts.
//!
//! What to do is [`keystore_core::rotation`]'s to say; here it is done, one act at a time, and written down with its audit entry. How
//! rotations begin is in `plan`, what the operator has to do with them in `by_hand`, and the vendors are in `vendor`.

mod by_hand;
mod plan;
mod vendor;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use keystore_core::ids::CredentialId;
use keystore_core::policy::{PoolPolicy, PoolState};
use keystore_core::rotation::{Act, Change, Seen, States, Step, Trial};
use keystore_proxy::ProbeOutcome;
use keystore_store::credentials::{self as rows, CredentialStatus};
use keystore_store::rotations::{self as stored, Rotation};
use keystore_store::{Tx, events as told};
use keystore_vault::intake::Given;
use keystore_wire::events::Kind;
use keystore_wire::problem::Code;
use serde_json::{Value, json};

use crate::api::problem::{ApiError, ApiResult};
use crate::api::rotations::wire;
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::credentials::successor;
use crate::events::{self, New};
use crate::pools::{self, Member};
use vendor::Failure;

pub(crate) use by_hand::{give, revoked, undo};
pub(crate) use plan::{begin, set_plan};

/// Who moves a rotation on, and by which operation; `None` is the server.
type By<'a> = Option<(&'a Caller, &'static str)>;

/// How often rotations are looked after.
const TURN: Duration = Duration::from_secs(10);
/// The most acts of one rotation in a turn.
const MOST_ACTS: usize = 32;

/// Carries rotations on until the server stops: those that were under way when it started, too.
pub(crate) async fn run(app: Arc<App>) {
    while app.next_turn(TURN, pending()).await {
        if let Err(error) = turn(&app).await {
            tracing::warn!(%error, "rotations were not looked after; it is tried again in a moment");
        }
    }
}

impl App {
    /// Does at once for rotations what the server otherwise does by itself within seconds.
    ///
    /// # Errors
    /// The store's.
    pub async fn carry_rotations_on(&self) -> Result<(), ApiError> {
        turn(self).await
    }
}

/// Begins the rotations whose time has come, and does what can be done for each that is under way.
///
/// # Errors
/// The store's. What goes wrong with one rotation keeps no other from going on.
pub(crate) async fn turn(app: &App) -> ApiResult<()> {
    let _alone = app.rotating.lock().await;
    plan::begin_due(app).await?;
    let running = stored::running(&mut app.store.read().await?).await?;
    for rotation in running {
        let id = rotation.id;
        if let Err(error) = carry_on(app, rotation).await {
            tracing::warn!(rotation = %id, %error, "a rotation did not go on; it is tried again in a moment");
        }
    }
    Ok(())
}

/// Does what can be done now.
async fn carry_on(app: &App, mut rotation: Rotation) -> ApiResult<()> {
    for _ in 0..MOST_ACTS {
        match act(app, rotation).await? {
            Some(next) => rotation = next,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Does the next act; gives the rotation as it is then, unless there is nothing to do now.
async fn act(app: &App, rotation: Rotation) -> ApiResult<Option<Rotation>> {
    let now = app.clock.now();
    if now < rotation.not_before {
        return Ok(None);
    }
    if rotation.step == Step::Mint && !is_member(app, &rotation).await? {
        return write(app, rotation, Change::Undo, None).await;
    }
    let driver = vendor::driver(app, &rotation).await?;
    let listed = match &driver {
        Some(driver) if rotation.step.needs_list() => match driver.list().await {
            Ok(keys) => Some(keys),
            Err(failure) => return failed(app, rotation, &failure).await,
        },
        Some(_) => Some(Vec::new()),
        None => None,
    };
    let new = usable(app, &rotation).await?;
    let seen = Seen {
        now,
        keys: listed.as_deref(),
        new: new.as_ref().map(|member| member.policy.state),
        running: running(app, &rotation),
    };
    let next = match (rotation.state().next(&seen), driver) {
        (Act::Nothing | Act::Wait(_), _) => None,
        (Act::Revoke(key), Some(driver)) => match driver.revoke(&key).await {
            Ok(()) => Some(rotation),
            Err(failure) => failed(app, rotation, &failure).await?,
        },
        (Act::Mint, Some(driver)) => match driver.mint(&rotation.key_name()).await {
            Ok(made) => Some(minted(app, rotation, Some(made.id), made.secret, None).await?),
            Err(failure) => failed(app, rotation, &failure).await?,
        },
        (Act::Verify, _) => verify(app, rotation, new).await?,
        (Act::Write(change), _) => write(app, rotation, change, None).await?,
        (Act::AskForKey, _) => ask(app, &rotation, "key").await?,
        (Act::AskToRevoke, _) => ask(app, &rotation, "revocation").await?,
        // Only a vendor that lists its keys has one to revoke or makes one.
        (Act::Revoke(_) | Act::Mint, None) => None,
    };
    Ok(next)
}

/// Whether the old credential is still in its pool: it says what the new one is like.
async fn is_member(app: &App, rotation: &Rotation) -> ApiResult<bool> {
    let old = pools::get(app, &mut app.store.read().await?, rotation.org, rotation.old).await?;
    Ok(old.is_some())
}

/// The new credential, unless it is gone, or its vendor refuses it.
async fn usable(app: &App, rotation: &Rotation) -> ApiResult<Option<Member>> {
    let Some(new) = rotation.new else { return Ok(None) };
    let member = pools::get(app, &mut app.store.read().await?, rotation.org, new).await?;
    let is_out = |status| matches!(status, CredentialStatus::Invalid | CredentialStatus::Disabled);
    Ok(member.filter(|member| !is_out(member.credential.status)))
}

/// How many calls run on the key that goes.
fn running(app: &App, rotation: &Rotation) -> usize {
    let goes = match rotation.step {
        Step::Undo => rotation.new,
        _ => Some(rotation.old),
    };
    let (members, _) = app.proxy.pool_status(&rotation.provider);
    let of = members.iter().filter(|member| Some(member.id) == goes);
    of.map(|member| member.in_flight as usize).sum()
}

/// Writes that something failed; it is tried again later.
async fn failed(app: &App, rotation: Rotation, failure: &Failure) -> ApiResult<Option<Rotation>> {
    tracing::warn!(rotation = %rotation.id, step = rotation.step.as_str(), %failure, "a step of a rotation failed");
    let state = rotation.state().failed(app.clock.now());
    let next = Rotation {
        problem: Some(failure.to_string()),
        ..rotation.clone().with(state)
    };
    let mut tx = app.store.begin().await?;
    stored::advance(&mut tx, &rotation, &next).await?;
    tx.commit().await?;
    Ok(None)
}

/// Seals a new key, and stores it as a member that serves nobody yet.
async fn minted(
    app: &App,
    rotation: Rotation,
    key: Option<String>,
    secret: Given,
    by: By<'_>,
) -> ApiResult<Rotation> {
    let old = pools::get(app, &mut app.store.read().await?, rotation.org, rotation.old).await?;
    let old = old.ok_or_else(|| ApiError::not_found("pooled credential"))?;
    let (credential, version) = successor(app, &old.credential, secret).await?;
    let policy = PoolPolicy {
        credential: credential.id,
        state: PoolState::Pending,
        ..old.policy
    };
    let state = rotation.state().minted(key, app.clock.now());
    let next = Rotation {
        new: Some(credential.id),
        problem: None,
        ..rotation.clone().with(state)
    };
    let mut tx = app.store.begin().await?;
    rows::insert(&mut tx, &credential, &version).await?;
    pools::insert(app, &mut tx, &policy).await?;
    advance(&mut tx, &rotation, &next, by).await?;
    tx.commit().await?;
    Ok(next)
}

/// Tries the new key, and writes what that has shown.
async fn verify(app: &App, rotation: Rotation, new: Option<Member>) -> ApiResult<Option<Rotation>> {
    let Some(member) = new else { return Ok(None) };
    let (outcome, _) = app.probe(&member.credential).await?;
    let (trial, problem) = match outcome {
        ProbeOutcome::Valid => (Trial::Taken, None),
        ProbeOutcome::Invalid { status } => (
            Trial::Refused,
            Some(format!("the vendor refuses the new key ({status})")),
        ),
        ProbeOutcome::Unclear { reason } | ProbeOutcome::Unreachable { reason } => {
            (Trial::Unclear, Some(reason))
        }
    };
    let now = app.clock.now();
    let next = Rotation {
        problem,
        ..rotation.clone().with(rotation.state().tried(trial, now))
    };
    let mut tx = app.store.begin().await?;
    if next.step == Step::Promote {
        let id = member.credential.id;
        let version = member.credential.current_version;
        let tested = rows::tested(
            &mut tx,
            (rotation.org, id),
            version,
            CredentialStatus::Active,
            now,
        );
        if !tested.await? {
            // Another version is in use by now, of which this says nothing: it is tried in the next turn.
            return Ok(None);
        }
        place(app, &mut tx, &rotation, Some(id), PoolState::Verified).await?;
    }
    advance(&mut tx, &rotation, &next, None).await?;
    tx.commit().await?;
    Ok((next.step != rotation.step).then_some(next))
}

/// Writes a change, in one transaction with where it puts the credentials.
async fn write(app: &App, rotation: Rotation, change: Change, by: By<'_>) -> ApiResult<Option<Rotation>> {
    let now = app.clock.now();
    let next = Rotation {
        problem: None,
        ..rotation.clone().with(rotation.state().after(change, now))
    };
    let mut tx = app.store.begin().await?;
    if change == Change::Drains && !is_active(app, &mut tx, &rotation).await? {
        // Somebody took the new one away just now: it is looked at again.
        return Ok(None);
    }
    let States { old, new } = change.states();
    if let Some(state) = old {
        place(app, &mut tx, &rotation, Some(rotation.old), state).await?;
    }
    if let Some(state) = new {
        place(app, &mut tx, &rotation, rotation.new, state).await?;
    }
    match change {
        Change::Drains => plan::hand_over(&mut tx, &rotation, now).await?,
        Change::Done => tell(app, &mut tx, &rotation, Kind::PoolKeyRotated, json!({})).await?,
        Change::Undone => {
            forget(&mut tx, &rotation).await?;
            let problem = json!({"problem": rotation.problem});
            tell(app, &mut tx, &rotation, Kind::PoolRotationUndone, problem).await?;
        }
        Change::Promoted | Change::Drained | Change::Revoked | Change::Undo => {}
    }
    advance(&mut tx, &rotation, &next, by).await?;
    tx.commit().await?;
    app.mails_wait.notify_one();
    Ok(Some(next))
}

/// Whether the new credential serves.
async fn is_active(app: &App, tx: &mut Tx, rotation: &Rotation) -> ApiResult<bool> {
    let Some(new) = rotation.new else { return Ok(false) };
    let member = pools::get(app, tx, rotation.org, new).await?;
    Ok(member.is_some_and(|member| pools::may_serve(&member)))
}

/// Puts a member of the pool into a state; one that is gone stays gone.
async fn place(
    app: &App,
    tx: &mut Tx,
    rotation: &Rotation,
    member: Option<CredentialId>,
    state: PoolState,
) -> ApiResult<()> {
    let Some(id) = member else { return Ok(()) };
    let Some(mut member) = pools::get(app, tx, rotation.org, id).await? else {
        return Ok(());
    };
    member.policy.state = state;
    pools::write(app, tx, &member.policy).await
}

/// The credential of a key that is revoked before it served is of no use to anybody.
async fn forget(tx: &mut Tx, rotation: &Rotation) -> ApiResult<()> {
    if let Some(new) = rotation.new {
        rows::delete(tx, rotation.org, new).await?;
    }
    Ok(())
}

/// Writes how far a rotation is by now, and who moved it: a caller, or the server.
async fn advance(tx: &mut Tx, from: &Rotation, to: &Rotation, by: By<'_>) -> ApiResult<()> {
    if !stored::advance(tx, from, to).await? {
        return Err(ApiError::new(
            Code::Conflict,
            "the rotation was moved on just now by somebody else",
        ));
    }
    if from.step == to.step {
        return Ok(());
    }
    let event = |action| Event::new(action, &from.id).before(&wire(from))?.after(&wire(to));
    match by {
        Some((caller, operation)) => event(operation)?.by(tx, caller),
        None => event("advance_rotation")?.by_system(tx, from.org),
    }
}

/// Tells the operator, once, that a rotation waits for them.
async fn ask(app: &App, rotation: &Rotation, what: &str) -> ApiResult<Option<Rotation>> {
    let once = format!("{}:{what}", rotation.id);
    let kind = Kind::PoolRotationWaits.as_str();
    if told::is_raised(&mut app.store.read().await?, rotation.org, kind, &once).await? {
        return Ok(None);
    }
    let mut tx = app.store.begin().await?;
    let mut new = event(rotation, Kind::PoolRotationWaits, json!({"for": what}));
    new.once = Some(once);
    events::raise(app, &mut tx, new).await?;
    tx.commit().await?;
    app.mails_wait.notify_one();
    Ok(None)
}

async fn tell(app: &App, tx: &mut Tx, rotation: &Rotation, kind: Kind, data: Value) -> ApiResult<()> {
    events::raise(app, tx, event(rotation, kind, data)).await
}

fn event(rotation: &Rotation, kind: Kind, mut data: Value) -> New {
    data["provider"] = rotation.provider.as_str().into();
    data["old"] = rotation.old.to_string().into();
    data["new"] = rotation.new.map(|new| new.to_string()).into();
    New {
        org: rotation.org,
        project: None,
        kind,
        subject: rotation.id.to_string(),
        data,
        once: None,
        mailed: true,
    }
}
