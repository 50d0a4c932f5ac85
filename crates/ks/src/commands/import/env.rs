//! `ks import env`: the keys of a `.env` file.
//!
//! Nothing is written to the file before every key is stored and the token is there. A file in which an imported key would stay is not
//! written at all; whatever else in it looks like a secret is named, before and after.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use keystore_core::policy::Source;
use keystore_wire::agents::GrantInput;
use keystore_wire::credentials::Credential;
use keystore_wire::tokens::{CreateToken, CreatedToken};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::super::Context;
use super::dotenv::Dotenv;
use super::plan::{self, Found, Plan, Said, is_served};
use super::secrets::{Suspect, lines_with, suspects};
use super::store::{self, Key};
use super::{SOMETHING_LEFT, file};
use crate::cli::name_and_value;
use crate::output::{advice, masked, table};
use crate::secret_input;

/// `ks import env`.
#[derive(Args)]
pub(crate) struct EnvArgs {
    /// The file
    #[arg(default_value = ".env")]
    file: PathBuf,
    /// The name of an agent that is made with a grant for each key, and whose token the file gets. Without it, the keys are taken out
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Whose key a variable holds; may be given several times
    #[arg(long = "as", value_name = "VARIABLE=PROVIDER", value_parser = name_and_value)]
    named: Vec<(String, String)>,
    /// A variable that stays as it is, key or not; may be given several times
    #[arg(long, value_name = "VARIABLE")]
    leave: Vec<String>,
    /// Do not ask the providers whether the keys work
    #[arg(long)]
    no_verify: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// `ks import env`.
pub(super) async fn run(args: EnvArgs, context: &Context<'_>) -> anyhow::Result<ExitCode> {
    let shown = args.file.display();
    let text = fs::read_to_string(&args.file).with_context(|| format!("{shown} cannot be read"))?;
    let text = Zeroizing::new(text);
    let dotenv = Dotenv::parse(&text).map_err(|line| {
        advice(
            format!("line {line} of {shown} is not one that every reader of such files reads in the same way: an open quote, or words behind one"),
            "write it in a plainer way; nothing was changed",
        )
    })?;
    let said = Said {
        named: args.named.iter().cloned().collect(),
        left: args.leave.iter().cloned().collect(),
        agent: args.agent.is_some(),
    };
    let plan =
        plan::plan(&dotenv, &said).map_err(|problems| advice(problems.join("\n"), "nothing was changed"))?;
    plan.notes.iter().for_each(|note| context.output.note(note));
    if plan.keys.is_empty() {
        return Err(advice(
            format!("{shown} holds no key that is known"),
            "name one: `--as VARIABLE=PROVIDER`",
        ));
    }
    let proxy_url = context.proxy_url().await?;
    let rewritten = |token: &str| {
        let (changes, added) = plan.changes(&proxy_url, args.agent.as_ref().map(|_| token));
        dotenv.changed(&changes, &added)
    };
    let preview = rewritten("ks_…");
    none_stays(&preview, &plan, &args.file)?;
    let keys = keys(&plan);
    let names = store::names(&keys, context).await?;
    show(&plan, &keys, &names, &args, context)?;
    tell(
        &suspects(&preview, &said.left),
        "will be left",
        &args.file,
        context,
    );
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let backup = file::backup_of(&args.file)?;
    secret_input::confirm(&format!("Store these keys and rewrite {shown}?"), args.yes)?;
    let stored = store::store(&keys, &names, !args.no_verify, context).await?;
    let made = match &args.agent {
        Some(agent) => Some(with_agent(agent, &stored, context).await?),
        None => None,
    };
    let after = rewritten(made.as_ref().map_or("", |(_, token)| token));
    file::replace(&args.file, &backup, &text, &after).with_context(|| {
        format!("the keys are stored, and {shown} is as it was; `ks provider list` shows them, `ks token create` makes a token")
    })?;
    let left = suspects(&fs::read_to_string(&args.file)?, &said.left);
    tell(&left, "is left", &args.file, context);
    context.output.note(&format!(
        "{shown} is rewritten. What it was is in {}: it holds the keys; delete it when everything works",
        backup.display()
    ));
    let done = json!({
        "file": args.file,
        "backup": backup,
        "agent": made.map(|(created, _)| created.agent.name),
        "credentials": listed(&keys, &stored),
        "left": left,
    });
    if context.output.is_json() {
        context.output.data(&done, String::new)?;
    }
    Ok(match left.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(SOMETHING_LEFT),
    })
}

