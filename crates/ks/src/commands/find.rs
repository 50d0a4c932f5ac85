//! Names to things: every command takes a name or an id.

use keystore_core::ids::{AgentId, ApiKeyId, CredentialId, TokenId};
use keystore_wire::agents::{Agent, ListAgents};
use keystore_wire::api_keys::ApiKey;
use keystore_wire::credentials::{Credential, DEFAULT_NAME, ListCredentials};
use keystore_wire::members::Member;
use keystore_wire::tokens::{ListTokens, Token, TokenStatus};

use super::Context;
use crate::output::advice;

/// The most entries of a list that are looked through.
pub(crate) const MOST: usize = 100_000;

impl Context<'_> {
    /// The agent with this name or id.
    ///
    /// # Errors
    /// There is none, or several projects have one.
    pub(crate) async fn agent(&self, name: &str) -> anyhow::Result<Agent> {
        if name.parse::<AgentId>().is_ok() {
            return self.client.get(&["agents", name], &()).await;
        }
        let found = one_of(
            self.agents().await?,
            name,
            "agent",
            "ks agent list",
            |agent| &agent.name,
            |_| true,
        )?;
        // The list does not say where the budget stands.
        self.client.get(&["agents", &found.id.to_string()], &()).await
    }

    /// Every agent of the project.
    pub(crate) async fn agents(&self) -> anyhow::Result<Vec<Agent>> {
        let query = ListAgents {
            project: self.settings.project.clone(),
            ..ListAgents::default()
        };
        self.client.list(&["agents"], &query, MOST).await
    }

    /// The token with this name or id. Of several with one name, the one that still holds.
    ///
    /// # Errors
    /// There is none, or several could be meant.
    pub(crate) async fn token(&self, name: &str) -> anyhow::Result<Token> {
        if name.parse::<TokenId>().is_ok() {
            return self.client.get(&["tokens", name], &()).await;
        }
        let tokens: Vec<Token> = self
            .client
            .list(&["tokens"], &ListTokens::default(), MOST)
            .await?;
        one_of(
            tokens,
            name,
            "token",
            "ks token list",
            |token| &token.name,
            |token| token.status == TokenStatus::Active,
        )
    }

    /// The member with this address, name or id.
    ///
    /// # Errors
    /// There is none, or several could be meant.
    pub(crate) async fn member(&self, name: &str) -> anyhow::Result<Member> {
        let members: Vec<Member> = self.client.list(&["members"], &(), MOST).await?;
        let given = name.to_lowercase();
        let exactly = |member: &&Member| member.email == given || member.user_id.to_string() == name;
        if let Some(member) = members.iter().find(exactly) {
            return Ok(member.clone());
        }
        one_of(
            members,
            name,
            "member",
            "ks member list",
            |member| &member.name,
            |_| true,
        )
    }

    /// The management key with this name or id; of several with one name, the one that still holds.
    ///
    /// # Errors
    /// There is none.
    pub(crate) async fn api_key(&self, name: &str) -> anyhow::Result<ApiKey> {
        if name.parse::<ApiKeyId>().is_ok() {
            return self.client.get(&["api-keys", name], &()).await;
        }
        one_of(
            self.client.list(&["api-keys"], &(), MOST).await?,
            name,
            "management key",
            "ks api-key list",
            |key: &ApiKey| &key.name,
            |key| key.revoked_at.is_none(),
        )
    }

    /// The credential that is written `openai`, `openai/staging` or by its id.
    ///
    /// # Errors
    /// There is none, or several could be meant.
    pub(crate) async fn credential(&self, text: &str) -> anyhow::Result<Credential> {
        if text.parse::<CredentialId>().is_ok() {
            return self.client.get(&["credentials", text], &()).await;
        }
        let (provider, name) = match text.split_once('/') {
            Some((provider, name)) => (provider, Some(name)),
            None => (text, None),
        };
        let query = ListCredentials {
            project: self.settings.project.clone(),
            provider: Some(provider.to_owned()),
            ..ListCredentials::default()
        };
        let credentials: Vec<Credential> = self.client.list(&["credentials"], &query, MOST).await?;
        choose_credential(credentials, provider, name)
    }
}

