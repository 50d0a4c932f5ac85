//! Sessions: how they begin, what their owner does with them, and how they end.

use keystore_core::Micros;
use keystore_core::ids::{OrgId, SessionId, UserId};
use keystore_store::orgs::Org;
use keystore_store::sessions::{self as rows, Session};
use keystore_store::users::User;
use keystore_store::{Tx, members, sign_in_codes};
use keystore_vault::{NewToken, TokenKind};
use keystore_wire::problem::Code;

use super::accounts;
use super::caller::{Caller, SESSION_LIFE};
use super::factors;
use super::person::InPerson;
use super::visitor::Visitor;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::audit::Event;

/// Somebody signed in.
pub(crate) struct SignedIn {
    /// The `kss_` value: told once.
    pub(crate) token: NewToken,
    /// When the session ends unless it is used.
    pub(crate) expires_at: Micros,
    /// Who.
    pub(crate) user: User,
    /// The organization in which the session acts.
    pub(crate) org: Org,
}

/// Ends a first step of a sign-in that was right: with a session, or with a challenge for who has a second factor. `tx` is what the
/// step was made in.
///
/// # Errors
/// `second_factor_required`; as [`open`].
pub(super) async fn begin(
    app: &App,
    mut tx: Tx,
    user: User,
    action: &'static str,
    visitor: &Visitor,
) -> ApiResult<SignedIn> {
    let needed = factors::of(&mut tx, user.id).await?;
    let done = match needed.is_empty() {
        true => Ok(open(app, &mut tx, user, (action, false), visitor).await?),
        false => Err(factors::challenge(app, &mut tx, user.id, needed).await?),
    };
    tx.commit().await?;
    done
}

/// Opens a session of a person, in the organization that they have belonged to longest, and says whether a second factor was proven.
///
/// # Errors
/// `forbidden` for who belongs to none any more.
pub(super) async fn open(
    app: &App,
    tx: &mut Tx,
    user: User,
    (action, proven): (&'static str, bool),
    visitor: &Visitor,
) -> ApiResult<SignedIn> {
    let org = accounts::orgs_of(tx, user.id).await?.into_iter().next();
    let (org, _) = org.ok_or_else(|| {
        ApiError::new(
            Code::Forbidden,
            "you do not belong to an organization any more; ask an owner to add you",
        )
    })?;
    let (token, expires_at, session) = insert(app, tx, user.id, org.id, (proven, visitor)).await?;
    Event::new(action, &session).by_person(tx, org.id, user.id, visitor.origin)?;
    Ok(SignedIn {
        token,
        expires_at,
        user,
        org,
    })
}

/// Begins a session of a person in this organization, which they have just joined or made: the entry of that is its own.
///
/// # Errors
/// The store's and the vault's.
pub(crate) async fn begin_in(
    app: &App,
    tx: &mut Tx,
    user: User,
    org: Org,
    (proven, visitor): (bool, &Visitor),
) -> ApiResult<SignedIn> {
    let (token, expires_at, _) = insert(app, tx, user.id, org.id, (proven, visitor)).await?;
    Ok(SignedIn {
        token,
        expires_at,
        user,
        org,
    })
}

async fn insert(
    app: &App,
    tx: &mut Tx,
    user: UserId,
    org: OrgId,
    (proven, visitor): (bool, &Visitor),
) -> ApiResult<(NewToken, Micros, SessionId)> {
    let token = NewToken::generate(TokenKind::Session)?;
    let now = app.clock.now();
    let expires_at = now.plus(SESSION_LIFE);
    let session = Session {
        id: SessionId::new(app.ids.next()),
        hash: token.hash().0,
        user_id: user,
        org,
        created_at: now,
        expires_at,
        last_seen_at: now,
        client: visitor.client.clone(),
        address: visitor.origin.address.map(|address| address.to_string()),
        second_factor: proven,
    };
    rows::delete_expired(tx, now).await?;
    sign_in_codes::delete_expired(tx, now).await?;
    rows::insert(tx, &session).await?;
    Ok((token, expires_at, session.id))
}

/// Puts a new value in place of a session's; the old one ends at once.
///
/// # Errors
/// `unauthenticated` when the session has ended meanwhile.
pub(crate) async fn refresh(app: &App, person: &InPerson) -> ApiResult<(NewToken, Micros)> {
    let token = NewToken::generate(TokenKind::Session)?;
    let now = app.clock.now();
    let expires_at = now.plus(SESSION_LIFE);
    let mut tx = app.store.begin().await?;
    if !rows::replace(&mut tx, person.session, &token.hash().0, expires_at, now).await? {
        return Err(ApiError::unauthenticated());
    }
    Event::new("refresh_session", &person.session).by(&mut tx, person)?;
    tx.commit().await?;
    Ok((token, expires_at))
}

/// Ends a session.
///
/// # Errors
/// The store's.
pub(crate) async fn log_out(app: &App, person: &InPerson) -> ApiResult<()> {
    let mut tx = app.store.begin().await?;
    rows::revoke(&mut tx, person.session).await?;
    Event::new("log_out", &person.session).by(&mut tx, person)?;
    tx.commit().await?;
    Ok(())
}

/// Lets a session act in another organization of its person. Gives the caller as they are from now on.
///
/// # Errors
/// `not_found` when the person does not belong to it.
pub(crate) async fn switch_org(app: &App, person: &InPerson, org: OrgId) -> ApiResult<Caller> {
    let mut tx = app.store.begin().await?;
    let member = members::get(&mut tx, org, person.user)
        .await?
        .ok_or_else(|| ApiError::not_found("organization"))?;
    rows::set_org(&mut tx, person.session, org).await?;
    let moved = Caller {
        org,
        role: member.role,
        ..Caller::clone(person)
    };
    // One entry where it left and one where it came; neither tells of the other organization.
    Event::new("switch_org", &person.session).by(&mut tx, person)?;
    Event::new("switch_org", &person.session).by(&mut tx, &moved)?;
    tx.commit().await?;
    Ok(moved)
}

/// Ends one of the person's sessions. It is recorded where the person is, and where the session was.
///
/// # Errors
/// `not_found` when it is nobody's or somebody else's.
pub(crate) async fn end(app: &App, person: &InPerson, session: SessionId) -> ApiResult<()> {
    let mut tx = app.store.begin().await?;
    let gone = rows::take(&mut tx, person.user, session).await?;
    let gone = gone.ok_or_else(|| ApiError::not_found("session"))?;
    Event::new("end_session", &session).by(&mut tx, person)?;
    if gone.org != person.org {
        Event::new("end_session", &session).by_person(&mut tx, gone.org, person.user, person.origin)?;
    }
    Ok(tx.commit().await?)
}

/// Ends the person's sessions, but for this one if it is to be kept. Gives how many ended.
///
/// # Errors
/// The store's.
pub(crate) async fn end_all(app: &App, person: &InPerson, keep_this: bool) -> ApiResult<u64> {
    let mut tx = app.store.begin().await?;
    let kept = keep_this.then_some(person.session);
    let ended = rows::revoke_all(&mut tx, person.user, kept).await?;
    for member in members::of_user(&mut tx, person.user).await? {
        Event::new("end_sessions", &person.user).by_person(
            &mut tx,
            member.org,
            person.user,
            person.origin,
        )?;
    }
    tx.commit().await?;
    Ok(ended)
}
