//! `ks run`: a program with an agent's token in place of real keys. Which token, and for which providers, is settled here;
//! the variables are `environment`'s matter and the process `child`'s.

mod child;
mod environment;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use keystore_core::policy::AgentStatus;
use keystore_wire::agents::Agent;
use keystore_wire::providers::Provider;
use keystore_wire::tokens::{CreateToken, CreatedToken};
use zeroize::Zeroizing;

use self::environment::{Environment, Variables};
use super::Context;
use crate::complete;
use crate::duration;
use crate::output::{advice, masked, told};
use crate::settings;

/// `ks run`.
#[derive(Args)]
pub(crate) struct RunArgs {
    /// The agent (name or id) to run as: makes a token for this run, and revokes it at the end
    #[arg(long, value_name = "AGENT", add = complete::agents(), conflicts_with = "token")]
    agent: Option<String>,
    /// A token to run with; KS_TOKEN does the same
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// With a token: set the variables of this provider only; may be given several times
    #[arg(long = "provider", value_name = "SLUG", add = complete::providers(), conflicts_with = "agent")]
    providers: Vec<String>,
    /// How long a token that was made for this run holds at most
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "24h")]
    ttl: Duration,
    /// Print what would be set and removed, and run nothing
    #[arg(long)]
    print_env: bool,
    /// The program and its arguments
    #[arg(
        trailing_var_arg = true,
        required_unless_present = "print_env",
        value_name = "CMD"
    )]
    command: Vec<OsString>,
}

/// Whom the program runs as.
enum Identity {
    /// With a token that was given, for these providers.
    Token(Zeroizing<String>, Vec<Variables>),
    /// As an agent, with a token of its own for this run.
    Agent(Box<Agent>),
}

/// Runs the program; its exit code is ours.
pub(crate) async fn run(args: RunArgs, context: &Context<'_>) -> anyhow::Result<ExitCode> {
    match identity(&args, context).await? {
        Identity::Token(token, variables) => {
            let proxy_url = proxy_for_token(context).await?;
            let environment = prepare(&token, &proxy_url, &variables, context);
            launch(&args, &environment, context).await
        }
        Identity::Agent(agent) => run_as(&args, &agent, context).await,
    }
}

async fn identity(args: &RunArgs, context: &Context<'_>) -> anyhow::Result<Identity> {
    let given = args.token.clone().map(Zeroizing::new);
    let token = if args.agent.is_some() {
        None
    } else {
        given.or_else(|| context.settings.token.clone())
    };
    if let Some(token) = token {
        if !keystore_core::token::is_token(token.as_bytes()) {
            return Err(advice(
                "that is not an agent's token",
                "a token is `ks_` and 64 hexadecimal digits; `ks token create` makes one",
            ));
        }
        return Ok(Identity::Token(token, of_catalog(&args.providers)?));
    }
    if let Some(agent) = &args.agent {
        return Ok(Identity::Agent(Box::new(context.agent(agent).await?)));
    }
    let mut agents = context.agents().await?;
    agents.retain(|agent| agent.status == AgentStatus::Active);
    match (agents.pop(), agents.len()) {
        (Some(agent), 0) => {
            context
                .output
                .note(&format!("Running as `{}`, the only agent", agent.name));
            Ok(Identity::Agent(Box::new(agent)))
        }
        (Some(_), _) => Err(advice(
            "which agent?",
            "add `--agent`, or `--token`; `ks agent list` shows the agents",
        )),
        (None, _) => Err(advice(
            "there is no agent to run as",
            "`ks token create --name bot --provider openai` makes one",
        )),
    }
}

