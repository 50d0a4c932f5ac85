//! The command line: its words, their help and their examples. It decides nothing.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use keystore_core::policy::Source;

use crate::commands::{
    access, account, agents, api_keys, audit, billing, budgets, credit, db, events, factors, import, keks,
    kill, labels, login, marketplace, mcp, members, migrate, operator, orgs, pools, prices, projects,
    providers, requests, run, serve, sessions, tokens, usage, webhooks,
};
use crate::complete;
use crate::output::Format;

/// The version, and whether it is a build for FIPS mode.
const VERSION: &str = match cfg!(feature = "fips") {
    true => concat!(env!("CARGO_PKG_VERSION"), " (FIPS mode)"),
    false => env!("CARGO_PKG_VERSION"),
};

/// Keystore: real API keys stay in the vault, agents get tokens.
#[derive(Parser)]
#[command(
    name = "ks",
    version = VERSION,
    propagate_version = true,
    after_help = "Examples:\n  \
        ks dev                                     start a complete Keystore on this machine\n  \
        ks provider add openai                     store an OpenAI key (asks for it)\n  \
        ks token create --name bot --provider openai\n  \
        ks run --agent bot -- python agent.py      run a program without any real key\n  \
        ks requests --follow                       watch its traffic\n\n\
        Exit codes: 0 done, 1 refused or failed, 2 bad usage."
)]
pub(crate) struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub(crate) global: Global,
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Args, Clone)]
pub(crate) struct Global {
    /// The control plane's address [env: KS_API_URL]
    #[arg(long, global = true, value_name = "URL", help_heading = "Global options")]
    pub(crate) api_url: Option<String>,
    /// A management key (`ksm_…`); shells keep it in their history, so prefer KS_API_KEY or `ks login`
    #[arg(long, global = true, value_name = "KEY", help_heading = "Global options")]
    pub(crate) api_key: Option<String>,
    /// The project (name or id) to work in
    #[arg(long, global = true, value_name = "PROJECT", help_heading = "Global options", add = complete::projects())]
    pub(crate) project: Option<String>,
    /// How data is written to stdout
    #[arg(
        long,
        short,
        global = true,
        value_enum,
        default_value_t = Format::Table,
        help_heading = "Global options"
    )]
    pub(crate) output: Format,
}

