//! Storing keys that were found: all of them or none.

use std::collections::{BTreeMap, BTreeSet};

use keystore_catalog::Provider;
use keystore_wire::credentials::{Credential, DEFAULT_NAME, ListCredentials, VerifyFirst};
use serde_json::{Value, json};

use super::super::find::MOST;
use super::super::name_of_key;
use super::Context;

/// A key that is to be stored.
pub(super) struct Key<'a> {
    pub(super) provider: &'static Provider,
    /// The name that it has where `default` is taken.
    pub(super) label: &'a str,
    pub(super) secret: &'a str,
    pub(super) base_url: Option<&'a str>,
    pub(super) params: BTreeMap<String, String>,
}

/// Names for keys that no other credential of their provider has, in the order of the keys.
pub(super) async fn names(keys: &[Key<'_>], context: &Context<'_>) -> anyhow::Result<Vec<String>> {
    let query = ListCredentials {
        project: context.settings.project.clone(),
        ..ListCredentials::default()
    };
    let there: Vec<Credential> = context.client.list(&["credentials"], &query, MOST).await?;
    let mut taken = there.into_iter().map(|one| (one.provider, one.name)).collect();
    Ok(keys
        .iter()
        .map(|key| free_name(key.provider.slug.as_ref(), key.label, &mut taken))
        .collect())
}

fn free_name(slug: &str, label: &str, taken: &mut BTreeSet<(String, String)>) -> String {
    let own: String = label
        .to_ascii_lowercase()
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let own = own.trim_matches('-').to_owned();
    let numbered = (2..).map(|number| format!("{own}-{number}"));
    let mut names = [DEFAULT_NAME.to_owned(), own.clone()].into_iter().chain(numbered);
    let mut taken_or = |name: &String| taken.insert((slug.to_owned(), name.clone()));
    names.find(|name| taken_or(name)).unwrap_or(own)
}

/// Stores keys under these names; `verify` asks each vendor first whether its key works.
///
/// # Errors
/// One is refused. Those before it are deleted again.
pub(super) async fn store(
    keys: &[Key<'_>],
    names: &[String],
    verify: bool,
    context: &Context<'_>,
) -> anyhow::Result<Vec<Credential>> {
    let mut stored = Vec::with_capacity(keys.len());
    for (key, name) in keys.iter().zip(names) {
        let slug = key.provider.slug.as_ref();
        let verify = VerifyFirst {
            verify: verify && key.provider.verify.is_some(),
        };
        let _working = context.output.working(&format!("Storing {slug}/{name}"));
        let made = context
            .client
            .post_with(&["credentials"], &verify, &body(key, name, context))
            .await;
        match made {
            Ok(made) => stored.push(made),
            Err(error) => {
                context
                    .output
                    .warn(&format!("the key `{}` ({slug}) is not stored", key.label));
                undo(&stored, context).await;
                return Err(error);
            }
        }
    }
    Ok(stored)
}

fn body(key: &Key<'_>, name: &str, context: &Context<'_>) -> Value {
    let mut body = json!({
        "provider": key.provider.slug,
        "name": name,
        "secret": key.secret,
        "params": key.params,
    });
    let project = context.settings.project.as_deref();
    for (member, value) in [("project", project), ("baseUrl", key.base_url)] {
        if let Some(value) = value {
            body[member] = value.into();
        }
    }
    body
}

/// Deletes what was stored, because what it was stored for failed. Says what could not be deleted.
pub(super) async fn undo(stored: &[Credential], context: &Context<'_>) {
    for one in stored {
        let id = one.id.to_string();
        if context.client.delete_forced(&["credentials", &id]).await.is_err() {
            context.output.warn(&format!(
                "the key `{0}` stays stored; `ks provider remove {0}` deletes it",
                name_of_key(one)
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_once() {
        let mut taken = BTreeSet::from([("openai".to_owned(), "default".to_owned())]);
        let mut name = |slug: &str| free_name(slug, "LLM_KEY", &mut taken);
        assert_eq!(name("anthropic"), "default");
        assert_eq!(name("openai"), "llm-key");
        assert_eq!(name("openai"), "llm-key-2");
    }
}
