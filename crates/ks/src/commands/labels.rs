//! `ks label`: what labels on projects, agents and credentials allow.

use clap::{Args, Subcommand};
use keystore_core::policy::Source;
use keystore_wire::labels::{LabelRule, SetLabelRule, UnsetLabelRule};
use keystore_wire::page::PageQuery;

use super::Context;
use super::find::MOST;
use crate::cli::source;
use crate::output::table;

/// `ks label`.
#[derive(Subcommand)]
pub(crate) enum LabelCommand {
    /// List what each label allows
    #[command(after_help = "Examples:\n  ks label list\n  ks label list --output json")]
    List,
    /// Set what a label allows, in place of what was set before
    #[command(
        after_help = "Examples:\n  ks label set phi --source byok --provider openai\n  ks label set eu-only --host eu.api.openai.com --host '*.mistral.ai'\n  \
        ks label set fedramp --source byok --customer-key\n\n\
        What is not named is not limited. Labels that hold without being set: phi, gdpr-dpa and fedramp allow keys of your own alone, and phi those with a baa on record."
    )]
    Set(SetArgs),
    /// Take away what was set for a label
    #[command(after_help = "Example:\n  ks label unset eu-only")]
    Unset(LabelArgs),
}

/// `ks label set`.
#[derive(Args)]
pub(crate) struct SetArgs {
    /// The label
    label: String,
    /// Whose keys may serve: byok or marketplace; may be given several times
    #[arg(long = "source", value_name = "SOURCE", value_parser = source)]
    sources: Vec<Source>,
    /// A provider that may be called; may be given several times
    #[arg(long = "provider", value_name = "SLUG")]
    providers: Vec<String>,
    /// A host that may be called; may be given several times
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Demand that keys are under a key that the organization holds itself (`ks kek customer-key`)
    #[arg(long)]
    customer_key: bool,
    /// Demand an agreement of this kind on record with the key; may be given several times
    #[arg(long = "agreement", value_name = "KIND")]
    agreements: Vec<String>,
}

/// A label.
#[derive(Args)]
pub(crate) struct LabelArgs {
    /// The label
    label: String,
}

/// Does what the command says.
pub(crate) async fn run(command: LabelCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        LabelCommand::List => {
            let rules: Vec<LabelRule> = context
                .client
                .list(&["labels"], &PageQuery::default(), MOST)
                .await?;
            show(&rules, context)
        }
        LabelCommand::Set(args) => {
            let body = SetLabelRule {
                label: args.label,
                sources: args.sources,
                providers: args.providers,
                hosts: args.hosts,
                customer_key: args.customer_key,
                agreements: args.agreements,
            };
            let rule: LabelRule = context.client.post(&["labels"], &body).await?;
            context.output.note(&format!("Set what `{}` allows", rule.label));
            show(&[rule], context)
        }
        LabelCommand::Unset(args) => {
            let said = format!("Took away what was set for `{}`", args.label);
            let body = UnsetLabelRule { label: args.label };
            context.client.post_quietly(&["labels", "unset"], &body).await?;
            context.output.note(&said);
            Ok(())
        }
    }
}

fn show(rules: &[LabelRule], context: &Context<'_>) -> anyhow::Result<()> {
    context.output.data(&rules, || {
        let any = |list: Vec<&str>| match list.is_empty() {
            true => "any".to_owned(),
            false => list.join(", "),
        };
        let rows = rules.iter().map(|rule| {
            [
                rule.label.clone(),
                any(rule.sources.iter().map(|source| source.as_str()).collect()),
                any(rule.providers.iter().map(String::as_str).collect()),
                any(rule.hosts.iter().map(String::as_str).collect()),
                demands(rule),
                if rule.built_in { "always" } else { "set" }.to_owned(),
            ]
        });
        table(
            ["LABEL", "SOURCES", "PROVIDERS", "HOSTS", "DEMANDS", "HOLDS"],
            rows,
        )
    })
}

/// What the label demands of a key.
fn demands(rule: &LabelRule) -> String {
    let own = rule.customer_key.then_some("a key of one's own");
    let all: Vec<_> = own
        .into_iter()
        .chain(rule.agreements.iter().map(String::as_str))
        .collect();
    match all.is_empty() {
        true => "-".to_owned(),
        false => all.join(", "),
    }
}
