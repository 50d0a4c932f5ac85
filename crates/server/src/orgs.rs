//! What makes, changes and ends an organization.

use jiff::tz::TimeZone;
use keystore_core::ids::{KekId, OrgId, ProjectId, SessionId, UserId};
use keystore_core::policy::ScopePolicy;
use keystore_store::members::{Member, Role};
use keystore_store::orgs::{self, Org};
use keystore_store::projects::{self, Project};
use keystore_store::{Tx, keks as kek_rows, members, sessions, users};
use keystore_vault::{SealedAuditKey, WrappedKek};
use keystore_wire::orgs::{CreateOrg, UpdateOrg};
use keystore_wire::problem::Code;

use crate::api::orgs::wire;
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::{Event, payloads};
use crate::auth::caller::{Caller, DEFAULT_PROJECT, Who};
use crate::config::SignUp;
use crate::keks;
use crate::members::{last_owner, person, take_back};
use crate::names::{check_slug, check_title, slug_of};
use crate::scopes;

/// The time zone of an organization that chooses none.
const UTC: &str = "UTC";

/// An organization to be founded.
pub(crate) struct Founding<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its slug; made from the name, and made unique, when absent.
    pub(crate) slug: Option<&'a str>,
    /// Its time zone.
    pub(crate) time_zone: Option<&'a str>,
    /// Who owns it.
    pub(crate) owner: UserId,
}

/// The keys of an organization to come.
pub(crate) struct FirstKeys {
    kek: WrappedKek,
    audit: SealedAuditKey,
}

/// Makes the key-encryption key of an organization to come, and what its audit log is sealed with. It may take a call of the KMS, so it
/// comes before any transaction.
///
/// # Errors
/// The vault's.
pub(crate) async fn first_keys(app: &App) -> ApiResult<FirstKeys> {
    let (org, kek) = (OrgId::new(app.ids.next()), KekId::new(app.ids.next()));
    let kek = app.vault.new_kek(org, kek, 1, None).await?;
    let audit = app.vault.new_audit_key(&kek, 1).await?;
    Ok(FirstKeys { kek, audit })
}

/// Founds the organization that the keys were made for, with its `default` project and its owner.
///
/// # Errors
/// `already_exists` when the slug is taken.
pub(crate) async fn found(app: &App, tx: &mut Tx, keys: FirstKeys, new: &Founding<'_>) -> ApiResult<Org> {
    let FirstKeys { kek, audit } = keys;
    let now = app.clock.now();
    let slug = match new.slug {
        Some(slug) => slug.to_owned(),
        None => free_slug(tx, new.name).await?,
    };
    let org = Org {
        id: kek.org,
        slug,
        name: new.name.trim().to_owned(),
        time_zone: new.time_zone.unwrap_or(UTC).to_owned(),
        previous_time_zone: None,
        time_zone_changed_at: None,
        event_mails: true,
        second_factor_required: false,
        created_at: now,
        updated_at: now,
    };
    orgs::insert(tx, &org).await?;
    payloads::put(app, tx, &kek, 1, audit).await?;
    kek_rows::insert(tx, &keks::row(kek, now)).await?;
    let project = Project {
        id: ProjectId::new(app.ids.next()),
        org: org.id,
        slug: DEFAULT_PROJECT.to_owned(),
        name: "Default".to_owned(),
        labels: Vec::new(),
        created_at: now,
        updated_at: now,
    };
    projects::insert(tx, &project).await?;
    for scope in [None, Some(project.id)] {
        scopes::put(app, tx, &ScopePolicy::open(org.id, scope)).await?;
    }
    let owner = Member {
        org: org.id,
        user_id: new.owner,
        role: Role::Owner,
        created_at: now,
    };
    members::insert(tx, &owner).await?;
    Ok(org)
}

/// Makes another organization of a person, who owns it. Where sign-up is closed, only operators and people who own one already
/// may.
///
/// # Errors
/// `invalid_request`, `forbidden`, `already_exists`.
pub(crate) async fn create(app: &App, caller: &Caller, new: CreateOrg) -> ApiResult<Org> {
    let (owner, _) = caller.person()?;
    let mut fields = Fields::default();
    check_title(&mut fields, "/name", &new.name);
    if let Some(slug) = &new.slug {
        check_slug(&mut fields, slug);
    }
    check_zone(&mut fields, new.time_zone.as_deref());
    fields.check()?;
    let keys = first_keys(app).await?;
    let mut tx = app.store.begin().await?;
    if app.settings.signup == SignUp::Closed && !founds(&mut tx, owner).await? {
        return Err(ApiError::new(
            Code::Forbidden,
            "sign-up is closed on this server: only people who own an organization make another one",
        ));
    }
    let founding = Founding {
        name: &new.name,
        slug: new.slug.as_deref(),
        time_zone: new.time_zone.as_deref(),
        owner,
    };
    let org = found(app, &mut tx, keys, &founding).await?;
    Event::new("create_org", &org.id)
        .after(&wire(org.clone()))?
        .by_person(&mut tx, org.id, owner, caller.origin)?;
    tx.commit().await?;
    Ok(org)
}

async fn founds(tx: &mut Tx, user: UserId) -> ApiResult<bool> {
    let operator = users::get(tx, user).await?.is_some_and(|user| user.operator);
    let memberships = members::of_user(tx, user).await?;
    Ok(operator || memberships.iter().any(|member| member.role == Role::Owner))
}

