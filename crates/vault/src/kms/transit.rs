//! HashiCorp Vault's Transit engine, and OpenBao's, which is the same over HTTP.
//!
//! `POST /v1/{mount}/encrypt/{key}` and `…/decrypt/{key}` with `associated_data`, which an AEAD key (`aes256-gcm96`,
//! `chacha20-poly1305`) authenticates. The key's versions are in the ciphertext (`vault:v1:…`), so Transit's own rotation works.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::ambient::text_of;
use super::expiring::Expiring;
use super::http::{Answer, Hidden, Http, checked, patiently, send};
use super::name::VaultName;
use super::{Ambient, Context, Kms, KmsError, KmsFault, KmsFuture, Parts};
use crate::secret::Secret;

/// Where a pod finds its own token.
const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// What every ciphertext begins with, before the version of the key.
const PREFIX: &str = "vault:v";

/// A Vault, as the operator sets it up.
#[derive(Debug, Clone)]
pub struct TransitSettings {
    /// Its address, such as `https://vault.example:8200`.
    pub address: String,
    /// The namespace that the server signs in to; also that of keys which name none.
    pub namespace: Option<String>,
    /// How the server signs in.
    pub auth: TransitAuth,
}

/// How the server signs in to a Vault.
#[derive(Debug, Clone)]
pub enum TransitAuth {
    /// With `VAULT_TOKEN`, else the token in this file, else the one in `~/.vault-token`. The file is read again every five minutes.
    Token {
        /// The file.
        file: Option<PathBuf>,
    },
    /// With a role and a secret id.
    AppRole {
        /// Where the method is mounted; `approle`.
        mount: String,
        /// The role's id.
        role_id: String,
        /// A file with the secret id.
        secret_id_file: PathBuf,
    },
    /// With the pod's service account.
    Kubernetes {
        /// Where the method is mounted; `kubernetes`.
        mount: String,
        /// The role.
        role: String,
        /// The file of the pod's token; the usual one.
        token_file: Option<PathBuf>,
    },
}

/// A Vault, and the server's token there.
pub(super) struct Server {
    http: Http,
    ambient: Arc<Ambient>,
    address: String,
    settings: TransitSettings,
    token: Expiring<Zeroizing<String>>,
}

/// A key of Transit.
pub(super) struct TransitKey {
    server: Arc<Server>,
    name: VaultName,
}

#[derive(Deserialize)]
struct Login {
    auth: LoginAuth,
}

#[derive(Deserialize)]
struct LoginAuth {
    client_token: Hidden,
    /// Seconds; 0 is for ever.
    lease_duration: u64,
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Decrypted {
    plaintext: Hidden,
}

#[derive(Deserialize, Default)]
struct Failure {
    #[serde(default)]
    errors: Vec<String>,
}

impl Server {
    pub(super) fn new(settings: TransitSettings, (http, ambient, clock): Parts) -> Result<Self, KmsError> {
        Ok(Self {
            http,
            ambient,
            address: checked(&settings.address)?,
            settings,
            token: Expiring::new(clock),
        })
    }

    async fn token(&self) -> Result<Arc<Zeroizing<String>>, KmsError> {
        self.token.get(|| self.sign_in()).await
    }

    /// A token, and how long it is good for.
    async fn sign_in(&self) -> Result<(Zeroizing<String>, Option<Duration>), KmsError> {
        let (mount, body) = match &self.settings.auth {
            TransitAuth::Token { file } => return Ok((self.given_token(file.as_ref())?, None)),
            TransitAuth::AppRole {
                mount,
                role_id,
                secret_id_file,
            } => {
                let secret_id = text_of(secret_id_file)?;
                (
                    mount,
                    json!({"role_id": role_id, "secret_id": secret_id.as_str()}),
                )
            }
            TransitAuth::Kubernetes {
                mount,
                role,
                token_file,
            } => {
                let token = text_of(&token_file.clone().unwrap_or_else(|| POD_TOKEN.into()))?;
                (mount, json!({"role": role, "jwt": token.as_str()}))
            }
        };
        let request = self.request(&format!("auth/{mount}/login"), self.settings.namespace.as_deref());
        let answer = send(request.json(&body)).await?;
        if !answer.is_success() {
            let mut error = failure(&answer);
            if error.fault == KmsFault::Refused {
                error.fault = KmsFault::Denied;
            }
            return Err(error);
        }
        let Login { auth } = answer.json()?;
        let life = (auth.lease_duration > 0).then(|| Duration::from_secs(auth.lease_duration));
        Ok((auth.client_token.0, life))
    }

