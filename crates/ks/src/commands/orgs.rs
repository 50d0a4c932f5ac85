//! `ks org`: the organizations of a person. A session speaks for one of them at a time; `switch` changes which.

use clap::{Args, Subcommand};
use keystore_wire::auth::{Me, Membership, SwitchOrg};
use keystore_wire::members::TransferOrg;
use keystore_wire::orgs::{CreateOrg, DeleteOrg, Org, UpdateOrg};

use super::abuse::AbuseArgs;
use super::find::MOST;
use super::limits::LimitsArgs;
use super::{Context, moment};
use crate::complete;
use crate::output::{advice, facts, table};
use crate::secret_input;

/// `ks org`.
#[derive(Subcommand)]
pub(crate) enum OrgCommand {
    /// List the organizations that you belong to
    #[command(after_help = "Examples:\n  ks org list\n  ks org list --output json")]
    List,
    /// Show the organization that the commands act in
    #[command(after_help = "Example:\n  ks org show")]
    Show,
    /// Make another organization, which you own
    #[command(
        after_help = "Examples:\n  ks org create 'Acme Labs'\n  ks org create 'Acme Labs' --slug labs --time-zone Europe/Berlin"
    )]
    Create(CreateArgs),
    /// Change its names, its time zone, and whether events are mailed
    #[command(
        after_help = "Examples:\n  ks org update --name 'Acme Inc'\n  ks org update --time-zone America/New_York\n  ks org update --event-mails false\n  ks org update --require-second-factor true"
    )]
    Update(UpdateArgs),
    /// Show or change what all calls of the organization together may not pass
    #[command(
        after_help = "Examples:\n  ks org limits\n  ks org limits --rpm-limit 6000 --max-concurrency 200\n  ks org limits --rpm-limit none"
    )]
    Limits(LimitsArgs),
    /// Show or change the rules that watch the agents of the organization
    #[command(
        after_help = "Examples:\n  ks org abuse\n  ks org abuse --refusals alert --spend-rate pause:20.00/10m\n  ks org abuse --identical-requests none"
    )]
    Abuse(AbuseArgs),
    /// Act in another organization from now on
    #[command(after_help = "Example:\n  ks org switch acme-labs")]
    Switch {
        /// Its slug, name or id
        #[arg(add = complete::orgs())]
        org: String,
    },
    /// Give it to another member; you become an admin
    #[command(after_help = "Example:\n  ks org transfer grace@example.com")]
    Transfer(TransferArgs),
    /// End it with everything in it, for good
    #[command(after_help = "Examples:\n  ks org delete acme-labs\n  ks org delete acme-labs --yes")]
    Delete(DeleteArgs),
}

/// `ks org create`.
#[derive(Args)]
pub(crate) struct CreateArgs {
    /// Its name
    name: String,
    /// Its name in URLs and commands; made from the name if absent
    #[arg(long, value_name = "SLUG")]
    slug: Option<String>,
    /// The IANA time zone of its budgets; UTC if absent
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
}

/// `ks org update`.
#[derive(Args)]
#[group(required = true, multiple = true)]
pub(crate) struct UpdateArgs {
    /// A new name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A new name in URLs and commands
    #[arg(long, value_name = "SLUG")]
    slug: Option<String>,
    /// A new time zone; budgets follow it from their next window
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Whether its events are mailed to its owners and admins, where the server sends mails
    #[arg(long, value_name = "BOOL")]
    event_mails: Option<bool>,
    /// Whether members need a second factor: true or false
    #[arg(long, value_name = "BOOL")]
    require_second_factor: Option<bool>,
}

