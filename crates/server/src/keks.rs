//! The key-encryption keys of an organization: another generation, who holds the key above them, their end. What takes long is in
//! `jobs`, keys that customers made in `imports`, and how often a key wraps is counted in `wraps`.
//!
//! Calls of a KMS come before the transaction that writes what they gave, and that transaction looks again at what they were for.

mod imports;
mod jobs;
mod wraps;

use keystore_core::Micros;
use keystore_core::ids::{KekId, OrgId};
use keystore_store::kek_jobs::{self, KekJob, KekStep};
use keystore_store::keks::{self as rows, Kek, KekState};
use keystore_store::{Conn, Tx, audit_keys, credentials, orgs, webhooks};
use keystore_vault::kms::KeyName;
use keystore_vault::{Secret, SecretPlace, VaultError, WrappedKek};
use keystore_wire::events::Kind;
use keystore_wire::keks::{CustomerKey, KekStatus, SetCustomerKey, Shredded};
use keystore_wire::problem::Code;
use serde_json::json;

use crate::api::keks::{generation, job};
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::audit::{Event, payloads};
use crate::auth::caller::Caller;
use crate::custody::wrapped;
use crate::events::{self, New};
use crate::webhooks::secrets;

pub(crate) use imports::{Imports, begin as begin_import, finish as finish_import};
pub(crate) use jobs::run;
pub(crate) use wraps::Wraps;

/// Who changes a key: a caller, or the server by itself.
type By<'a> = Option<&'a Caller>;

/// A KEK as it is stored when it is new.
pub(crate) fn row(kek: WrappedKek, at: Micros) -> Kek {
    Kek {
        id: kek.id,
        org: kek.org,
        generation: kek.generation,
        wrapped: kek.bytes,
        customer: kek.customer,
        state: KekState::Active,
        wraps: 0,
        imported: false,
        verified_at: None,
        created_at: at,
    }
}

/// The organization's keys, and what is being done to them. Asks the KMS of the organization's own key, if it has one.
///
/// # Errors
/// The store's.
pub(crate) async fn status(app: &App, org: OrgId) -> ApiResult<KekStatus> {
    let mut conn = app.store.read().await?;
    let all = rows::list(&mut conn, org).await?;
    let mut generations = Vec::with_capacity(all.len());
    for kek in &all {
        let versions = credentials::under_kek(&mut conn, org, kek.id).await?;
        generations.push(generation(kek, versions));
    }
    let running = kek_jobs::get(&mut conn, org).await?;
    drop(conn);
    let customer_key = match all.last().and_then(|kek| kek.customer.clone()) {
        Some(key) => {
            let problem = match key.parse::<KeyName>() {
                Ok(name) => app.vault.try_customer(org, &name).await.err(),
                Err(error) => return Err(ApiError::internal(error)),
            };
            Some(CustomerKey {
                key,
                usable: problem.is_none(),
                remedy: problem.as_ref().map(|problem| problem.fault.remedy().to_owned()),
                problem: problem.map(|problem| problem.to_string()),
            })
        }
        None => None,
    };
    Ok(KekStatus {
        generations,
        customer_key,
        job: running.as_ref().map(job),
        max_wraps: app.custody.max_wraps,
        max_age_days: app.custody.max_age.as_secs() / 86_400,
    })
}

/// Makes another generation, drawn or given, under which everything is sealed from now on; what is sealed already moves to it in the
/// background.
///
/// # Errors
/// `sealed`, `customer_key_unavailable`; `conflict` when somebody else was quicker.
pub(crate) async fn rotate(app: &App, by: By<'_>, org: OrgId, given: Option<Secret>) -> ApiResult<()> {
    let before = rows::list(&mut app.store.read().await?, org).await?;
    let number = before.last().map_or(0, |kek| kek.generation).saturating_add(1);
    // Of a generation that was destroyed, too: what begins anew is under the customer's key as well.
    let customer = customer_of(before.last())?;
    let id = KekId::new(app.ids.next());
    let imported = given.is_some();
    let made = match given {
        Some(key) => {
            let place = (org, id, number);
            app.vault.kek_of(key, place, customer.as_ref()).await?
        }
        None => app.vault.new_kek(org, id, number, customer.as_ref()).await?,
    };
    let now = app.clock.now();
    let new = Kek {
        imported,
        ..row(made, now)
    };
    let mut tx = app.store.begin().await?;
    unchanged(&mut tx, org, &before).await?;
    let active = before.iter().find(|kek| kek.state == KekState::Active);
    if let Some(active) = active {
        rows::set_state(&mut tx, org, active.id, KekState::Retiring).await?;
    }
    rows::insert(&mut tx, &new).await?;
    let total = credentials::not_under_kek(&mut tx, org, Some(id)).await?;
    kek_jobs::put(&mut tx, &KekJob::begin(org, KekStep::Rewrap, total, now)).await?;
    let action = if imported {
        "finish_kek_import"
    } else {
        "rotate_kek"
    };
    let mut event = Event::new(action, &id).after(&generation(&new, 0))?;
    if let Some(active) = active {
        event = event.before(&generation(active, total))?;
    }
    record(event, &mut tx, by, org)?;
    let told = New {
        org,
        project: None,
        kind: Kind::KekRotated,
        subject: id.to_string(),
        data: json!({"generation": number, "imported": imported}),
        once: None,
        mailed: false,
    };
    events::raise(app, &mut tx, told).await?;
    tx.commit().await?;
    app.kek_work.notify_one();
    Ok(())
}

