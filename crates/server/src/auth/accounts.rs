//! Accounts: signing up, signing in with a password or by a link, and changing the password. What a sign-in begins is in
//! [`super::sessions`].

use std::time::Duration;

use keystore_core::ids::UserId;
use keystore_store::members::Role;
use keystore_store::orgs::{self as org_rows, Org};
use keystore_store::sign_in_codes::{self, Purpose};
use keystore_store::users::User;
use keystore_store::{Conn, Store, members, sessions as session_rows, users};
use keystore_vault::{NewToken, TokenKind, hash_token};
use keystore_wire::problem::Code;
use serde_json::json;

use super::origin::Origin;
use super::person::InPerson;
use super::recovery;
use super::sessions::{self, SignedIn};
use super::throttle::{self, Subjects, TryLater};
use super::visitor::Visitor;
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::Event;
use crate::config::SignUp;
use crate::names::check_title;
use crate::orgs::{self, Founding};

/// How long a sign-in link is good for.
const CODE_LIFE: Duration = Duration::from_secs(600);

/// Fewest characters of a password. Length is the only rule that helps (NIST SP 800-63B, 3.1.1).
const PASSWORD_MIN: usize = 10;

/// Most bytes of a password.
const PASSWORD_MAX: usize = 1024;

/// What a person gives to sign up.
pub(crate) struct NewAccount<'a> {
    /// The address.
    pub(crate) email: &'a str,
    /// The password.
    pub(crate) password: &'a str,
    /// The name for people.
    pub(crate) name: &'a str,
    /// The name of their organization.
    pub(crate) org_name: &'a str,
}

/// Makes a person, their organization with its first key-encryption key and its `default` project, and a session.
///
/// # Errors
/// `sign_up_closed`, `invalid_request`, `already_exists` when the address is taken, `too_many_attempts`.
pub(crate) async fn sign_up(app: &App, new: &NewAccount<'_>, visitor: &Visitor) -> ApiResult<SignedIn> {
    let origin = visitor.origin;
    if app.settings.signup == SignUp::Closed && users::count(&mut app.store.read().await?).await? > 0 {
        return Err(closed());
    }
    let mut fields = Fields::default();
    let email = check_email(&mut fields, new.email);
    check_password(&mut fields, "/password", new.password);
    check_title(&mut fields, "/name", new.name);
    check_title(&mut fields, "/orgName", new.org_name);
    fields.check()?;
    if app.settings.signup == SignUp::Open {
        recovery::slow_down(app, &email, origin).await?;
    }
    let password_hash = app.passwords.hash(new.password).await?;
    let kek = orgs::first_keys(app).await?;
    let now = app.clock.now();
    let mut tx = app.store.begin().await?;
    let first = users::count(&mut tx).await? == 0;
    if app.settings.signup == SignUp::Closed && !first {
        return Err(closed());
    }
    let user = User {
        id: UserId::new(app.ids.next()),
        email,
        name: new.name.trim().to_owned(),
        password_hash: Some(password_hash),
        operator: first,
        verified_at: None,
        created_at: now,
        updated_at: now,
    };
    users::insert(&mut tx, &user).await?;
    let founding = Founding {
        name: new.org_name,
        slug: None,
        time_zone: None,
        owner: user.id,
    };
    let org = orgs::found(app, &mut tx, kek, &founding).await?;
    Event::new("sign_up", &user.id).by_person(&mut tx, org.id, user.id, origin)?;
    let signed_in = sessions::begin_in(app, &mut tx, user, org, (false, visitor)).await?;
    tx.commit().await?;
    Ok(signed_in)
}

fn closed() -> ApiError {
    ApiError::new(
        Code::SignUpClosed,
        "sign-up is closed on this server; ask an owner for an account",
    )
}

/// Signs in with a password.
///
/// # Errors
/// As [`check_login`]; `second_factor_required`; `forbidden` for who belongs to no organization any more.
pub(crate) async fn log_in(app: &App, email: &str, password: &str, visitor: &Visitor) -> ApiResult<SignedIn> {
    let user = check_login(app, email, password, visitor.origin).await?;
    let tx = app.store.begin().await?;
    sessions::begin(app, tx, user, "log_in", visitor).await
}

/// Checks a password. Unknown addresses, people without a password and wrong passwords take the same time and get the same
/// answer.
///
/// # Errors
/// `invalid_credentials`, `too_many_attempts`.
pub(crate) async fn check_login(app: &App, email: &str, password: &str, origin: Origin) -> ApiResult<User> {
    let email = email.trim().to_lowercase();
    let subjects = Subjects::new(&email, origin.address);
    let now = app.clock.now();
    let attempt = throttle::begin(&app.store, &subjects, now).await?.map_err(wait)?;
    let user = users::by_email(&mut app.store.read().await?, &email).await?;
    let stored = user.as_ref().and_then(|user| user.password_hash.as_deref());
    let right = app.passwords.verify(password, stored).await?;
    if !right && let Some(user) = &user {
        record_failure(app, user.id, "log_in_failed", attempt.number, origin);
    }
    let Some(user) = user.filter(|_| right) else {
        throttle::failed(&app.store, now).await?;
        return Err(wrong());
    };
    throttle::succeeded(&app.store, attempt).await?;
    Ok(user)
}

