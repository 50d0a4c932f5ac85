//! The APIs by which vendors make, list and revoke keys: OpenAI's service accounts and OpenRouter's keys. What is made here is expected
//! from then on, and what is revoked is not.
//!
//! Pages are of three entries, so that nobody gets by with the first.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::credential::{Credential, Slot};
use super::vendors::{Call, Reply};

const PAGE: usize = 3;
const CREATED: u64 = 1_795_000_000;

/// A key that the vendor has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeKey {
    /// The vendor's id of it.
    pub id: String,
    /// The name that it was made with.
    pub name: String,
    /// The secret.
    pub secret: String,
}

/// The keys of a vendor's account.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// What the APIs for keys take; without one there are none.
    admin: Option<String>,
    made: usize,
    keys: Vec<MadeKey>,
}

/// What a request has changed.
pub(super) enum Changed {
    Made(Credential),
    Revoked(Credential),
}

fn bearer(secret: &str) -> Credential {
    Credential {
        slot: Slot::Bearer,
        value: secret.to_owned(),
    }
}

impl Keys {
    /// From now on keys can be made with `admin`.
    pub(super) fn open(&mut self, admin: &str) -> Credential {
        self.admin = Some(admin.to_owned());
        bearer(admin)
    }

    /// A key that somebody made by hand.
    pub(super) fn add(&mut self, name: &str, secret: &str) -> (MadeKey, Credential) {
        self.made += 1;
        let key = MadeKey {
            id: format!("svc_acct_{}", self.made),
            name: name.to_owned(),
            secret: secret.to_owned(),
        };
        self.keys.push(key.clone());
        (key, bearer(secret))
    }

    pub(super) fn all(&self) -> Vec<MadeKey> {
        self.keys.clone()
    }

    /// The answer, where the path is one of these APIs.
    pub(super) fn answer(&mut self, call: &Call<'_>) -> Option<(Reply, Option<Changed>)> {
        let admin = self.admin.clone()?;
        let parts: Vec<&str> = call.path.trim_matches('/').split('/').collect();
        let (is_openai, id) = match parts[..] {
            ["v1", "organization", "projects", _, "service_accounts"] => (true, None),
            ["v1", "organization", "projects", _, "service_accounts", id] => (true, Some(id)),
            ["api", "v1", "keys"] => (false, None),
            ["api", "v1", "keys", hash] => (false, Some(hash)),
            _ => return None,
        };
        if call.key != admin {
            let message = json!({"error": {"message": "Missing or wrong permissions.", "code": 401}});
            return Some((Reply::json(StatusCode::UNAUTHORIZED, &message), None));
        }
        let body: Value = serde_json::from_slice(call.body).unwrap_or_default();
        Some(match (call.method, id) {
            (&Method::POST, None) => self.make(is_openai, body["name"].as_str().unwrap_or_default()),
            (&Method::GET, None) if is_openai => (self.service_accounts(call.query), None),
            (&Method::GET, None) => (self.keys_of_openrouter(call.query), None),
            (&Method::DELETE, Some(id)) => self.revoke(is_openai, id),
            _ => (missing(), None),
        })
    }

    fn make(&mut self, is_openai: bool, name: &str) -> (Reply, Option<Changed>) {
        self.made += 1;
        let number = self.made;
        let (id, secret) = match is_openai {
            true => (
                format!("svc_acct_{number}"),
                format!("sk-svcacct-fake{number:036}"),
            ),
            false => (
                format!("{number:064x}"),
                format!("sk-or-v1-{:064x}", number + 0xfa_ce00),
            ),
        };
        let body = match is_openai {
            true => json!({
                "object": "organization.project.service_account", "id": id, "name": name, "role": "member", "created_at": CREATED,
                "api_key": {
                    "object": "organization.project.service_account.api_key", "value": secret, "name": "Secret Key",
                    "created_at": CREATED, "id": format!("key_{number}"),
                },
            }),
            false => json!({"data": entry(&id, name), "key": secret}),
        };
        let status = if is_openai {
            StatusCode::OK
        } else {
            StatusCode::CREATED
        };
        self.keys.push(MadeKey {
            id,
            name: name.to_owned(),
            secret: secret.clone(),
        });
        (Reply::json(status, &body), Some(Changed::Made(bearer(&secret))))
    }

    fn service_accounts(&self, query: &str) -> Reply {
        let after = member(query, "after");
        let from = after.and_then(|after| self.keys.iter().position(|key| key.id == after));
        let rest = &self.keys[from.map_or(0, |at| at + 1)..];
        let page = &rest[..rest.len().min(PAGE)];
        let data: Vec<_> = page
            .iter()
            .map(|key| {
                json!({
                    "object": "organization.project.service_account", "id": key.id, "name": key.name, "role": "member",
                    "created_at": CREATED,
                })
            })
            .collect();
        Reply::ok(&json!({
            "object": "list", "data": data, "has_more": rest.len() > PAGE,
            "first_id": page.first().map(|key| &key.id), "last_id": page.last().map(|key| &key.id),
        }))
    }

    fn keys_of_openrouter(&self, query: &str) -> Reply {
        let offset = member(query, "offset")
            .and_then(|offset| offset.parse().ok())
            .unwrap_or(0);
        let page = self.keys.iter().skip(offset).take(PAGE);
        let data: Vec<_> = page.map(|key| entry(&key.id, &key.name)).collect();
        Reply::ok(&json!({"data": data}))
    }

    fn revoke(&mut self, is_openai: bool, id: &str) -> (Reply, Option<Changed>) {
        let Some(at) = self.keys.iter().position(|key| key.id == id) else {
            return (missing(), None);
        };
        let key = self.keys.remove(at);
        let body = match is_openai {
            true => {
                json!({"object": "organization.project.service_account.deleted", "id": id, "deleted": true})
            }
            false => json!({"deleted": true}),
        };
        (Reply::ok(&body), Some(Changed::Revoked(bearer(&key.secret))))
    }
}

fn entry(hash: &str, name: &str) -> Value {
    json!({
        "hash": hash, "name": name, "label": "sk-or-v1-fak...ake", "disabled": false, "limit": null, "limit_remaining": null,
        "usage": 0, "created_at": "2026-11-18T11:06:40Z", "updated_at": null,
    })
}

fn missing() -> Reply {
    let body = json!({"error": {"message": "There is no such key.", "type": "invalid_request_error", "code": "not_found"}});
    Reply::json(StatusCode::NOT_FOUND, &body)
}

fn member<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}