fn customer_of(kek: Option<&Kek>) -> ApiResult<Option<KeyName>> {
    let name = kek.and_then(|kek| kek.customer.as_deref());
    name.map(str::parse).transpose().map_err(ApiError::internal)
}

fn record(event: Event, tx: &mut Tx, by: By<'_>, org: OrgId) -> ApiResult<()> {
    match by {
        Some(caller) => event.by(tx, caller),
        None => event.by_system(tx, org),
    }
}

/// That the generations are those that the calls of the KMS were for.
async fn unchanged(tx: &mut Tx, org: OrgId, before: &[Kek]) -> ApiResult<()> {
    let now = rows::list(tx, org).await?;
    let same = now.len() == before.len()
        && now
            .iter()
            .zip(before)
            .all(|(one, other)| (one.id, one.state, &one.wrapped) == (other.id, other.state, &other.wrapped));
    match same {
        true => Ok(()),
        false => Err(ApiError::new(
            Code::Conflict,
            "the keys were changed just now by somebody else; nothing was changed; look at them and try again",
        )),
    }
}

/// Begins to move what older generations hold to the active one, or to look whether everything opens.
///
/// # Errors
/// `conflict` without an active generation.
pub(crate) async fn begin(app: &App, caller: &Caller, step: KekStep) -> ApiResult<()> {
    let org = caller.whole_org()?;
    let mut tx = app.store.begin().await?;
    let active = rows::active(&mut tx, org).await?.ok_or_else(|| {
        ApiError::new(Code::Conflict, "the organization has no active key")
            .remedy("make one: `ks kek rotate`")
    })?;
    let but = (step == KekStep::Rewrap).then_some(active.id);
    let total = credentials::not_under_kek(&mut tx, org, but).await?;
    let new = KekJob::begin(org, step, total, app.clock.now());
    kek_jobs::put(&mut tx, &new).await?;
    let action = match step {
        KekStep::Rewrap => "rewrap_keks",
        KekStep::Verify => "verify_keks",
    };
    Event::new(action, &active.id)
        .after(&job(&new))?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    app.kek_work.notify_one();
    Ok(())
}

/// Ends the use of a generation: nothing is sealed under it, and everything was seen to open without it.
///
/// # Errors
/// `not_found`; `conflict` while something is sealed under it, also where that does not open, or before it was verified.
pub(crate) async fn retire(app: &App, caller: &Caller, number: u32) -> ApiResult<()> {
    let org = caller.whole_org()?;
    payloads::follow(app, org).await?;
    let followed = secrets::follow(app, org).await;
    opens(app, org, number).await?;
    let mut tx = app.store.begin().await?;
    let kek = find(&mut tx, org, number).await?;
    if kek.state != KekState::Retiring {
        return Err(ApiError::new(
            Code::Conflict,
            format!(
                "generation {number} is {}, not retiring",
                generation(&kek, 0).state.as_str()
            ),
        ));
    }
    // The state first: whoever seals under it at the same time either comes before, and is counted, or is refused.
    rows::set_state(&mut tx, org, kek.id, KekState::Retired).await?;
    if !audit_keys::under(&mut tx, org, kek.id).await?.is_empty() {
        let held = format!(
            "generation {number} cannot be retired: payloads of the audit log are still sealed under it"
        );
        return Err(ApiError::new(Code::Conflict, held).remedy("try again"));
    }
    if !webhooks::under(&mut tx, org, kek.id).await?.is_empty() {
        followed?;
        let held =
            format!("generation {number} cannot be retired: secrets of webhooks are still sealed under it");
        return Err(ApiError::new(Code::Conflict, held).remedy("try again"));
    }
    let versions = credentials::under_kek(&mut tx, org, kek.id).await?;
    if versions > 0 || kek.verified_at.is_none() {
        let why = match versions {
            0 => "it was not verified yet that everything opens without it".to_owned(),
            _ => format!("{versions} credential versions are still sealed under it"),
        };
        return Err(ApiError::new(
            Code::Conflict,
            format!("generation {number} cannot be retired: {why}"),
        )
        .remedy("`ks kek rewrap` moves what is left and verifies it"));
    }
    let after = Kek {
        state: KekState::Retired,
        ..kek.clone()
    };
    Event::new("retire_kek", &kek.id)
        .before(&generation(&kek, 0))?
        .after(&generation(&after, 0))?
        .by(&mut tx, caller)?;
    Ok(tx.commit().await?)
}

