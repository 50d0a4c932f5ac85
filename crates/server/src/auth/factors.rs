//! Second factors: one-time codes of an app, passkeys ([`super::passkeys`]) and recovery codes, how they are turned on and off, and the second step of a sign-in.
//!
//! A first step that was right (a password, a link) begins no session for a person who has a factor: it gives a challenge, which a
//! factor makes a session of. A mail that resets the password begins none either, so it is no way around. Turning a factor on or off
//! takes the password and ends the other sessions. No code is taken twice; wrong ones are counted as wrong passwords are, in a count of
//! their own that the right password does not forget.

use std::time::Duration;

use keystore_core::ids::UserId;
use keystore_store::factors::{self as rows, Totp};
use keystore_store::sign_in_codes::{self, Purpose};
use keystore_store::users::User;
use keystore_store::{Conn, Tx, passkeys, sessions as session_rows, users};
use keystore_vault::totp::{TotpKey, is_code};
use keystore_vault::{NewToken, RecoveryCode, TokenKind, hash_recovery_code, hash_token};
use keystore_wire::factors::{Challenge, ChallengeToken, Factor, Factors, RecoveryCodes, TotpEnrolment};
use keystore_wire::passkeys::Passkey;
use keystore_wire::problem::Code;

use super::accounts::{self, confirm_password};
use super::origin::Origin;
use super::person::InPerson;
use super::recovery::record;
use super::sessions::{self, SignedIn};
use super::throttle::{self, Subjects};
use super::visitor::Visitor;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;

/// How long a first step that was right is good for.
const CHALLENGE_LIFE: Duration = Duration::from_secs(300);

/// The factors that a sign-in of this person needs one of; empty where the first step is enough.
///
/// # Errors
/// The store's.
pub(super) async fn of(conn: &mut Conn, user: UserId) -> ApiResult<Vec<Factor>> {
    let mut found = Vec::new();
    if rows::totp(conn, user)
        .await?
        .is_some_and(|totp| totp.confirmed_at.is_some())
    {
        found.push(Factor::Totp);
    }
    if !passkeys::of_user(conn, user).await?.is_empty() {
        found.push(Factor::Passkey);
    }
    if !found.is_empty() && rows::recovery_codes_left(conn, user).await? > 0 {
        found.push(Factor::RecoveryCode);
    }
    Ok(found)
}

/// The refusal of a first step that was right: a challenge, for the second one.
///
/// # Errors
/// The store's and the vault's.
pub(super) async fn challenge(
    app: &App,
    tx: &mut Tx,
    user: UserId,
    factors: Vec<Factor>,
) -> ApiResult<ApiError> {
    let token = NewToken::generate(TokenKind::SignInCode)?;
    let now = app.clock.now();
    let expires_at = now.plus(CHALLENGE_LIFE);
    sign_in_codes::delete_expired(tx, now).await?;
    sign_in_codes::insert(tx, &token.hash().0, user, Purpose::SecondFactor, expires_at).await?;
    Ok(required().challenge(Challenge {
        token: ChallengeToken(token.into_text().to_string()),
        expires_at: expires_at.into(),
        factors,
    }))
}

fn required() -> ApiError {
    ApiError::new(
        Code::SecondFactorRequired,
        "so far you are known; a second factor is needed to sign in",
    )
    .remedy("give the code of your app, or a recovery code: `ks login` and the dashboard ask for it")
}

/// The second step of a sign-in: a challenge and a code for a session.
///
/// # Errors
/// `invalid_credentials` when the challenge does not hold or the code is wrong, `too_many_attempts`; `forbidden` for who belongs to no
/// organization any more.
pub(crate) async fn second_step(
    app: &App,
    challenge: &str,
    code: &str,
    visitor: &Visitor,
) -> ApiResult<SignedIn> {
    let (hash, now) = (hash_token(challenge.as_bytes()).0, app.clock.now());
    let user = holder(app, challenge).await?;
    let mut tx = prove(app, &user, code, visitor.origin).await?;
    let held = sign_in_codes::take(&mut tx, &hash, Purpose::SecondFactor, now).await?;
    held.ok_or_else(does_not_hold)?;
    let signed_in = sessions::open(app, &mut tx, user, ("verify_second_factor", true), visitor).await?;
    tx.commit().await?;
    Ok(signed_in)
}

/// Who did the first step that this challenge stands for.
///
/// # Errors
/// `invalid_credentials` when it does not hold.
pub(super) async fn holder(app: &App, challenge: &str) -> ApiResult<User> {
    let (hash, now) = (hash_token(challenge.as_bytes()).0, app.clock.now());
    let mut conn = app.store.read().await?;
    let user = match sign_in_codes::holder(&mut conn, &hash, Purpose::SecondFactor, now).await? {
        Some(user) => users::get(&mut conn, user).await?,
        None => None,
    };
    user.ok_or_else(does_not_hold)
}

