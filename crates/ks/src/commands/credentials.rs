//! The keys behind `ks provider add|list|test|rotate|update|reseal|remove`. They go in and never come out.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use keystore_core::ids::CredentialId;
use keystore_core::{Clock, Micros};
use keystore_server::clock::SystemClock;
use keystore_wire::Patch;
use keystore_wire::credentials::{
    Agreement, Credential, CredentialStatus, CredentialTest, DEFAULT_NAME, ListCredentials, TestVerdict,
    UpdateCredential, VerifyFirst,
};
use keystore_wire::providers::Provider;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::find::MOST;
use super::{Context, date};
use crate::cli::{SecretArgs, name_and_value};
use crate::duration;
use crate::output::{advice, facts, table};
use crate::secret_input::{self, Wanted};

/// From how many days before on a date is shown.
const SOON_DAYS: u64 = 14;

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

/// `ks provider update`.
#[derive(Args)]
pub(crate) struct UpdateArgs {
    /// The provider, PROVIDER/NAME, or the key's id
    credential: String,
    /// Another name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Labels, all of them; `none` for none
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// Agreements with the vendor, all of them; `none` for none
    #[arg(long = "agreement", value_name = "KIND=DATE[,LINK]", value_parser = or_none(agreement))]
    agreements: Vec<Patch<(String, Agreement)>>,
    /// When the vendor ends the key; `none` for no end
    #[arg(long, value_name = "WHEN", value_parser = or_none(duration::parse_future))]
    expires: Option<Patch<Micros>>,
    /// When it should be rotated; `none` for never
    #[arg(long, value_name = "WHEN", value_parser = or_none(duration::parse_future))]
    rotate_after: Option<Patch<Micros>>,
}

/// `ks provider reseal`.
#[derive(Args)]
pub(crate) struct ResealArgs {
    /// The provider, PROVIDER/NAME, or a key's id
    credential: String,
}

/// `KIND=DATE` or `KIND=DATE,LINK`.
fn agreement(text: &str) -> Result<(String, Agreement), String> {
    let (kind, rest) =
        name_and_value(text).map_err(|_| "expected KIND=DATE, such as dpa=2026-05-01".to_owned())?;
    let (date, link) = match rest.split_once(',') {
        Some((date, link)) => (date.to_owned(), Some(link.to_owned())),
        None => (rest, None),
    };
    Ok((kind, Agreement { date, link }))
}

/// What `parse` reads, or the word `none`.
fn or_none<T: Clone + Send + Sync + 'static>(
    parse: fn(&str) -> Result<T, String>,
) -> impl Fn(&str) -> Result<Patch<T>, String> + Clone + Send + Sync + 'static {
    move |text| match text {
        "none" => Ok(Patch::Reset),
        text => parse(text).map(Patch::Set),
    }
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
    #[command(flatten)]
    dates: Dates,
    /// Do not ask the provider whether the key works
    #[arg(long)]
    no_verify: bool,
}

