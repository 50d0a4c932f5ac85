//! How the key of a pooled credential is renewed: who makes keys, how often, and the rotation that begins by it.

use std::time::Duration;

use keystore_core::Micros;
use keystore_core::ids::{CredentialId, OrgId, RotationId};
use keystore_core::policy::PoolState;
use keystore_core::rotation::{Driver, Step};
use keystore_store::key_plans::{self, KeyPlan};
use keystore_store::rotations::{self as stored, Rotation};
use keystore_store::{Conn, Tx, credentials};
use keystore_wire::problem::Code;
use keystore_wire::rotations::SetKeyPlan;

use super::vendor;
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::api::rotations::{plan_wire, wire};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::pools::{self, Member};

/// How long the old and the new key serve side by side, where nobody says it, in seconds.
const OVERLAP_S: u32 = 600;
/// The shortest and the longest overlap: a request to make a key that got lost has its effect within the shortest.
const OVERLAPS_S: std::ops::RangeInclusive<u32> = 60..=7 * 86_400;
/// The longest time between two rotations, in days.
const MAX_EVERY_DAYS: u32 = 3_650;

/// Sets how a member's key is renewed.
///
/// # Errors
/// `invalid_request`; `conflict` while a rotation is under way.
pub(crate) async fn set_plan(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    member: &Member,
    new: SetKeyPlan,
) -> ApiResult<KeyPlan> {
    let (org, credential) = (caller.org, member.credential.id);
    let now = app.clock.now();
    let before = key_plans::get(tx, org, credential).await?;
    let admin = check(tx, member, &new).await?;
    if stored::running_of(tx, org, credential).await?.is_some() {
        return Err(under_way());
    }
    let plan = KeyPlan {
        credential,
        org,
        driver: new.driver,
        admin,
        account: new.account,
        vendor_key: new.vendor_key,
        every_days: new.every_days,
        overlap_s: new.overlap_seconds.unwrap_or(OVERLAP_S),
        due_at: new.every_days.map(|days| due(now, days)),
        updated_at: now,
    };
    key_plans::put(tx, &plan).await?;
    let event = Event::new("set_key_plan", &credential);
    let event = match before {
        Some(before) => event.before(&plan_wire(&before))?,
        None => event,
    };
    event.after(&plan_wire(&plan))?.by(tx, caller)?;
    Ok(plan)
}

/// Checks a plan; gives the credential that the vendor's API takes.
async fn check(conn: &mut Conn, member: &Member, new: &SetKeyPlan) -> ApiResult<Option<CredentialId>> {
    let mut fields = Fields::default();
    if vendor::provider(new.driver).is_some_and(|provider| provider != member.credential.provider) {
        let text = format!("makes no keys of {}", member.credential.provider);
        fields.wrong("/driver", text);
    }
    if new
        .overlap_seconds
        .is_some_and(|seconds| !OVERLAPS_S.contains(&seconds))
    {
        let text = format!("expected {} to {}", OVERLAPS_S.start(), OVERLAPS_S.end());
        fields.wrong("/overlapSeconds", text);
    }
    if new
        .every_days
        .is_some_and(|days| !(1..=MAX_EVERY_DAYS).contains(&days))
    {
        fields.wrong("/everyDays", format!("expected 1 to {MAX_EVERY_DAYS}"));
    }
    let wants_account = new.driver == Driver::OpenAi;
    if wants_account != new.account.is_some() {
        fields.wrong("/account", "the project of the keys, for OpenAI alone");
    }
    for (pointer, text) in [("/account", &new.account), ("/vendorKey", &new.vendor_key)] {
        if text.as_deref().is_some_and(|text| vendor::in_url(text).is_err()) {
            fields.wrong(pointer, "expected 1 to 200 letters, digits, `-` and `_`");
        }
    }
    let admin = match (vendor::admin_provider(new.driver), new.admin) {
        (None, None) => None,
        (None, Some(_)) => {
            fields.wrong("/admin", "nobody asks the vendor");
            None
        }
        (Some(provider), named) => {
            let row = match named {
                Some(id) => credentials::get(conn, member.credential.org, id).await?,
                None => None,
            };
            match row {
                Some(row) if row.provider == provider && row.id != member.credential.id => Some(row.id),
                _ => {
                    fields.wrong("/admin", format!("expected the id of a credential of {provider}"));
                    None
                }
            }
        }
    };
    fields.check()?;
    Ok(admin)
}

