//! The keys behind `ks provider add|list|test|rotate|remove`. They go in and never come out.

use std::collections::BTreeMap;

use clap::Args;
use keystore_wire::credentials::{Credential, CredentialTest, DEFAULT_NAME, ListCredentials, TestVerdict};
use keystore_wire::providers::Provider;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::find::MOST;
use super::{Context, date};
use crate::cli::{SecretArgs, name_and_value};
use crate::output::{advice, facts, table};
use crate::secret_input::{self, Wanted};

/// `ks provider add`.
#[derive(Args)]
pub(crate) struct AddArgs {
    /// The provider
    provider: String,
    /// The key's name, where one provider has several
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    secret: SecretArgs,
    /// What the provider's address needs to be given; may be given several times
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = name_and_value)]
    params: Vec<(String, String)>,
    /// The address of a self-hosted provider
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// A label, such as phi
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// Do not ask the provider whether the key works
    #[arg(long)]
    no_verify: bool,
}

/// `ks provider test`.
#[derive(Args)]
pub(crate) struct TestArgs {
    /// The provider, PROVIDER/NAME, or the key's id
    credential: String,
}

/// `ks provider rotate`.
#[derive(Args)]
pub(crate) struct RotateArgs {
    /// The provider, PROVIDER/NAME, or the key's id
    credential: String,
    #[command(flatten)]
    secret: SecretArgs,
    /// Do not ask the provider whether the key works
    #[arg(long)]
    no_verify: bool,
}

