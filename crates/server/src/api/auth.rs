//! `/v1/auth/*`: accounts and sessions. The rules are in `crate::auth`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::{HeaderName, StatusCode, header};
use keystore_core::Micros;
use keystore_store::{api_keys, orgs, users};
use keystore_wire::auth::{
    ChangePassword, Exchange, ForgotPassword, LogIn, Me, Membership, OrgRef, Refreshed, ResetPassword,
    SignUp, SignedIn, SignedUp, SwitchOrg, User, VerifyEmail, Via,
};
use keystore_wire::members::AcceptInvitation;

use super::extract::Body;
use super::problem::{ApiError, ApiResult};
use super::roles;
use crate::app::App;
use crate::auth::accounts::{self, NewAccount};
use crate::auth::caller::{Caller, Identified, SESSION_LIFE, Who, cookie_name, lacks_factor};
use crate::auth::origin::Origin;
use crate::auth::person::InPerson;
use crate::auth::recovery;
use crate::auth::sessions::{self, SignedIn as Begun};
use crate::auth::visitor::Visitor;
use crate::invitations;

/// Makes an account, with an organization of its own, and signs in.
#[utoipa::path(post, path = "/v1/auth/signup", tag = "auth", security(()), request_body = SignUp,
    responses((status = 201, body = SignedUp)))]
pub(super) async fn sign_up(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Body(body): Body<SignUp>,
) -> ApiResult<Response> {
    let new = NewAccount {
        email: &body.email,
        password: body.password.expose(),
        name: &body.name,
        org_name: &body.org_name,
    };
    let done = accounts::sign_up(&app, &new, &visitor).await?;
    app.post(recovery::verification(&app, &done.user).await?);
    let answer = SignedUp {
        token: done.token.into_text().to_string(),
        expires_at: done.expires_at.into(),
        user: user(&done.user),
        org: org_ref(&done.org),
    };
    Ok((StatusCode::CREATED, cookie(&app, &answer.token), Json(answer)).into_response())
}

/// Signs in with address and password.
#[utoipa::path(post, path = "/v1/auth/login", tag = "auth", security(()), request_body = LogIn,
    responses((status = 200, body = SignedIn)))]
pub(super) async fn log_in(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Body(body): Body<LogIn>,
) -> ApiResult<Response> {
    let done = accounts::log_in(&app, &body.email, body.password.expose(), &visitor).await?;
    signed_in(&app, done).await
}

/// Signs in with the code of a sign-in link: good once, for ten minutes.
#[utoipa::path(post, path = "/v1/auth/exchange", tag = "auth", security(()), request_body = Exchange,
    responses((status = 200, body = SignedIn)))]
pub(super) async fn exchange_code(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Body(body): Body<Exchange>,
) -> ApiResult<Response> {
    let done = accounts::exchange(&app, body.code.expose(), &visitor).await?;
    signed_in(&app, done).await
}

/// Ends the session.
#[utoipa::path(post, path = "/v1/auth/logout", tag = "auth", responses((status = 204)))]
pub(super) async fn log_out(State(app): State<Arc<App>>, person: InPerson) -> ApiResult<Response> {
    sessions::log_out(&app, &person).await?;
    Ok((StatusCode::NO_CONTENT, no_cookie(&app)).into_response())
}

/// Puts a new value in place of the session's. The old one ends at once.
#[utoipa::path(post, path = "/v1/auth/refresh", tag = "auth", responses((status = 200, body = Refreshed)))]
pub(super) async fn refresh_session(State(app): State<Arc<App>>, person: InPerson) -> ApiResult<Response> {
    let (token, expires_at) = sessions::refresh(&app, &person).await?;
    let answer = Refreshed {
        token: token.into_text().to_string(),
        expires_at: expires_at.into(),
    };
    Ok((cookie(&app, &answer.token), Json(answer)).into_response())
}

/// Lets the session speak for another organization of the same person.
#[utoipa::path(post, path = "/v1/auth/switch-org", tag = "auth", request_body = SwitchOrg,
    responses((status = 200, body = Me)))]
pub(super) async fn switch_org(
    State(app): State<Arc<App>>,
    person: InPerson,
    Body(body): Body<SwitchOrg>,
) -> ApiResult<Json<Me>> {
    let moved = sessions::switch_org(&app, &person, body.org_id).await?;
    me(&app, &moved).await
}

/// Sets another password. Every other session of the person ends.
#[utoipa::path(post, path = "/v1/auth/change-password", tag = "auth", request_body = ChangePassword,
    responses((status = 204)))]
pub(super) async fn change_password(
    State(app): State<Arc<App>>,
    person: InPerson,
    Body(body): Body<ChangePassword>,
) -> ApiResult<StatusCode> {
    let (old, new) = (body.password.expose(), body.new_password.expose());
    accounts::change_password(&app, &person, old, new).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who the caller is, and where the data plane is.
#[utoipa::path(get, path = "/v1/auth/me", tag = "auth", responses((status = 200, body = Me)))]
pub(super) async fn who_am_i(
    State(app): State<Arc<App>>,
    Identified(caller): Identified,
) -> ApiResult<Json<Me>> {
    me(&app, &caller).await
}

/// Sends a link for a new password to the address, if there is an account for it. The answer does not say whether there is.
#[utoipa::path(post, path = "/v1/auth/forgot-password", tag = "auth", security(()), request_body = ForgotPassword,
    responses((status = 202)))]
