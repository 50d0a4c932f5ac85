//! The keys behind `ks provider add|list|test|rotate|update|reseal|remove`. They go in and never come out.
//!
//! What takes one in is in `intake`, what changes what is known beside it in `update`.

pub(crate) mod intake;
mod update;

use std::time::Duration;

use clap::Args;
use keystore_core::ids::CredentialId;
use keystore_core::{Clock, Micros};
use keystore_server::clock::SystemClock;
use keystore_wire::credentials::{Credential, CredentialTest, DEFAULT_NAME, ListCredentials, TestVerdict};

pub(crate) use intake::{AddArgs, RotateArgs};
pub(super) use intake::{add, rotate};
pub(crate) use update::UpdateArgs;
pub(super) use update::update;

use super::find::MOST;
use super::{Context, date};
use crate::complete;
use crate::output::{advice, facts, table};
use crate::secret_input;

/// From how many days before on a date is shown.
const SOON_DAYS: u64 = 14;

/// `ks provider reseal`.
#[derive(Args)]
pub(crate) struct ResealArgs {
    /// The provider, PROVIDER/NAME, or a key's id
    #[arg(add = complete::credentials())]
    credential: String,
}

/// `ks provider test`.
#[derive(Args)]
pub(crate) struct TestArgs {
    /// The provider, PROVIDER/NAME, or the key's id
    #[arg(add = complete::credentials())]
    credential: String,
}

/// `ks provider remove`.
#[derive(Args)]
pub(crate) struct RemoveArgs {
    /// The provider, PROVIDER/NAME, or the key's id
    #[arg(add = complete::credentials())]
    credential: String,
    /// Delete it though agents are granted it: their requests are then refused
    #[arg(long)]
    force: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// The name by which commands know a credential.
pub(crate) fn name_of(credential: &Credential) -> String {
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
