//! `ks agent`: identities with grants and limits.

use std::time::Duration;

use clap::{Args, Subcommand};
use keystore_wire::Patch;
use keystore_wire::agents::{Agent, CreateAgent, GrantInput, UpdateAgent};

use super::abuse::AbuseArgs;
use super::{Context, date, grants, or_dash};
use crate::complete;
use crate::output::{advice, facts, table};
use crate::{duration, secret_input};

/// `ks agent`.
#[derive(Subcommand)]
pub(crate) enum AgentCommand {
    /// Create an agent; `ks token create` makes one with its token in one step
    #[command(
        after_help = "Examples:\n  ks agent create bot --provider openai --provider anthropic:byok@staging\n  \
        ks agent create bot --provider openai --rpm-limit 120 --budget 5000     5000 cents a month\n  \
        ks agent create reader --provider openai --scope provider:openai:read"
    )]
    Create(CreateArgs),
    /// List the agents
    #[command(after_help = "Examples:\n  ks agent list\n  ks agent list --output json")]
    List,
    /// Show an agent, its limits and where its budget stands
    #[command(after_help = "Example:\n  ks agent show bot")]
    Show(AgentName),
    /// Change an agent; in force on its next request
    #[command(
        after_help = "Examples:\n  ks agent update bot --rpm-limit 120 --rpd-limit 50000 --budget 5000\n  \
        ks agent update bot --budget none\n  ks agent update bot --provider stripe:byok --remove-provider openai"
    )]
    Update(UpdateArgs),
    /// Show or change the rules that watch an agent
    #[command(
        after_help = "Examples:\n  ks agent abuse bot\n  ks agent abuse bot --spend-rate pause:50.00/10m"
    )]
    Abuse {
        #[command(flatten)]
        name: AgentName,
        #[command(flatten)]
        rules: AbuseArgs,
    },
    /// Refuse its requests until it is resumed
    #[command(after_help = "Example:\n  ks agent pause bot")]
    Pause(AgentName),
    /// Admit its requests again
    #[command(after_help = "Example:\n  ks agent resume bot")]
    Resume(AgentName),
    /// End the agent and all its tokens, for good
    #[command(after_help = "Example:\n  ks agent revoke bot --yes")]
    Revoke(AgentEnd),
    /// Delete the agent; what it did stays on record
    #[command(after_help = "Example:\n  ks agent delete bot --yes")]
    Delete(AgentEnd),
}

/// Which agent.
#[derive(Args)]
pub(crate) struct AgentName {
    /// Its name or id
    #[arg(add = complete::agents())]
    agent: String,
}

/// Which agent, and that it is meant.
#[derive(Args)]
pub(crate) struct AgentEnd {
    /// Its name or id
    #[arg(add = complete::agents())]
    agent: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Limits that a new agent can have.
#[derive(Args)]
pub(crate) struct LimitArgs {
    /// Requests in any minute, per provider (0 blocks)
    #[arg(long, visible_alias = "rpm", value_name = "N")]
    pub(crate) rpm_limit: Option<u32>,
    /// Requests in a UTC day, per provider (0 blocks)
    #[arg(long, visible_alias = "rpd", value_name = "N")]
    pub(crate) rpd_limit: Option<u32>,
    /// US cents in a calendar month
    #[arg(long, value_name = "CENTS", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) budget: Option<i64>,
}

/// Grants that a new agent can have.
#[derive(Args)]
pub(crate) struct GrantArgs {
    /// A provider it may use: SLUG[:SOURCE][@KEY-NAME]; may be given several times
    #[arg(long = "provider", value_name = "PROVIDER", value_parser = grants::parse, add = complete::providers())]
    providers: Vec<GrantInput>,
    /// A scope of one of the providers: provider:SLUG:read, :write or :*
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
}

impl GrantArgs {
    /// The grants with their scopes.
    pub(crate) fn grants(&self) -> anyhow::Result<Vec<GrantInput>> {
        grants::with_scopes(self.providers.clone(), &self.scopes)
    }

