//! Azure Key Vault and Managed HSM: `wrapkey` and `unwrapkey` with RSA-OAEP-256.
//!
//! These calls authenticate no context. So Azure wraps a key of one use, and that one seals what is to be wrapped, with the context
//! as associated data:
//!
//! ```text
//! KSZ1 | kid_len(2) | kid | wrapped_len(2) | wrapped | nonce(12) | ciphertext and tag
//! ```
//!
//! `kid` is the full id of the key's version that wrapped; it, too, is authenticated. It is only ever used at the vault that the
//! key's name says.

mod credentials;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::expiring::Expiring;
use super::http::{Answer, Hidden, Http, checked, patiently, send};
use super::name::{AZURE_CLOUDS, AzureName};
use super::{Ambient, Context, Kms, KmsError, KmsFault, KmsFuture, Parts};
use crate::aead::{Key, NONCE};
use crate::format::Reader;
use crate::random;
use crate::secret::Secret;

/// The version of the API.
const API: &str = "7.4";
/// How the key of one use is wrapped.
const ALGORITHM: &str = "RSA-OAEP-256";
const MAGIC: &[u8; 4] = b"KSZ1";

/// The server's identity at Azure.
pub(super) struct Account {
    http: Http,
    ambient: Arc<Ambient>,
    endpoint: Option<String>,
    /// One for each of [`AZURE_CLOUDS`]: a token is good for one kind of vault.
    tokens: Vec<Expiring<Zeroizing<String>>>,
}

/// A key of Azure Key Vault.
pub(super) struct AzureKey {
    account: Arc<Account>,
    name: AzureName,
}

/// What both calls answer.
#[derive(Deserialize)]
struct Operated {
    kid: String,
    value: Hidden,
}

#[derive(Deserialize, Default)]
struct Failure {
    #[serde(default)]
    error: FailureError,
}

#[derive(Deserialize, Default)]
struct FailureError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    innererror: Inner,
}

#[derive(Deserialize, Default)]
struct Inner {
    #[serde(default)]
    code: String,
}

impl Account {
    pub(super) fn new(endpoint: Option<String>, (http, ambient, clock): Parts) -> Result<Self, KmsError> {
        Ok(Self {
            endpoint: endpoint.map(|url| checked(&url)).transpose()?,
            tokens: AZURE_CLOUDS
                .iter()
                .map(|_| Expiring::new(Arc::clone(&clock)))
                .collect(),
            http,
            ambient,
        })
    }
}

impl AzureKey {
    pub(super) fn new(account: Arc<Account>, name: AzureName) -> Self {
        Self { account, name }
    }

    /// The path of the key, or of one of its versions.
    fn path(&self, version: Option<&str>) -> String {
        match version {
            Some(version) => format!("/keys/{}/{version}", self.name.key),
            None => format!("/keys/{}", self.name.key),
        }
    }

    async fn ask(&self, path: &str, value: &str) -> Result<Operated, KmsError> {
        let account = &self.account;
        let mut clouds = AZURE_CLOUDS.iter().zip(&account.tokens);
        let ((_, resource), tokens) = clouds
            .find(|((suffix, _), _)| self.name.host.ends_with(suffix))
            .ok_or_else(foreign)?;
        let token = tokens.get(|| credentials::find(account, resource)).await?;
        let own = format!("https://{}", self.name.host);
        let base = account.endpoint.as_ref().unwrap_or(&own);
        let request = account
            .http
            .post(&format!("{base}{path}?api-version={API}"))
            .bearer_auth(token.as_str());
        let answer = send(request.json(&json!({"alg": ALGORITHM, "value": value}))).await?;
        if answer.is_success() {
            return answer.json();
        }
        if answer.status == 401 {
            tokens.forget(&token).await;
        }
        Err(failure(&answer))
    }

