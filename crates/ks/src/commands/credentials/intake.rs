//! `ks provider add` and `ks provider rotate`: a secret is read, and goes to the server to be sealed.

use std::collections::BTreeMap;

use clap::Args;
use keystore_core::Micros;
use keystore_wire::credentials::{Agreement, Credential, CredentialStatus, VerifyFirst};
use keystore_wire::providers::Provider;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::update::agreement;
use super::{Context, name_of, show};
use crate::cli::{SecretArgs, name_and_value};
use crate::complete;
use crate::duration;
use crate::output::advice;
use crate::secret_input::{self, Wanted};

/// `ks provider add`.
#[derive(Args)]
pub(crate) struct AddArgs {
    /// The provider
    #[arg(add = complete::providers())]
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
    /// An agreement with the vendor: its kind, its date, and where it is
    #[arg(long = "agreement", value_name = "KIND=DATE[,LINK]", value_parser = agreement)]
    agreements: Vec<(String, Agreement)>,
    #[command(flatten)]
    dates: Dates,
    /// Do not ask the provider whether the key works
    #[arg(long)]
    no_verify: bool,
}

/// The dates of a key.
#[derive(Args)]
struct Dates {
    /// When the vendor ends the key: 90d, a date, or a time
    #[arg(long, value_name = "WHEN", value_parser = duration::parse_future)]
    expires: Option<Micros>,
    /// When it should be rotated: 90d, a date, or a time
    #[arg(long, value_name = "WHEN", value_parser = duration::parse_future)]
    rotate_after: Option<Micros>,
}

/// `ks provider rotate`.
#[derive(Args)]
pub(crate) struct RotateArgs {
    /// The provider, PROVIDER/NAME, or the key's id
    #[arg(add = complete::credentials())]
    credential: String,
    #[command(flatten)]
    secret: SecretArgs,
    #[command(flatten)]
    dates: Dates,
    /// Do not ask the provider whether the key works
    #[arg(long)]
    no_verify: bool,
}

/// `ks provider add`.
pub(crate) async fn add(args: AddArgs, context: &Context<'_>) -> anyhow::Result<()> {
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
        "agreements": args.agreements.into_iter().collect::<BTreeMap<_, _>>(),
    });
    for (member, value) in [
        ("name", args.name),
        ("project", context.settings.project.clone()),
        ("baseUrl", args.base_url),
        ("expiresAt", args.dates.expires.map(|at| at.to_string())),
        ("rotateAfter", args.dates.rotate_after.map(|at| at.to_string())),
    ] {
        if let Some(value) = value {
            body[member] = Value::String(value);
        }
    }
    let verify = !args.no_verify && provider.testable;
    let credential = store(&["credentials"], verify, &body, context).await?;
    context
        .output
        .note(&format!("Stored the key `{}`, sealed", name_of(&credential)));
    finish(&credential, verify, context)
}

/// `ks provider rotate`.
pub(crate) async fn rotate(args: RotateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let credential = context.credential(&args.credential).await?;
    let provider: Provider = context
        .client
        .get(&["providers", &credential.provider], &())
        .await?;
    let fields = secret_input::fields(&args.secret, &wanted(&provider), context.output)?;
    warn_of_shape(&credential.provider, &fields, context);
    let id = credential.id.to_string();
    let mut body = json!({"secret": secret(&fields)});
    for (member, at) in [
        ("expiresAt", args.dates.expires),
        ("rotateAfter", args.dates.rotate_after),
    ] {
        if let Some(at) = at {
            body[member] = Value::String(at.to_string());
        }
    }
    let verify = !args.no_verify && provider.testable;
    let credential = store(&["credentials", &id, "rotate"], verify, &body, context).await?;
    context.output.note(&format!(
        "Stored version {} of `{}`; calls that are running end on the old one",
        credential.version,
        name_of(&credential)
    ));
    finish(&credential, verify, context)
}

/// Sends a secret to be stored, tried at the vendor first where that is asked for.
async fn store(
    path: &[&str],
    verify: bool,
    body: &Value,
    context: &Context<'_>,
) -> anyhow::Result<Credential> {
    let _working = verify.then(|| {
        context
            .output
            .working("Asking the provider whether the key works")
    });
    context
        .client
        .post_with(path, &VerifyFirst { verify }, body)
        .await
}

/// Says what the vendor thinks of a key that was stored, and shows it.
fn finish(credential: &Credential, verified: bool, context: &Context<'_>) -> anyhow::Result<()> {
    if verified && credential.status == CredentialStatus::Active {
        context
            .output
            .note(&format!("{} accepts it", credential.provider));
    } else if verified {
        context.output.warn(&format!(
            "whether it works is not known: {} gave no clear answer; `ks provider test {}` asks again",
            credential.provider,
            name_of(credential)
        ));
    }
    show(credential, context)
}

pub(crate) fn wanted(provider: &Provider) -> Vec<Wanted> {
    let fields = provider.fields.iter().map(|field| Wanted {
        name: field.name.clone(),
        label: format!("{} {}", provider.name, field.label),
        required: field.required,
    });
    fields.collect()
}

pub(crate) fn secret(fields: &BTreeMap<String, Zeroizing<String>>) -> Value {
    fields
        .iter()
        .map(|(name, value)| (name.clone(), Value::String(value.to_string())))
        .collect()
}

/// Says so when a key looks like another provider's.
pub(crate) fn warn_of_shape(slug: &str, fields: &BTreeMap<String, Zeroizing<String>>, context: &Context<'_>) {
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
