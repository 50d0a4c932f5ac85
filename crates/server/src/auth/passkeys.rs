//! Passkeys: registered by a person in a session, used as the second factor behind a first step, or alone.
//!
//! A passkey alone signs in only where its authenticator verified who is there (a PIN, a finger), so that it is two factors in one. What
//! is checked is in `keystore_vault::webauthn`. A challenge is kept nowhere until it is used: then its hash is, for as long as it would
//! hold, so that nobody uses it a second time. Passkeys are for the domain of the public address, and for no bare IP address, where
//! browsers have none; on a loopback address that domain is `localhost`.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystore_core::ids::{PasskeyId, UserId};
use keystore_store::passkeys::{self as rows, Passkey};
use keystore_store::sign_in_codes::{self, Purpose};
use keystore_store::users::User;
use keystore_store::{Tx, users};
use keystore_vault::hash_token;
use keystore_vault::webauthn::{
    self, ALGORITHMS, Assertion, Ceremony, Challenge, Kept, Party, PasskeyError, PasskeyKey, Proven,
};
use keystore_wire::SecretText;
use keystore_wire::passkeys::{AddPasskey, AddedPasskey, PasskeyCreation, PasskeyRequest, UsePasskey};
use keystore_wire::problem::Code;
use reqwest::Url;

use super::accounts::{self, confirm_password};
use super::factors;
use super::person::InPerson;
use super::recovery::record;
use super::sessions::{self, SignedIn};
use super::visitor::Visitor;
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::names::check_title;

/// The most passkeys of one person.
const MOST: usize = 20;

/// Whom passkeys of this deployment are for.
///
/// # Errors
/// `conflict` where browsers have no passkeys for the public address.
fn party(app: &App) -> ApiResult<Party> {
    party_of(&app.settings.api_url).ok_or_else(|| {
        ApiError::new(
            Code::Conflict,
            "browsers have passkeys for a domain behind HTTPS alone, and this server's address is none",
        )
        .remedy("set `api.public_url` to the https:// address of the dashboard")
    })
}

/// The domain and the origin of an address; `None` for a bare IP address that is not this machine, and without HTTPS for others.
fn party_of(api_url: &str) -> Option<Party> {
    let url = Url::parse(api_url).ok()?;
    let host = url.host_str()?;
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let id = match address {
        Some(address) if address.is_loopback() => "localhost",
        Some(_) => return None,
        None => host,
    };
    if url.scheme() != "https" && id != "localhost" {
        return None;
    }
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    Some(Party {
        id: id.to_owned(),
        origin: format!("{}://{id}{port}", url.scheme()),
    })
}

/// What a browser is asked to make.
///
/// # Errors
/// As [`confirm_password`]; `conflict` where there are no passkeys for the address, or too many.
pub(crate) async fn begin(app: &App, person: &InPerson, password: &str) -> ApiResult<PasskeyCreation> {
    let party = party(app)?;
    let user = confirm_password(app, person, password).await?;
    let known = rows::of_user(&mut app.store.read().await?, user.id).await?;
    if known.len() >= MOST {
        return Err(ApiError::new(
            Code::Conflict,
            format!("you have {MOST} passkeys; remove one first"),
        ));
    }
    let challenge = Challenge::generate(&app.policy_mac, Ceremony::Register(user.id), app.clock.now())?;
    Ok(PasskeyCreation {
        challenge: URL_SAFE_NO_PAD.encode(challenge),
        rp_id: party.id,
        origin: party.origin,
        user_id: URL_SAFE_NO_PAD.encode(user.id.uuid().as_bytes()),
        user_name: user.email,
        user_display_name: user.name,
        algorithms: ALGORITHMS.to_vec(),
        exclude: known
            .iter()
            .map(|passkey| URL_SAFE_NO_PAD.encode(&passkey.credential))
            .collect(),
    })
}