    async fn wrap_now(&self, key: &Secret, context: &Context) -> Result<Vec<u8>, KmsError> {
        let no_randomness = |_| KmsError::new(KmsFault::Unavailable, "no randomness");
        let once = random::key().map_err(no_randomness)?;
        let nonce: [u8; NONCE] = random::bytes().map_err(no_randomness)?;
        let value = Zeroizing::new(URL_SAFE_NO_PAD.encode(once.expose()));
        let path = format!("{}/wrapkey", self.path(self.name.version.as_deref()));
        let operated = patiently(|| self.ask(&path, &value)).await?;
        let wrapped = URL_SAFE_NO_PAD
            .decode(operated.value.as_bytes())
            .map_err(|_| unreadable())?;
        let mut bytes = MAGIC.to_vec();
        for part in [operated.kid.as_bytes(), &wrapped] {
            let length = u16::try_from(part.len()).map_err(|_| unreadable())?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(part);
        }
        let aad = [&bytes[..], &context.bytes()].concat();
        let sealed = Key::new(&once)
            .and_then(|once| once.seal(nonce, &aad, key.expose()))
            .map_err(|_| foreign())?;
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(bytes)
    }

    async fn unwrap_now(&self, wrapped: &[u8], context: &Context) -> Result<Secret, KmsError> {
        let parts = Wrapped::parse(wrapped).ok_or_else(foreign)?;
        // Of the id only the version is believed: nobody who writes it sends us, and our token, elsewhere.
        let version = parts.kid.rsplit('/').next().filter(|version| {
            !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        let path = format!("{}/unwrapkey", self.path(Some(version.ok_or_else(foreign)?)));
        let value = URL_SAFE_NO_PAD.encode(parts.wrapped);
        let operated = patiently(|| self.ask(&path, &value)).await?;
        let once = URL_SAFE_NO_PAD.decode(operated.value.as_bytes());
        let once = once.map(Secret::new).map_err(|_| unreadable())?;
        let aad = [parts.head, &context.bytes()].concat();
        Key::new(&once)
            .and_then(|once| once.open(parts.nonce, &aad, parts.sealed))
            .map_err(|_| foreign())
    }
}

/// The parts of what was wrapped.
struct Wrapped<'a> {
    /// All before the nonce, which is authenticated.
    head: &'a [u8],
    kid: &'a str,
    wrapped: &'a [u8],
    nonce: [u8; NONCE],
    sealed: &'a [u8],
}

impl<'a> Wrapped<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.array::<4>().ok()? != *MAGIC {
            return None;
        }
        let mut part = || {
            let length = u16::from_be_bytes(reader.array().ok()?);
            reader.slice(length.into()).ok()
        };
        let (kid, wrapped) = (part()?, part()?);
        let head = &bytes[..bytes.len() - reader.0.len()];
        Some(Self {
            head,
            kid: std::str::from_utf8(kid).ok()?,
            wrapped,
            nonce: reader.array().ok()?,
            sealed: reader.0,
        })
    }
}

fn foreign() -> KmsError {
    KmsError::new(
        KmsFault::Refused,
        "this was not wrapped by the key in Azure, or for something else",
    )
}

fn unreadable() -> KmsError {
    KmsError::new(KmsFault::Unavailable, "Azure's answer cannot be read")
}

/// What an answer with an error says. A disabled key is a `Forbidden` with an inner code.
fn failure(answer: &Answer) -> KmsError {
    let Failure { error } = answer.json().unwrap_or_default();
    let fault = match (error.code.as_str(), error.innererror.code.as_str()) {
        (_, "KeyDisabled" | "KeyExpired" | "KeyNotYetValid") | ("KeyNotFound" | "KeyDisabled", _) => {
            KmsFault::Disabled
        }
        ("Throttled", _) => KmsFault::Throttled,
        ("BadParameter", _) => KmsFault::Refused,
        _ => answer.fault_of_status(),
    };
    let inner = match error.innererror.code.as_str() {
        "" => String::new(),
        inner => format!(" ({inner})"),
    };
    KmsError::new(
        fault,
        format!(
            "Azure Key Vault answered {} {}{inner}: {}",
            answer.status, error.code, error.message
        ),
    )
}

impl Kms for AzureKey {
    fn wrap<'a>(&'a self, key: &'a Secret, context: &'a Context) -> KmsFuture<'a, Vec<u8>> {
        Box::pin(self.wrap_now(key, context))
    }

    fn unwrap<'a>(&'a self, wrapped: &'a [u8], context: &'a Context) -> KmsFuture<'a, Secret> {
        Box::pin(self.unwrap_now(wrapped, context))
    }
}