    /// Whether nothing is granted.
    pub(crate) fn is_empty(&self) -> bool {
        self.providers.is_empty() && self.scopes.is_empty()
    }
}

/// `ks agent create`.
#[derive(Args)]
pub(crate) struct CreateArgs {
    /// Its name, unique in the project
    name: String,
    #[command(flatten)]
    grants: GrantArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// Tokens of input and output in any minute, per provider (0 blocks)
    #[arg(long, visible_alias = "tpm", value_name = "N")]
    tpm_limit: Option<u32>,
    /// Calls at the same time, per provider (0 blocks)
    #[arg(long, value_name = "N")]
    max_concurrency: Option<u32>,
    /// A model it may use; without any it may use every model
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// An address or network (CIDR) it may be used from; without any it may be used from everywhere
    #[arg(long = "allow-ip", value_name = "CIDR")]
    ips: Vec<String>,
    /// A label, such as phi
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// Every request must name its end user in `x-keystore-end-user`
    #[arg(long)]
    end_users: bool,
    /// When it ends by itself, from now
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    expires: Option<Duration>,
}

/// `ks agent update`.
#[derive(Args)]
pub(crate) struct UpdateArgs {
    /// Its name or id
    #[arg(add = complete::agents())]
    agent: String,
    /// A new name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    grants: GrantArgs,
    /// A provider it may no longer use
    #[arg(long = "remove-provider", value_name = "SLUG", add = complete::providers())]
    removed: Vec<String>,
    /// Requests in any minute, per provider, or none for the default
    #[arg(long, visible_alias = "rpm", value_name = "N|none", value_parser = or_none::<u32>)]
    rpm_limit: Option<Patch<u32>>,
    /// Requests in a UTC day, per provider, or none for the default
    #[arg(long, visible_alias = "rpd", value_name = "N|none", value_parser = or_none::<u32>)]
    rpd_limit: Option<Patch<u32>>,
    /// Tokens of input and output in any minute, per provider, or none for no limit
    #[arg(long, visible_alias = "tpm", value_name = "N|none", value_parser = or_none::<u32>)]
    tpm_limit: Option<Patch<u32>>,
    /// Calls at the same time, per provider, or none for no limit
    #[arg(long, value_name = "N|none", value_parser = or_none::<u32>)]
    max_concurrency: Option<Patch<u32>>,
    /// US cents in a calendar month, or none for no limit
    #[arg(long, value_name = "CENTS|none", value_parser = or_none::<i64>)]
    budget: Option<Patch<i64>>,
    /// All models it may use; `--model none` lifts the limit
    #[arg(long = "model", value_name = "MODEL|none")]
    models: Vec<String>,
    /// All addresses or networks it may be used from; `--allow-ip none` lifts the limit
    #[arg(long = "allow-ip", value_name = "CIDR|none")]
    ips: Vec<String>,
    /// All its labels; `--label none` takes them away
    #[arg(long = "label", value_name = "LABEL|none")]
    labels: Vec<String>,
    /// Whether every request must name its end user in `x-keystore-end-user`
    #[arg(long, value_name = "true|false")]
    end_users: Option<bool>,
    /// When it ends by itself, from now, or none
    #[arg(long, value_name = "DURATION|none", value_parser = expiry_or_none)]
    expires: Option<Patch<Duration>>,
}

/// A number, or `none`.
pub(super) fn or_none<T: std::str::FromStr + PartialOrd + Default>(text: &str) -> Result<Patch<T>, String> {
    match (text, text.parse::<T>()) {
        ("none", _) => Ok(Patch::Reset),
        (_, Ok(number)) if number >= T::default() => Ok(Patch::Set(number)),
        _ => Err("expected a whole number from 0, or none".to_owned()),
    }
}

fn expiry_or_none(text: &str) -> Result<Patch<Duration>, String> {
    if text == "none" {
        Ok(Patch::Reset)
    } else {
        duration::parse(text).map(Patch::Set)
    }
}

fn list_or_none(values: Vec<String>) -> Patch<Vec<String>> {
    match values.as_slice() {
        [] => Patch::Keep,
        [one] if one == "none" => Patch::Reset,
        _ => Patch::Set(values),
    }
}

/// Does what the command says.
pub(crate) async fn run(command: AgentCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        AgentCommand::Create(args) => create(args, context).await,
        AgentCommand::List => list(context).await,
        AgentCommand::Show(args) => show(&context.agent(&args.agent).await?, context),
        AgentCommand::Update(args) => update(args, context).await,
        AgentCommand::Abuse { name, rules } => {
            let agent = context.agent(&name.agent).await?.id.to_string();
            super::abuse::run(&["agents", &agent, "abuse-rules"], rules, context).await
        }
        AgentCommand::Pause(args) => act(&args.agent, "pause", "Paused", context).await,
        AgentCommand::Resume(args) => act(&args.agent, "resume", "Resumed", context).await,
        AgentCommand::Revoke(args) => {
            secret_input::confirm(
                &format!("End `{}` and all its tokens for good?", args.agent),
                args.yes,
            )?;
            act(&args.agent, "revoke", "Revoked", context).await
        }
        AgentCommand::Delete(args) => delete(&args, context).await,
    }
}

