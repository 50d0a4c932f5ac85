//! `ks kill`: the kill switch. It stops what agents do, at once.

use clap::{Args, Subcommand};
use keystore_wire::revocations::{CreateRevocation, Revocation, RevocationScope, Revoked};

use super::find::MOST;
use super::{Context, moment, or_dash};
use crate::output::{advice, table};
use crate::{complete, secret_input};

/// `ks kill`.
#[derive(Subcommand)]
pub(crate) enum KillCommand {
    /// Stop every agent of the organization, until `--undo`
    #[command(after_help = "Examples:\n  ks kill org --reason 'looking into a leak'\n  ks kill org --undo")]
    Org {
        /// Let them go on
        #[arg(long, conflicts_with_all = ["reason", "yes"])]
        undo: bool,
        /// How it is done
        #[command(flatten)]
        how: How,
    },
    /// Stop every agent of a project, until `--undo`
    #[command(
        after_help = "Examples:\n  ks kill project customer-42 --reason 'contract ended' --yes\n  ks kill project customer-42 --undo"
    )]
    Project {
        /// Its slug or id
        #[arg(add = complete::projects())]
        project: String,
        /// Let them go on
        #[arg(long, conflicts_with_all = ["reason", "yes"])]
        undo: bool,
        /// How it is done
        #[command(flatten)]
        how: How,
    },
    /// Stop every call of the organization to a provider, until `--undo`
    #[command(
        after_help = "Examples:\n  ks kill provider openai --reason 'their outage costs us retries'\n  ks kill provider openai --undo"
    )]
    Provider {
        /// Its slug
        #[arg(add = complete::providers())]
        provider: String,
        /// Let them go on
        #[arg(long, conflicts_with_all = ["reason", "yes"])]
        undo: bool,
        /// How it is done
        #[command(flatten)]
        how: How,
    },
    /// Revoke an agent, for good
    #[command(after_help = "Example:\n  ks kill agent bot --reason 'it ran away' --yes")]
    Agent {
        /// Its name or id
        #[arg(add = complete::agents())]
        agent: String,
        /// How it is done
        #[command(flatten)]
        how: How,
    },
    /// Revoke a token, for good
    #[command(after_help = "Example:\n  ks kill token tok_01jd3w8f0qe7ys4c9p2m5n6r7t --reason leaked --yes")]
    Token {
        /// Its name or id
        token: String,
        /// How it is done
        #[command(flatten)]
        how: How,
    },
    /// List what is stopped and can go on again
    #[command(after_help = "Examples:\n  ks kill list\n  ks kill list --output json")]
    List,
}

/// How something is stopped.
#[derive(Args)]
pub(crate) struct How {
    /// Why, for whoever reads it later
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Does what the command says.
pub(crate) async fn run(command: KillCommand, context: &Context<'_>) -> anyhow::Result<()> {
    use RevocationScope as Scope;
    match command {
        KillCommand::Org { undo: true, .. } => undo(Scope::Org, None, context).await,
        KillCommand::Org { how, .. } => {
            stop(Scope::Org, None, "every agent of the organization", how, context).await
        }
        KillCommand::Project {
            project, undo: true, ..
        } => undo(Scope::Project, Some(&project), context).await,
        KillCommand::Project { project, how, .. } => {
            let what = format!("every agent of the project `{project}`");
            stop(Scope::Project, Some(project), &what, how, context).await
        }
        KillCommand::Provider {
            provider, undo: true, ..
        } => undo(Scope::Provider, Some(&provider), context).await,
        KillCommand::Provider { provider, how, .. } => {
            let what = format!("every call to {provider}");
            stop(Scope::Provider, Some(provider), &what, how, context).await
        }
        KillCommand::Agent { agent, how } => {
            let agent = context.agent(&agent).await?;
            let what = format!("the agent `{}` for good", agent.name);
            stop(Scope::Agent, Some(agent.id.to_string()), &what, how, context).await
        }
        KillCommand::Token { token, how } => {
            let token = context.token(&token).await?;
            let what = format!("the token `{}` of `{}` for good", token.name, token.agent_name);
            stop(Scope::Token, Some(token.id.to_string()), &what, how, context).await
        }
        KillCommand::List => list(context).await,
    }
}

async fn stop(
    scope: RevocationScope,
    id: Option<String>,
    what: &str,
    how: How,
    context: &Context<'_>,
) -> anyhow::Result<()> {
    secret_input::confirm(&format!("Stop {what}?"), how.yes)?;
    let body = CreateRevocation {
        scope,
        id,
        reason: how.reason,
    };
    let revoked: Revoked = context.client.post(&["revocations"], &body).await?;
    context
        .output
        .note(&format!("Stopped {what}: no later request is forwarded"));
    context.output.note(&match revoked.propagated {
        true => format!("{} calls under way were cut", revoked.streams_cut),
        false => format!(
            "{} calls under way were cut, and the rest is ending",
            revoked.streams_cut
        ),
    });
    if scope.can_be_lifted() {
        context
            .output
            .note("The same command with `--undo` lets it go on");
    }
    match context.output.is_json() {
        true => context.output.data(&revoked, String::new),
        false => Ok(()),
    }
}

async fn undo(scope: RevocationScope, named: Option<&str>, context: &Context<'_>) -> anyhow::Result<()> {
    let subject = match (scope, named) {
        (RevocationScope::Project, Some(project)) => {
            let project: keystore_wire::projects::Project =
                context.client.get(&["projects", project], &()).await?;
            Some(project.id.to_string())
        }
        (_, named) => named.map(str::to_owned),
    };
    let stopped = stopped(context).await?;
    let is_it =
        |one: &&Revocation| one.scope == scope && subject.as_ref().is_none_or(|id| *id == one.subject);
    let Some(found) = stopped.iter().find(is_it) else {
        return Err(advice("it is not stopped", "`ks kill list` shows what is"));
    };
    context
        .client
        .delete(&["revocations", &found.id.to_string()])
        .await?;
    context.output.note(&format!("The {} goes on", scope.as_str()));
    Ok(())
}

async fn list(context: &Context<'_>) -> anyhow::Result<()> {
    let stopped = stopped(context).await?;
    context.output.data(&stopped, || {
        let rows = stopped.iter().map(|one| {
            [
                one.scope.as_str().to_owned(),
                one.subject.clone(),
                moment(one.created_at),
                or_dash(one.reason.clone()),
                one.id.to_string(),
            ]
        });
        table(["STOPPED", "WHICH", "SINCE", "WHY", "ID"], rows)
    })
}

async fn stopped(context: &Context<'_>) -> anyhow::Result<Vec<Revocation>> {
    context.client.list(&["revocations"], &(), MOST).await
}