/// One for each key, however many variables hold it.
fn keys<'a>(plan: &'a Plan<'a>) -> Vec<Key<'a>> {
    let mut keys = Vec::<Key<'a>>::new();
    for one in &plan.keys {
        if position(&keys, one).is_none() {
            keys.push(Key {
                provider: one.provider,
                label: &one.variable.name,
                secret: &one.variable.value,
                base_url: one.base_url.as_deref(),
                params: std::collections::BTreeMap::new(),
            });
        }
    }
    keys
}

fn position(keys: &[Key<'_>], one: &Found<'_>) -> Option<usize> {
    keys.iter()
        .position(|key| key.provider.slug == one.provider.slug && key.secret == one.variable.value.as_str())
}

/// That no imported key stays in the new file.
fn none_stays(text: &str, plan: &Plan<'_>, file: &Path) -> anyhow::Result<()> {
    let keys: Vec<&str> = plan.keys.iter().map(|key| key.variable.value.as_str()).collect();
    let lines: Vec<_> = lines_with(text, &keys).iter().map(ToString::to_string).collect();
    if lines.is_empty() {
        return Ok(());
    }
    Err(advice(
        format!(
            "one of the keys would stay in {}, in a comment or in another variable, in what would be its line {}",
            file.display(),
            lines.join(", ")
        ),
        "delete it there, or say whose it is with `--as VARIABLE=PROVIDER`; nothing was changed",
    ))
}

/// Says what is done with each variable.
fn show(
    plan: &Plan<'_>,
    keys: &[Key<'_>],
    names: &[String],
    args: &EnvArgs,
    context: &Context<'_>,
) -> anyhow::Result<()> {
    let stored_as = |one: &Found<'_>| {
        let name = position(keys, one).and_then(|at| names.get(at));
        format!("{}/{}", one.provider.slug, name.map_or("", |name| name))
    };
    let rows = plan.keys.iter().map(|one| {
        let becomes = match (&args.agent, is_served(one.provider)) {
            (Some(_), true) => "the agent's token",
            (Some(_), false) => "taken out: its SDK reads no base URL from a variable",
            (None, _) => "taken out",
        };
        [
            one.variable.name.clone(),
            masked(&one.variable.value),
            stored_as(one),
            one.base_url
                .clone()
                .unwrap_or_else(|| one.provider.name.to_string()),
            becomes.to_owned(),
        ]
    });
    let text = table(["VARIABLE", "KEY", "STORED AS", "OF", "BECOMES"], rows);
    if !args.dry_run {
        context.output.note(&text);
        return Ok(());
    }
    let found: Vec<Value> = plan
        .keys
        .iter()
        .map(
            |one| json!({"variable": one.variable.name, "storedAs": stored_as(one), "baseUrl": one.base_url}),
        )
        .collect();
    context.output.data(&found, || text)
}

/// Names what looks like a secret and is none of the imported keys.
fn tell(left: &[Suspect], what: &str, file: &Path, context: &Context<'_>) {
    for one in left {
        let variable = one.variable.as_deref().unwrap_or("a comment");
        context.output.warn(&format!(
            "{variable} {}, and {what} in line {} of {}",
            one.why,
            one.line,
            file.display()
        ));
    }
}

/// Makes the agent with its token.
async fn with_agent(
    name: &str,
    stored: &[Credential],
    context: &Context<'_>,
) -> anyhow::Result<(CreatedToken, Zeroizing<String>)> {
    let grants = stored.iter().map(|one| GrantInput {
        name: one.provider.clone(),
        source: Source::Byok,
        credential: Some(one.id.to_string()),
        scopes: Vec::new(),
        fallback: None,
    });
    let body = CreateToken {
        name: Some(name.to_owned()),
        project: context.settings.project.clone(),
        providers: Some(grants.collect()),
        ..CreateToken::default()
    };
    let made: anyhow::Result<CreatedToken> = context.client.post(&["tokens"], &body).await;
    match made {
        Ok(mut made) => {
            let token = Zeroizing::new(made.token.take().unwrap_or_default());
            Ok((made, token))
        }
        Err(error) => {
            context.output.warn(&format!("the agent `{name}` is not made"));
            store::undo(stored, context).await;
            Err(error)
        }
    }
}

fn listed(keys: &[Key<'_>], stored: &[Credential]) -> Vec<Value> {
    let each = keys.iter().zip(stored).map(
        |(key, one)| json!({"variable": key.label, "provider": one.provider, "name": one.name, "id": one.id}),
    );
    each.collect()
}