/// Registers what the authenticator made.
///
/// # Errors
/// `invalid_request`; `invalid_credentials` when it is refused; `already_exists`.
pub(crate) async fn add(app: &App, person: &InPerson, new: &AddPasskey) -> ApiResult<AddedPasskey> {
    let mut fields = Fields::default();
    check_title(&mut fields, "/name", &new.name);
    let client_data = bytes(&mut fields, "/clientData", &new.client_data);
    let attestation = bytes(&mut fields, "/attestation", &new.attestation);
    fields.check()?;
    let ceremony = Ceremony::Register(person.user);
    let challenge = open(app, ceremony, &client_data)?;
    let made = webauthn::register(&party(app)?, &client_data, &attestation).map_err(refused)?;
    let now = app.clock.now();
    let row = Passkey {
        id: PasskeyId::new(app.ids.next()),
        user_id: person.user,
        credential: made.id,
        public_key: made.key.cose().to_vec(),
        sign_count: made.count,
        backup_eligible: made.backup_eligible,
        backed_up: made.backed_up,
        name: new.name.trim().to_owned(),
        created_at: now,
        last_used_at: None,
    };
    let mut tx = app.store.begin().await?;
    let user = users::get(&mut tx, person.user)
        .await?
        .ok_or_else(ApiError::unauthenticated)?;
    use_up(&mut tx, &challenge, user.id).await?;
    let is_first = factors::of(&mut tx, user.id).await?.is_empty();
    rows::insert(&mut tx, &row).await?;
    let recovery_codes = match is_first {
        true => factors::renew(&mut tx, user.id).await?.recovery_codes,
        false => Vec::new(),
    };
    factors::turned(&mut tx, person, true).await?;
    record(&mut tx, &user, "add_passkey", person.origin).await?;
    tx.commit().await?;
    Ok(AddedPasskey {
        passkey: factors::passkey(row),
        recovery_codes,
    })
}

/// Takes a passkey away.
///
/// # Errors
/// As [`confirm_password`]; `not_found`; `conflict` where it is the last factor and an organization requires one.
pub(crate) async fn remove(app: &App, person: &InPerson, id: PasskeyId, password: &str) -> ApiResult<()> {
    let user = confirm_password(app, person, password).await?;
    let mut tx = app.store.begin().await?;
    if !rows::delete(&mut tx, user.id, id).await? {
        return Err(ApiError::not_found("passkey"));
    }
    factors::removed(&mut tx, person).await?;
    record(&mut tx, &user, "remove_passkey", person.origin).await?;
    Ok(tx.commit().await?)
}

/// What a browser is asked to sign: by the passkeys of who did a first step, or by whichever passkey it has for this address.
///
/// # Errors
/// `invalid_credentials` when the first step does not hold; `conflict` where there are no passkeys for the address.
pub(crate) async fn ask(app: &App, first: Option<&str>) -> ApiResult<PasskeyRequest> {
    let party = party(app)?;
    let (ceremony, allow) = match first {
        Some(first) => {
            let user = factors::holder(app, first).await?;
            let known = rows::of_user(&mut app.store.read().await?, user.id).await?;
            (Ceremony::Prove(user.id), known)
        }
        None => (Ceremony::SignIn, Vec::new()),
    };
    let challenge = Challenge::generate(&app.policy_mac, ceremony, app.clock.now())?;
    Ok(PasskeyRequest {
        challenge: URL_SAFE_NO_PAD.encode(challenge),
        rp_id: party.id,
        origin: party.origin,
        allow: allow
            .iter()
            .map(|passkey| URL_SAFE_NO_PAD.encode(&passkey.credential))
            .collect(),
        user_verification: first.is_none(),
    })
}

/// A signed challenge, with its parts as bytes.
struct Answer {
    id: Vec<u8>,
    client_data: Vec<u8>,
    authenticator_data: Vec<u8>,
    signature: Vec<u8>,
    user_handle: Option<Vec<u8>>,
}

impl Answer {
    fn of(used: &UsePasskey) -> ApiResult<Self> {
        let mut fields = Fields::default();
        let answer = Self {
            id: bytes(&mut fields, "/id", &used.id),
            client_data: bytes(&mut fields, "/clientData", &used.client_data),
            authenticator_data: bytes(&mut fields, "/authenticatorData", &used.authenticator_data),
            signature: bytes(&mut fields, "/signature", &used.signature),
            user_handle: used
                .user_handle
                .as_deref()
                .map(|handle| bytes(&mut fields, "/userHandle", handle)),
        };
        fields.check()?;
        Ok(answer)
    }
}

/// Signs in with a passkey: as the second step where there was a first one, else alone.
///
/// # Errors
/// `invalid_request`; `invalid_credentials` when it is refused; `forbidden` for who belongs to no organization any more.
pub(crate) async fn sign_in(app: &App, used: &UsePasskey, visitor: &Visitor) -> ApiResult<SignedIn> {
    let answer = Answer::of(used)?;
    let first = used.challenge.as_ref().map(SecretText::expose);
    let (passkey, user) = owner(app, &answer, first).await?;
    let ceremony = match first {
        Some(_) => Ceremony::Prove(user.id),
        None => Ceremony::SignIn,
    };
    let challenge = open(app, ceremony, &answer.client_data)?;
    let proven = prove(app, &passkey, &answer, first.is_none()).inspect_err(|error| {
        // It was signed by its key: somebody has a copy. Its owner should hear of that.
        if *error == PasskeyError::Counter {
            accounts::record_failure(app, user.id, "passkey_refused", 1, visitor.origin);
        }
    });
    let proven = proven.map_err(refused)?;
    let now = app.clock.now();
    let mut tx = app.store.begin().await?;
    use_up(&mut tx, &challenge, user.id).await?;
    if let Some(first) = first {
        let hash = hash_token(first.as_bytes()).0;
        let held = sign_in_codes::take(&mut tx, &hash, Purpose::SecondFactor, now).await?;
        held.ok_or_else(factors::does_not_hold)?;
    }
    if !rows::used(&mut tx, &passkey, proven.count, proven.backed_up, now).await? {
        return Err(unknown());
    }
    let signed_in = sessions::open(app, &mut tx, user, ("sign_in_with_passkey", true), visitor).await?;
    tx.commit().await?;
    Ok(signed_in)
}