async fn create(args: CreateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let body = CreateAgent {
        providers: args.grants.grants()?,
        name: args.name,
        project: context.settings.project.clone(),
        rpm_limit: args.limits.rpm_limit,
        rpd_limit: args.limits.rpd_limit,
        tpm_limit: args.tpm_limit,
        max_concurrency: args.max_concurrency,
        budget_cents_monthly: args.limits.budget,
        allowed_models: args.models,
        allowed_ips: args.ips,
        labels: args.labels,
        end_users: args.end_users,
        expires_at: args.expires.map(|after| duration::from_now(after).into()),
    };
    let agent: Agent = context.client.post(&["agents"], &body).await?;
    context
        .output
        .note(&format!("Created the agent `{}`", agent.name));
    context.output.note(&format!(
        "Give it a token with `ks token create --agent {}`",
        agent.name
    ));
    show(&agent, context)
}

async fn list(context: &Context<'_>) -> anyhow::Result<()> {
    let agents = context.agents().await?;
    context.output.data(&agents, || {
        let rows = agents.iter().map(|agent| {
            [
                agent.name.clone(),
                agent.status.as_str().to_owned(),
                grants::shown(&agent.providers),
                or_dash(agent.rpm_limit),
                or_dash(agent.rpd_limit),
                or_dash(agent.budget_cents_monthly.map(dollars)),
                date(agent.created_at),
                agent.id.to_string(),
            ]
        });
        table(
            [
                "NAME",
                "STATUS",
                "PROVIDERS",
                "RPM",
                "RPD",
                "MONTHLY",
                "CREATED",
                "ID",
            ],
            rows,
        )
    })
}

/// Cents as dollars.
fn dollars(cents: i64) -> String {
    keystore_core::NanoUsd::from_cents(cents)
        .map_or_else(|| format!("{cents} cents"), |amount| format!("${amount}"))
}

fn list_of(values: &[String], none: &str) -> String {
    if values.is_empty() {
        none.to_owned()
    } else {
        values.join(", ")
    }
}

fn show(agent: &Agent, context: &Context<'_>) -> anyhow::Result<()> {
    context.output.data(agent, || {
        let budget = match (&agent.budget, agent.budget_cents_monthly) {
            (Some(state), _) => format!(
                "${} a month: ${} spent, ${} held, resets {}",
                state.limit,
                state.spent,
                state.held,
                or_dash(state.resets_at)
            ),
            (None, cents) => or_dash(cents.map(dollars)),
        };
        let mut rows = vec![
            ("Name", agent.name.clone()),
            ("Id", agent.id.to_string()),
            (
                "Status",
                match agent.paused_by {
                    Some(rule) => format!("{}, by the rule {}", agent.status.as_str(), rule.as_str()),
                    None => agent.status.as_str().to_owned(),
                },
            ),
            ("Project", agent.project_id.to_string()),
        ];
        rows.extend(agent.providers.iter().map(|grant| {
            let scopes = list_of(&grant.scopes, "every operation");
            let credential = grant
                .credential_id
                .map_or_else(|| "no key stored".to_owned(), |id| id.to_string());
            (
                "Provider",
                format!("{}:{}  {credential}  {scopes}", grant.name, grant.source.as_str()),
            )
        }));
        rows.extend([
            (
                "Requests a minute",
                agent
                    .rpm_limit
                    .map_or_else(|| "default".to_owned(), |limit| limit.to_string()),
            ),
            (
                "Requests a day",
                agent
                    .rpd_limit
                    .map_or_else(|| "default".to_owned(), |limit| limit.to_string()),
            ),
            ("Budget", budget),
            ("Models", list_of(&agent.allowed_models, "every model")),
            ("Addresses", list_of(&agent.allowed_ips, "every address")),
            ("Labels", agent.labels.join(", ")),
            ("Ends", or_dash(agent.expires_at)),
            ("Created", agent.created_at.to_string()),
        ]);
        facts(rows)
    })
}