pub(super) fn does_not_hold() -> ApiError {
    ApiError::new(
        Code::InvalidCredentials,
        "the first step of this sign-in is unknown, used or older than five minutes; begin again",
    )
}

/// That a person who takes an invitation up proves their factor, too, if they have one. Gives whether they did.
///
/// # Errors
/// `second_factor_required`, `invalid_credentials`, `too_many_attempts`.
pub(crate) async fn prove_if_any(
    app: &App,
    user: &User,
    code: Option<&str>,
    origin: Origin,
) -> ApiResult<bool> {
    if of(&mut app.store.read().await?, user.id).await?.is_empty() {
        return Ok(false);
    }
    let code = code.ok_or_else(|| {
        required().remedy("add `secondFactor`: the code of your app, or a recovery code (`ks account accept --second-factor 123456`)")
    })?;
    prove(app, user, code, origin).await?.commit().await?;
    Ok(true)
}

/// A transaction in which a code of this person was used up.
///
/// # Errors
/// `invalid_credentials`, `too_many_attempts`.
async fn prove(app: &App, user: &User, code: &str, origin: Origin) -> ApiResult<Tx> {
    let subjects = Subjects::of_factor(&user.email, origin.address);
    let now = app.clock.now();
    let attempt = throttle::begin(&app.store, &subjects, now)
        .await?
        .map_err(accounts::wait)?;
    let mut tx = app.store.begin().await?;
    if !take(app, &mut tx, user.id, code).await? {
        drop(tx);
        accounts::record_failure(app, user.id, "second_factor_failed", attempt.number, origin);
        throttle::failed(&app.store, now).await?;
        return Err(ApiError::new(
            Code::InvalidCredentials,
            "the code is wrong, or was used before",
        ));
    }
    throttle::forget(&mut tx, attempt).await?;
    Ok(tx)
}

/// Uses a code up: of the app by its form, else a recovery code.
async fn take(app: &App, tx: &mut Tx, user: UserId, code: &str) -> ApiResult<bool> {
    let code = code.trim();
    if !is_code(code) {
        return Ok(rows::take_recovery_code(tx, user, &hash_recovery_code(user, code)).await?);
    }
    match rows::totp(tx, user)
        .await?
        .filter(|totp| totp.confirmed_at.is_some())
    {
        Some(totp) => take_step(app, tx, &totp, code).await,
        None => Ok(false),
    }
}

/// Uses the step of a code up. The row decides between two who come at once.
async fn take_step(app: &App, tx: &mut Tx, totp: &Totp, code: &str) -> ApiResult<bool> {
    let key = TotpKey::open(&app.policy_mac, totp.user_id, &totp.sealed)?;
    match key.step(code, app.clock.now(), totp.last_step) {
        Some(step) => Ok(rows::take_step(tx, totp.user_id, step).await?),
        None => Ok(false),
    }
}

/// The caller's factors.
///
/// # Errors
/// The store's.
pub(crate) async fn list(app: &App, person: &InPerson) -> ApiResult<Factors> {
    let mut conn = app.store.read().await?;
    let totp = rows::totp(&mut conn, person.user).await?;
    Ok(Factors {
        totp_since: totp.and_then(|totp| totp.confirmed_at).map(Into::into),
        passkeys: passkeys::of_user(&mut conn, person.user)
            .await?
            .into_iter()
            .map(passkey)
            .collect(),
        recovery_codes_left: rows::recovery_codes_left(&mut conn, person.user).await?,
        required: rows::required_of(&mut conn, person.user).await?,
    })
}

/// A passkey as its owner sees it.
pub(super) fn passkey(row: passkeys::Passkey) -> Passkey {
    Passkey {
        id: row.id,
        name: row.name,
        backed_up: row.backed_up,
        created_at: row.created_at.into(),
        last_used_at: row.last_used_at.map(Into::into),
    }
}

/// Makes a key for an app. It counts once [`confirm_totp`] had a code of it; until then another one takes its place.
///
/// # Errors
/// As [`confirm_password`]; `conflict` when there is one that counts.
pub(crate) async fn begin_totp(app: &App, person: &InPerson, password: &str) -> ApiResult<TotpEnrolment> {
    let user = confirm_password(app, person, password).await?;
    let key = TotpKey::generate()?;
    let new = Totp {
        user_id: user.id,
        sealed: key.seal(&app.policy_mac, user.id)?,
        last_step: 0,
        created_at: app.clock.now(),
        confirmed_at: None,
    };
    let mut tx = app.store.begin().await?;
    if !rows::put_totp(&mut tx, &new).await? {
        return Err(on_already());
    }
    record(&mut tx, &user, "begin_totp", person.origin).await?;
    tx.commit().await?;
    Ok(TotpEnrolment {
        secret: key.text().to_string(),
        uri: key.uri(&user.email).to_string(),
    })
}

fn on_already() -> ApiError {
    ApiError::new(Code::Conflict, "an app for one-time codes is set up already")
        .remedy("remove it first: `ks factor remove`")
}