/// Changes what the request names. Budgets follow another time zone from their next window.
///
/// # Errors
/// `invalid_request`, `already_exists`; `conflict` when the caller would require a second factor and has none.
pub(crate) async fn update(app: &App, tx: &mut Tx, caller: &Caller, change: UpdateOrg) -> ApiResult<Org> {
    let now = app.clock.now();
    let org = get(tx, caller.whole_org()?).await?;
    let mut changed = Org {
        name: change
            .name
            .map_or(org.name.clone(), |name| name.trim().to_owned()),
        slug: change.slug.unwrap_or_else(|| org.slug.clone()),
        event_mails: change.event_mails.unwrap_or(org.event_mails),
        second_factor_required: change
            .second_factor_required
            .unwrap_or(org.second_factor_required),
        updated_at: now,
        ..org.clone()
    };
    let mut fields = Fields::default();
    check_title(&mut fields, "/name", &changed.name);
    check_slug(&mut fields, &changed.slug);
    check_zone(&mut fields, change.time_zone.as_deref());
    fields.check()?;
    if changed.second_factor_required && !org.second_factor_required {
        has_factor(caller)?;
    }
    if let Some(zone) = change.time_zone.filter(|zone| *zone != org.time_zone) {
        changed.previous_time_zone = Some(org.time_zone.clone());
        changed.time_zone_changed_at = Some(now);
        changed.time_zone = zone;
    }
    orgs::update(tx, &changed).await?;
    Event::new("update_org", &org.id)
        .before(&wire(org))?
        .after(&wire(changed.clone()))?
        .by(tx, caller)?;
    Ok(changed)
}

/// That who requires a second factor of others has one.
fn has_factor(caller: &Caller) -> ApiResult<()> {
    match caller.who {
        Who::User {
            second_factor: false, ..
        } => Err(ApiError::new(
            Code::Conflict,
            "you have no second factor yourself, and could do nothing more here",
        )
        .remedy("set one up first: `ks factor add`, or in the dashboard under Settings")),
        Who::User { .. } | Who::Key { .. } | Who::Machine { .. } => Ok(()),
    }
}

/// Ends the caller's organization with everything that it holds: members lose it, tokens and keys are refused when this is
/// committed, sealed credentials are deleted together with the key that opens them. Traffic and audit records stay. The caller's
/// session goes on in another organization of theirs.
///
/// # Errors
/// `conflict` when it is the only one that the caller belongs to; `invalid_request` without its slug.
pub(crate) async fn delete(app: &App, caller: &Caller, confirm: &str) -> ApiResult<()> {
    let (user, session) = caller.person()?;
    let mut tx = app.store.begin().await?;
    caller.confirm(&mut tx, app.clock.now()).await?;
    let org = get(&mut tx, caller.whole_org()?).await?;
    if confirm != org.slug {
        return Err(ApiError::field("?confirm", format!("must be `{}`", org.slug)));
    }
    move_away(&mut tx, user, session, org.id).await?;
    orgs::delete(&mut tx, org.id).await?;
    Event::new("delete_org", &org.id)
        .before(&wire(org))?
        .by(&mut tx, caller)?;
    Ok(tx.commit().await?)
}

/// Nobody locks themselves out of the deployment.
async fn move_away(tx: &mut Tx, user: UserId, session: SessionId, org: OrgId) -> ApiResult<()> {
    let memberships = members::of_user(tx, user).await?;
    let other = memberships
        .iter()
        .find(|member| member.org != org)
        .ok_or_else(|| {
            ApiError::new(
                Code::Conflict,
                "it is the only organization that you belong to; without one you could not sign in any more",
            )
            .remedy("make another one first: `ks org create`")
        })?;
    sessions::set_org(tx, session, other.org).await?;
    Ok(())
}

/// Makes another member the owner in the caller's place, who becomes an admin.
///
/// # Errors
/// `not_found` when there is no such member; `conflict` when it is the caller.
pub(crate) async fn transfer(app: &App, tx: &mut Tx, caller: &Caller, heir: UserId) -> ApiResult<()> {
    let (owner, _) = caller.person()?;
    caller.confirm(tx, app.clock.now()).await?;
    if heir == owner {
        return Err(ApiError::new(Code::Conflict, "it is yours already"));
    }
    let before = person(tx, caller.org, heir).await?;
    members::set_role(tx, caller.org, heir, Role::Owner).await?;
    members::set_role(tx, caller.org, owner, Role::Admin).await?;
    last_owner(tx, caller.org).await?;
    take_back(app, tx, caller, owner, Some(Role::Admin)).await?;
    let after = person(tx, caller.org, heir).await?;
    Event::new("transfer_org", &caller.org)
        .before(&crate::api::members::wire(before))?
        .after(&crate::api::members::wire(after))?
        .by(tx, caller)
}

async fn get(tx: &mut Tx, org: OrgId) -> ApiResult<Org> {
    orgs::get(tx, org)
        .await?
        .ok_or_else(|| ApiError::not_found("organization"))
}

fn check_zone(fields: &mut Fields, zone: Option<&str>) {
    if zone.is_some_and(|zone| TimeZone::get(zone).is_err()) {
        fields.wrong(
            "/timeZone",
            "expected a name of the IANA time zone database, such as Europe/Berlin",
        );
    }
}

async fn free_slug(tx: &mut Tx, name: &str) -> ApiResult<String> {
    let wanted = slug_of(name, "org");
    for number in 1..100 {
        let candidate = match number {
            1 => wanted.clone(),
            _ => format!("{wanted}-{number}"),
        };
        if orgs::by_slug(tx, &candidate).await?.is_none() {
            return Ok(candidate);
        }
    }
    Err(ApiError::new(
        Code::AlreadyExists,
        "many organizations have this name; choose another one",
    ))
}
