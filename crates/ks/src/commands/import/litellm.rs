//! `ks import litellm`: the vendors' keys of a LiteLLM configuration, and agents for its virtual keys.
//!
//! The configuration itself stays as it is: LiteLLM goes on with it until it is switched off.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use keystore_core::Clock as _;
use keystore_server::clock::SystemClock;
use keystore_wire::agents::{Agent, CreateAgent};
use keystore_wire::budgets::{Budget, CreateBudget};
use keystore_wire::credentials::Credential;
use keystore_wire::tokens::{CreateToken, CreatedToken};
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::super::Context;
use super::config::{Config, Deployment, read_yaml};
use super::dotenv::Dotenv;
use super::store::{self, Key};
use super::virtual_keys::{self, Wanted, first_of, grant};
use crate::output::{advice, masked, table};
use crate::{secret_input, settings};

/// `ks import litellm`.
#[derive(Args)]
pub(crate) struct LitellmArgs {
    /// The configuration
    #[arg(default_value = "config.yaml")]
    file: PathBuf,
    /// A .env file with the variables that the configuration names; otherwise they are looked for in the environment
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// The virtual keys, as `GET /key/list?return_full_object=true` answers
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// The name of an agent that is made with a grant for every provider
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask the providers whether the keys work
    #[arg(long)]
    no_verify: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// An agent that was made, with its token, which is shown once.
#[derive(Serialize)]
struct Made {
    name: String,
    id: String,
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<Budget>,
}

/// `ks import litellm`.
pub(super) async fn run(args: LitellmArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let value =
        read_yaml(&read(&args.file)?).with_context(|| format!("{} is not read", args.file.display()))?;
    let environment = environment(args.env_file.as_deref())?;
    let config = Config::read(&value, &|name| {
        environment.get(name).map(|value| value.to_string())
    });
    let mut left = config.left;
    let mut wanted = every_provider(args.agent.as_deref(), &config.deployments);
    if let Some(path) = &args.keys {
        let list =
            serde_json::from_str(&read(path)?).with_context(|| format!("{} is no JSON", path.display()))?;
        let (more, not) = virtual_keys::read(&list, &config.deployments, SystemClock.now());
        wanted.extend(more);
        left.extend(not);
    }
    let (keys, key_of) = distinct(&config.deployments);
    left.extend(unserved(&config.deployments, &key_of));
    if keys.is_empty() {
        left.iter()
            .for_each(|what| context.output.note(&format!("not carried over: {what}")));
        return Err(advice(
            format!("{} holds no key that can be stored", args.file.display()),
            "nothing was changed",
        ));
    }
    let names = store::names(&keys, context).await?;
    show(&keys, &names, &wanted, &left, &args, context)?;
    if config.holds_keys {
        context.output.warn(&format!(
            "keys stand in {} as they are; delete them there when LiteLLM is switched off",
            args.file.display()
        ));
    }
    if args.dry_run {
        return Ok(());
    }
    secret_input::confirm("Store these keys, and make these agents?", args.yes)?;
    let stored = store::store(&keys, &names, !args.no_verify, context).await?;
    let first = first_of(&config.deployments);
    let serving: BTreeMap<&str, &Credential> = first
        .into_iter()
        .filter_map(|(slug, at)| Some((slug, stored.get(*key_of.get(at)?)?)))
        .collect();
    let (made, failed) = agents(wanted, &serving, context).await;
    report(&stored, &made, &left, context)?;
    match failed {
        None => Ok(()),
        Some(error) => {
            context
                .output
                .warn("the keys and the agents above are kept; the others are not made");
            Err(error)
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(Zeroizing::new(text))
}

/// The variables that LiteLLM sees.
fn environment(file: Option<&Path>) -> anyhow::Result<BTreeMap<String, Zeroizing<String>>> {
    let ours = settings::environment().into_iter().filter_map(|(name, value)| {
        let value = Zeroizing::new(value.into_string().ok()?);
        Some((name.into_string().ok()?, value))
    });
    let mut all: BTreeMap<_, _> = ours.collect();
    if let Some(path) = file {
        let text = read(path)?;
        let file = Dotenv::parse(&text)
            .map_err(|line| anyhow::anyhow!("line {line} of {} is not read", path.display()))?;
        let read = file.assigned().iter();
        all.extend(read.map(|one| (one.name.clone(), one.value.clone())));
    }
    Ok(all)
}

fn every_provider(agent: Option<&str>, deployments: &[Deployment]) -> Vec<Wanted> {
    let slugs: BTreeSet<_> = deployments
        .iter()
        .map(|one| one.provider.slug.to_string())
        .collect();
    let wanted = agent.map(|name| Wanted {
        agent: CreateAgent {
            name: name.to_owned(),
            providers: slugs.into_iter().map(grant).collect(),
            ..CreateAgent::default()
        },
        budget: None,
    });
    wanted.into_iter().collect()
}

/// The keys, each once, and which of them each deployment has.
fn distinct(deployments: &[Deployment]) -> (Vec<Key<'_>>, Vec<usize>) {
    let mut keys = Vec::<Key<'_>>::new();
    let each = deployments.iter().map(|one| {
        let same = |key: &Key<'_>| {
            key.provider.slug == one.provider.slug
                && key.secret == one.key.as_str()
                && key.params == one.params
        };
        keys.iter().position(same).unwrap_or_else(|| {
            keys.push(Key {
                provider: one.provider,
                label: &one.asked,
                secret: &one.key,
                base_url: None,
                params: one.params.clone(),
            });
            keys.len() - 1
        })
    });
    let key_of = each.collect();
    (keys, key_of)
}

/// Deployments whose key no agent gets, because an agent has one of each provider.
fn unserved(deployments: &[Deployment], key_of: &[usize]) -> Vec<String> {
    let first = first_of(deployments);
    let others = deployments.iter().enumerate().filter(|(at, one)| {
        let serving = first
            .get(one.provider.slug.as_ref())
            .and_then(|at| key_of.get(*at));
        serving != key_of.get(*at)
    });
    others
        .map(|(_, one)| {
            format!(
                "model_list, {}: its key is stored and no agent here is granted it, because an agent has one key of {}",
                one.asked, one.provider.name
            )
        })
        .collect()
}

fn show(
    keys: &[Key<'_>],
    names: &[String],
    wanted: &[Wanted],
    left: &[String],
    args: &LitellmArgs,
    context: &Context<'_>,
) -> anyhow::Result<()> {
    let stored_as = |key: &Key<'_>, name: &String| format!("{}/{name}", key.provider.slug);
    let rows = keys
        .iter()
        .zip(names)
        .map(|(key, name)| [key.label.to_owned(), masked(key.secret), stored_as(key, name)]);
    let mut text = table(["MODEL", "KEY", "STORED AS"], rows);
    let slugs = |one: &Wanted| {
        let slugs: Vec<_> = one
            .agent
            .providers
            .iter()
            .map(|grant| grant.name.as_str())
            .collect();
        slugs.join(",")
    };
    let agents = wanted.iter().map(|one| {
        [
            one.agent.name.clone(),
            slugs(one),
            one.agent.allowed_models.join(","),
            virtual_keys::shown(one.budget.as_ref()),
        ]
    });
    if !wanted.is_empty() {
        text = format!(
            "{text}\n\n{}",
            table(["AGENT", "PROVIDERS", "MODELS", "BUDGET"], agents)
        );
    }
    left.iter()
        .for_each(|what| context.output.note(&format!("not carried over: {what}")));
    if !args.dry_run {
        context.output.note(&text);
        return Ok(());
    }
    let found: Vec<String> = keys
        .iter()
        .zip(names)
        .map(|(key, name)| stored_as(key, name))
        .collect();
    let agents: Vec<&CreateAgent> = wanted.iter().map(|one| &one.agent).collect();
    let plan = json!({"credentials": found, "agents": agents, "notCarriedOver": left});
    context.output.data(&plan, || text)
}

/// Makes the agents, up to the first that fails.
async fn agents(
    wanted: Vec<Wanted>,
    serving: &BTreeMap<&str, &Credential>,
    context: &Context<'_>,
) -> (Vec<Made>, Option<anyhow::Error>) {
    let mut made = Vec::with_capacity(wanted.len());
    for one in wanted {
        let name = one.agent.name.clone();
        match agent(one, serving, context).await {
            Ok(agent) => made.push(agent),
            Err(error) => {
                context.output.warn(&format!("the agent `{name}` is not made"));
                return (made, Some(error));
            }
        }
    }
    (made, None)
}

/// Makes an agent. Its token is made last, so that it never works without its budget.
async fn agent(
    mut wanted: Wanted,
    serving: &BTreeMap<&str, &Credential>,
    context: &Context<'_>,
) -> anyhow::Result<Made> {
    wanted.agent.project.clone_from(&context.settings.project);
    for grant in &mut wanted.agent.providers {
        grant.credential = serving.get(grant.name.as_str()).map(|one| one.id.to_string());
    }
    let agent: Agent = context.client.post(&["agents"], &wanted.agent).await?;
    let rest = async {
        let budget: Option<Budget> = match wanted.budget {
            None => None,
            Some(spending) => {
                let body = json!({
                    "agent": agent.id, "limit": spending.limit, "window": spending.window, "thresholds": spending.thresholds,
                });
                let body: CreateBudget = serde_json::from_value(body)?;
                Some(context.client.post(&["budgets"], &body).await?)
            }
        };
        let body = CreateToken {
            agent_id: Some(agent.id.to_string()),
            name: Some(agent.name.clone()),
            ..CreateToken::default()
        };
        let token: CreatedToken = context.client.post(&["tokens"], &body).await?;
        anyhow::Ok((budget, token))
    };
    match rest.await {
        Ok((budget, created)) => Ok(Made {
            name: agent.name,
            id: agent.id.to_string(),
            token: created.token.unwrap_or_default(),
            budget,
        }),
        Err(error) => {
            let id = agent.id.to_string();
            if context.client.delete(&["agents", &id]).await.is_err() {
                context
                    .output
                    .warn(&format!("an agent `{}` without a token is there", agent.name));
            }
            Err(error)
        }
    }
}

fn report(
    stored: &[Credential],
    made: &[Made],
    left: &[String],
    context: &Context<'_>,
) -> anyhow::Result<()> {
    let credentials: Vec<Value> = stored
        .iter()
        .map(|one| json!({"provider": one.provider, "name": one.name, "id": one.id}))
        .collect();
    context.output.note(&format!(
        "Stored {} keys, sealed; the tokens are shown this once",
        stored.len()
    ));
    let done = json!({"credentials": credentials, "agents": made, "notCarriedOver": left});
    context.output.data(&done, || {
        table(
            ["AGENT", "TOKEN"],
            made.iter().map(|one| [one.name.clone(), one.token.clone()]),
        )
    })
}