/// Lets one-time codes count from now on, given the first one. Gives recovery codes, once.
///
/// # Errors
/// `invalid_credentials` for a wrong code, `too_many_attempts`; `conflict` when no key waits for it.
pub(crate) async fn confirm_totp(app: &App, person: &InPerson, code: &str) -> ApiResult<RecoveryCodes> {
    let user = user(app, person).await?;
    let subjects = Subjects::of_factor(&user.email, person.origin.address);
    let now = app.clock.now();
    let attempt = throttle::begin(&app.store, &subjects, now)
        .await?
        .map_err(accounts::wait)?;
    let mut tx = app.store.begin().await?;
    let waiting = rows::totp(&mut tx, user.id)
        .await?
        .filter(|totp| totp.confirmed_at.is_none());
    let Some(waiting) = waiting else {
        return Err(ApiError::new(Code::Conflict, "no app waits for its first code")
            .remedy("begin with `ks factor add`, or in the dashboard under Settings"));
    };
    let is_first = of(&mut tx, user.id).await?.is_empty();
    if !take_step(app, &mut tx, &waiting, code.trim()).await?
        || !rows::confirm_totp(&mut tx, user.id, now).await?
    {
        drop(tx);
        throttle::failed(&app.store, now).await?;
        return Err(ApiError::new(
            Code::InvalidCredentials,
            "the code is not the one that the app shows now; do the clocks agree?",
        ));
    }
    throttle::forget(&mut tx, attempt).await?;
    // A first factor brings codes; with another one those before hold on.
    let codes = match is_first {
        true => renew(&mut tx, user.id).await?,
        false => RecoveryCodes {
            recovery_codes: Vec::new(),
        },
    };
    turned(&mut tx, person, true).await?;
    record(&mut tx, &user, "confirm_totp", person.origin).await?;
    tx.commit().await?;
    Ok(codes)
}

/// Takes the app for one-time codes away.
///
/// # Errors
/// As [`confirm_password`]; `not_found` when there is none; `conflict` where an organization requires a factor.
pub(crate) async fn remove_totp(app: &App, person: &InPerson, password: &str) -> ApiResult<()> {
    let user = confirm_password(app, person, password).await?;
    let mut tx = app.store.begin().await?;
    if !rows::delete_totp(&mut tx, user.id).await? {
        return Err(ApiError::not_found("app for one-time codes"));
    }
    removed(&mut tx, person).await?;
    record(&mut tx, &user, "remove_totp", person.origin).await?;
    Ok(tx.commit().await?)
}

/// Puts new recovery codes in the place of all before them. Gives them, once.
///
/// # Errors
/// As [`confirm_password`]; `conflict` for who has no factor.
pub(crate) async fn renew_codes(app: &App, person: &InPerson, password: &str) -> ApiResult<RecoveryCodes> {
    let user = confirm_password(app, person, password).await?;
    let mut tx = app.store.begin().await?;
    if of(&mut tx, user.id).await?.is_empty() {
        return Err(ApiError::new(
            Code::Conflict,
            "you have no second factor that recovery codes would stand in for",
        ));
    }
    let codes = renew(&mut tx, user.id).await?;
    record(&mut tx, &user, "renew_recovery_codes", person.origin).await?;
    tx.commit().await?;
    Ok(codes)
}

pub(super) async fn renew(tx: &mut Tx, user: UserId) -> ApiResult<RecoveryCodes> {
    let codes = RecoveryCode::set()?;
    let hashes: Vec<_> = codes.iter().map(|code| code.hash(user)).collect();
    rows::set_recovery_codes(tx, user, &hashes).await?;
    Ok(RecoveryCodes {
        recovery_codes: codes
            .into_iter()
            .map(|code| code.into_text().to_string())
            .collect(),
    })
}

/// After a factor was taken away: with the last one go the recovery codes, unless an organization requires a factor.
///
/// # Errors
/// `conflict`.
pub(super) async fn removed(tx: &mut Tx, person: &InPerson) -> ApiResult<()> {
    let left = !of(tx, person.user).await?.is_empty();
    if !left && rows::required_of(tx, person.user).await? {
        return Err(ApiError::new(
            Code::Conflict,
            "an organization that you belong to requires a second factor, and this is your last",
        )
        .remedy("set another one up first"));
    }
    if !left {
        rows::set_recovery_codes(tx, person.user, &[]).await?;
    }
    turned(tx, person, left).await
}

/// A factor was turned on or off: the other sessions end, and this one has proven one, or there is none any more.
pub(super) async fn turned(tx: &mut Tx, person: &InPerson, proven: bool) -> ApiResult<()> {
    session_rows::revoke_all(tx, person.user, Some(person.session)).await?;
    Ok(session_rows::set_second_factor(tx, person.session, proven).await?)
}

async fn user(app: &App, person: &InPerson) -> ApiResult<User> {
    let user = users::get(&mut app.store.read().await?, person.user).await?;
    user.ok_or_else(ApiError::unauthenticated)
}
