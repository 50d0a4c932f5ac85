//! A token that a credential is exchanged for: how it is asked for, what the vendor answers, and where it is written.
//!
//! When one is fetched, how long it is kept and who waits for it is in [`crate::tokens`]. An answer may bring a new refresh token in the
//! place of the one that was sent (RFC 6749, 6): it leaves this file only to be sealed.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method};
use keystore_core::Micros;
use keystore_core::destination::{ClientAuth, TokenGrant, TokenSource};
use keystore_vault::{Opened, jwt};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Expose, Fields, InjectError, Needles, Outgoing, percent_encode, write_header};

/// How long a token is used where the vendor does not say how long it lives.
const UNSAID_LIFE: Duration = Duration::from_secs(15 * 60);
/// The longest that one is used, whatever the vendor says.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an assertion is good for, in seconds: GitHub takes ten minutes at most.
const ASSERTED_FOR: i64 = 540;
/// How far the vendor's clock may be behind ours, in seconds.
const CLOCK_SKEW: i64 = 60;
/// The longest token.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A fetched token. No Debug, no Clone; wiped when dropped.
pub(crate) struct Token {
    value: Zeroizing<String>,
}

/// What came of asking.
pub(crate) struct Fetched {
    /// The token.
    pub(crate) token: Token,
    /// How long it lives from the time of asking.
    pub(crate) life: Duration,
    /// The refresh token that is to be used from now on, where it is another one.
    pub(crate) successor: Option<Zeroizing<String>>,
}

/// Why the vendor gave none. Holds nothing of the credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// The credential was refused.
    #[error("the vendor refused the credential ({status}{})", code.as_ref().map(|code| format!(", {code}")).unwrap_or_default())]
    Refused {
        /// The status of the answer.
        status: u16,
        /// The error's code (RFC 6749, 5.2).
        code: Option<String>,
    },
    /// The answer holds no token that can be used.
    #[error("the vendor's answer ({status}) holds no token")]
    NoToken {
        /// The status of the answer.
        status: u16,
    },
}

/// The request for a token.
pub(crate) fn request(
    source: &TokenSource,
    provider: &keystore_catalog::Provider,
    opened: &Opened,
    now: Micros,
) -> Result<(Outgoing, Bytes), InjectError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a credential is exchanged by sending it, or what it signs, to the vendor"
    )]
    asking(source, provider, &|name| opened.expose_field(name), now)
}

fn asking(
    source: &TokenSource,
    provider: &keystore_catalog::Provider,
    expose: &Expose<'_>,
    now: Micros,
) -> Result<(Outgoing, Bytes), InjectError> {
    let mut fields = Fields {
        expose,
        provider,
        needles: Needles::default(),
    };
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static("keystore"));
    let mut form = Form::default();
    match source.grant {
        TokenGrant::ClientCredentials => form.add("grant_type", "client_credentials"),
        TokenGrant::RefreshToken => {
            form.add("grant_type", "refresh_token");
            form.add("refresh_token", &fields.fill_plain("{key}")?);
        }
        TokenGrant::GcpServiceAccount => {
            form.add("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
            form.add("assertion", &google(source, &mut fields, now)?);
        }
        TokenGrant::GithubApp => {
            let assertion = github(source, &mut fields, now)?;
            write_header(&mut headers, AUTHORIZATION, &scheme("Bearer", &assertion))?;
        }
    }
    authenticate(source, &mut headers, &mut form, &mut fields)?;
    if let Some(scope) = source
        .scope
        .as_ref()
        .filter(|_| source.grant != TokenGrant::GcpServiceAccount)
    {
        form.add("scope", scope);
    }
    for (name, template) in &source.form {
        form.add(name, &fields.fill_plain(template)?);
    }
    let body = match source.grant {
        TokenGrant::GithubApp => Bytes::new(),
        _ => {
            headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            );
            form.encoded()
        }
    };
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let path = match source.endpoint.base_path.as_str() {
        "" => "/",
        path => path,
    };
    let outgoing = Outgoing {
        method: Method::POST,
        path_and_query: PathAndQuery::try_from(path).map_err(|_| InjectError::Target)?,
        headers,
    };
    Ok((outgoing, body))
}

/// Writes who the client is (RFC 6749, 2.3.1: form-encoded within Basic).
fn authenticate(
    source: &TokenSource,
    headers: &mut HeaderMap,
    form: &mut Form,
    fields: &mut Fields<'_, '_>,
) -> Result<(), InjectError> {
    let secret = match source.grant {
        TokenGrant::ClientCredentials => "{key}",
        TokenGrant::RefreshToken => "{client_secret}",
        TokenGrant::GcpServiceAccount | TokenGrant::GithubApp => return Ok(()),
    };
    match source.client_auth {
        ClientAuth::None => Ok(()),
        ClientAuth::Body => {
            form.add("client_id", &fields.fill_plain("{client_id}")?);
            form.add("client_secret", &fields.fill_plain(secret)?);
            Ok(())
        }
        ClientAuth::Basic => {
            let encode = |value: &str, filled: &mut String| percent_encode(value, b"", filled);
            let (id, secret) = (fields.fill("{client_id}", encode)?, fields.fill(secret, encode)?);
            let pair = Zeroizing::new([&id, ":", &secret].concat());
            let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
            write_header(headers, AUTHORIZATION, &scheme("Basic", &encoded))
        }
    }
}

/// A service account's key as Google gives it out.
#[derive(Deserialize)]
struct ServiceAccount {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
}