/// The commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start a complete Keystore on this machine, for development
    #[command(
        after_help = "Examples:\n  ks dev\n  ks dev --data-dir ./keystore-data --proxy-addr 127.0.0.1:9400\n  \
        ks dev --allow-upstream 127.0.0.1:11434       let credentials point at a local model server\n  \
        ks dev --demo-data --data-dir ./demo          with thirty invented days, to look around in"
    )]
    Dev(serve::DevArgs),
    /// Run the server with a configuration file, for production
    #[command(
        after_help = "Examples:\n  ks serve --config /etc/keystore/keystore.toml\n  ks serve --print-config      show the settings, secrets masked\n  \
        KS_PROXY__ADDR=0.0.0.0:8400 ks serve"
    )]
    Serve(serve::ServeArgs),
    /// Sign in and remember the session
    #[command(
        after_help = "Examples:\n  ks login --email ada@example.com\n  printf %s \"$PASSWORD\" | ks login --email ada@example.com --password-stdin\n  \
        ks login --code 'https://keystore.example/login?code=…'\n  \
        printf %s \"$PASSWORD\" | ks login --email ada@example.com --password-stdin --second-factor 123456\n  ks login --api-url https://keystore.example --api-key ksm_…"
    )]
    Login(login::LoginArgs),
    /// End the session and forget it
    #[command(after_help = "Example:\n  ks logout")]
    Logout,
    /// Show who the commands act as
    #[command(after_help = "Examples:\n  ks whoami\n  ks whoami --output json")]
    Whoami,
    /// Check the way to the server, and the server; say how to mend what is wrong
    #[command(after_help = "Examples:\n  ks doctor\n  ks doctor --output json")]
    Doctor,
    /// Providers and their stored keys
    #[command(
        subcommand,
        after_help = "Examples:\n  ks provider list\n  ks provider add openai\n  ks provider test openai"
    )]
    Provider(providers::ProviderCommand),
    /// Agents: what they may use, and how much
    #[command(
        subcommand,
        after_help = "Examples:\n  ks agent list\n  ks agent create bot --provider openai --budget 5000\n  ks agent pause bot"
    )]
    Agent(agents::AgentCommand),
    /// Tokens of agents
    #[command(
        subcommand,
        after_help = "Examples:\n  ks token create --name bot --provider openai\n  ks token rotate bot --overlap 1h"
    )]
    Token(tokens::TokenCommand),
    /// What agents ask for and have not: see, approve or deny it
    #[command(
        subcommand,
        after_help = "Examples:\n  ks access list\n  ks access approve acr_01jd3w8f0qe7ys4c9p2m5n6r7t --source byok\n  ks access deny acr_01jd3w8f0qe7ys4c9p2m5n6r7t --reason 'not with customer data'"
    )]
    Access(access::AccessCommand),
    /// The kill switch: stop what agents do, at once
    #[command(
        subcommand,
        after_help = "Examples:\n  ks kill agent bot --reason 'it ran away'\n  ks kill provider openai\n  ks kill provider openai --undo"
    )]
    Kill(kill::KillCommand),
    /// Run a program with tokens in place of real keys
    #[command(
        after_help = "Examples:\n  ks run --agent bot -- python agent.py\n  ks run --token ks_… -- node agent.js\n  \
        ks run --agent bot --print-env            show the variables only\n\n\
        For every provider of the agent, the variables that its SDK reads are set: the base URL to the proxy, the key to\n\
        the token. Variables that hold real provider keys, and KS_API_KEY, are taken away. The program's exit code is passed on."
    )]
    Run(run::RunArgs),
    /// Serve the Model Context Protocol on stdio, for hosts that start a server themselves
    #[command(
        after_help = "Examples:\n  KS_TOKEN=ks_… ks mcp              what an agent may use, what is left, and asking for more\n  \
        ks mcp --manage                   administer, with the session of `ks login` or KS_API_KEY\n  \
        claude mcp add keystore --env KS_TOKEN=ks_… -- ks mcp\n\n\
        Each line of stdin is a message, which goes to the control plane's /mcp; each line of stdout is an answer."
    )]
    Mcp(mcp::McpArgs),
    /// Show traffic
    #[command(
        after_help = "Examples:\n  ks requests\n  ks requests --agent bot --since 1h --refused\n  ks requests --follow\n  ks requests req_01jd3w8f0qe7ys4c9p2m5n6r7t"
    )]
    Requests(requests::RequestsArgs),
    /// Budgets: what may be spent, by whom, on what, and how long
    #[command(
        subcommand,
        after_help = "Examples:\n  ks budget list\n  ks budget create 500 --window month --threshold 80\n  ks budget check --agent bot --provider openai --cost 2.50"
    )]
    Budget(budgets::BudgetCommand),
    /// Prices: what you pay by contracts of your own
    #[command(
        subcommand,
        after_help = "Examples:\n  ks price show openai/gpt-5.2\n  ks price set openai/gpt-5.2 --input 1.20 --output-text 9.60\n  ks price list"
    )]
    Price(prices::PriceCommand),
    /// Providers that the operator sells: use them without a key of your own
    #[command(
        subcommand,
        after_help = "Examples:\n  ks marketplace list --category search\n  ks marketplace enable tavily\n  ks token create --name bot --provider tavily:marketplace"
    )]
    Marketplace(marketplace::MarketplaceCommand),
    /// Move agents between your own keys and the marketplace; their tokens stay
    #[command(
        after_help = "Examples:\n  ks migrate openai --to marketplace --dry-run\n  ks migrate openai --to byok --agent bot\n  \
        ks migrate --list\n  ks migrate --undo mov_01jd3w8f0qe7ys4c9p2m5n6r7t"
    )]
    Migrate(migrate::MigrateArgs),
    /// The keys under which this organization's credentials are sealed, and who holds the key above them
    #[command(
        subcommand,
        after_help = "Examples:\n  ks kek status\n  ks kek rotate --wait\n  ks kek customer-key vault:transit/acme"
    )]
    Kek(keks::KekCommand),
    /// What labels on projects, agents and keys allow
    #[command(
        subcommand,
        after_help = "Examples:\n  ks label list\n  ks label set eu-only --host eu.api.openai.com"
    )]
    Label(labels::LabelCommand),
    /// The operator's keys, which customers use without having any
    #[command(
        subcommand,
        after_help = "Examples:\n  ks pool add openai --name pool-1\n  ks pool list\n  ks pool drain openai/pool-1"
    )]
    Pool(pools::PoolCommand),
    /// Who runs this deployment
    #[command(subcommand, after_help = "Example:\n  ks operator set-up")]
    Operator(operator::OperatorCommand),
    /// What may be spent at the marketplace, what was charged, and invoices
    #[command(
        subcommand,
        after_help = "Examples:\n  ks billing balance\n  ks billing invoices\n  ks billing invoice KS-2026-000001 --pdf"
    )]
    Billing(billing::BillingCommand),
    /// The operator's books of customers: what they paid, are given and owe, and on which terms
    #[command(
        subcommand,
        after_help = "Examples:\n  ks credit list\n  ks credit top-up org_01jd3w8f0qe7ys4c9p2m5n6r7t 100\n  ks credit terms org_01jd3w8f0qe7ys4c9p2m5n6r7t --limit 500\n\n\
        Act as the operator: sign in and `ks org switch operator`, or KS_API_KEY with a key of that organization."
    )]
    Credit(credit::CreditCommand),
    /// Show what happened: thresholds of budgets that were reached, calls that were refused for them
    #[command(after_help = "Examples:\n  ks events\n  ks events --kind usage.threshold --output json")]
    Events(events::EventsArgs),
    /// Take over keys that lie in files
    #[command(
        subcommand,
        after_help = "Examples:\n  ks import env --dry-run\n  ks import env --agent my-app"
    )]
    Import(import::ImportCommand),
    /// Addresses that events are told to, signed and tried until they take them
    #[command(
        subcommand,
        after_help = "Examples:\n  ks webhook create https://example.com/hooks/keystore --events 'agent.*'\n  ks webhook test https://example.com/hooks/keystore"
    )]
    Webhook(webhooks::WebhookCommand),
    /// Show what was used and what it cost
    #[command(
        after_help = "Examples:\n  ks usage\n  ks usage --by agent,model --since 7d\n  ks usage --by day --agent bot --output json"
    )]
    Usage(usage::UsageArgs),
    /// Your second factors: an app for one-time codes, and recovery codes
    #[command(
        subcommand,
        after_help = "Examples:\n  ks factor show\n  ks factor add\n  ks factor recovery-codes"
    )]
    Factor(factors::FactorCommand),
    /// Your own sessions: see and end them
    #[command(subcommand, after_help = "Examples:\n  ks session list\n  ks session end-all")]
    Session(sessions::SessionCommand),
    /// Your own account: its password, and what the codes in mails are for
    #[command(
        subcommand,
        after_help = "Examples:\n  ks account change-password\n  ks account forgot-password --email ada@example.com\n  ks account accept --code ksc_…"
    )]
    Account(account::AccountCommand),
    /// Organizations that you belong to
    #[command(
        subcommand,
        after_help = "Examples:\n  ks org list\n  ks org create 'Acme Labs'\n  ks org switch acme-labs"
    )]
    Org(orgs::OrgCommand),
    /// Who belongs to the organization, and what they may do
    #[command(
        subcommand,
        after_help = "Examples:\n  ks member list\n  ks member invite grace@example.com --role member"
    )]
    Member(members::MemberCommand),
    /// Projects of the organization: each holds its own keys, agents and budgets
    #[command(
        subcommand,
        after_help = "Examples:\n  ks project list\n  ks project create 'Customer 42'"
    )]
    Project(projects::ProjectCommand),
    /// Management keys for scripts and CI
    #[command(
        subcommand,
        after_help = "Examples:\n  ks api-key list\n  ks api-key create ci --role member --expires 90d"
    )]
    ApiKey(api_keys::ApiKeyCommand),
    /// The database: backups, their way back, and checks; needs no server
    #[command(
        subcommand,
        after_help = "Examples:\n  ks db backup /backup/keystore.db --config /etc/keystore/keystore.toml\n  ks db restore /backup/keystore.db --to /var/lib/keystore/keystore.db"
    )]
    Db(db::DbCommand),
    /// The audit log: who changed what, and the proof of it
    #[command(
        subcommand,
        after_help = "Examples:\n  ks audit list --action create_agent --since 7d\n  ks audit verify --key audit.key"
    )]
    Audit(audit::AuditCommand),
    /// Write pages for `man`, one for each command
    #[command(after_help = "Example:\n  ks man ~/.local/share/man/man1")]
    Man {
        /// The folder they are written into
        folder: std::path::PathBuf,
    },
    /// Print a completion script for a shell
    #[command(
        after_help = "Examples:\n  source <(ks completions bash)       in ~/.bashrc\n  source <(ks completions zsh)        in ~/.zshrc, after compinit\n  \
        ks completions fish | source        in ~/.config/fish/config.fish"
    )]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// Where a secret is read from. Without any, a terminal is asked.
