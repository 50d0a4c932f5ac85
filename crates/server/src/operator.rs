//! The organization in which the operator acts: who runs this deployment and sells the use of pooled keys. It is an organization like
//! any other, with members, keys and an audit log, except that its policy says what it is. An operator is no member of other
//! organizations, and sees nothing of them but what they are sold.

use keystore_core::ids::OrgId;
use keystore_core::policy::ScopePolicy;
use keystore_store::members::Role;
use keystore_store::{Conn, deployment, users};
use keystore_vault::NewToken;
use keystore_wire::problem::Code;

use crate::api::orgs::wire;
use crate::api::problem::{ApiError, ApiResult};
use crate::api_keys::{self, NewKey};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::auth::rights::Authority;
use crate::orgs::{self, Founding};
use crate::scopes;

/// The operator's organization, unless nobody has set it up.
///
/// # Errors
/// The store's.
pub(crate) async fn org(conn: &mut Conn) -> ApiResult<Option<OrgId>> {
    let deployment = deployment::get(conn).await?;
    Ok(deployment.and_then(|deployment| deployment.operator_org))
}

/// That the caller acts as the operator.
///
/// # Errors
/// `forbidden`.
pub(crate) async fn check(app: &App, caller: &Caller) -> ApiResult<()> {
    let mut conn = app.store.read().await?;
    let is_pointed_at = org(&mut conn).await? == Some(caller.org);
    if is_pointed_at
        && caller.project.is_none()
        && scopes::get(app, &mut conn, caller.org, None).await?.operator
    {
        return Ok(());
    }
    Err(ApiError::new(
        Code::Forbidden,
        "only the operator may do this, and this is not the operator's organization",
    )
    .remedy("act there: `ks org switch operator`, or a management key of it in KS_API_KEY; `ks operator set-up` makes it"))
}

/// Makes the operator's organization, with a management key, unless there is one. Its owner is the person who asks, who must be the one
/// who set this deployment up.
///
/// # Errors
/// `forbidden`, also for a key that is bound to a project or ends.
pub(crate) async fn set_up(app: &App, caller: &Caller) -> ApiResult<(OrgId, Option<NewToken>)> {
    // The new key is made as by the person: what bounds the caller must be looked at before.
    caller.authority().may_grant(&Authority::of_member(Role::Owner))?;
    let owner = caller.answers();
    let kek = orgs::first_keys(app).await?;
    let mut tx = app.store.begin().await?;
    let person = match owner {
        Some(owner) => users::get(&mut tx, owner).await?,
        None => None,
    };
    let Some(owner) = person.filter(|person| person.operator) else {
        return Err(ApiError::new(
            Code::Forbidden,
            "only the person who set this deployment up can set up the operator's organization",
        ));
    };
    if let Some(org) = org(&mut tx).await? {
        return Ok((org, None));
    }
    let founding = Founding {
        name: "Operator",
        slug: None,
        time_zone: None,
        owner: owner.id,
    };
    let made = orgs::found(app, &mut tx, kek, &founding).await?;
    let policy = ScopePolicy {
        operator: true,
        ..ScopePolicy::open(made.id, None)
    };
    scopes::put(app, &mut tx, &policy).await?;
    if !deployment::set_operator_org(&mut tx, made.id).await? {
        return Err(ApiError::new(
            Code::Conflict,
            "the operator's organization was set up just now by somebody else",
        ));
    }
    let id = made.id;
    Event::new("set_up_operator", &id)
        .after(&wire(made))?
        .by_person(&mut tx, id, owner.id, caller.origin)?;
    let there = Caller {
        org: id,
        role: Role::Owner,
        project: None,
        ..caller.clone()
    };
    let new = NewKey {
        name: "operator",
        role: Role::Owner,
        project: None,
        expires_at: None,
    };
    let (key, _) = api_keys::create(app, &mut tx, &there.as_person(owner.id), &new).await?;
    tx.commit().await?;
    Ok((id, Some(key)))
}
