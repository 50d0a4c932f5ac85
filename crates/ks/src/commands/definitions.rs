//! `ks provider define|undefine`: providers of the organization's own, written as the catalog's files are.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use keystore_wire::agents::Agent;
use keystore_wire::providers::{CreateProvider, Provider, UpdateProvider};
use keystore_wire::{Code, Patch};
use serde_json::{Map, Value};

use super::Context;
use super::credentials::{self, name_of};
use crate::client::Refused;
use crate::output::advice;
use crate::secret_input;

/// `ks provider define`.
#[derive(Args)]
pub(crate) struct DefineArgs {
    /// The provider's name; the file's without its ending when absent
    name: Option<String>,
    /// What it is, as a file of `catalog/providers` (TOML)
    #[arg(long, short, value_name = "FILE")]
    file: PathBuf,
    /// What it costs, as a file of `catalog/prices` (TOML)
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
}

/// `ks provider undefine`.
#[derive(Args)]
pub(crate) struct UndefineArgs {
    /// The provider
    name: String,
    /// Delete its stored keys with it, and leave grants of it that open nothing
    #[arg(long)]
    force: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Defines a provider, or puts another definition in place of its own.
pub(super) async fn define(args: DefineArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let slug = match args.name {
        Some(name) => name,
        None => args
            .file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
    };
    let definition = read(&args.file)?;
    let prices = args.prices.as_deref().map(read).transpose()?;
    check(
        &slug,
        &args.file,
        &definition,
        args.prices.as_deref().zip(prices.as_deref()),
    )?;
    let new = CreateProvider {
        slug: slug.clone(),
        definition: json_of(&args.file, &definition)?,
        prices: match (&args.prices, &prices) {
            (Some(file), Some(text)) => Some(json_of(file, text)?),
            _ => None,
        },
    };
    let provider = match context.client.post::<Provider>(&["providers"], &new).await {
        Ok(provider) => {
            context.output.note(&format!("Defined the provider `{slug}`"));
            provider
        }
        Err(error) if is_taken(&error) && keystore_catalog::provider(&slug).is_none() => {
            replace(&slug, new, context).await?
        }
        Err(error) => return Err(error),
    };
    super::providers::print(&provider, context).await
}

fn is_taken(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<Refused>()
        .is_some_and(|refused| refused.0.code == Code::AlreadyExists.as_str())
}

async fn replace(slug: &str, new: CreateProvider, context: &Context<'_>) -> anyhow::Result<Provider> {
    let old: Provider = context.client.get(&["providers", slug], &()).await?;
    let mut definition = new.definition;
    take_away(&mut definition, &old.definition.unwrap_or_default());
    let change = UpdateProvider {
        definition,
        prices: new.prices.map_or(Patch::Reset, Patch::Set),
    };
    let provider: Provider = context.client.patch(&["providers", slug], &change).await?;
    context.output.note(&format!("Changed the provider `{slug}`"));
    let stored = credentials::of_provider(context, slug).await?;
    if stored.iter().any(|credential| credential.reseal_needed) {
        context.output.warn(&format!(
            "stored keys go where they were sealed for; `ks provider reseal {slug}` moves them"
        ));
    }
    Ok(provider)
}

/// Makes a merge patch of a whole definition: what was there and is not any more becomes `null`.
fn take_away(new: &mut Map<String, Value>, old: &Map<String, Value>) {
    for (name, was) in old {
        match (new.get_mut(name), was) {
            (Some(Value::Object(now)), Value::Object(was)) => take_away(now, was),
            (Some(_), _) => {}
            (None, _) => drop(new.insert(name.clone(), Value::Null)),
        }
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}

/// Checked here first, where the file's lines are known. The server checks again.
fn check(slug: &str, file: &Path, definition: &str, prices: Option<(&Path, &str)>) -> anyhow::Result<()> {
    let table = match prices {
        Some((file, text)) => keystore_catalog::parse_prices(&file.display().to_string(), text)?,
        None => keystore_catalog::PriceTable::default(),
    };
    keystore_catalog::parse_provider(slug, &file.display().to_string(), definition, table)?;
    Ok(())
}

fn json_of(file: &Path, text: &str) -> anyhow::Result<Map<String, Value>> {
    let table: toml::Table =
        toml::from_str(text).with_context(|| format!("{} is not TOML", file.display()))?;
    match plain(toml::Value::Table(table)) {
        Value::Object(members) => Ok(members),
        _ => Ok(Map::new()),
    }
}

/// TOML as JSON; days as text, which is how the schema takes them too.
fn plain(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(day) => Value::String(day.to_string()),
        toml::Value::Array(items) => items.into_iter().map(plain).collect(),
        toml::Value::Table(members) => members
            .into_iter()
            .map(|(name, value)| (name, plain(value)))
            .collect(),
    }
}

/// Deletes a definition, and says before what goes with it.
pub(super) async fn undefine(args: &UndefineArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let slug = args.name.as_str();
    let provider: Provider = context.client.get(&["providers", slug], &()).await?;
    if !provider.custom {
        return Err(advice(
            format!("`{slug}` is of the catalog, which cannot be changed"),
            "`ks provider list --custom` shows what you defined",
        ));
    }
    let mut question = format!("Delete the definition of `{slug}`?");
    if args.force {
        let keys = credentials::of_provider(context, slug).await?;
        let agents = context.agents().await?;
        let granted = |agent: &&Agent| agent.providers.iter().any(|grant| grant.name == slug);
        let keys: Vec<_> = keys.iter().map(name_of).collect();
        let agents: Vec<_> = agents
            .iter()
            .filter(granted)
            .map(|agent| agent.name.clone())
            .collect();
        question = format!(
            "{question} Deleted with it: {}. Without access to it: {}. This cannot be undone",
            or_none(&keys),
            or_none(&agents)
        );
    }
    secret_input::confirm(&question, args.yes)?;
    match args.force {
        true => context.client.delete_forced(&["providers", slug]).await?,
        false => context.client.delete(&["providers", slug]).await?,
    }
    context
        .output
        .note(&format!("Deleted the definition of `{slug}`"));
    Ok(())
}

fn or_none(names: &[String]) -> String {
    match names.is_empty() {
        true => "nothing".to_owned(),
        false => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_definition_replaces_the_one_before() {
        let of = |value: Value| match value {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        let mut new = of(json!({"name": "Acme", "env": {"key": ["A"]}, "inject": [{"header": "x"}]}));
        let old = of(json!({"name": "Old", "docs_url": "https://x", "env": {"key": [], "base_url": []}}));
        take_away(&mut new, &old);
        assert_eq!(
            Value::Object(new),
            json!({"name": "Acme", "docs_url": null, "env": {"key": ["A"], "base_url": null}, "inject": [{"header": "x"}]})
        );
    }

    #[test]
    fn days_become_text() {
        let json = json_of(
            Path::new("x"),
            "from = 2026-11-23\nn = 1\nf = 0.5\n[a]\nb = [true]",
        )
        .unwrap();
        assert_eq!(
            Value::Object(json),
            json!({"from": "2026-11-23", "n": 1, "f": 0.5, "a": {"b": [true]}})
        );
    }
}