/// `ks provider remove`.
#[derive(Args)]
pub(crate) struct RemoveArgs {
    /// The provider, PROVIDER/NAME, or the key's id
    credential: String,
    /// Delete it though agents are granted it: their requests are then refused
    #[arg(long)]
    force: bool,
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
pub(super) async fn list(due: Option<Duration>, context: &Context<'_>) -> anyhow::Result<()> {
    let query = ListCredentials {
        project: context.settings.project.clone(),
        due: due.map(|within| u16::try_from(within.as_secs().div_ceil(86_400)).unwrap_or(u16::MAX)),
        ..ListCredentials::default()
    };
    let credentials: Vec<Credential> = context.client.list(&["credentials"], &query, MOST).await?;
    if credentials.is_empty() && due.is_some() {
        context.output.note("No key is due");
    } else if credentials.is_empty() {
        context.output.note("No key is stored; `ks provider add <provider>` stores one, `ks provider list --all` shows the providers");
    }
    context.output.data(&credentials, || {
        let rows = credentials.iter().map(|credential| {
            [
                name_of(credential),
                credential.source.as_str().to_owned(),
                status(credential),
                date(credential.created_at),
            ]
        });
        table(["NAME", "SOURCE", "STATUS", "ADDED"], rows)
    })
}

/// What there is to say of a key: whether it works, and what is to be done about it.
pub(super) fn status(credential: &Credential) -> String {
    let mut words = vec![credential.status.as_str().to_owned()];
    let now = SystemClock.now();
    let days = |at: keystore_wire::Time| {
        let at = Micros::from(at);
        (at > now).then(|| at.since(now).as_secs().div_ceil(86_400))
    };
    match credential.expires_at.map(days) {
        Some(None) => words.push("expired".to_owned()),
        Some(Some(left)) if left <= SOON_DAYS => words.push(format!("expires in {left} d")),
        _ => {}
    }
    match credential.rotate_after.map(days) {
        Some(None) => words.push("rotate now".to_owned()),
        Some(Some(left)) if left <= SOON_DAYS => words.push(format!("rotate in {left} d")),
        _ => {}
    }
    if credential.reseal_needed {
        words.push("reseal".to_owned());
    }
    words.join(", ")
}

/// Whether a key has ended or should have been rotated.
pub(super) fn is_due(credential: &Credential) -> bool {
    let now = SystemClock.now();
    let dates = [credential.expires_at, credential.rotate_after];
    dates.into_iter().flatten().any(|at| Micros::from(at) <= now)
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

fn show(credential: &Credential, context: &Context<'_>) -> anyhow::Result<()> {
    context.output.data(credential, || {
        facts([
            ("Name", name_of(credential)),
            ("Id", credential.id.to_string()),
            ("Source", credential.source.as_str().to_owned()),
            ("Status", status(credential)),
            ("Version", credential.version.to_string()),
            ("Expires", super::or_dash(credential.expires_at)),
            ("Rotate after", super::or_dash(credential.rotate_after)),
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

/// `ks provider update`.
pub(super) async fn update(args: UpdateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let credential = context.credential(&args.credential).await?;
    let time = |at: Option<Patch<Micros>>| match at.unwrap_or(Patch::Keep) {
        Patch::Keep => Patch::Keep,
        Patch::Reset => Patch::Reset,
        Patch::Set(at) => Patch::Set(at.into()),
    };
    let change = UpdateCredential {
        name: args.name,
        labels: match args.labels.as_slice() {
            [] => Patch::Keep,
            [none] if none == "none" => Patch::Reset,
            _ => Patch::Set(args.labels),
        },
        agreements: match args.agreements.as_slice() {
            [] => Patch::Keep,
            [Patch::Reset] => Patch::Reset,
            _ => Patch::Set(
                args.agreements
                    .into_iter()
                    .filter_map(|agreement| agreement.apply(None))
                    .collect(),
            ),
        },
        expires_at: time(args.expires),
        rotate_after: time(args.rotate_after),
    };
    let id = credential.id.to_string();
    let credential: Credential = context.client.patch(&["credentials", &id], &change).await?;
    show(&credential, context)
}

/// `ks provider reseal`: every key of a provider, or one.
pub(super) async fn reseal(args: &ResealArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let is_one = args.credential.contains('/') || args.credential.parse::<CredentialId>().is_ok();
    let all = match is_one {
        true => vec![context.credential(&args.credential).await?],
        false => of_provider(context, &args.credential).await?,
    };
    let mut resealed = Vec::new();
    for credential in all.iter().filter(|credential| credential.reseal_needed) {
        let id = credential.id.to_string();
        let credential: Credential = context.client.act(&["credentials", &id, "reseal"]).await?;
        context.output.note(&format!(
            "Sealed `{}` anew, version {}",
            name_of(&credential),
            credential.version
        ));
        resealed.push(credential);
    }
    if resealed.is_empty() {
        context
            .output
            .note("Every key is sealed for where its provider is now");
    }
    context.output.data(&resealed, || {
        let rows = resealed
            .iter()
            .map(|credential| [name_of(credential), credential.version.to_string()]);
        table(["NAME", "VERSION"], rows)
    })
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
    let id = credential.id.to_string();
    match args.force {
        true => context.client.delete_forced(&["credentials", &id]).await?,
        false => context.client.delete(&["credentials", &id]).await?,
    }
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
