//! Google Cloud KMS: `:encrypt` and `:decrypt` of a symmetric key, with its checksums in both directions.

mod credentials;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keystore_core::Clock;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::crc32c::crc32c;
use super::expiring::Expiring;
use super::http::{Answer, Hidden, Http, checked, patiently, send};
use super::{Ambient, Context, Kms, KmsError, KmsFault, KmsFuture, Parts};
use crate::secret::Secret;

/// Where the service is.
const ENDPOINT: &str = "https://cloudkms.googleapis.com";

/// The server's identity at Google Cloud.
pub(super) struct Account {
    http: Http,
    ambient: Arc<Ambient>,
    clock: Arc<dyn Clock>,
    endpoint: String,
    token: Expiring<Zeroizing<String>>,
}

/// A key of Google Cloud KMS.
pub(super) struct GcpKey {
    account: Arc<Account>,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Encrypted {
    ciphertext: String,
    #[serde(default)]
    ciphertext_crc32c: Value,
    #[serde(default)]
    verified_plaintext_crc32c: bool,
    #[serde(default)]
    verified_additional_authenticated_data_crc32c: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decrypted {
    plaintext: Hidden,
    #[serde(default)]
    plaintext_crc32c: Value,
}

#[derive(Deserialize, Default)]
struct Failure {
    #[serde(default)]
    error: Status,
}

#[derive(Deserialize, Default)]
struct Status {
    #[serde(default)]
    message: String,
    #[serde(default)]
    status: String,
}

impl Account {
    pub(super) fn new(endpoint: Option<&str>, (http, ambient, clock): Parts) -> Result<Self, KmsError> {
        Ok(Self {
            endpoint: checked(endpoint.unwrap_or(ENDPOINT))?,
            token: Expiring::new(Arc::clone(&clock)),
            http,
            ambient,
            clock,
        })
    }
}

impl GcpKey {
    pub(super) fn new(account: Arc<Account>, name: String) -> Self {
        Self { account, name }
    }

    async fn ask(&self, operation: &str, body: &str) -> Result<Answer, KmsError> {
        let account = &self.account;
        let token = account.token.get(|| credentials::find(account)).await?;
        let url = format!("{}/v1/{}:{operation}", account.endpoint, self.name);
        let request = account
            .http
            .post(&url)
            .bearer_auth(token.as_str())
            .header("content-type", "application/json");
        let answer = send(request.body(body.to_owned())).await?;
        if answer.is_success() {
            return Ok(answer);
        }
        if answer.status == 401 {
            account.token.forget(&token).await;
        }
        Err(failure(&answer))
    }

    async fn wrap_now(&self, key: &Secret, context: &Context) -> Result<Vec<u8>, KmsError> {
        let aad = context.bytes();
        let plaintext = Zeroizing::new(STANDARD.encode(key.expose()));
        let body = json!({
            "plaintext": plaintext.as_str(),
            "plaintextCrc32c": crc32c(key.expose()).to_string(),
            "additionalAuthenticatedData": STANDARD.encode(&aad),
            "additionalAuthenticatedDataCrc32c": crc32c(&aad).to_string(),
        });
        let body = Zeroizing::new(body.to_string());
        let answer = patiently(|| self.ask("encrypt", &body)).await?;
        let encrypted: Encrypted = answer.json()?;
        let ciphertext = STANDARD.decode(&encrypted.ciphertext).map_err(|_| damaged())?;
        let is_whole = encrypted.verified_plaintext_crc32c
            && encrypted.verified_additional_authenticated_data_crc32c
            && is_checksum(&encrypted.ciphertext_crc32c, &ciphertext);
        if is_whole { Ok(ciphertext) } else { Err(damaged()) }
    }

    async fn unwrap_now(&self, wrapped: &[u8], context: &Context) -> Result<Secret, KmsError> {
        let aad = context.bytes();
        let body = json!({
            "ciphertext": STANDARD.encode(wrapped),
            "ciphertextCrc32c": crc32c(wrapped).to_string(),
            "additionalAuthenticatedData": STANDARD.encode(&aad),
            "additionalAuthenticatedDataCrc32c": crc32c(&aad).to_string(),
        })
        .to_string();
        let answer = patiently(|| self.ask("decrypt", &body)).await?;
        let decrypted: Decrypted = answer.json()?;
        let key = STANDARD.decode(decrypted.plaintext.as_bytes()).map(Secret::new);
        let key = key.map_err(|_| damaged())?;
        if is_checksum(&decrypted.plaintext_crc32c, key.expose()) {
            Ok(key)
        } else {
            Err(damaged())
        }
    }
}

/// Whether an int64, which Google's JSON writes as a text, is the checksum of these bytes.
fn is_checksum(value: &Value, bytes: &[u8]) -> bool {
    let number = value
        .as_str()
        .and_then(|text| text.parse().ok())
        .or_else(|| value.as_u64());
    number == Some(u64::from(crc32c(bytes)))
}

fn damaged() -> KmsError {
    KmsError::new(
        KmsFault::Unavailable,
        "the bytes were damaged on the way to or from Google Cloud KMS",
    )
}

/// What an answer with an error says (`google.rpc.Status`).
fn failure(answer: &Answer) -> KmsError {
    let Failure { error } = answer.json().unwrap_or_default();
    let fault = match error.status.as_str() {
        // A version that is disabled or destroyed, and a key that is gone.
        "FAILED_PRECONDITION" | "NOT_FOUND" => KmsFault::Disabled,
        "RESOURCE_EXHAUSTED" => KmsFault::Throttled,
        "UNAVAILABLE" | "INTERNAL" | "DEADLINE_EXCEEDED" | "ABORTED" => KmsFault::Unavailable,
        "PERMISSION_DENIED" | "UNAUTHENTICATED" => KmsFault::Denied,
        "INVALID_ARGUMENT" => KmsFault::Refused,
        _ => answer.fault_of_status(),
    };
    KmsError::new(
        fault,
        format!(
            "Google Cloud KMS answered {} {}: {}",
            answer.status, error.status, error.message
        ),
    )
}

impl Kms for GcpKey {
    fn wrap<'a>(&'a self, key: &'a Secret, context: &'a Context) -> KmsFuture<'a, Vec<u8>> {
        Box::pin(self.wrap_now(key, context))
    }

    fn unwrap<'a>(&'a self, wrapped: &'a [u8], context: &'a Context) -> KmsFuture<'a, Secret> {
        Box::pin(self.unwrap_now(wrapped, context))
    }
}
