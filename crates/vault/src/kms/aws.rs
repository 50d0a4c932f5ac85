//! AWS KMS: `Encrypt` and `Decrypt` of its JSON protocol, signed with Signature Version 4.
//!
//! The context is the encryption context, by name: AWS writes it into CloudTrail, and a key policy can ask for it
//! (`kms:EncryptionContext:keystore-org`).

mod credentials;
mod ini;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keystore_core::Clock;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::expiring::Expiring;
use super::http::{Answer, Hidden, Http, checked, patiently, send};
use super::name::AwsName;
use super::{Ambient, Context, Kms, KmsError, KmsFault, KmsFuture, Parts};
use crate::secret::Secret;
use crate::sigv4::{self, AccessKey, Scope, Unsigned};
use credentials::Identity;

/// The server's identity at AWS.
pub(super) struct Account {
    http: Http,
    ambient: Arc<Ambient>,
    clock: Arc<dyn Clock>,
    endpoint: Option<String>,
    identity: Expiring<Identity>,
}

/// A key of AWS KMS.
pub(super) struct AwsKey {
    account: Arc<Account>,
    name: AwsName,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypted {
    ciphertext_blob: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypted {
    plaintext: Hidden,
}

#[derive(Deserialize, Default)]
struct Failure {
    #[serde(default, rename = "__type")]
    kind: String,
    #[serde(default, alias = "Message")]
    message: String,
}

impl Account {
    pub(super) fn new(endpoint: Option<String>, (http, ambient, clock): Parts) -> Result<Self, KmsError> {
        let from_environment = || {
            let value = ambient
                .get("AWS_ENDPOINT_URL_KMS")
                .or_else(|| ambient.get("AWS_ENDPOINT_URL"));
            value.map(str::to_owned)
        };
        let endpoint = endpoint.or_else(from_environment);
        Ok(Self {
            endpoint: endpoint.map(|url| checked(&url)).transpose()?,
            identity: Expiring::new(Arc::clone(&clock)),
            http,
            ambient,
            clock,
        })
    }

    /// Signs and sends a request to `url`, which has no query.
    async fn signed(
        &self,
        (url, scope): (&str, Scope<'_>),
        headers: &[(&str, &str)],
        body: &[u8],
        identity: &Identity,
    ) -> Result<Answer, KmsError> {
        let parsed = reqwest::Url::parse(url)
            .map_err(|_| KmsError::new(KmsFault::Denied, format!("{url} is no address")))?;
        let host = &authority(&parsed);
        let payload_sha256 = sigv4::payload_hash(body);
        let unsigned = Unsigned {
            method: "POST",
            host,
            path: parsed.path(),
            query: None,
            headers,
            payload_sha256: &payload_sha256,
        };
        let key = AccessKey {
            id: &identity.id,
            secret: &identity.secret,
            session_token: identity.token.as_ref().map(|token| token.as_str()),
        };
        let signature = sigv4::sign(&unsigned, key, scope, self.clock.now());
        let mut request = self
            .http
            .post(url)
            .header("x-amz-date", signature.date)
            .header("authorization", signature.authorization);
        if let Some(token) = &identity.token {
            request = request.header("x-amz-security-token", token.as_str());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request.body(body.to_vec())).await
    }
}

impl AwsKey {
    pub(super) fn new(account: Arc<Account>, name: AwsName) -> Self {
        Self { account, name }
    }

    fn endpoint(&self) -> String {
        let top = match self.name.partition.as_str() {
            "aws-cn" => "amazonaws.com.cn",
            _ => "amazonaws.com",
        };
        let own = || format!("https://kms.{}.{top}", self.name.region);
        self.account.endpoint.clone().unwrap_or_else(own)
    }

    async fn ask(&self, operation: &str, body: &[u8]) -> Result<Answer, KmsError> {
        let account = &self.account;
        let identity = account
            .identity
            .get(|| credentials::find(account, &self.name.region))
            .await?;
        let target = format!("TrentService.{operation}");
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target.as_str()),
        ];
        let scope = Scope {
            service: "kms",
            region: &self.name.region,
        };
        let url = format!("{}/", self.endpoint());
        let answer = account.signed((&url, scope), &headers, body, &identity).await?;
        if answer.is_success() {
            return Ok(answer);
        }
        let error = failure(&answer);
        if error.fault == KmsFault::Denied {
            account.identity.forget(&identity).await;
        }
        Err(error)
    }

    fn context(context: &Context) -> Value {
        let pairs = context.pairs().into_iter();
        Value::Object(
            pairs
                .map(|(name, value)| (name.to_owned(), Value::String(value)))
                .collect::<Map<_, _>>(),
        )
    }

    async fn wrap_now(&self, key: &Secret, context: &Context) -> Result<Vec<u8>, KmsError> {
        let plaintext = Zeroizing::new(STANDARD.encode(key.expose()));
        let body = json!({
            "KeyId": self.name.arn,
            "Plaintext": plaintext.as_str(),
            "EncryptionContext": Self::context(context),
        });
        let body = Zeroizing::new(body.to_string());
        let answer = patiently(|| self.ask("Encrypt", body.as_bytes())).await?;
        let encrypted: Encrypted = answer.json()?;
        STANDARD
            .decode(encrypted.ciphertext_blob)
            .map_err(|_| no_base64())
    }

    async fn unwrap_now(&self, wrapped: &[u8], context: &Context) -> Result<Secret, KmsError> {
        let body = json!({
            "KeyId": self.name.arn,
            "CiphertextBlob": STANDARD.encode(wrapped),
            "EncryptionContext": Self::context(context),
        })
        .to_string();
        let answer = patiently(|| self.ask("Decrypt", body.as_bytes())).await?;
        let decrypted: Decrypted = answer.json()?;
        let key = STANDARD.decode(decrypted.plaintext.as_bytes());
        key.map(Secret::new).map_err(|_| no_base64())
    }
}

fn no_base64() -> KmsError {
    KmsError::new(KmsFault::Unavailable, "AWS's answer holds no base64")
}

/// What an answer with an error says: the exceptions of `Encrypt` and `Decrypt`, and those that all of AWS's services share.
fn failure(answer: &Answer) -> KmsError {
    let Failure { kind, message } = answer.json().unwrap_or_default();
    let kind = kind.rsplit('#').next().unwrap_or_default();
    let fault = match kind {
        "DisabledException" | "KMSInvalidStateException" | "NotFoundException" => KmsFault::Disabled,
        "ThrottlingException" | "Throttling" | "RequestLimitExceeded" | "LimitExceededException" => {
            KmsFault::Throttled
        }
        "KeyUnavailableException"
        | "DependencyTimeoutException"
        | "KMSInternalException"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => KmsFault::Unavailable,
        "InvalidCiphertextException"
        | "IncorrectKeyException"
        | "InvalidKeyUsageException"
        | "ValidationException"
        | "ValidationError"
        | "DryRunOperationException" => KmsFault::Refused,
        _ if answer.status >= 500 => KmsFault::Unavailable,
        // What is left is about who asks: AccessDenied, ExpiredToken, UnrecognizedClient, InvalidSignature, and their kin.
        _ => KmsFault::Denied,
    };
    let said = match kind {
        "" => format!("AWS answered {}", answer.status),
        kind => format!("AWS answered {kind}: {message}"),
    };
    KmsError::new(fault, said)
}

impl Kms for AwsKey {
    fn wrap<'a>(&'a self, key: &'a Secret, context: &'a Context) -> KmsFuture<'a, Vec<u8>> {
        Box::pin(self.wrap_now(key, context))
    }

    fn unwrap<'a>(&'a self, wrapped: &'a [u8], context: &'a Context) -> KmsFuture<'a, Secret> {
        Box::pin(self.unwrap_now(wrapped, context))
    }
}

/// What stands in `Host`: the port only where it is not the scheme's own.
fn authority(url: &reqwest::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