/// That what was not moved away from a retiring generation opens: what does not stays there, however often it is tried.
async fn opens(app: &App, org: OrgId, number: u32) -> ApiResult<()> {
    let mut conn = app.store.read().await?;
    let kek = find(&mut conn, org, number).await?;
    if kek.state != KekState::Retiring {
        return Ok(());
    }
    let keys = audit_keys::under(&mut conn, org, kek.id).await?;
    let hooks = webhooks::under(&mut conn, org, kek.id).await?;
    drop(conn);
    let kek = wrapped(&kek);
    for key in keys {
        let opened = app.vault.open_audit_key(&kek, key.generation, &key.sealed).await;
        if is_damaged(opened.err())? {
            let what = format!("the key {} of the audit log's payloads", key.generation);
            let remedy = "bring its row in `audit_keys` back from a backup of the database";
            return Err(held_by(number, &what).remedy(remedy));
        }
    }
    for hook in hooks {
        let place = SecretPlace {
            webhook: hook.id,
            url: &hook.url,
        };
        for sealed in std::iter::once(&hook.secret).chain(&hook.previous) {
            let opened = app.vault.open_webhook_secret(&kek, place, sealed).await;
            if is_damaged(opened.err())? {
                let what = format!("a secret of the webhook {}", hook.id);
                let remedy = format!(
                    "make another one: `ks webhook rotate-secret {} --overlap 0s`",
                    hook.id
                );
                return Err(held_by(number, &what).remedy(remedy));
            }
        }
    }
    Ok(())
}

fn held_by(number: u32, what: &str) -> ApiError {
    let why = "was changed in the database and does not open, so it cannot be moved to another key";
    ApiError::new(
        Code::Conflict,
        format!("generation {number} cannot be retired: {what} {why}"),
    )
}

/// Whether what did not open for this reason was changed.
fn is_damaged(why: Option<VaultError>) -> ApiResult<bool> {
    match why {
        None => Ok(false),
        Some(VaultError::Corrupt | VaultError::BadFormat) => Ok(true),
        Some(error) => Err(error.into()),
    }
}

/// Deletes the key of a retired generation.
///
/// # Errors
/// `not_found`; `conflict` when it is not retired; `invalid_request` unless the number is typed again.
pub(crate) async fn destroy(app: &App, caller: &Caller, number: u32, confirm: u32) -> ApiResult<()> {
    let (_, _) = caller.person()?;
    let org = caller.whole_org()?;
    if confirm != number {
        return Err(ApiError::field("/confirm", format!("must be {number}")));
    }
    let mut tx = app.store.begin().await?;
    caller.confirm(&mut tx, app.clock.now()).await?;
    let kek = find(&mut tx, org, number).await?;
    if kek.state != KekState::Retired {
        return Err(ApiError::new(
            Code::Conflict,
            format!(
                "generation {number} is {}; only a retired one is destroyed",
                generation(&kek, 0).state.as_str()
            ),
        )
        .remedy("`ks kek retire` first; to make all credentials unreadable at once: `ks kek shred`"));
    }
    rows::destroy(&mut tx, org, kek.id).await?;
    let after = Kek {
        state: KekState::Destroyed,
        ..kek.clone()
    };
    Event::new("destroy_kek", &kek.id)
        .before(&generation(&kek, 0))?
        .after(&generation(&after, 0))?
        .by(&mut tx, caller)?;
    Ok(tx.commit().await?)
}

