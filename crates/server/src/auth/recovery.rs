//! Forgotten passwords and unconfirmed addresses: codes that go out by mail, and what they are good for.
//!
//! Asking tells nothing: the answer is the same, and comes before anything is looked up, whether the address is known or not.

use std::sync::Arc;
use std::time::Duration;

use keystore_core::ids::UserId;
use keystore_store::sign_in_codes::{self, Purpose};
use keystore_store::users::User;
use keystore_store::{Tx, members, sessions, users};
use keystore_vault::{NewToken, TokenKind, hash_token};
use keystore_wire::problem::Code;

use super::accounts::check_password;
use super::origin::Origin;
use super::person::InPerson;
use super::throttle::{self, Subjects};
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::Event;
use crate::mail::{self, Mail};

/// How long a code for a new password is good.
const RESET_LIFE: Duration = Duration::from_secs(3600);

/// How long a code that confirms an address is good.
const VERIFY_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Sends a code for a new password to the address, if somebody has it.
///
/// # Errors
/// `too_many_attempts`.
pub(crate) async fn forgot(app: &Arc<App>, email: &str, origin: Origin) -> ApiResult<()> {
    let email = email.trim().to_lowercase();
    slow_down(app, &email, origin).await?;
    let background = Arc::clone(app);
    app.tasks.spawn(async move {
        if let Err(error) = send_reset(&background, &email).await {
            tracing::error!(%error, "a code for a new password was not sent");
        }
    });
    Ok(())
}

/// Whoever asks for mails waits longer and longer, like whoever guesses passwords, and in a count of their own.
///
/// # Errors
/// `too_many_attempts`.
pub(super) async fn slow_down(app: &App, email: &str, origin: Origin) -> ApiResult<()> {
    let now = app.clock.now();
    let subjects = Subjects::of_mail(email, origin.address);
    throttle::begin(&app.store, &subjects, now)
        .await?
        .map_err(super::accounts::wait)?;
    Ok(throttle::failed(&app.store, now).await?)
}

async fn send_reset(app: &App, email: &str) -> ApiResult<()> {
    let user = users::by_email(&mut app.store.read().await?, email).await?;
    let Some(user) = user else { return Ok(()) };
    let code = new_code(app, user.id, Purpose::ResetPassword, RESET_LIFE).await?;
    app.post(mail::reset(&app.settings.api_url, &user.email, &code.into_text()));
    Ok(())
}

/// A code in place of the ones before it.
async fn new_code(app: &App, user: UserId, purpose: Purpose, life: Duration) -> ApiResult<NewToken> {
    let code = NewToken::generate(TokenKind::SignInCode)?;
    let now = app.clock.now();
    let mut tx = app.store.begin().await?;
    sign_in_codes::delete_expired(&mut tx, now).await?;
    sign_in_codes::delete_of(&mut tx, user, purpose).await?;
    sign_in_codes::insert(&mut tx, &code.hash().0, user, purpose, now.plus(life)).await?;
    tx.commit().await?;
    Ok(code)
}

/// Sets a new password by a code. Every session of the person ends; management keys stay, and so do second factors: no session begins
/// here, and the next sign-in asks for them.
///
/// # Errors
/// `invalid_request`, `invalid_credentials` when the code does not hold.
pub(crate) async fn reset(app: &App, code: &str, password: &str, origin: Origin) -> ApiResult<()> {
    let mut fields = Fields::default();
    check_password(&mut fields, "/password", password);
    fields.check()?;
    let hash = hash_token(code.as_bytes()).0;
    let now = app.clock.now();
    // Nobody makes us hash passwords who has no code.
    let mut conn = app.store.read().await?;
    if !sign_in_codes::holds(&mut conn, &hash, Purpose::ResetPassword, now).await? {
        return Err(does_not_hold());
    }
    drop(conn);
    let stored = app.passwords.hash(password).await?;
    let mut tx = app.store.begin().await?;
    let user = take(&mut tx, &hash, Purpose::ResetPassword, app).await?;
    users::set_password(&mut tx, user.id, &stored, now).await?;
    sessions::revoke_all(&mut tx, user.id, None).await?;
    sign_in_codes::delete_of(&mut tx, user.id, Purpose::ResetPassword).await?;
    sign_in_codes::delete_of(&mut tx, user.id, Purpose::SignIn).await?;
    if app.mailer.delivers() {
        users::set_verified(&mut tx, user.id, now).await?;
    }
    throttle::renewed(&mut tx, &Subjects::new(&user.email, origin.address)).await?;
    record(&mut tx, &user, "reset_password", origin).await?;
    Ok(tx.commit().await?)
}

/// Sends the caller a code that confirms their address.
///
/// # Errors
/// `too_many_attempts`; `conflict` when it is confirmed already.
pub(crate) async fn ask_for_verification(app: &App, person: &InPerson) -> ApiResult<()> {
    let id = person.user;
    let user = users::get(&mut app.store.read().await?, id)
        .await?
        .ok_or_else(ApiError::unauthenticated)?;
    if user.verified_at.is_some() {
        return Err(ApiError::new(Code::Conflict, "your address is confirmed already"));
    }
    slow_down(app, &user.email, person.origin).await?;
    let mail = verification(app, &user).await?;
    let mut tx = app.store.begin().await?;
    Event::new("send_verification", &id).by(&mut tx, person)?;
    tx.commit().await?;
    app.post(mail);
    Ok(())
}

/// The mail that lets somebody confirm their address.
///
/// # Errors
/// The store's and the vault's.
pub(crate) async fn verification(app: &App, user: &User) -> ApiResult<Mail> {
    let code = new_code(app, user.id, Purpose::VerifyEmail, VERIFY_LIFE).await?;
    Ok(mail::verification(
        &app.settings.api_url,
        &user.email,
        &code.into_text(),
    ))
}

/// Confirms an address by a code.
///
/// # Errors
/// `invalid_credentials` when the code does not hold.
pub(crate) async fn verify(app: &App, code: &str, origin: Origin) -> ApiResult<()> {
    let mut tx = app.store.begin().await?;
    let user = take(&mut tx, &hash_token(code.as_bytes()).0, Purpose::VerifyEmail, app).await?;
    users::set_verified(&mut tx, user.id, app.clock.now()).await?;
    record(&mut tx, &user, "verify_email", origin).await?;
    Ok(tx.commit().await?)
}

async fn take(tx: &mut Tx, hash: &[u8; 32], purpose: Purpose, app: &App) -> ApiResult<User> {
    let user = match sign_in_codes::take(tx, hash, purpose, app.clock.now()).await? {
        Some(user) => users::get(tx, user).await?,
        None => None,
    };
    user.ok_or_else(does_not_hold)
}

/// Records what became of a person's account, in the log of every organization that they belong to.
///
/// # Errors
/// The store's.
pub(super) async fn record(tx: &mut Tx, user: &User, action: &'static str, origin: Origin) -> ApiResult<()> {
    for member in members::of_user(tx, user.id).await? {
        Event::new(action, &user.id).by_person(tx, member.org, user.id, origin)?;
    }
    Ok(())
}

fn does_not_hold() -> ApiError {
    ApiError::new(
        Code::InvalidCredentials,
        "the code is unknown, used or too old; ask for a new one",
    )
}