/// Begins a rotation of a member's key, by its plan; without one the operator makes the keys.
///
/// # Errors
/// `conflict`: the member does not serve, or a rotation is under way.
pub(crate) async fn begin(app: &App, tx: &mut Tx, caller: &Caller, member: &Member) -> ApiResult<Rotation> {
    let (org, id) = (member.credential.org, member.credential.id);
    let plan = key_plans::get(tx, org, id).await?;
    let plan = plan.unwrap_or_else(|| by_hand(app, org, member));
    if member.policy.state != PoolState::Active {
        let state = member.policy.state.as_str();
        return Err(ApiError::new(
            Code::Conflict,
            format!("the credential is {state}, and only an active one is rotated"),
        ));
    }
    let rotation = start(app, tx, &plan, &member.credential.provider).await?;
    Event::new("create_rotation", &rotation.id)
        .after(&wire(&rotation))?
        .by(tx, caller)?;
    Ok(rotation)
}

/// Begins the rotations whose time has come.
///
/// # Errors
/// The store's.
pub(super) async fn begin_due(app: &App) -> ApiResult<()> {
    let due = key_plans::due(&mut app.store.read().await?, app.clock.now()).await?;
    for plan in due {
        let mut tx = app.store.begin().await?;
        let member = pools::get(app, &mut tx, plan.org, plan.credential).await?;
        let is_running = stored::running_of(&mut tx, plan.org, plan.credential)
            .await?
            .is_some();
        let Some(member) = member.filter(|member| member.policy.state == PoolState::Active && !is_running)
        else {
            continue;
        };
        let rotation = start(app, &mut tx, &plan, &member.credential.provider).await?;
        Event::new("create_rotation", &rotation.id)
            .after(&wire(&rotation))?
            .by_system(&mut tx, plan.org)?;
        // If it is undone, the next one begins after as long again.
        let days = plan.every_days.unwrap_or(MAX_EVERY_DAYS);
        let later = KeyPlan {
            due_at: Some(due_again(app, days)),
            ..plan
        };
        key_plans::put(&mut tx, &later).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// The plan of the old credential becomes that of the new one.
///
/// # Errors
/// The store's.
pub(super) async fn hand_over(tx: &mut Tx, rotation: &Rotation, now: Micros) -> ApiResult<()> {
    let (Some(plan), Some(new)) = (
        key_plans::get(tx, rotation.org, rotation.old).await?,
        rotation.new,
    ) else {
        return Ok(());
    };
    let plan = KeyPlan {
        credential: new,
        vendor_key: rotation.new_key.clone(),
        due_at: plan.every_days.map(|days| due(now, days)),
        updated_at: now,
        ..plan
    };
    key_plans::delete(tx, rotation.org, rotation.old).await?;
    Ok(key_plans::put(tx, &plan).await?)
}

async fn start(app: &App, tx: &mut Tx, plan: &KeyPlan, provider: &str) -> ApiResult<Rotation> {
    if stored::running_of(tx, plan.org, plan.credential).await?.is_some() {
        return Err(under_way());
    }
    let now = app.clock.now();
    let id = RotationId::new(app.ids.next());
    let rotation = Rotation {
        id,
        org: plan.org,
        provider: provider.to_owned(),
        old: plan.credential,
        new: None,
        driver: plan.driver,
        admin: plan.admin,
        account: plan.account.clone(),
        step: Step::Mint,
        since: now,
        failures: 0,
        not_before: now,
        overlap_s: plan.overlap_s,
        old_key: plan.vendor_key.clone(),
        new_key: None,
        problem: None,
        created_at: now,
        ended_at: None,
    };
    stored::insert(tx, &rotation).await?;
    Ok(rotation)
}

fn by_hand(app: &App, org: OrgId, member: &Member) -> KeyPlan {
    KeyPlan {
        credential: member.credential.id,
        org,
        driver: Driver::Manual,
        admin: None,
        account: None,
        vendor_key: None,
        every_days: None,
        overlap_s: OVERLAP_S,
        due_at: None,
        updated_at: app.clock.now(),
    }
}

fn due_again(app: &App, days: u32) -> Micros {
    due(app.clock.now(), days)
}

fn due(now: Micros, days: u32) -> Micros {
    now.plus(Duration::from_secs(u64::from(days) * 86_400))
}

fn under_way() -> ApiError {
    ApiError::new(Code::Conflict, "a rotation of this credential is under way")
        .remedy("`ks pool rotations` shows it; it goes on by itself, or is undone")
}