/// The passkey that answered, and its person: who did the first step, else who the authenticator says (7.2, step 6).
async fn owner(app: &App, answer: &Answer, first: Option<&str>) -> ApiResult<(Passkey, User)> {
    let expected = match first {
        Some(first) => Some(factors::holder(app, first).await?.id),
        None => None,
    };
    let mut conn = app.store.read().await?;
    let passkey = rows::by_credential(&mut conn, &answer.id)
        .await?
        .ok_or_else(unknown)?;
    let handle = answer.user_handle.as_deref();
    let is_owners = match expected {
        Some(expected) => passkey.user_id == expected && handle.is_none_or(|handle| is(handle, expected)),
        None => handle.is_some_and(|handle| is(handle, passkey.user_id)),
    };
    let user = users::get(&mut conn, passkey.user_id).await?;
    match user {
        Some(user) if is_owners => Ok((passkey, user)),
        _ => Err(unknown()),
    }
}

fn is(handle: &[u8], user: UserId) -> bool {
    handle == user.uuid().as_bytes()
}

fn prove(app: &App, passkey: &Passkey, answer: &Answer, verified: bool) -> Result<Proven, PasskeyError> {
    let party = party(app).map_err(|_| PasskeyError::Party)?;
    let key = PasskeyKey::of_cose(&passkey.public_key)?;
    let kept = Kept {
        key: &key,
        count: passkey.sign_count,
        backup_eligible: passkey.backup_eligible,
    };
    let assertion = Assertion {
        client_data: &answer.client_data,
        authenticator_data: &answer.authenticator_data,
        signature: &answer.signature,
    };
    webauthn::assert(&party, kept, assertion, verified)
}

/// A challenge that holds, and until when.
struct Held {
    hash: [u8; 32],
    until: keystore_core::Micros,
}

fn open(app: &App, ceremony: Ceremony, client_data: &[u8]) -> ApiResult<Held> {
    let challenge = webauthn::challenge_of(client_data).map_err(refused)?;
    let until = Challenge::open(&app.policy_mac, ceremony, &challenge, app.clock.now()).map_err(refused)?;
    Ok(Held {
        hash: hash_token(&challenge).0,
        until,
    })
}

/// Nobody uses the challenge again: of any number at the same time one gets through.
async fn use_up(tx: &mut Tx, challenge: &Held, user: UserId) -> ApiResult<()> {
    let purpose = Purpose::PasskeyUsed;
    match sign_in_codes::mark(tx, &challenge.hash, user, purpose, challenge.until).await? {
        true => Ok(()),
        false => Err(refused(PasskeyError::Challenge)),
    }
}

fn bytes(fields: &mut Fields, pointer: &str, text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap_or_else(|_| {
        fields.wrong(pointer, "expected base64url without padding");
        Vec::new()
    })
}

fn refused(error: PasskeyError) -> ApiError {
    ApiError::new(
        Code::InvalidCredentials,
        format!("the passkey is refused: {error}"),
    )
}

fn unknown() -> ApiError {
    ApiError::new(Code::InvalidCredentials, "the passkey is not known here")
}

#[cfg(test)]
mod tests {
    use super::party_of;

    #[test]
    fn passkeys_are_for_a_domain_behind_https_and_for_this_machine() {
        let of = |url| party_of(url).map(|party| (party.id, party.origin));
        let pair = |id: &str, origin: &str| Some((id.to_owned(), origin.to_owned()));
        assert_eq!(of("https://ks.example"), pair("ks.example", "https://ks.example"));
        assert_eq!(
            of("https://ks.example:8443"),
            pair("ks.example", "https://ks.example:8443")
        );
        assert_eq!(
            of("http://127.0.0.1:8401"),
            pair("localhost", "http://localhost:8401")
        );
        assert_eq!(
            of("http://[::1]:8401"),
            pair("localhost", "http://localhost:8401")
        );
        assert_eq!(
            of("http://localhost:8401"),
            pair("localhost", "http://localhost:8401")
        );
        for none in ["http://ks.example", "https://192.0.2.7", "nonsense", "file:///x"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
