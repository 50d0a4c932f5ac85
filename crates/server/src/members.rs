//! Changing what a member may do, and ending a membership. In force when it is committed: sessions and keys are looked up with
//! every request.
//!
//! What a person handed out does not outlive what they hold: management keys that they answer for, and invitations, go when they
//! could do more than the person may from then on. Whoever made a key has seen its value.

use keystore_core::ids::{OrgId, UserId};
use keystore_store::api_keys::ApiKey;
use keystore_store::invitations::Invitation;
use keystore_store::members::{self, Person, Role};
use keystore_store::{Conn, Tx, api_keys as key_rows, invitations, sessions};
use keystore_wire::problem::Code;

use crate::api::members::wire;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::auth::require::Resource;
use crate::auth::rights::Authority;

/// What was taken back from a person.
#[derive(Default)]
pub(crate) struct TakenBack {
    /// Keys that were revoked.
    pub(crate) keys: Vec<ApiKey>,
    /// Invitations that were withdrawn.
    pub(crate) invitations: Vec<Invitation>,
}

impl Resource for Person {
    type Key = UserId;
    const NOUN: &'static str = "member";

    async fn find(_: &App, conn: &mut Conn, caller: &Caller, key: &UserId) -> ApiResult<Self> {
        // Members belong to the whole organization.
        match caller.reaches(None) {
            true => person(conn, caller.org, *key).await,
            false => Err(ApiError::not_found(Self::NOUN)),
        }
    }
}

/// The member.
///
/// # Errors
/// `not_found`.
pub(crate) async fn person(conn: &mut Conn, org: OrgId, user: UserId) -> ApiResult<Person> {
    members::person(conn, org, user)
        .await?
        .ok_or_else(|| ApiError::not_found(Person::NOUN))
}

/// Gives a member another role.
///
/// # Errors
/// `forbidden` when the caller does not hold both roles; `conflict` when nobody would own the organization.
pub(crate) async fn set_role(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    member: Person,
    role: Role,
) -> ApiResult<(Person, TakenBack)> {
    may_touch(caller, member.role)?;
    may_touch(caller, role)?;
    caller.confirm(tx, app.clock.now()).await?;
    members::set_role(tx, caller.org, member.user_id, role).await?;
    last_owner(tx, caller.org).await?;
    let taken = take_back(app, tx, caller, member.user_id, Some(role)).await?;
    let changed = Person {
        role,
        ..member.clone()
    };
    Event::new("update_member", &member.user_id)
        .before(&wire(member))?
        .after(&wire(changed.clone()))?
        .by(tx, caller)?;
    Ok((changed, taken))
}

/// Takes a member out of the organization.
///
/// # Errors
/// `forbidden` when the caller does not hold the member's role; `conflict` when nobody would own the organization.
pub(crate) async fn remove(app: &App, tx: &mut Tx, caller: &Caller, member: &Person) -> ApiResult<TakenBack> {
    may_touch(caller, member.role)?;
    caller.confirm(tx, app.clock.now()).await?;
    end(app, tx, caller, member, "remove_member").await
}

/// Ends the caller's own membership.
///
/// # Errors
/// `conflict` when nobody would own the organization.
pub(crate) async fn leave(app: &App, tx: &mut Tx, caller: &Caller) -> ApiResult<(Person, TakenBack)> {
    let (user, _) = caller.person()?;
    caller.confirm(tx, app.clock.now()).await?;
    let member = person(tx, caller.org, user).await?;
    let taken = end(app, tx, caller, &member, "leave_org").await?;
    Ok((member, taken))
}

async fn end(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    member: &Person,
    action: &'static str,
) -> ApiResult<TakenBack> {
    members::delete(tx, caller.org, member.user_id).await?;
    last_owner(tx, caller.org).await?;
    sessions::revoke_in(tx, member.user_id, caller.org).await?;
    let taken = take_back(app, tx, caller, member.user_id, None).await?;
    Event::new(action, &member.user_id)
        .before(&wire(member.clone()))?
        .by(tx, caller)?;
    Ok(taken)
}

/// That the organization still has an owner. The transaction must hold the organization.
///
/// # Errors
/// `conflict`.
pub(crate) async fn last_owner(tx: &mut Tx, org: OrgId) -> ApiResult<()> {
    match members::owners(tx, org).await? {
        0 => Err(
            ApiError::new(Code::Conflict, "nobody would own the organization any more").remedy(
                "give it to somebody else first: `ks org transfer <member>`, or make another owner with `ks member role`",
            ),
        ),
        _ => Ok(()),
    }
}

/// Takes back what a person handed out and, now that they hold no more than `left`, could not hand out any more.
///
/// # Errors
/// The store's.
pub(crate) async fn take_back(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    user: UserId,
    left: Option<Role>,
) -> ApiResult<TakenBack> {
    let too_much = |role: Role| {
        left.is_none_or(|left| {
            Authority::of_member(left)
                .excess(&Authority::of_member(role))
                .is_some()
        })
    };
    let mut taken = TakenBack::default();
    for key in key_rows::of_creator(tx, caller.org, user).await? {
        if too_much(key.role) {
            taken.keys.push(crate::api_keys::end(app, tx, caller, key).await?);
        }
    }
    for invitation in invitations::of_inviter(tx, caller.org, user).await? {
        if too_much(invitation.role) {
            crate::invitations::end(tx, caller, &invitation).await?;
            taken.invitations.push(invitation);
        }
    }
    Ok(taken)
}

/// That the caller could hand out this role, and so may take it away.
fn may_touch(caller: &Caller, role: Role) -> ApiResult<()> {
    let own = caller.authority();
    own.may_grant(&Authority {
        until: own.until,
        ..Authority::of_member(role)
    })
}