/// `ks org transfer`.
#[derive(Args)]
pub(crate) struct TransferArgs {
    /// The address, name or id of the member who will own it
    member: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// `ks org delete`.
#[derive(Args)]
pub(crate) struct DeleteArgs {
    /// The slug of the organization that the commands act in
    #[arg(add = complete::orgs())]
    org: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Does what the command says.
pub(crate) async fn run(command: OrgCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        OrgCommand::List => list(context).await,
        OrgCommand::Show => {
            let org: Org = context.client.get(&["org"], &()).await?;
            show(&org, context)
        }
        OrgCommand::Create(args) => create(args, context).await,
        OrgCommand::Update(args) => update(args, context).await,
        OrgCommand::Limits(args) => super::limits::run(&["org", "limits"], args, context).await,
        OrgCommand::Abuse(args) => super::abuse::run(&["org", "abuse-rules"], args, context).await,
        OrgCommand::Switch { org } => switch(&org, context).await,
        OrgCommand::Transfer(args) => transfer(&args, context).await,
        OrgCommand::Delete(args) => delete(args, context).await,
    }
}

async fn list(context: &Context<'_>) -> anyhow::Result<()> {
    let me: Me = context.client.get(&["auth", "me"], &()).await?;
    let orgs: Vec<Membership> = context.client.list(&["orgs"], &(), MOST).await?;
    context.output.data(&orgs, || {
        let rows = orgs.iter().map(|org| {
            let here = if org.id == me.org.id { "here" } else { "" };
            [
                org.slug.clone(),
                org.name.clone(),
                org.role.as_str().to_owned(),
                here.to_owned(),
                org.id.to_string(),
            ]
        });
        table(["SLUG", "NAME", "ROLE", "ACTING", "ID"], rows)
    })
}

fn show(org: &Org, context: &Context<'_>) -> anyhow::Result<()> {
    context.output.data(org, || {
        facts([
            ("Name", org.name.clone()),
            ("Slug", org.slug.clone()),
            ("Time zone", org.time_zone.clone()),
            (
                "Event mails",
                if org.event_mails {
                    "to owners and admins"
                } else {
                    "off"
                }
                .to_owned(),
            ),
            (
                "Second factor",
                if org.second_factor_required {
                    "required of members"
                } else {
                    "as members like"
                }
                .to_owned(),
            ),
            ("Created", moment(org.created_at)),
            ("ID", org.id.to_string()),
        ])
    })
}

async fn create(args: CreateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let body = CreateOrg {
        name: args.name,
        slug: args.slug,
        time_zone: args.time_zone,
    };
    let org: Org = context.client.post(&["orgs"], &body).await?;
    context.output.note(&format!(
        "Made {}; `ks org switch {}` acts in it",
        org.name, org.slug
    ));
    show(&org, context)
}

async fn update(args: UpdateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let body = UpdateOrg {
        name: args.name,
        slug: args.slug,
        time_zone: args.time_zone,
        event_mails: args.event_mails,
        second_factor_required: args.require_second_factor,
    };
    let org: Org = context.client.patch(&["org"], &body).await?;
    show(&org, context)
}

async fn switch(name: &str, context: &Context<'_>) -> anyhow::Result<()> {
    let orgs: Vec<Membership> = context.client.list(&["orgs"], &(), MOST).await?;
    let named = |org: &&Membership| org.slug == name || org.name == name || org.id.to_string() == name;
    let org = orgs.iter().find(named).ok_or_else(|| {
        advice(
            format!("you belong to no organization `{name}`"),
            "`ks org list` shows them",
        )
    })?;
    let me: Me = context
        .client
        .post(&["auth", "switch-org"], &SwitchOrg { org_id: org.id })
        .await?;
    context
        .output
        .note(&format!("Acting in {} as {}", me.org.name, me.role.as_str()));
    match context.output.is_json() {
        true => context.output.data(&me, String::new),
        false => Ok(()),
    }
}

async fn transfer(args: &TransferArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let member = context.member(&args.member).await?;
    let question = format!("Give the organization to {}? You become an admin.", member.email);
    secret_input::confirm(&question, args.yes)?;
    let body = TransferOrg {
        user_id: member.user_id,
    };
    context.client.post_quietly(&["org", "transfer"], &body).await?;
    context
        .output
        .note(&format!("{} owns it now; you are an admin", member.email));
    Ok(())
}

async fn delete(args: DeleteArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let question = format!(
        "End {} with its members, projects, agents, tokens and stored keys?",
        args.org
    );
    secret_input::confirm(&question, args.yes)?;
    let query = DeleteOrg { confirm: args.org };
    context.client.delete_with(&["org"], &query).await?;
    context.output.note(&format!(
        "{} is gone; `ks org list` shows where you are",
        query.confirm
    ));
    Ok(())
}