/// Source: <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>.
fn google(
    source: &TokenSource,
    fields: &mut Fields<'_, '_>,
    now: Micros,
) -> Result<Zeroizing<String>, InjectError> {
    let unfit = || InjectError::Unfit { slot: "an assertion" };
    let text = fields.fill_plain("{key}")?;
    let account: ServiceAccount = serde_json::from_str(&text).map_err(|_| unfit())?;
    let private_key = Zeroizing::new(account.private_key);
    let endpoint = &source.endpoint;
    let audience = format!(
        "{}://{}{}",
        endpoint.scheme.as_str(),
        endpoint.authority(),
        endpoint.base_path
    );
    let mut claims = serde_json::json!({
        "iss": account.client_email, "aud": audience, "iat": now.seconds() - CLOCK_SKEW, "exp": now.seconds() + ASSERTED_FOR,
    });
    if let Some(scope) = &source.scope {
        claims["scope"] = scope.as_str().into();
    }
    jwt::rs256(
        &claims.to_string(),
        account.private_key_id.as_deref(),
        &private_key,
    )
    .map_err(|_| unfit())
}

/// Source: <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app>.
fn github(
    source: &TokenSource,
    fields: &mut Fields<'_, '_>,
    now: Micros,
) -> Result<Zeroizing<String>, InjectError> {
    let claims = serde_json::json!({
        "iss": source.issuer, "iat": now.seconds() - CLOCK_SKEW, "exp": now.seconds() + ASSERTED_FOR,
    });
    let key = fields.fill_plain("{key}")?;
    jwt::rs256(&claims.to_string(), None, &key).map_err(|_| InjectError::Unfit { slot: "an assertion" })
}

/// A form, of which a member that is added again replaces the one before.
#[derive(Default)]
struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    fn add(&mut self, name: &str, value: &str) {
        let value = Zeroizing::new(value.to_owned());
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn encoded(&self) -> Bytes {
        let length: usize = self
            .0
            .iter()
            .map(|(name, value)| (name.len() + value.len()) * 3 + 2)
            .sum();
        let mut text = String::with_capacity(length);
        for (name, value) in &self.0 {
            if !text.is_empty() {
                text.push('&');
            }
            percent_encode(name, b"", &mut text);
            text.push('=');
            percent_encode(value, b"", &mut text);
        }
        text.into()
    }
}

fn scheme(name: &str, value: &str) -> Zeroizing<String> {
    let mut header = Zeroizing::new(String::with_capacity(name.len() + 1 + value.len()));
    header.push_str(name);
    header.push(' ');
    header.push_str(value);
    header
}

/// What a vendor answers (RFC 6749, 5; and GitHub).
#[derive(Deserialize, Default)]
struct Answer {
    #[serde(alias = "token")]
    access_token: Option<String>,
    expires_in: Option<Seconds>,
    expires_at: Option<serde_json::Value>,
    refresh_token: Option<String>,
    error: Option<serde_json::Value>,
}

/// Some vendors write a number as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

/// What an answer holds.
///
/// # Errors
///
/// It holds no token.
pub(crate) fn read(
    source: &TokenSource,
    status: u16,
    body: &[u8],
    now: Micros,
) -> Result<Fetched, TokenError> {
    let answer: Answer = serde_json::from_slice(body).unwrap_or_default();
    if !(200..300).contains(&status) {
        let code = answer.error.as_ref().and_then(|error| error.as_str());
        // What is not the vendor's own trouble, nor ours for asking too often, is the credential's.
        return match status {
            400..=499 if ![408, 425, 429].contains(&status) => Err(TokenError::Refused {
                status,
                code: code.filter(|code| is_code(code)).map(str::to_owned),
            }),
            _ => Err(TokenError::NoToken { status }),
        };
    }
    let usable = |token: &Zeroizing<String>| {
        !token.is_empty()
            && token.len() <= MAX_TOKEN_BYTES
            && token.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let token = answer
        .access_token
        .map(Zeroizing::new)
        .filter(usable)
        .ok_or(TokenError::NoToken { status })?;
    let life = life(answer.expires_in, answer.expires_at.as_ref(), now);
    Ok(Fetched {
        token: Token { value: token },
        life: life.unwrap_or(UNSAID_LIFE).min(LONGEST_LIFE),
        successor: answer
            .refresh_token
            .map(Zeroizing::new)
            .filter(usable)
            .filter(|_| source.grant == TokenGrant::RefreshToken),
    })
}

/// An error's code as the standard writes them: no secret, and nothing that could be mistaken for one.
fn is_code(code: &str) -> bool {
    code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn life(seconds: Option<Seconds>, at: Option<&serde_json::Value>, now: Micros) -> Option<Duration> {
    let seconds = match seconds {
        Some(Seconds::Number(seconds)) => Some(seconds),
        Some(Seconds::Text(text)) => text.trim().parse().ok(),
        None => None,
    };
    if let Some(seconds) = seconds {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at: jiff::Timestamp = at?.as_str()?.parse().ok()?;
    u64::try_from(at.as_second() - now.seconds())
        .ok()
        .map(Duration::from_secs)
}

/// Writes a token into the request.
pub(super) fn inject(
    headers: &mut HeaderMap,
    source: &TokenSource,
    token: Option<&Token>,
    needles: &mut Needles,
) -> Result<(), InjectError> {
    let Token { value } = token.ok_or(InjectError::NoToken)?;
    needles.add_secret(value);
    write_header(headers, AUTHORIZATION, &scheme(&source.scheme, value))
}