#[derive(Args, Default)]
pub(crate) struct SecretArgs {
    /// The key itself; shells keep it in their history
    #[arg(long, value_name = "SECRET", group = "secret")]
    pub(crate) key: Option<String>,
    /// Read the key from stdin
    #[arg(long, group = "secret")]
    pub(crate) key_stdin: bool,
    /// Read the key from a file
    #[arg(long, value_name = "FILE", group = "secret")]
    pub(crate) key_file: Option<PathBuf>,
    /// A field of a secret that has several: NAME=VALUE, or NAME=@FILE
    #[arg(long = "field", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) fields: Vec<(String, String)>,
}

/// Whose credential.
pub(crate) fn source(text: &str) -> Result<Source, String> {
    match text {
        "byok" => Ok(Source::Byok),
        "marketplace" => Ok(Source::Marketplace),
        _ => Err("expected byok or marketplace".to_owned()),
    }
}

/// `NAME=VALUE`.
pub(crate) fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod docs;
#[cfg(test)]
mod operations;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn every_command(command: &clap::Command, check: &mut dyn FnMut(&clap::Command)) {
        check(command);
        for sub in command.get_subcommands() {
            every_command(sub, check);
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does_and_shows_an_example() {
        every_command(&Cli::command(), &mut |command| {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} has no description");
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                help.contains("Example") && help.contains("ks "),
                "{name} shows no example"
            );
        });
    }

    #[test]
    fn the_page_of_commands_is_up_to_date() {
        let options = clap_markdown::MarkdownOptions::new()
            .title("Command reference".to_owned())
            .show_footer(false);
        // What every command takes is shown once, with `ks` itself.
        let command = Cli::command().mut_args(|arg| arg.global(false));
        let made = clap_markdown::help_markdown_command_custom(&command, &options);
        let lines = made.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        keystore_testkit::generated::is_up_to_date("docs/cli-reference.md", &(lines + "\n"));
    }

    #[test]
    fn secrets_come_from_one_place() {
        let parse =
            |args: &[&str]| Cli::try_parse_from([&["ks", "provider", "add", "openai"], args].concat());
        assert!(parse(&["--key", "sk-1"]).is_ok());
        assert!(parse(&["--key", "sk-1", "--key-stdin"]).is_err());
        assert!(parse(&["--field", "novalue"]).is_err());
    }
}
