//! Inviting somebody into an organization, and taking an invitation up.
//!
//! The link goes to the invited address alone: the code is in no answer and, as a hash, in the database. It opens no account that
//! exists: who has one proves it with their password.

use std::time::Duration;

use keystore_core::ids::{InvitationId, UserId};
use keystore_store::invitations::{self, Invitation};
use keystore_store::members::Member;
use keystore_store::users::User;
use keystore_store::{Conn, Tx, members, orgs, users};
use keystore_vault::{NewToken, TokenKind, hash_token};
use keystore_wire::SecretText;
use keystore_wire::members::{AcceptInvitation, CreateInvitation};
use keystore_wire::problem::Code;

use crate::api::members::{wire, wire_invitation};
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::api::roles;
use crate::app::App;
use crate::audit::Event;
use crate::auth::accounts::{self, check_email, check_password};
use crate::auth::caller::Caller;
use crate::auth::factors;
use crate::auth::origin::Origin;
use crate::auth::require::Resource;
use crate::auth::rights::Authority;
use crate::auth::sessions::{self, SignedIn};
use crate::auth::visitor::Visitor;
use crate::mail;
use crate::names::check_title;

/// How long an invitation's link is good for.
const LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

impl Resource for Invitation {
    type Key = InvitationId;
    const NOUN: &'static str = "invitation";

    async fn find(_: &App, conn: &mut Conn, caller: &Caller, key: &InvitationId) -> ApiResult<Self> {
        // Members belong to the whole organization.
        invitations::get(conn, caller.org, *key)
            .await?
            .filter(|_| caller.reaches(None))
            .ok_or_else(|| ApiError::not_found(Self::NOUN))
    }
}

/// Invites somebody; the link is on its way when this returns. An open invitation of the same address is withdrawn.
///
/// # Errors
/// `invalid_request`, `already_exists` for a member; `forbidden`, also when the open invitation gives more than the caller holds.
pub(crate) async fn create(app: &App, caller: &Caller, new: &CreateInvitation) -> ApiResult<Invitation> {
    caller.whole_org()?;
    let now = app.clock.now();
    let mut fields = Fields::default();
    let email = check_email(&mut fields, &new.email);
    fields.check()?;
    let role = roles::stored(new.role);
    caller.authority().may_grant(&Authority::of_member(role))?;
    let code = NewToken::generate(TokenKind::SignInCode)?;
    let mut tx = app.store.begin().await?;
    caller.confirm(&mut tx, now).await?;
    if members::by_email(&mut tx, caller.org, &email).await?.is_some() {
        return Err(
            ApiError::new(Code::AlreadyExists, format!("{email} is a member already"))
                .remedy("`ks member role` changes what a member may do"),
        );
    }
    let org = orgs::get(&mut tx, caller.org)
        .await?
        .ok_or_else(ApiError::unauthenticated)?;
    let invitation = Invitation {
        id: InvitationId::new(app.ids.next()),
        org: caller.org,
        email,
        role,
        hash: code.hash().0,
        invited_by: caller.answers(),
        created_at: now,
        expires_at: now.plus(LIFE),
    };
    invitations::delete_expired(&mut tx, now).await?;
    if let Some(open) = invitations::of_email(&mut tx, caller.org, &invitation.email).await? {
        withdraw(&mut tx, caller, &open).await?;
    }
    invitations::insert(&mut tx, &invitation).await?;
    Event::new("create_invitation", &invitation.id)
        .after(&wire_invitation(invitation.clone()))?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    app.post(mail::invitation(
        &app.settings.api_url,
        &invitation.email,
        &org.name,
        role.as_str(),
        &code.into_text(),
    ));
    Ok(invitation)
}

/// Withdraws an invitation.
///
/// # Errors
/// `forbidden` when it gives more than the caller holds.
pub(crate) async fn withdraw(tx: &mut Tx, caller: &Caller, invitation: &Invitation) -> ApiResult<()> {
    let own = caller.authority();
    own.may_grant(&Authority {
        until: own.until,
        ..Authority::of_member(invitation.role)
    })?;
    end(tx, caller, invitation).await
}