/// Deletes all keys of the organization: every credential is unreadable for good. What backups hold is not reached, and the answer
/// says so.
///
/// # Errors
/// `invalid_request` unless the organization's slug is typed.
pub(crate) async fn shred(app: &App, caller: &Caller, confirm: &str) -> ApiResult<Shredded> {
    let (_, _) = caller.person()?;
    let id = caller.whole_org()?;
    let mut tx = app.store.begin().await?;
    caller.confirm(&mut tx, app.clock.now()).await?;
    let org = orgs::get(&mut tx, id)
        .await?
        .ok_or_else(|| ApiError::not_found("organization"))?;
    if confirm != org.slug {
        return Err(ApiError::field("/confirm", format!("must be `{}`", org.slug)));
    }
    let all = rows::list(&mut tx, id).await?;
    let live: Vec<_> = all
        .iter()
        .filter(|kek| kek.state != KekState::Destroyed)
        .collect();
    for kek in &live {
        rows::destroy(&mut tx, id, kek.id).await?;
    }
    if let Some(running) = kek_jobs::get(&mut tx, id)
        .await?
        .filter(|job| job.ended_at.is_none())
    {
        let ended = KekJob {
            problem: Some("the keys were destroyed".to_owned()),
            ended_at: Some(app.clock.now()),
            ..running
        };
        kek_jobs::put(&mut tx, &ended).await?;
    }
    let customer = all.last().and_then(|kek| kek.customer.clone());
    let shredded = Shredded {
        generations: u32::try_from(live.len()).unwrap_or(u32::MAX),
        credential_versions: credentials::not_under_kek(&mut tx, id, None).await?,
        statement: statement(customer.as_deref()),
    };
    Event::new("shred_keks", &id)
        .after(&shredded)?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    app.vault.forget(id);
    Ok(shredded)
}

/// What is true of a shredded organization.
fn statement(customer: Option<&str>) -> String {
    let lives = "The keys are deleted from the database, and no credential of the organization can be opened with it any more. Backups \
                 that were made before still hold the wrapped keys: until they are deleted, whoever has such a backup and the root \
                 key can open what it holds.";
    match customer {
        Some(key) => format!(
            "{lives} They were wrapped by {key}, too: deleting that key at its KMS makes the backups unreadable as well."
        ),
        None => lives.to_owned(),
    }
}

/// Puts the organization's keys under a key that it holds itself, or takes that away. It is tried before anything is changed.
///
/// # Errors
/// `invalid_request` when the key cannot be used; `customer_key_unavailable` when the one before cannot; `conflict`.
pub(crate) async fn set_customer_key(app: &App, caller: &Caller, key: Option<&str>) -> ApiResult<()> {
    let org = caller.whole_org()?;
    let name = match key {
        Some(key) => Some(usable(app, org, key).await?),
        None => None,
    };
    let key = name.as_ref().map(ToString::to_string);
    let before = rows::list(&mut app.store.read().await?, org).await?;
    let mut moved = Vec::new();
    for kek in before.iter().filter(|kek| !kek.wrapped.is_empty()) {
        let under = app.vault.under_customer(&wrapped(kek), name.as_ref()).await?;
        moved.push((kek, under));
    }
    let mut tx = app.store.begin().await?;
    unchanged(&mut tx, org, &before).await?;
    for (kek, under) in &moved {
        rows::put_under(&mut tx, kek, &under.bytes, under.customer.as_deref()).await?;
    }
    if let Some(last) = before.last().filter(|kek| kek.wrapped.is_empty()) {
        // There is no key left: the row of the last one says what the next one is under.
        rows::put_under(&mut tx, last, &[], key.as_deref()).await?;
    }
    let was = before.last().and_then(|kek| kek.customer.clone());
    Event::new("set_customer_key", &org)
        .before(&SetCustomerKey { key: was })?
        .after(&SetCustomerKey { key })?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    app.vault.forget(org);
    Ok(())
}

/// The key of this name, if this server may use it for the organization.
async fn usable(app: &App, org: OrgId, key: &str) -> ApiResult<KeyName> {
    let name: KeyName = key
        .parse()
        .map_err(|error: keystore_vault::kms::InvalidKeyName| ApiError::field("/key", error.to_string()))?;
    if !app.custody.customer_keys.contains(&name.kind()) {
        return Err(ApiError::field(
            "/key",
            "this server takes no keys of customers at that KMS; the operator allows them in `kms.customer_keys`",
        ));
    }
    match app.vault.try_customer(org, &name).await {
        Ok(()) => Ok(name),
        Err(error) => Err(ApiError::field(
            "/key",
            format!("the key cannot be used, so nothing was changed: {error}"),
        )
        .remedy(error.fault.remedy())),
    }
}

async fn find(conn: &mut Conn, org: OrgId, number: u32) -> ApiResult<Kek> {
    let all = rows::list(conn, org).await?;
    let found = all.into_iter().find(|kek| kek.generation == number);
    found.ok_or_else(|| ApiError::not_found("generation"))
}
