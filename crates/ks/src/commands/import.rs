//! `ks import`: keys that lie in files of others go to the server to be sealed. What is found and what becomes of it is decided in
//! `import/`, without touching anything; what is decided is shown and asked about before it is done.

mod config;
mod dotenv;
mod env;
mod file;
mod litellm;
mod plan;
mod secrets;
mod store;
mod virtual_keys;

use std::process::ExitCode;

use clap::Subcommand;

use super::Context;

/// It was done, and something that looks like a secret is left where it was.
const SOMETHING_LEFT: u8 = 3;

/// `ks import`.
#[derive(Subcommand)]
pub(crate) enum ImportCommand {
    /// Take the keys of a .env file, and put an agent's token in their place
    ///
    /// Ends with 3 where it is done and something else in the file looks like a secret.
    #[command(
        after_help = "Examples:\n  ks import env --dry-run\n  ks import env --agent my-app\n  ks import env services/api/.env --agent api --as LLM_KEY=openai \
        --leave LEGACY_KEY --yes\n\nWhat the file was is kept beside it, as .env.before-keystore, readable by you alone: delete it when everything works."
    )]
    Env(env::EnvArgs),
    /// Take the keys of a LiteLLM configuration, and make agents of its virtual keys
    #[command(
        after_help = "Examples:\n  ks import litellm config.yaml --dry-run\n  ks import litellm config.yaml --agent gateway\n  ks import litellm config.yaml \
        --env-file .env --keys keys.json --yes\n\nThe virtual keys are in LiteLLM's database; `GET /key/list?return_full_object=true` of its proxy gives them."
    )]
    Litellm(litellm::LitellmArgs),
}

/// Does what the command says.
pub(crate) async fn run(command: ImportCommand, context: &Context<'_>) -> anyhow::Result<ExitCode> {
    match command {
        ImportCommand::Env(args) => env::run(args, context).await,
        ImportCommand::Litellm(args) => litellm::run(args, context).await.map(|()| ExitCode::SUCCESS),
    }
}