/// `ks provider remove`.
#[derive(Args)]
pub(crate) struct RemoveArgs {
    /// The provider, PROVIDER/NAME, or the key's id
    credential: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// The name by which commands know a credential.
pub(super) fn name_of(credential: &Credential) -> String {
    if credential.name == DEFAULT_NAME {
        credential.provider.clone()
    } else {
        format!("{}/{}", credential.provider, credential.name)
    }
}

/// The stored keys of a provider.
pub(super) async fn of_provider(context: &Context<'_>, slug: &str) -> anyhow::Result<Vec<Credential>> {
    let query = ListCredentials {
        project: context.settings.project.clone(),
        provider: Some(slug.to_owned()),
        ..ListCredentials::default()
    };
    context.client.list(&["credentials"], &query, MOST).await
}

/// `ks provider list`.
pub(super) async fn list(context: &Context<'_>) -> anyhow::Result<()> {
    let query = ListCredentials {
        project: context.settings.project.clone(),
        ..ListCredentials::default()
    };
    let credentials: Vec<Credential> = context.client.list(&["credentials"], &query, MOST).await?;
    if credentials.is_empty() {
        context.output.note("No key is stored; `ks provider add <provider>` stores one, `ks provider list --all` shows the providers");
    }
    context.output.data(&credentials, || {
        let rows = credentials.iter().map(|credential| {
            [
                name_of(credential),
                credential.source.as_str().to_owned(),
                credential.status.as_str().to_owned(),
                date(credential.created_at),
            ]
        });
        table(["NAME", "SOURCE", "STATUS", "ADDED"], rows)
    })
}

/// `ks provider add`.
pub(super) async fn add(args: AddArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let provider: Provider = context.client.get(&["providers", &args.provider], &()).await?;
    let given: BTreeMap<_, _> = args.params.iter().cloned().collect();
    let missing: Vec<_> = provider
        .params
        .iter()
        .filter(|param| !given.contains_key(&param.name))
        .collect();
    // With a base URL of its own, a credential needs none of the parameters of the usual one.
    if let (Some(param), None) = (missing.first(), &args.base_url) {
        return Err(advice(
            format!("{} needs `{}`: {}", provider.name, param.name, param.description),
            format!("add `--param {}=…`", param.name),
        ));
    }
    if provider.base_url.is_none() && args.base_url.is_none() {
        return Err(advice(
            format!("{} has no address of its own", provider.name),
            "add `--base-url`",
        ));
    }
    let fields = secret_input::fields(&args.secret, &wanted(&provider), context.output)?;
    warn_of_shape(&args.provider, &fields, context);
    let mut body = json!({
        "provider": args.provider,
        "secret": secret(&fields),
        "params": given,
        "labels": args.labels,
    });
    for (member, value) in [
        ("name", args.name),
        ("project", context.settings.project.clone()),
        ("baseUrl", args.base_url),
    ] {
        if let Some(value) = value {
            body[member] = Value::String(value);
        }
    }
    let credential: Credential = context.client.post(&["credentials"], &body).await?;
    context
        .output
        .note(&format!("Stored the key `{}`, sealed", name_of(&credential)));
    finish(credential, args.no_verify || !provider.testable, context).await
}

fn wanted(provider: &Provider) -> Vec<Wanted> {
    let fields = provider.fields.iter().map(|field| Wanted {
        name: field.name.clone(),
        label: format!("{} {}", provider.name, field.label),
        required: field.required,
    });
    fields.collect()
}

fn secret(fields: &BTreeMap<String, Zeroizing<String>>) -> Value {
    fields
        .iter()
        .map(|(name, value)| (name.clone(), Value::String(value.to_string())))
        .collect()
}

/// Verifies what was stored, and shows it.
async fn finish(credential: Credential, no_verify: bool, context: &Context<'_>) -> anyhow::Result<()> {
    if no_verify {
        return show(&credential, context);
    }
    let test = ask_provider(&credential, context).await?;
    match test.verdict {
        TestVerdict::Valid => context
            .output
            .note(&format!("{} accepts it", credential.provider)),
        TestVerdict::Unknown => context
            .output
            .warn(&format!("whether it works is not known: {}", test.detail)),
        TestVerdict::Invalid => {
            return Err(advice(
                format!(
                    "the key is stored, but {} does not accept it: {}",
                    credential.provider, test.detail
                ),
                format!(
                    "`ks provider rotate {}` puts another one in its place",
                    name_of(&credential)
                ),
            ));
        }
    }
    show(&test.credential, context)
}

fn show(credential: &Credential, context: &Context<'_>) -> anyhow::Result<()> {
    context.output.data(credential, || {
        facts([
            ("Name", name_of(credential)),
            ("Id", credential.id.to_string()),
            ("Source", credential.source.as_str().to_owned()),
            ("Status", credential.status.as_str().to_owned()),
            ("Version", credential.version.to_string()),
        ])
    })
}

async fn ask_provider(credential: &Credential, context: &Context<'_>) -> anyhow::Result<CredentialTest> {
    let _working = context
        .output
        .working(&format!("Asking {} whether the key works", credential.provider));
    context
        .client
        .act(&["credentials", &credential.id.to_string(), "test"])
        .await
}

/// `ks provider test`.
pub(super) async fn test(args: &TestArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let credential = context.credential(&args.credential).await?;
    let test = ask_provider(&credential, context).await?;
    context.output.data(&test, || {
        let verdict = match test.verdict {
            TestVerdict::Valid => "valid",
            TestVerdict::Invalid => "invalid",
            TestVerdict::Unknown => "unknown",
        };
        facts([
            ("Name", name_of(&credential)),
            ("Verdict", verdict.to_owned()),
            ("Detail", test.detail.clone()),
            ("Answer", super::or_dash(test.upstream_status)),
            (
                "Took",
                super::or_dash(test.latency_ms.map(|ms| format!("{ms} ms"))),
            ),
        ])
    })?;
    match test.verdict {
        TestVerdict::Valid => Ok(()),
        TestVerdict::Invalid => Err(advice(
            format!(
                "{} does not accept the key `{}`",
                credential.provider,
                name_of(&credential)
            ),
            format!(
                "`ks provider rotate {}` puts another one in its place",
                name_of(&credential)
            ),
        )),
        TestVerdict::Unknown => Err(advice(
            format!("whether the key `{}` works is not known", name_of(&credential)),
            "`ks doctor` checks the server; a call through the proxy shows the rest",
        )),
    }
}

/// `ks provider rotate`.
pub(super) async fn rotate(args: RotateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let credential = context.credential(&args.credential).await?;
    let provider: Provider = context
        .client
        .get(&["providers", &credential.provider], &())
        .await?;
    let fields = secret_input::fields(&args.secret, &wanted(&provider), context.output)?;
    warn_of_shape(&credential.provider, &fields, context);
    let id = credential.id.to_string();
    let body = json!({"secret": secret(&fields)});
    let credential: Credential = context
        .client
        .post(&["credentials", &id, "rotate"], &body)
        .await?;
    context.output.note(&format!(
        "Stored version {} of `{}`; calls that are running end on the old one",
        credential.version,
        name_of(&credential)
    ));
    finish(credential, args.no_verify || !provider.testable, context).await
}

/// `ks provider remove`.
pub(super) async fn remove(args: &RemoveArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let credential = context.credential(&args.credential).await?;
    secret_input::confirm(
        &format!(
            "Delete the key `{}`? It cannot be brought back",
            name_of(&credential)
        ),
        args.yes,
    )?;
    context
        .client
        .delete(&["credentials", &credential.id.to_string()])
        .await?;
    context
        .output
        .note(&format!("Deleted the key `{}`", name_of(&credential)));
    Ok(())
}

/// Says so when a key looks like another provider's.
fn warn_of_shape(slug: &str, fields: &BTreeMap<String, Zeroizing<String>>, context: &Context<'_>) {
    if let Some(key) = fields.get(keystore_wire::secret::MAIN_FIELD)
        && let Some(warning) = shape_warning(slug, key)
    {
        context.output.warn(&warning);
    }
}

fn shape_warning(slug: &str, key: &str) -> Option<String> {
    if key.starts_with(keystore_core::token::PREFIX) && keystore_core::token::is_token(key.as_bytes()) {
        return Some("this is an agent's token, not a provider's key".to_owned());
    }
    let own = keystore_catalog::provider(slug)?;
    let likely = keystore_catalog::recognise_key(key);
    if likely.iter().any(|provider| provider.slug == slug) {
        return None;
    }
    if let Some(other) = likely.first() {
        return Some(format!(
            "this looks like a key of {}, not of {}",
            other.name, own.name
        ));
    }
    let known = own.key_pattern.as_ref().is_some_and(|pattern| pattern.prefixed);
    known.then(|| format!("this does not look like a key of {}", own.name))
}

#[cfg(test)]
mod tests {
    use super::shape_warning;

    #[test]
    fn a_key_of_another_provider_is_noticed() {
        let anthropic = format!("sk-ant-api03-{}", "a".repeat(93));
        let openai = format!("sk-proj-{}", "a".repeat(40));
        assert_eq!(shape_warning("openai", &openai), None);
        assert_eq!(shape_warning("anthropic", &anthropic), None);
        let words = shape_warning("openai", &anthropic).unwrap();
        assert!(
            words.contains("Anthropic") && !words.contains("sk-ant"),
            "{words}"
        );
        assert!(
            shape_warning("openai", "hunter2")
                .unwrap()
                .contains("does not look like")
        );
        let token = format!("ks_{}", "0".repeat(64));
        assert!(shape_warning("openai", &token).unwrap().contains("token"));
        assert_eq!(shape_warning("a-custom-one", "hunter2"), None);
    }
}
