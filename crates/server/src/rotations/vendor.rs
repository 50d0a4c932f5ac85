//! Making, listing and revoking keys at their vendors.
//!
//! OpenAI: a key is that of a service account of its own, which is made with a name, listed by it, and deleted with its key
//! (`/v1/organization/projects/{project}/service_accounts`). OpenRouter: keys are made with a name and known by a hash
//! (`/api/v1/keys`). Every call goes through [`Proxy::administer`](keystore_proxy::Proxy::administer) with a credential of the operator's
//! organization; a new secret goes from the answer into the vault's intake and nowhere else.

use std::pin::Pin;

use bytes::Bytes;
use http::Method;
use keystore_core::rotation::{Driver, VendorKey};
use keystore_proxy::{OwnAnswer, OwnRequest};
use keystore_store::credentials::{self, Credential};
use keystore_store::rotations::Rotation;
use keystore_vault::intake::Given;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;

/// So many pages of a list are read before it is given up: a list that is not whole decides nothing.
const MOST_PAGES: usize = 200;

/// The answer of a driver, when it comes.
pub(super) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// A vendor did not do what it was asked, in words for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Failure(String);

/// A key that was just made.
pub(super) struct Minted {
    /// The vendor's id of it.
    pub(super) id: String,
    /// The secret.
    pub(super) secret: Given,
}

/// A vendor's API for keys.
pub(super) trait KeyDriver: Send + Sync {
    /// All keys that the vendor has.
    fn list(&self) -> Answer<'_, Vec<VendorKey>>;

    /// Makes a key. Where no answer comes, it may have been made.
    fn mint<'a>(&'a self, name: &'a str) -> Answer<'a, Minted>;

    /// Revokes a key. That it is gone already is as good.
    fn revoke<'a>(&'a self, id: &'a str) -> Answer<'a, ()>;
}

/// The provider whose credentials a driver's API takes; `None` where there is no API.
pub(super) const fn admin_provider(driver: Driver) -> Option<&'static str> {
    match driver {
        Driver::OpenAi => Some("openai-admin"),
        Driver::OpenRouter => Some("openrouter"),
        Driver::Manual => None,
    }
}

/// The provider whose keys a driver makes; `None` for all.
pub(super) const fn provider(driver: Driver) -> Option<&'static str> {
    match driver {
        Driver::OpenAi => Some("openai"),
        Driver::OpenRouter => Some("openrouter"),
        Driver::Manual => None,
    }
}

/// The API by which a rotation makes keys; `None` where the operator does.
///
/// # Errors
/// `not_found`: the credential that the API takes is gone.
pub(super) async fn driver<'a>(
    app: &'a App,
    rotation: &Rotation,
) -> ApiResult<Option<Box<dyn KeyDriver + 'a>>> {
    let Some(admin) = rotation.admin else {
        return Ok(None);
    };
    let row = credentials::get(&mut app.store.read().await?, rotation.org, admin).await?;
    let admin = row.ok_or_else(|| ApiError::not_found("credential for the vendor's API for keys"))?;
    let account = rotation.account.clone().unwrap_or_default();
    let api = Api { app, admin };
    Ok(match rotation.driver {
        Driver::OpenAi => Some(Box::new(OpenAi {
            api,
            project: account,
        })),
        Driver::OpenRouter => Some(Box::new(OpenRouter { api })),
        Driver::Manual => None,
    })
}

/// A vendor's API, with the credential that it takes.
struct Api<'a> {
    app: &'a App,
    admin: Credential,
}

impl Api<'_> {
    async fn ask(
        &self,
        operation: &'static str,
        method: Method,
        (path, query): (String, Option<String>),
        body: Option<Bytes>,
    ) -> Result<OwnAnswer, Failure> {
        let request = OwnRequest {
            operation,
            method,
            alias: String::new(),
            path,
            query,
            body,
        };
        let answer = self.app.administer(&self.admin, request).await;
        answer
            .map_err(|error| Failure(error.to_string()))?
            .map_err(|unanswered| Failure(format!("{} gave no answer: {unanswered}", self.admin.provider)))
    }

    fn read<T: DeserializeOwned>(&self, answer: &OwnAnswer) -> Result<T, Failure> {
        match answer.status {
            // What is wrong with an answer is not repeated: it may hold a secret.
            200..=299 => serde_json::from_slice(&answer.body).map_err(|_| {
                Failure(format!(
                    "{} answered in a form that is not known",
                    self.admin.provider
                ))
            }),
            status => Err(self.refused(status)),
        }
    }

    fn done(&self, answer: &OwnAnswer) -> Result<(), Failure> {
        match answer.status {
            200..=299 | 404 => Ok(()),
            status => Err(self.refused(status)),
        }
    }

    fn refused(&self, status: u16) -> Failure {
        let (provider, name) = (&self.admin.provider, &self.admin.name);
        Failure(match status {
            401 | 403 => format!("{provider} does not let the credential `{name}` manage keys ({status})"),
            _ => format!("{provider} answered {status}"),
        })
    }
}

