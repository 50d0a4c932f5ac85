//! A vendor's place where credentials are exchanged for tokens: the grants of RFC 6749 and RFC 7523, and GitHub's for its apps. Every field
//! of a request is checked; a token that was given is expected from then on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::AUTHORIZATION;
use http::request::Parts;
use serde_json::{Value, json};

use super::credential::{Credential, Slot};
use super::vendors::Reply;
use crate::rsa::RsaKey;

/// How a client shows who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownBy {
    /// Basic credentials.
    Basic,
    /// Members of the form.
    Body,
}

/// What is exchanged for a token.
#[derive(Debug, Clone)]
pub enum Exchanged {
    /// A client's id and secret, shown in one of two ways.
    Client(String, String, ShownBy),
    /// A refresh token of a client; `true`: each is good for one use, and another comes with the answer.
    Refresh(String, String, ShownBy, String, bool),
    /// An assertion that is signed by a service account, for a scope.
    ServiceAccount(String, RsaKey),
    /// An assertion that is signed by an app, of this issuer.
    App(String, RsaKey),
}

/// Where tokens are given, and for what.
#[derive(Debug, Clone)]
pub struct TokenRules {
    /// The path.
    pub path: String,
    /// What is exchanged.
    pub exchanged: Exchanged,
    /// How long a token lives, in seconds, as the answer says; 0: it does not say.
    pub expires_in: u64,
    /// Further members that the form must have.
    pub form: Vec<(String, String)>,
}

#[derive(Debug)]
pub(super) struct Issuer {
    rules: TokenRules,
    given: Vec<String>,
}

impl Issuer {
    pub(super) fn new(rules: TokenRules) -> Self {
        Self {
            rules,
            given: Vec::new(),
        }
    }

    /// Whether it gives tokens at this path.
    pub(super) fn is_at(&self, path: &str) -> bool {
        path == self.rules.path
    }

    /// Every token that was given.
    pub(super) fn given(&self) -> &[String] {
        &self.given
    }

    /// The answer, where the request is for a token; and the token that is expected from now on.
    pub(super) fn answer(&mut self, head: &Parts, body: &[u8]) -> Option<(Reply, Option<Credential>)> {
        if !self.is_at(head.uri.path()) {
            return None;
        }
        let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        Some(match self.check(head, &form) {
            Ok(()) => self.give(),
            Err((status, error)) => {
                let body = json!({"error": error, "error_description": "The request was not accepted."});
                (Reply::json(status, &body), None)
            }
        })
    }

    fn check(&self, head: &Parts, form: &[(String, String)]) -> Result<(), (StatusCode, &'static str)> {
        let member = |name: &str| {
            let mut values = form.iter().filter(|(known, _)| known == name);
            let value = values.next().map(|(_, value)| value.as_str());
            value.filter(|_| values.next().is_none())
        };
        let invalid_request = (StatusCode::BAD_REQUEST, "invalid_request");
        let authorization = head
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if head.method != http::Method::POST
            || self
                .rules
                .form
                .iter()
                .any(|(name, value)| member(name) != Some(value))
        {
            return Err(invalid_request);
        }
        let client = |id: &str, secret: &str, shown: ShownBy| {
            let shows = match shown {
                ShownBy::Basic => {
                    authorization == format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
                }
                ShownBy::Body => {
                    authorization.is_empty()
                        && (member("client_id"), member("client_secret")) == (Some(id), Some(secret))
                }
            };
            if shows {
                Ok(())
            } else {
                Err((StatusCode::UNAUTHORIZED, "invalid_client"))
            }
        };
        let grant = |name: &str| {
            let said = self.rules.form.iter().any(|(name, _)| name == "grant_type");
            if said || member("grant_type") == Some(name) {
                Ok(())
            } else {
                Err((StatusCode::BAD_REQUEST, "unsupported_grant_type"))
            }
        };
        let invalid_grant = (StatusCode::BAD_REQUEST, "invalid_grant");
        match &self.rules.exchanged {
            Exchanged::Client(id, secret, shown) => {
                client(id, secret, *shown)?;
                grant("client_credentials")
            }
            Exchanged::Refresh(id, secret, shown, refresh, _) => {
                client(id, secret, *shown)?;
                grant("refresh_token")?;
                match member("refresh_token") == Some(refresh.as_str()) {
                    true => Ok(()),
                    false => Err(invalid_grant),
                }
            }
            Exchanged::ServiceAccount(scope, key) => {
                grant("urn:ietf:params:oauth:grant-type:jwt-bearer")?;
                let claims = member("assertion").and_then(|token| Some(key.read(token)?.1));
                let claims = claims.ok_or(invalid_grant)?;
                let audience = claims["aud"].as_str().unwrap_or_default();
                let fits = claims["scope"] == scope.as_str()
                    && claims["iss"].as_str().is_some_and(|issuer| issuer.contains('@'))
                    && audience.ends_with(self.rules.path.as_str())
                    && lives(&claims, 3_600);
                if fits { Ok(()) } else { Err(invalid_grant) }
            }
            Exchanged::App(issuer, key) => {
                let claims = authorization
                    .strip_prefix("Bearer ")
                    .and_then(|token| Some(key.read(token)?.1));
                let fits =
                    claims.is_some_and(|claims| claims["iss"] == issuer.as_str() && lives(&claims, 660));
                if fits {
                    Ok(())
                } else {
                    Err((StatusCode::UNAUTHORIZED, "bad_credentials"))
                }
            }
        }
    }

    fn give(&mut self) -> (Reply, Option<Credential>) {
        let number = self.given.len() + 1;
        let token = format!("fake-access-token-{number:020}");
        self.given.push(token.clone());
        let mut body = match &mut self.rules.exchanged {
            Exchanged::App(..) => json!({"token": token, "permissions": {}}),
            Exchanged::Refresh(.., refresh, true) => {
                *refresh = format!("fake-refresh-token-{number:020}");
                json!({"access_token": token, "token_type": "bearer", "refresh_token": refresh})
            }
            _ => json!({"access_token": token, "token_type": "bearer"}),
        };
        if self.rules.expires_in > 0 {
            body["expires_in"] = self.rules.expires_in.into();
        }
        let credential = Credential {
            slot: Slot::Bearer,
            value: token,
        };
        (Reply::ok(&body), Some(credential))
    }
}

/// Whether an assertion is good for at most so many seconds.
fn lives(claims: &Value, most: i64) -> bool {
    let time = |name: &str| claims[name].as_i64().unwrap_or_default();
    (1..=most).contains(&(time("exp") - time("iat")))
}
