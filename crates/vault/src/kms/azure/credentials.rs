//! Who the server is at Azure, found as Azure's own libraries find it: a client secret or a federated token (workload identity) of
//! the environment, else the managed identity of the machine or the app.
//!
//! Not here: client certificates, and the sign-in of the Azure CLI, which need a person or another program.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::Account;
use crate::kms::ambient::text_of;
use crate::kms::http::{Answer, FORM, Hidden, checked, form, send};
use crate::kms::{KmsError, KmsFault};

/// Where tokens are.
const AUTHORITY: &str = "https://login.microsoftonline.com";
/// Where a machine asks.
const IMDS: &str = "http://169.254.169.254";
/// What a federated token is.
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

type Found = (Zeroizing<String>, Option<Duration>);

#[derive(Deserialize)]
struct Token {
    access_token: Hidden,
    /// A number, or a number as a text.
    #[serde(default)]
    expires_in: Value,
}

#[derive(Deserialize, Default)]
struct Failure {
    #[serde(default)]
    error: Value,
    #[serde(default)]
    error_description: String,
}

/// The first identity that the chain has, as an access token for a resource.
pub(super) async fn find(account: &Account, resource: &str) -> Result<Found, KmsError> {
    let env = |name| account.ambient.get(name);
    if let (Some(tenant), Some(client)) = (env("AZURE_TENANT_ID"), env("AZURE_CLIENT_ID")) {
        if let Some(secret) = env("AZURE_CLIENT_SECRET") {
            return by_client(account, resource, (tenant, client), &[("client_secret", secret)]).await;
        }
        if let Some(file) = env("AZURE_FEDERATED_TOKEN_FILE") {
            let token = text_of(Path::new(file))?;
            let proof = [
                ("client_assertion_type", ASSERTION),
                ("client_assertion", token.as_str()),
            ];
            return by_client(account, resource, (tenant, client), &proof).await;
        }
    }
    by_machine(account, resource).await
}

async fn by_client(
    account: &Account,
    resource: &str,
    (tenant, client): (&str, &str),
    proof: &[(&str, &str)],
) -> Result<Found, KmsError> {
    let authority = account.ambient.get("AZURE_AUTHORITY_HOST").unwrap_or(AUTHORITY);
    let scope = format!("{resource}/.default");
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_id", client),
        ("scope", &scope),
    ];
    fields.extend_from_slice(proof);
    let url = format!("{}/{tenant}/oauth2/v2.0/token", checked(authority)?);
    let request = account
        .http
        .post(&url)
        .header("content-type", FORM)
        .body(form(&fields).as_bytes().to_vec());
    token(&send(request).await?)
}

/// The managed identity: of an app, by the endpoint that its environment names, else of the machine.
async fn by_machine(account: &Account, resource: &str) -> Result<Found, KmsError> {
    let env = |name| account.ambient.get(name);
    let client = env("AZURE_CLIENT_ID").map(|client| ("client_id", client));
    let (url, version, header) = match (env("IDENTITY_ENDPOINT"), env("IDENTITY_HEADER")) {
        (Some(url), Some(secret)) => (url.to_owned(), "2019-08-01", ("x-identity-header", secret)),
        _ => {
            let base = env("AZURE_POD_IDENTITY_AUTHORITY_HOST")
                .unwrap_or(IMDS)
                .trim_end_matches('/');
            let url = format!("{base}/metadata/identity/oauth2/token");
            (url, "2018-02-01", ("metadata", "true"))
        }
    };
    let mut query = vec![("api-version", version), ("resource", resource)];
    query.extend(client);
    let request = account.http.get(&url).query(&query).header(header.0, header.1);
    let answer = send(request).await.map_err(|error| {
        KmsError::new(
            KmsFault::Denied,
            format!(
                "there is no Azure identity: none in the environment, and no managed one ({})",
                error.detail
            ),
        )
    })?;
    token(&answer)
}

fn token(answer: &Answer) -> Result<Found, KmsError> {
    if answer.is_success() {
        let token: Token = answer.json()?;
        let seconds = token
            .expires_in
            .as_u64()
            .or_else(|| token.expires_in.as_str()?.parse().ok());
        return Ok((token.access_token.0, seconds.map(Duration::from_secs)));
    }
    let said: Failure = answer.json().unwrap_or_default();
    let fault = match answer.status {
        429 => KmsFault::Throttled,
        500.. => KmsFault::Unavailable,
        _ => KmsFault::Denied,
    };
    let error = said.error.as_str().unwrap_or_default();
    Err(KmsError::new(
        fault,
        format!("Azure gave no token: {error} {}", said.error_description),
    ))
}