const LIST: &str = "keys.list";
const MINT: &str = "keys.mint";
const REVOKE: &str = "keys.revoke";

struct OpenAi<'a> {
    api: Api<'a>,
    project: String,
}

#[derive(Deserialize)]
struct ServiceAccounts {
    data: Vec<VendorAccount>,
    has_more: bool,
    last_id: Option<String>,
}

#[derive(Deserialize)]
struct VendorAccount {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct NewAccount {
    id: String,
    api_key: NewSecret,
}

#[derive(Deserialize)]
struct NewSecret {
    value: Given,
}

impl OpenAi<'_> {
    fn path(&self) -> String {
        format!("/v1/organization/projects/{}/service_accounts", self.project)
    }
}

impl KeyDriver for OpenAi<'_> {
    fn list(&self) -> Answer<'_, Vec<VendorKey>> {
        Box::pin(async move {
            let mut found = Vec::new();
            let mut query = "limit=100".to_owned();
            for _ in 0..MOST_PAGES {
                let at = (self.path(), Some(query));
                let answer = self.api.ask(LIST, Method::GET, at, None).await?;
                let page: ServiceAccounts = self.api.read(&answer)?;
                found.extend(page.data.into_iter().map(|account| VendorKey {
                    id: account.id,
                    name: account.name,
                }));
                match page.last_id.filter(|_| page.has_more) {
                    None => return Ok(found),
                    Some(last) => query = format!("limit=100&after={}", in_url(&last)?),
                }
            }
            Err(endless())
        })
    }

    fn mint<'a>(&'a self, name: &'a str) -> Answer<'a, Minted> {
        Box::pin(async move {
            let body = Bytes::from(json!({"name": name}).to_string());
            let answer = self
                .api
                .ask(MINT, Method::POST, (self.path(), None), Some(body))
                .await?;
            let made: NewAccount = self.api.read(&answer)?;
            Ok(Minted {
                id: made.id,
                secret: made.api_key.value,
            })
        })
    }

    fn revoke<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let path = format!("{}/{}", self.path(), in_url(id)?);
            let answer = self.api.ask(REVOKE, Method::DELETE, (path, None), None).await?;
            self.api.done(&answer)
        })
    }
}

struct OpenRouter<'a> {
    api: Api<'a>,
}

#[derive(Deserialize)]
struct RouterKeys {
    data: Vec<RouterKey>,
}

#[derive(Deserialize)]
struct RouterKey {
    hash: String,
    name: String,
}

#[derive(Deserialize)]
struct NewRouterKey {
    data: RouterKey,
    key: Given,
}

const ROUTER_KEYS: &str = "/api/v1/keys";

impl KeyDriver for OpenRouter<'_> {
    fn list(&self) -> Answer<'_, Vec<VendorKey>> {
        Box::pin(async move {
            let mut found: Vec<VendorKey> = Vec::new();
            for _ in 0..MOST_PAGES {
                let query = format!("include_disabled=true&offset={}", found.len());
                let at = (ROUTER_KEYS.to_owned(), Some(query));
                let answer = self.api.ask(LIST, Method::GET, at, None).await?;
                let page: RouterKeys = self.api.read(&answer)?;
                if page.data.is_empty() {
                    return Ok(found);
                }
                found.extend(page.data.into_iter().map(|key| VendorKey {
                    id: key.hash,
                    name: key.name,
                }));
            }
            Err(endless())
        })
    }

    fn mint<'a>(&'a self, name: &'a str) -> Answer<'a, Minted> {
        Box::pin(async move {
            let body = Bytes::from(json!({"name": name}).to_string());
            let at = (ROUTER_KEYS.to_owned(), None);
            let answer = self.api.ask(MINT, Method::POST, at, Some(body)).await?;
            let made: NewRouterKey = self.api.read(&answer)?;
            Ok(Minted {
                id: made.data.hash,
                secret: made.key,
            })
        })
    }

    fn revoke<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let path = format!("{ROUTER_KEYS}/{}", in_url(id)?);
            let answer = self.api.ask(REVOKE, Method::DELETE, (path, None), None).await?;
            self.api.done(&answer)
        })
    }
}

fn endless() -> Failure {
    Failure("the vendor's list of keys does not end".to_owned())
}

/// An id that may stand in a URL as it is.
pub(super) fn in_url(id: &str) -> Result<&str, Failure> {
    let is_plain = !id.is_empty()
        && id.len() <= 200
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_plain
        .then_some(id)
        .ok_or_else(|| Failure("the vendor's id of a key has a form that is not known".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_change_a_url() {
        assert_eq!(in_url("svc_acct-1A"), Ok("svc_acct-1A"));
        for id in ["", "..", "a/b", "a?b", "a%2fb", "ä"] {
            assert!(in_url(id).is_err(), "{id}");
        }
    }
}