async fn update(args: UpdateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let agent = context.agent(&args.agent).await?;
    let providers = match args.grants.is_empty() && args.removed.is_empty() {
        true => None,
        false => Some(grants::changed(
            &agent.providers,
            &args.grants.grants()?,
            &args.removed,
        )?),
    };
    let expires_at = match args.expires {
        None | Some(Patch::Keep) => Patch::Keep,
        Some(Patch::Reset) => Patch::Reset,
        Some(Patch::Set(after)) => Patch::Set(duration::from_now(after).into()),
    };
    let body = UpdateAgent {
        name: args.name,
        providers,
        rpm_limit: args.rpm_limit.unwrap_or_default(),
        rpd_limit: args.rpd_limit.unwrap_or_default(),
        tpm_limit: args.tpm_limit.unwrap_or_default(),
        max_concurrency: args.max_concurrency.unwrap_or_default(),
        budget_cents_monthly: args.budget.unwrap_or_default(),
        allowed_models: list_or_none(args.models),
        allowed_ips: list_or_none(args.ips),
        labels: list_or_none(args.labels),
        end_users: args.end_users,
        expires_at,
    };
    if body == UpdateAgent::default() {
        return Err(advice(
            "nothing is to be changed",
            "`ks agent update --help` shows what can be",
        ));
    }
    let agent: Agent = context
        .client
        .patch(&["agents", &agent.id.to_string()], &body)
        .await?;
    context
        .output
        .note(&format!("Changed the agent `{}`", agent.name));
    show(&agent, context)
}

async fn act(name: &str, verb: &str, done: &str, context: &Context<'_>) -> anyhow::Result<()> {
    let agent = context.agent(name).await?;
    let agent: Agent = context
        .client
        .act(&["agents", &agent.id.to_string(), verb])
        .await?;
    context.output.note(&format!("{done} the agent `{}`", agent.name));
    if context.output.is_json() {
        context.output.data(&agent, String::new)
    } else {
        Ok(())
    }
}

async fn delete(args: &AgentEnd, context: &Context<'_>) -> anyhow::Result<()> {
    let agent = context.agent(&args.agent).await?;
    secret_input::confirm(
        &format!("Delete the agent `{}` and its tokens?", agent.name),
        args.yes,
    )?;
    context.client.delete(&["agents", &agent.id.to_string()]).await?;
    context
        .output
        .note(&format!("Deleted the agent `{}`", agent.name));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_goes_back_to_the_default() {
        assert_eq!(or_none::<u32>("none"), Ok(Patch::Reset));
        assert_eq!(or_none::<u32>("0"), Ok(Patch::Set(0)));
        assert_eq!(or_none::<i64>("5000"), Ok(Patch::Set(5000)));
        assert!(or_none::<i64>("-1").is_err() && or_none::<u32>("many").is_err());
        assert_eq!(list_or_none(vec![]), Patch::Keep);
        assert_eq!(list_or_none(vec!["none".into()]), Patch::Reset);
        assert_eq!(list_or_none(vec!["phi".into()]), Patch::Set(vec!["phi".into()]));
        assert_eq!(dollars(5_000), "$50.00");
    }
}