pub(super) async fn forgot_password(
    State(app): State<Arc<App>>,
    origin: Origin,
    Body(body): Body<ForgotPassword>,
) -> ApiResult<StatusCode> {
    recovery::forgot(&app, &body.email, origin).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Sets a new password with the code of a link: good once, for an hour. Every session of the person ends.
#[utoipa::path(post, path = "/v1/auth/reset-password", tag = "auth", security(()), request_body = ResetPassword,
    responses((status = 204)))]
pub(super) async fn reset_password(
    State(app): State<Arc<App>>,
    origin: Origin,
    Body(body): Body<ResetPassword>,
) -> ApiResult<StatusCode> {
    recovery::reset(&app, body.code.expose(), body.password.expose(), origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends the person a link that confirms their address.
#[utoipa::path(post, path = "/v1/auth/send-verification", tag = "auth", responses((status = 202)))]
pub(super) async fn send_verification(
    State(app): State<Arc<App>>,
    person: InPerson,
) -> ApiResult<StatusCode> {
    recovery::ask_for_verification(&app, &person).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Confirms an address with the code of a link: good once, for a day.
#[utoipa::path(post, path = "/v1/auth/verify-email", tag = "auth", security(()), request_body = VerifyEmail,
    responses((status = 204)))]
pub(super) async fn verify_email(
    State(app): State<Arc<App>>,
    origin: Origin,
    Body(body): Body<VerifyEmail>,
) -> ApiResult<StatusCode> {
    recovery::verify(&app, body.code.expose(), origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes an invitation up with the code of its link, and signs in. Who has an account gives its password, who has none a new one.
#[utoipa::path(post, path = "/v1/auth/accept-invitation", tag = "auth", security(()), request_body = AcceptInvitation,
    responses((status = 200, body = SignedIn)))]
pub(super) async fn accept_invitation(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Body(body): Body<AcceptInvitation>,
) -> ApiResult<Response> {
    let done = invitations::accept(&app, &body, &visitor).await?;
    signed_in(&app, done).await
}

async fn me(app: &App, caller: &Caller) -> ApiResult<Json<Me>> {
    let second_factor_missing = lacks_factor(app, caller).await?;
    let mut conn = app.store.read().await?;
    let org = orgs::get(&mut conn, caller.org)
        .await?
        .ok_or_else(ApiError::unauthenticated)?;
    let mut me = Me {
        via: Via::Session,
        user: None,
        api_key_id: None,
        api_key_name: None,
        org: org_ref(&org),
        project_id: caller.project,
        role: roles::wire(caller.role),
        second_factor_missing,
        expires_at: None,
        proxy_url: app.settings.proxy_url.clone(),
    };
    match caller.who {
        Who::User {
            user: id, expires_at, ..
        } => {
            me.user = users::get(&mut conn, id).await?.as_ref().map(user);
            me.expires_at = Some(expires_at.into());
        }
        Who::Machine { .. } => {}
        Who::Key { id, expires_at, .. } => {
            me.via = Via::ApiKey;
            me.api_key_id = Some(id);
            me.api_key_name = api_keys::get(&mut conn, caller.org, id)
                .await?
                .map(|key| key.name);
            me.expires_at = expires_at.map(Micros::into);
        }
    }
    Ok(Json(me))
}

pub(super) async fn signed_in(app: &App, done: Begun) -> ApiResult<Response> {
    let orgs = accounts::orgs_of(&mut app.store.read().await?, done.user.id).await?;
    let membership = |(org, role): (orgs::Org, _)| Membership {
        id: org.id,
        name: org.name,
        slug: org.slug,
        role: roles::wire(role),
    };
    let answer = SignedIn {
        token: done.token.into_text().to_string(),
        expires_at: done.expires_at.into(),
        user: user(&done.user),
        org_id: done.org.id,
        orgs: orgs.into_iter().map(membership).collect(),
    };
    Ok((cookie(app, &answer.token), Json(answer)).into_response())
}

/// Takes the cookie away.
pub(super) fn no_cookie(app: &App) -> AppendHeaders<[(HeaderName, String); 1]> {
    set_cookie(app, "", Duration::ZERO)
}

fn cookie(app: &App, token: &str) -> AppendHeaders<[(HeaderName, String); 1]> {
    set_cookie(app, token, SESSION_LIFE)
}

/// A browser takes a cookie with the prefix only with this path, without a domain, and `Secure`; also one that takes it away.
fn set_cookie(app: &App, value: &str, life: Duration) -> AppendHeaders<[(HeaderName, String); 1]> {
    let is_secure = app.settings.secure_cookies;
    let (name, secure) = (cookie_name(is_secure), if is_secure { "; Secure" } else { "" });
    let text = format!(
        "{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}",
        life.as_secs()
    );
    AppendHeaders([(header::SET_COOKIE, text)])
}

fn user(row: &users::User) -> User {
    User {
        id: row.id,
        email: row.email.clone(),
        name: row.name.clone(),
        email_verified: row.verified_at.is_some(),
    }
}

fn org_ref(row: &orgs::Org) -> OrgRef {
    OrgRef {
        id: row.id,
        name: row.name.clone(),
        slug: row.slug.clone(),
    }
}
