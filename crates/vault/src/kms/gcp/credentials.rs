//! Who the server is at Google Cloud, found as Google's own libraries find it (Application Default Credentials): the file that
//! `GOOGLE_APPLICATION_CREDENTIALS` names, the one that `gcloud auth application-default login` writes, the metadata server.
//!
//! Files of a service account and of a person are read. Not here: `external_account` files (workload identity federation) and
//! impersonation.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::Account;
use crate::jwt;
use crate::kms::ambient::text_of;
use crate::kms::http::{Answer, FORM, Hidden, checked, form, send};
use crate::kms::{KmsError, KmsFault};

/// What the token is good for: all that the identity may do, which its roles limit.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Where tokens are, when the file does not say.
const TOKENS: &str = "https://oauth2.googleapis.com/token";
/// Where a machine asks.
const METADATA: &str = "metadata.google.internal";

type Found = (Zeroizing<String>, Option<Duration>);

/// A file of credentials. What it needs depends on its type.
#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: String,
    client_email: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<Hidden>,
    token_uri: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Hidden>,
    refresh_token: Option<Hidden>,
}

#[derive(Deserialize)]
struct Token {
    access_token: Hidden,
    expires_in: u64,
}

#[derive(Deserialize, Default)]
struct Failure {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

/// The first identity that the chain has, as an access token.
pub(super) async fn find(account: &Account) -> Result<Found, KmsError> {
    if let Some(path) = account.ambient.get("GOOGLE_APPLICATION_CREDENTIALS") {
        return by_file(account, Path::new(path)).await;
    }
    let folder = account
        .ambient
        .get("CLOUDSDK_CONFIG")
        .map(PathBuf::from)
        .or_else(|| account.ambient.at_home(".config/gcloud"));
    let known = folder.map(|folder| folder.join("application_default_credentials.json"));
    if let Some(path) = known.filter(|path| path.exists()) {
        return by_file(account, &path).await;
    }
    by_metadata(account).await
}

async fn by_file(account: &Account, path: &Path) -> Result<Found, KmsError> {
    let unfit = |what: &str| KmsError::new(KmsFault::Denied, format!("{}: {what}", path.display()));
    let file: File =
        serde_json::from_str(&text_of(path)?).map_err(|_| unfit("is no file of Google credentials"))?;
    let uri = checked(file.token_uri.as_deref().unwrap_or(TOKENS))?;
    let missing = || unfit("a member of the file is missing");
    let body = match file.kind.as_str() {
        "service_account" => {
            let (email, key) = file.client_email.zip(file.private_key).ok_or_else(missing)?;
            let now = account.clock.now().0 / 1_000_000;
            let claims = json!({"iss": email, "scope": SCOPE, "aud": uri, "iat": now, "exp": now + 3600});
            let assertion = jwt::rs256(&claims.to_string(), file.private_key_id.as_deref(), &key)
                .map_err(|error| unfit(&error.to_string()))?;
            form(&[
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", &assertion),
            ])
        }
        "authorized_user" => {
            let (id, secret) = file.client_id.zip(file.client_secret).ok_or_else(missing)?;
            let refresh = file.refresh_token.ok_or_else(missing)?;
            form(&[
                ("grant_type", "refresh_token"),
                ("client_id", &id),
                ("client_secret", &secret),
                ("refresh_token", &refresh),
            ])
        }
        kind => {
            return Err(unfit(&format!(
                "credentials of the type {kind} are not supported"
            )));
        }
    };
    let request = account
        .http
        .post(&uri)
        .header("content-type", FORM)
        .body(body.as_bytes().to_vec());
    token(&send(request).await?)
}

async fn by_metadata(account: &Account) -> Result<Found, KmsError> {
    let host = account.ambient.get("GCE_METADATA_HOST").unwrap_or(METADATA);
    let url = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
    let request = account.http.get(&url).header("metadata-flavor", "Google");
    let answer = send(request).await.map_err(|error| {
        KmsError::new(
            KmsFault::Denied,
            format!(
                "there are no Google credentials: no file, and no metadata server ({})",
                error.detail
            ),
        )
    })?;
    token(&answer)
}

fn token(answer: &Answer) -> Result<Found, KmsError> {
    if answer.is_success() {
        let token: Token = answer.json()?;
        return Ok((token.access_token.0, Some(Duration::from_secs(token.expires_in))));
    }
    let said: Failure = answer.json().unwrap_or_default();
    let fault = match answer.status {
        429 => KmsFault::Throttled,
        500.. => KmsFault::Unavailable,
        _ => KmsFault::Denied,
    };
    Err(KmsError::new(
        fault,
        format!("Google gave no token: {} {}", said.error, said.error_description),
    ))
}