/// The variables of the named providers, or of every provider of the catalog.
fn of_catalog(slugs: &[String]) -> anyhow::Result<Vec<Variables>> {
    if slugs.is_empty() {
        return Ok(keystore_catalog::providers()
            .iter()
            .filter(|provider| !provider.dev_only)
            .map(Variables::of_known)
            .collect());
    }
    let each = slugs.iter().map(|slug| match keystore_catalog::provider(slug) {
        Some(provider) => Ok(Variables::of_known(provider)),
        None => {
            let near = keystore_catalog::nearest(slug).map_or_else(
                || "`ks provider list --all` shows the providers".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            Err(advice(format!("there is no provider `{slug}`"), near))
        }
    });
    each.collect()
}

/// The variables of what an agent may use. A provider that this catalog does not know is asked for.
async fn of_agent(agent: &Agent, context: &Context<'_>) -> anyhow::Result<Vec<Variables>> {
    let mut all = Vec::with_capacity(agent.providers.len());
    for grant in &agent.providers {
        all.push(match keystore_catalog::provider(&grant.name) {
            Some(provider) => Variables::of_known(provider),
            None => {
                let provider: Provider = context.client.get(&["providers", &grant.name], &()).await?;
                Variables::of_described(&provider)
            }
        });
    }
    Ok(all)
}

/// Where a token that was given may go. Without a management key the server does not tell where its proxy is.
async fn proxy_for_token(context: &Context<'_>) -> anyhow::Result<String> {
    let settings = context.settings;
    if settings.api_key.is_some() {
        return context.proxy_url().await;
    }
    context.proxy_url_unasked().ok_or_else(|| {
        advice(
            format!(
                "the proxy of {} is not known: without a management key the server does not tell it",
                settings.api_url
            ),
            "set KS_PROXY_URL to the proxy's address, or sign in with `ks login`",
        )
    })
}

fn prepare(token: &str, proxy_url: &str, variables: &[Variables], context: &Context<'_>) -> Environment {
    let environment = Environment::build(settings::environment(), variables, proxy_url, token);
    for warning in &environment.warnings {
        context.output.warn(warning);
    }
    environment
}

async fn run_as(args: &RunArgs, agent: &Agent, context: &Context<'_>) -> anyhow::Result<ExitCode> {
    if agent.providers.is_empty() {
        context
            .output
            .warn(&format!("the agent `{}` may use no provider yet", agent.name));
    }
    let proxy_url = context.proxy_url().await?;
    let variables = of_agent(agent, context).await?;
    if args.print_env {
        let placeholder = format!("{}…", keystore_core::token::PREFIX);
        return launch(
            args,
            &prepare(&placeholder, &proxy_url, &variables, context),
            context,
        )
        .await;
    }
    let body = CreateToken {
        agent_id: Some(agent.id.to_string()),
        name: Some("ks run".to_owned()),
        expires_at: Some(duration::from_now(args.ttl).into()),
        ..CreateToken::default()
    };
    // From here on a signal is passed to the program instead of ending us, so that the token is always revoked.
    let signals = child::Signals::catch()?;
    let created: CreatedToken = context.client.post(&["tokens"], &body).await?;
    let token = Zeroizing::new(created.token.unwrap_or_default());
    let environment = prepare(&token, &proxy_url, &variables, context);
    let ended = child::run(&args.command, &environment, signals, context.output).await;
    if let Err(error) = context
        .client
        .act_quietly(&["tokens", &created.id.to_string(), "revoke"])
        .await
    {
        context.output.warn(&format!(
            "the token {} of this run is not revoked ({}); it ends by itself",
            created.id,
            told(&error)
        ));
    }
    ended
}

async fn launch(
    args: &RunArgs,
    environment: &Environment,
    context: &Context<'_>,
) -> anyhow::Result<ExitCode> {
    if !args.print_env {
        return child::run(
            &args.command,
            environment,
            child::Signals::catch()?,
            context.output,
        )
        .await;
    }
    let shown: Vec<(String, String)> = environment
        .set
        .iter()
        .map(|(name, value)| {
            let is_token = keystore_core::token::is_token(value.as_bytes());
            (name.clone(), if is_token { masked(value) } else { value.clone() })
        })
        .collect();
    let value = serde_json::json!({
        "set": shown.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "remove": environment.remove,
    });
    context.output.data(&value, || {
        let set = shown.iter().map(|(name, value)| format!("{name}={value}"));
        let removed = environment.remove.iter().map(|name| format!("unset {name}"));
        set.chain(removed).collect::<Vec<_>>().join("\n")
    })?;
    Ok(ExitCode::SUCCESS)
}