    fn given_token(&self, file: Option<&PathBuf>) -> Result<Zeroizing<String>, KmsError> {
        if let Some(token) = self.ambient.get("VAULT_TOKEN") {
            return Ok(Zeroizing::new(token.to_owned()));
        }
        let home = self.ambient.at_home(".vault-token");
        let file = file.cloned().or(home).ok_or_else(|| {
            KmsError::new(
                KmsFault::Denied,
                "there is no token for Vault: set VAULT_TOKEN, or name a way to sign in",
            )
        })?;
        text_of(&file)
    }

    fn request(&self, path: &str, namespace: Option<&str>) -> reqwest::RequestBuilder {
        let request = self
            .http
            .post(&format!("{}/v1/{path}", self.address))
            .header("x-vault-request", "true");
        match namespace {
            Some(namespace) => request.header("x-vault-namespace", namespace),
            None => request,
        }
    }
}

impl TransitKey {
    pub(super) fn new(server: Arc<Server>, name: VaultName) -> Self {
        Self { server, name }
    }

    /// Asks once; a token that is refused is forgotten, and asked for again the next time.
    async fn ask(&self, operation: &str, body: &serde_json::Value) -> Result<Answer, KmsError> {
        let (server, name) = (&self.server, &self.name);
        let token = server.token().await?;
        let namespace = name.namespace.as_deref().or(server.settings.namespace.as_deref());
        let path = format!("{}/{operation}/{}", name.mount, name.key);
        let request = server
            .request(&path, namespace)
            .header("x-vault-token", token.as_str());
        let answer = send(request.json(body)).await?;
        if answer.is_success() {
            return Ok(answer);
        }
        if answer.status == 403 {
            server.token.forget(&token).await;
        }
        Err(failure(&answer))
    }

    async fn wrap_now(&self, key: &Secret, context: &Context) -> Result<Vec<u8>, KmsError> {
        let plaintext = Zeroizing::new(STANDARD.encode(key.expose()));
        let body =
            json!({"plaintext": plaintext.as_str(), "associated_data": STANDARD.encode(context.bytes())});
        let answer = patiently(|| self.ask("encrypt", &body)).await?;
        let Data::<Encrypted> { data } = answer.json()?;
        match data.ciphertext.starts_with(PREFIX) {
            true => Ok(data.ciphertext.into_bytes()),
            false => Err(KmsError::new(
                KmsFault::Unavailable,
                "Vault's answer holds no ciphertext",
            )),
        }
    }

    async fn unwrap_now(&self, wrapped: &[u8], context: &Context) -> Result<Secret, KmsError> {
        let foreign = || KmsError::new(KmsFault::Refused, "this was not wrapped by Vault");
        let ciphertext = std::str::from_utf8(wrapped).map_err(|_| foreign())?;
        if !ciphertext.starts_with(PREFIX) {
            return Err(foreign());
        }
        let body = json!({"ciphertext": ciphertext, "associated_data": STANDARD.encode(context.bytes())});
        let answer = patiently(|| self.ask("decrypt", &body)).await?;
        let Data::<Decrypted> { data } = answer.json()?;
        let key = STANDARD.decode(data.plaintext.as_bytes());
        key.map(Secret::new)
            .map_err(|_| KmsError::new(KmsFault::Unavailable, "Vault's answer holds no base64"))
    }
}

/// What an answer with an error says. Transit has no word for a disabled key: one that was deleted is not found, and one whose
/// versions were withdrawn is disallowed.
fn failure(answer: &Answer) -> KmsError {
    let said = answer.json::<Failure>().unwrap_or_default().errors.join("; ");
    let fault = match answer.status {
        400 if said.contains("key not found") || said.contains("disallowed by policy") => KmsFault::Disabled,
        // Rate limits, a standby that cannot forward, and a sealed or starting Vault.
        412 | 472 | 473 => KmsFault::Unavailable,
        _ => answer.fault_of_status(),
    };
    KmsError::new(fault, format!("Vault answered {}: {said}", answer.status))
}

impl Kms for TransitKey {
    fn wrap<'a>(&'a self, key: &'a Secret, context: &'a Context) -> KmsFuture<'a, Vec<u8>> {
        Box::pin(self.wrap_now(key, context))
    }

    fn unwrap<'a>(&'a self, wrapped: &'a [u8], context: &'a Context) -> KmsFuture<'a, Secret> {
        Box::pin(self.unwrap_now(wrapped, context))
    }
}