/// The named one; without a name the only one, else the one named `default`.
fn choose_credential(
    mut credentials: Vec<Credential>,
    provider: &str,
    name: Option<&str>,
) -> anyhow::Result<Credential> {
    let names: Vec<_> = credentials
        .iter()
        .map(|one| format!("{provider}/{}", one.name))
        .collect();
    let wanted = match name {
        None if credentials.len() == 1 => return Ok(credentials.remove(0)),
        name => name.unwrap_or(DEFAULT_NAME),
    };
    match credentials
        .into_iter()
        .find(|credential| credential.name == wanted)
    {
        Some(credential) => Ok(credential),
        None if names.is_empty() => Err(advice(
            format!("no key for `{provider}` is stored"),
            format!("store one with `ks provider add {provider}`; `ks provider list` shows what there is"),
        )),
        None => Err(advice(
            format!("several keys for `{provider}` could be meant, or none is called that"),
            format!("name one of: {}", names.join(", ")),
        )),
    }
}

/// The one entry with this name; of several, the one that is preferred.
fn one_of<T>(
    entries: Vec<T>,
    name: &str,
    kind: &str,
    list: &str,
    name_of: impl Fn(&T) -> &String,
    preferred: impl Fn(&T) -> bool,
) -> anyhow::Result<T> {
    let mut named: Vec<T> = entries
        .into_iter()
        .filter(|entry| name_of(entry) == name)
        .collect();
    if named.len() > 1 && named.iter().any(&preferred) {
        named.retain(&preferred);
    }
    match (named.pop(), named.len()) {
        (Some(entry), 0) => Ok(entry),
        (Some(_), _) => Err(advice(
            format!("several {kind}s are called `{name}`"),
            format!("give the id instead; `{list} --output json` shows the ids"),
        )),
        (None, _) => Err(advice(
            format!("there is no {kind} `{name}`"),
            format!("`{list}` shows them"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_one_thing() {
        let entries = || {
            vec![
                ("a".to_owned(), true),
                ("b".to_owned(), true),
                ("b".to_owned(), false),
            ]
        };
        let find = |name: &str, keep: bool| {
            one_of(
                entries(),
                name,
                "token",
                "ks token list",
                |entry| &entry.0,
                move |entry| keep && entry.1,
            )
            .map_err(|error| error.to_string())
        };
        assert_eq!(find("a", true), Ok(("a".to_owned(), true)));
        assert_eq!(find("b", true), Ok(("b".to_owned(), true)));
        assert_eq!(find("b", false), Err("several tokens are called `b`".to_owned()));
        assert_eq!(find("c", true), Err("there is no token `c`".to_owned()));
    }

    fn credential(name: &str) -> Credential {
        serde_json::from_value(serde_json::json!({
            "id": "crd_01jd3w8f0qe7ys4c9p2m5n6r7t", "projectId": "prj_01jd3w8f0qe7ys4c9p2m5n6r7t",
            "provider": "openai", "name": name, "source": "byok", "status": "active", "version": 1, "params": {},
            "labels": [], "agreements": {}, "createdAt": "2026-11-23T09:30:00Z", "updatedAt": "2026-11-23T09:30:00Z"
        }))
        .unwrap()
    }

    #[test]
    fn which_credential_is_meant() {
        let choose = |names: &[&str], name| {
            choose_credential(
                names.iter().map(|name| credential(name)).collect(),
                "openai",
                name,
            )
            .map(|found| found.name)
            .map_err(|error| error.to_string())
        };
        assert_eq!(choose(&["staging"], None), Ok("staging".to_owned()));
        assert_eq!(choose(&["default", "staging"], None), Ok("default".to_owned()));
        assert_eq!(
            choose(&["default", "staging"], Some("staging")),
            Ok("staging".to_owned())
        );
        assert!(choose(&["a", "b"], None).unwrap_err().contains("several"));
        assert!(choose(&[], None).unwrap_err().contains("no key"));
    }
}
