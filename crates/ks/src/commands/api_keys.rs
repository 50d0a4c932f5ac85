//! `ks api-key`: management keys, for scripts and CI. A key's value is shown once, alone on stdout.

use std::time::Duration;

use clap::{Args, Subcommand};
use keystore_wire::Role;
use keystore_wire::api_keys::{ApiKey, CreateApiKey, CreatedApiKey, UpdateApiKey};

use super::find::MOST;
use super::members::role;
use super::{Context, date, moment, or_dash};
use crate::output::{advice, table};
use crate::{duration, secret_input};

/// `ks api-key`.
#[derive(Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// List the keys, without their values
    #[command(after_help = "Examples:\n  ks api-key list\n  ks api-key list --all")]
    List {
        /// Revoked and expired ones too
        #[arg(long)]
        all: bool,
    },
    /// Make a key; its value is shown this once
    #[command(
        after_help = "Examples:\n  ks api-key create ci --role member --expires 90d\n  ks api-key create reader --role viewer --project customer-42\n  \
        KS_API_KEY=$(ks api-key create ci --role member)"
    )]
    Create(CreateArgs),
    /// Give a key another name
    #[command(after_help = "Example:\n  ks api-key rename ci ci-old")]
    Rename {
        /// Its name or id
        key: String,
        /// The new name
        name: String,
    },
    /// End a key at once
    #[command(after_help = "Example:\n  ks api-key revoke ci --yes")]
    Revoke(RevokeArgs),
}

/// `ks api-key create`. With `--project`, the key is bound to that project.
#[derive(Args)]
pub(crate) struct CreateArgs {
    /// Its name
    name: String,
    /// What it may do: owner, admin, member, billing or viewer
    #[arg(long, value_parser = role)]
    role: Role,
    /// When it ends by itself, from now
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    expires: Option<Duration>,
}

/// `ks api-key revoke`.
#[derive(Args)]
pub(crate) struct RevokeArgs {
    /// Its name or id
    key: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Does what the command says.
pub(crate) async fn run(command: ApiKeyCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        ApiKeyCommand::List { all } => list(all, context).await,
        ApiKeyCommand::Create(args) => create(args, context).await,
        ApiKeyCommand::Rename { key, name } => rename(&key, name, context).await,
        ApiKeyCommand::Revoke(args) => revoke(&args, context).await,
    }
}

async fn list(all: bool, context: &Context<'_>) -> anyhow::Result<()> {
    let mut keys: Vec<ApiKey> = context.client.list(&["api-keys"], &(), MOST).await?;
    keys.retain(|key| all || key.revoked_at.is_none());
    context.output.data(&keys, || {
        let rows = keys.iter().map(|key| {
            let ends = match key.revoked_at {
                Some(at) => format!("revoked {}", moment(at)),
                None => or_dash(key.expires_at.map(moment)),
            };
            [
                key.name.clone(),
                key.role.as_str().to_owned(),
                or_dash(key.project_id),
                date(key.created_at),
                ends,
                or_dash(key.last_used_at.map(moment)),
                key.id.to_string(),
            ]
        });
        table(
            ["NAME", "ROLE", "PROJECT", "CREATED", "ENDS", "LAST USED", "ID"],
            rows,
        )
    })
}

async fn create(args: CreateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let body = CreateApiKey {
        name: args.name,
        role: args.role,
        project: context.settings.project.clone(),
        expires_at: args.expires.map(|after| duration::from_now(after).into()),
    };
    let made: CreatedApiKey = context.client.post(&["api-keys"], &body).await?;
    let Some(value) = &made.key else {
        return Err(advice(
            "the key was made by an earlier request, and its value is not shown again",
            format!(
                "`ks api-key revoke {}` ends it; then make another one",
                made.api_key.id
            ),
        ));
    };
    context.output.note(&format!(
        "Management key `{}` ({}); it is shown this once:",
        made.api_key.name, made.api_key.id
    ));
    context.output.data(&made, || value.clone())
}

async fn rename(key: &str, name: String, context: &Context<'_>) -> anyhow::Result<()> {
    let key = context.api_key(key).await?;
    let renamed: ApiKey = context
        .client
        .patch(&["api-keys", &key.id.to_string()], &UpdateApiKey { name })
        .await?;
    context
        .output
        .note(&format!("`{}` is called `{}` now", key.name, renamed.name));
    match context.output.is_json() {
        true => context.output.data(&renamed, String::new),
        false => Ok(()),
    }
}

async fn revoke(args: &RevokeArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let key = context.api_key(&args.key).await?;
    secret_input::confirm(&format!("End the management key `{}`?", key.name), args.yes)?;
    context.client.delete(&["api-keys", &key.id.to_string()]).await?;
    context
        .output
        .note(&format!("Revoked the management key `{}` ({})", key.name, key.id));
    Ok(())
}
