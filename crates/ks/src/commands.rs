//! The commands, one file each. Every file holds the words of its command line and what the command does.

mod abuse;
pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod agents;
pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod billing;
pub(crate) mod budgets;
mod completions;
mod credentials;
pub(crate) mod credit;
pub(crate) mod db;
mod definitions;
mod doctor;
pub(crate) mod events;
pub(crate) mod factors;
mod find;
mod grants;
pub(crate) mod import;
pub(crate) mod keks;
pub(crate) mod kill;
pub(crate) mod labels;
mod limits;
pub(crate) mod login;
mod man;
pub(crate) mod marketplace;
pub(crate) mod mcp;
pub(crate) mod members;
pub(crate) mod migrate;
pub(crate) mod operator;
pub(crate) mod orgs;
pub(crate) mod payments;
pub(crate) mod pools;
pub(crate) mod prices;
pub(crate) mod projects;
pub(crate) mod providers;
pub(crate) mod requests;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod sessions;
pub(crate) mod tokens;
pub(crate) mod usage;
pub(crate) mod webhooks;

pub(crate) use credentials::name_of as name_of_key;

use std::process::ExitCode;

use keystore_wire::auth::Me;

use crate::cli::{Cli, Command};
use crate::client::Client;
use crate::output::Output;
use crate::settings::Settings;

/// What a client command works with.
pub(crate) struct Context<'a> {
    /// Where the server is.
    pub(crate) settings: &'a Settings,
    /// The way there.
    pub(crate) client: &'a Client,
    /// The way to people.
    pub(crate) output: &'a Output,
}

impl Context<'_> {
    /// The data plane: as we are told, else as the server tells.
    ///
    /// # Errors
    /// The server does not answer.
    pub(crate) async fn proxy_url(&self) -> anyhow::Result<String> {
        match &self.settings.proxy_url {
            Some(url) => Ok(url.clone()),
            None => Ok(self.client.get::<Me>(&["auth", "me"], &()).await?.proxy_url),
        }
    }

    /// Where the data plane is, as far as that is known without asking: what listens at the default address of this machine is not the proxy
    /// of a server elsewhere.
    pub(crate) fn proxy_url_unasked(&self) -> Option<String> {
        let is_known = self.settings.proxy_url.is_some() || self.client.is_local();
        is_known.then(|| self.settings.proxy_url_or_default())
    }
}

/// Runs the command.
///
/// # Errors
/// Whatever it fails with, for people to read.
pub(crate) async fn run(cli: Cli, output: &Output) -> anyhow::Result<ExitCode> {
    let command = match cli.command {
        Command::Dev(args) => return serve::dev(args).await.map(|()| ExitCode::SUCCESS),
        Command::Serve(args) => return serve::serve(args, output).await.map(|()| ExitCode::SUCCESS),
        Command::Db(command) => return db::run(command, output).await,
        Command::Man { folder } => return man::write(&folder, output).map(|()| ExitCode::SUCCESS),
        Command::Completions { shell } => {
            return completions::print(shell, output).map(|()| ExitCode::SUCCESS);
        }
        command => command,
    };
    let settings = Settings::load(&cli.global)?;
    let client = Client::new(&settings)?;
    let context = Context {
        settings: &settings,
        client: &client,
        output,
    };
    match command {
        Command::Run(args) => return run::run(args, &context).await,
        Command::Doctor => return doctor::run(&context).await,
        Command::Login(args) => login::login(args, &cli.global, &context).await?,
        Command::Logout => login::logout(&context).await?,
        Command::Whoami => login::whoami(&context).await?,
        Command::Access(command) => access::run(command, &context).await?,
        Command::Mcp(args) => mcp::run(args, &context).await?,
        Command::Factor(command) => factors::run(command, &context).await?,
        Command::Session(command) => sessions::run(command, &context).await?,
        Command::Account(command) => account::run(command, &context).await?,
        Command::Org(command) => orgs::run(command, &context).await?,
        Command::Member(command) => members::run(command, &context).await?,
        Command::Project(command) => projects::run(command, &context).await?,
        Command::ApiKey(command) => api_keys::run(command, &context).await?,
        Command::Audit(command) => return audit::run(command, &context).await,
        Command::Budget(command) => budgets::run(command, &context).await?,
        Command::Billing(command) => billing::run(command, &context).await?,
        Command::Credit(command) => credit::run(command, &context).await?,
        Command::Price(command) => prices::run(command, &context).await?,
        Command::Provider(command) => providers::run(command, &context).await?,
        Command::Marketplace(command) => marketplace::run(command, &context).await?,
        Command::Migrate(args) => migrate::run(args, &context).await?,
        Command::Kek(command) => keks::run(command, &context).await?,
        Command::Label(command) => labels::run(command, &context).await?,
        Command::Pool(command) => pools::run(command, &context).await?,
        Command::Operator(command) => operator::run(command, &context).await?,
        Command::Kill(command) => kill::run(command, &context).await?,
        Command::Agent(command) => agents::run(command, &context).await?,
        Command::Token(command) => tokens::run(command, &context).await?,
        Command::Requests(args) => requests::run(args, &context).await?,
        Command::Events(args) => events::run(args, &context).await?,
        Command::Usage(args) => usage::run(args, &context).await?,
        Command::Import(command) => return import::run(command, &context).await,
        Command::Webhook(command) => webhooks::run(command, &context).await?,
        Command::Dev(_)
        | Command::Serve(_)
        | Command::Db(_)
        | Command::Man { .. }
        | Command::Completions { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// The date of a time, for columns.
fn date(time: keystore_wire::Time) -> String {
    time.to_string().chars().take(10).collect()
}

/// A time to the second, for columns.
fn moment(time: keystore_wire::Time) -> String {
    time.to_string()
        .chars()
        .take(19)
        .map(|letter| if letter == 'T' { ' ' } else { letter })
        .collect()
}

/// What may be absent, for columns.
fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