/// Records a wrong password or code in the log of every organization of the person: the first one, the second, the fourth and so on, each
/// with the count, so that guessing does not fill the log. In the background: the answer takes no longer than for an address that
/// nobody has.
pub(super) fn record_failure(app: &App, user: UserId, action: &'static str, attempt: u32, origin: Origin) {
    if !attempt.is_power_of_two() {
        return;
    }
    let store = app.store.clone();
    app.tasks.spawn(async move {
        if let Err(error) = write_failure(&store, user, action, attempt, origin).await {
            tracing::error!(%error, "a failed sign-in was not recorded");
        }
    });
}

async fn write_failure(
    store: &Store,
    user: UserId,
    action: &'static str,
    attempt: u32,
    origin: Origin,
) -> ApiResult<()> {
    let mut tx = store.begin().await?;
    for member in members::of_user(&mut tx, user).await? {
        Event::new(action, &user)
            .after(&json!({"failures": attempt}))?
            .by_nobody(&mut tx, member.org, origin)?;
    }
    Ok(tx.commit().await?)
}

/// The answer to whoever has to wait.
pub(crate) fn wait(TryLater(wait): TryLater) -> ApiError {
    let detail = format!("too many attempts; try again in {} s", wait.as_secs() + 1);
    ApiError::new(Code::TooManyAttempts, detail).after(wait + Duration::from_secs(1))
}

fn wrong() -> ApiError {
    ApiError::new(
        Code::InvalidCredentials,
        "address and password do not belong together",
    )
}

/// A code for a sign-in link of a person: good once, for ten minutes.
///
/// # Errors
/// The store's.
pub(crate) async fn sign_in_code(app: &App, user: UserId) -> ApiResult<NewToken> {
    let code = NewToken::generate(TokenKind::SignInCode)?;
    let mut tx = app.store.begin().await?;
    let expires_at = app.clock.now().plus(CODE_LIFE);
    sign_in_codes::insert(&mut tx, &code.hash().0, user, Purpose::SignIn, expires_at).await?;
    tx.commit().await?;
    Ok(code)
}

/// Uses a sign-in link's code up.
///
/// # Errors
/// `invalid_credentials` when it is unknown, used or too old; `second_factor_required`.
pub(crate) async fn exchange(app: &App, code: &str, visitor: &Visitor) -> ApiResult<SignedIn> {
    let mut tx = app.store.begin().await?;
    let used = sign_in_codes::take(
        &mut tx,
        &hash_token(code.as_bytes()).0,
        Purpose::SignIn,
        app.clock.now(),
    )
    .await?;
    let user = match used {
        Some(user) => users::get(&mut tx, user).await?,
        None => None,
    };
    let user = user.ok_or_else(|| {
        ApiError::new(
            Code::InvalidCredentials,
            "the link is unknown, used or older than ten minutes; ask for a new one",
        )
    })?;
    sessions::begin(app, tx, user, "exchange_code", visitor).await
}

/// That the person in a session knows their password, too: before what changes how they sign in. A session alone, in the hands of
/// somebody else, must not keep its owner out.
///
/// # Errors
/// As [`check_login`].
pub(crate) async fn confirm_password(app: &App, person: &InPerson, password: &str) -> ApiResult<User> {
    let user = users::get(&mut app.store.read().await?, person.user).await?;
    let user = user.ok_or_else(ApiError::unauthenticated)?;
    check_login(app, &user.email, password, person.origin).await
}

/// Sets another password. The other sessions of the person end, and links for a new password or a sign-in hold no more.
///
/// # Errors
/// As [`confirm_password`]; `invalid_request`.
pub(crate) async fn change_password(app: &App, person: &InPerson, old: &str, new: &str) -> ApiResult<()> {
    let mut fields = Fields::default();
    check_password(&mut fields, "/newPassword", new);
    fields.check()?;
    let user = confirm_password(app, person, old).await?;
    let stored = app.passwords.hash(new).await?;
    let mut tx = app.store.begin().await?;
    users::set_password(&mut tx, user.id, &stored, app.clock.now()).await?;
    session_rows::revoke_all(&mut tx, user.id, Some(person.session)).await?;
    for purpose in [Purpose::ResetPassword, Purpose::SignIn] {
        sign_in_codes::delete_of(&mut tx, user.id, purpose).await?;
    }
    recovery::record(&mut tx, &user, "change_password", person.origin).await?;
    Ok(tx.commit().await?)
}

/// The organizations that a person belongs to, with their role, the oldest membership first.
///
/// # Errors
/// The store's.
pub(crate) async fn orgs_of(conn: &mut Conn, user: UserId) -> ApiResult<Vec<(Org, Role)>> {
    let mut found = Vec::new();
    for member in members::of_user(conn, user).await? {
        if let Some(org) = org_rows::get(conn, member.org).await? {
            found.push((org, member.role));
        }
    }
    Ok(found)
}

/// The address in the form in which it is kept; notes what is wrong with it.
pub(crate) fn check_email(fields: &mut Fields, email: &str) -> String {
    let email = email.trim().to_lowercase();
    let (local, domain) = email.split_once('@').unwrap_or_default();
    let odd = |text: &str| {
        text.is_empty()
            || text
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || c == '@')
    };
    if email.len() > 254 || odd(local) || odd(domain) {
        fields.wrong("/email", "expected an address such as you@example.com");
    }
    email
}

/// Notes what is wrong with a password.
pub(crate) fn check_password(fields: &mut Fields, pointer: &str, password: &str) {
    if password.chars().count() < PASSWORD_MIN || password.len() > PASSWORD_MAX {
        fields.wrong(
            pointer,
            format!("expected {PASSWORD_MIN} to {PASSWORD_MAX} characters"),
        );
    }
}
