//! `ks token`: agents' bearer secrets. A token's value is shown once, alone on stdout, so that a script can take it.

use std::time::Duration;

use clap::{Args, Subcommand};
use keystore_wire::tokens::{CreateToken, CreatedToken, ListTokens, MAX_OVERLAP_SECONDS, RotateToken, Token};

use super::agents::{GrantArgs, LimitArgs};
use super::find::MOST;
use super::{Context, date, or_dash};
use crate::complete;
use crate::output::{advice, table};
use crate::{duration, secret_input};

/// `ks token`.
#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Create an agent and its token in one step, or one more token of an agent
    #[command(
        after_help = "Examples:\n  ks token create --name bot --provider openai:byok --provider anthropic\n  \
        ks token create --name bot --provider openai --budget 5000 --rpm 120\n  \
        ks token create --agent bot --expires 24h\n  KS_TOKEN=$(ks token create --agent bot)"
    )]
    Create(CreateArgs),
    /// List the tokens, without their values
    #[command(after_help = "Examples:\n  ks token list\n  ks token list --agent bot")]
    List(ListArgs),
    /// End a token at once
    #[command(after_help = "Example:\n  ks token revoke tok_01jd3w8f0qe7ys4c9p2m5n6r7t --yes")]
    Revoke(RevokeArgs),
    /// Make a new value; the old one ends after the overlap
    #[command(after_help = "Examples:\n  ks token rotate bot\n  ks token rotate bot --overlap 1h")]
    Rotate(RotateArgs),
}

/// `ks token create`.
#[derive(Args)]
pub(crate) struct CreateArgs {
    /// The name of the new agent and its token; with `--agent`, of the token alone
    #[arg(long, value_name = "NAME", required_unless_present = "agent")]
    name: Option<String>,
    /// The agent (name or id) that gets one more token
    #[arg(long, value_name = "AGENT", add = complete::agents(), conflicts_with_all = ["providers", "scopes", "rpm_limit", "rpd_limit", "budget"])]
    agent: Option<String>,
    #[command(flatten)]
    grants: GrantArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// When the token ends by itself, from now
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    expires: Option<Duration>,
}

/// `ks token list`.
#[derive(Args)]
pub(crate) struct ListArgs {
    /// Of this agent (name or id)
    #[arg(long, value_name = "AGENT", add = complete::agents())]
    agent: Option<String>,
}

/// `ks token revoke`.
#[derive(Args)]
pub(crate) struct RevokeArgs {
    /// Its id, or its name
    token: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// `ks token rotate`.
#[derive(Args)]
pub(crate) struct RotateArgs {
    /// Its id, or its name
    token: String,
    /// How long the old value still holds, up to 7d
    #[arg(long, value_name = "DURATION", value_parser = overlap)]
    overlap: Option<u32>,
}

fn overlap(text: &str) -> Result<u32, String> {
    match u32::try_from(duration::parse(text)?.as_secs()) {
        Ok(seconds) if seconds <= MAX_OVERLAP_SECONDS => Ok(seconds),
        _ => Err("that is more than 7d".to_owned()),
    }
}

/// Does what the command says.
pub(crate) async fn run(command: TokenCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        TokenCommand::Create(args) => create(args, context).await,
        TokenCommand::List(args) => list(args, context).await,
        TokenCommand::Revoke(args) => revoke(&args, context).await,
        TokenCommand::Rotate(args) => rotate(&args, context).await,
    }
}

async fn create(args: CreateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let expires_at = args.expires.map(|after| duration::from_now(after).into());
    let body = match &args.agent {
        Some(agent) => CreateToken {
            agent_id: Some(context.agent(agent).await?.id.to_string()),
            name: args.name,
            expires_at,
            ..CreateToken::default()
        },
        None => CreateToken {
            agent_id: None,
            name: args.name,
            project: context.settings.project.clone(),
            providers: Some(args.grants.grants()?),
            rpm_limit: args.limits.rpm_limit,
            rpd_limit: args.limits.rpd_limit,
            budget_cents_monthly: args.limits.budget,
            expires_at,
        },
    };
    let created: CreatedToken = context.client.post(&["tokens"], &body).await?;
    if created.agent.providers.is_empty() {
        let name = &created.agent.name;
        context.output.warn(&format!(
            "the agent `{name}` may use nothing yet; `ks agent update {name} --provider <slug>` grants it something"
        ));
    }
    hand_over(&created, context)
}

/// The value to stdout, everything else to stderr.
fn hand_over(created: &CreatedToken, context: &Context<'_>) -> anyhow::Result<()> {
    let Some(token) = &created.token else {
        return Err(advice(
            "the token was made by an earlier request, and its value is not shown again",
            format!("`ks token rotate {}` makes a new value", created.id),
        ));
    };
    context.output.note(&format!(
        "Token {} of the agent `{}`; it is shown this once:",
        created.id, created.agent.name
    ));
    context.output.data(created, || token.clone())
}

async fn list(args: ListArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let agent = match &args.agent {
        Some(agent) => Some(context.agent(agent).await?.id.to_string()),
        None => None,
    };
    let query = ListTokens {
        agent,
        ..ListTokens::default()
    };
    let tokens: Vec<Token> = context.client.list(&["tokens"], &query, MOST).await?;
    context.output.data(&tokens, || {
        let rows = tokens.iter().map(|token| {
            [
                token.name.clone(),
                token.agent_name.clone(),
                token.status.as_str().to_owned(),
                date(token.created_at),
                or_dash(token.expires_at.map(super::moment)),
                or_dash(token.last_used_at.map(super::moment)),
                token.id.to_string(),
            ]
        });
        table(
            ["NAME", "AGENT", "STATUS", "CREATED", "EXPIRES", "LAST USED", "ID"],
            rows,
        )
    })
}

async fn revoke(args: &RevokeArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let token = context.token(&args.token).await?;
    secret_input::confirm(
        &format!("End the token `{}` of `{}`?", token.name, token.agent_name),
        args.yes,
    )?;
    context
        .client
        .act_quietly(&["tokens", &token.id.to_string(), "revoke"])
        .await?;
    context
        .output
        .note(&format!("Revoked the token `{}` ({})", token.name, token.id));
    Ok(())
}

async fn rotate(args: &RotateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let token = context.token(&args.token).await?;
    let body = RotateToken {
        overlap_seconds: args.overlap.unwrap_or_default(),
    };
    let created: CreatedToken = context
        .client
        .post(&["tokens", &token.id.to_string(), "rotate"], &body)
        .await?;
    hand_over(&created, context)?;
    match body.overlap_seconds {
        0 => context
            .output
            .note(&format!("The old value ({}) no longer holds", token.id)),
        seconds => context.output.note(&format!(
            "The old value ({}) holds for {seconds} seconds more",
            token.id
        )),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_overlap_is_at_most_a_week() {
        assert_eq!(super::overlap("1h"), Ok(3_600));
        assert_eq!(super::overlap("7d"), Ok(604_800));
        assert!(super::overlap("8d").is_err() && super::overlap("soon").is_err());
    }
}