/// As [`withdraw`], whatever it gives.
///
/// # Errors
/// The store's.
pub(crate) async fn end(tx: &mut Tx, caller: &Caller, invitation: &Invitation) -> ApiResult<()> {
    invitations::delete(tx, invitation.org, invitation.id).await?;
    Event::new("delete_invitation", &invitation.id)
        .before(&wire_invitation(invitation.clone()))?
        .by(tx, caller)
}

/// Takes an invitation up: makes the account if there is none, the membership, and a session in the organization.
///
/// # Errors
/// `invalid_credentials` for a link that does not hold or a wrong password, `second_factor_required`, `too_many_attempts`,
/// `invalid_request`, `already_exists` for a member.
pub(crate) async fn accept(app: &App, taken: &AcceptInvitation, visitor: &Visitor) -> ApiResult<SignedIn> {
    let origin = visitor.origin;
    let hash = hash_token(taken.code.expose().as_bytes()).0;
    let password = taken.password.expose();
    let (invitation, known) = {
        let mut conn = app.store.read().await?;
        let found = invitations::by_hash(&mut conn, &hash, app.clock.now()).await?;
        let invitation = found.ok_or_else(does_not_hold)?;
        let known = users::by_email(&mut conn, &invitation.email).await?;
        (invitation, known)
    };
    let (user, proven) = match known {
        Some(_) => {
            let user = accounts::check_login(app, &invitation.email, password, origin).await?;
            let code = taken.second_factor.as_ref().map(SecretText::expose);
            let proven = factors::prove_if_any(app, &user, code, origin).await?;
            (user, proven)
        }
        None => (newcomer(app, &invitation.email, taken).await?, false),
    };
    let mut tx = app.store.begin().await?;
    join(app, &mut tx, &hash, &user, origin).await?;
    let org = orgs::get(&mut tx, invitation.org)
        .await?
        .ok_or_else(does_not_hold)?;
    let signed_in = sessions::begin_in(app, &mut tx, user, org, (proven, visitor)).await?;
    tx.commit().await?;
    Ok(signed_in)
}

/// Somebody who has no account yet.
async fn newcomer(app: &App, email: &str, taken: &AcceptInvitation) -> ApiResult<User> {
    let name = taken.name.as_deref().unwrap_or_default();
    let mut fields = Fields::default();
    check_title(&mut fields, "/name", name);
    check_password(&mut fields, "/password", taken.password.expose());
    fields.check()?;
    let now = app.clock.now();
    Ok(User {
        id: UserId::new(app.ids.next()),
        email: email.to_owned(),
        name: name.trim().to_owned(),
        password_hash: Some(app.passwords.hash(taken.password.expose()).await?),
        operator: false,
        // As in `join`.
        verified_at: app.mailer.delivers().then_some(now),
        created_at: now,
        updated_at: now,
    })
}

/// Uses the invitation up. It is looked for again: it may have been withdrawn while the password was looked at.
async fn join(app: &App, tx: &mut Tx, hash: &[u8; 32], user: &User, origin: Origin) -> ApiResult<()> {
    let now = app.clock.now();
    let found = invitations::by_hash(tx, hash, now).await?;
    let invitation = found.ok_or_else(does_not_hold)?;
    if !orgs::hold(tx, invitation.org).await?
        || !invitations::delete(tx, invitation.org, invitation.id).await?
    {
        return Err(does_not_hold());
    }
    match users::get(tx, user.id).await? {
        None => users::insert(tx, user).await?,
        // Who has a link that was mailed reads what is mailed.
        Some(_) if app.mailer.delivers() => {
            users::set_verified(tx, user.id, now).await?;
        }
        Some(_) => {}
    }
    let member = Member {
        org: invitation.org,
        user_id: user.id,
        role: invitation.role,
        created_at: now,
    };
    members::insert(tx, &member).await?;
    let joined = crate::members::person(tx, invitation.org, user.id).await?;
    Event::new("accept_invitation", &user.id)
        .after(&wire(joined))?
        .by_person(tx, invitation.org, user.id, origin)
}

fn does_not_hold() -> ApiError {
    ApiError::new(
        Code::InvalidCredentials,
        "the invitation is unknown, used, withdrawn or older than seven days; ask for a new one",
    )
}
